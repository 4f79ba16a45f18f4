"""Small frames and lists as Markdown that also reads well in a terminal."""

from collections.abc import Iterable

import polars as pl

CELL_CHARACTERS = 60


def markdown_table(
    frame: pl.DataFrame, *, cell_characters: int = CELL_CHARACTERS, is_aligned: bool = True
) -> str:
    r"""Return a small frame as a Markdown table, its columns aligned for a terminal if so wanted.

    Long values are cut, line ends become spaces, nulls are empty.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.markdown import markdown_table
        >>> print(markdown_table(pl.DataFrame({"id": [1, 2], "title": ["A | B", None]})))
        | id | title  |
        |----|--------|
        | 1  | A \| B |
        | 2  |        |
    """
    header = [_cell(name, cell_characters) for name in frame.columns]
    rows = [[_cell(value, cell_characters) for value in row] for row in frame.iter_rows()]
    widths = [
        max(map(len, column)) if is_aligned else 1 for column in zip(header, *rows, strict=True)
    ]
    rule = "|".join("-" * (width + 2) for width in widths)
    lines = [_line(header, widths), f"|{rule}|", *(_line(row, widths) for row in rows)]
    return "\n".join(lines)


def bullet_list(lines: Iterable[str]) -> str:
    """Return lines as a Markdown list.

    Examples:
        >>> from collectionflow.markdown import bullet_list
        >>> print(bullet_list(["one", "two"]))
        - one
        - two
    """
    return "\n".join(f"- {line}" for line in lines)


def quoted(names: Iterable[str]) -> str:
    """Return names in quotes with commas between them.

    Examples:
        >>> from collectionflow.markdown import quoted
        >>> print(quoted(["title", "artist"]))
        'title', 'artist'
    """
    return ", ".join(f"'{name}'" for name in names)


def _line(cells: list[str], widths: list[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"| {' | '.join(padded)} |"


def _cell(value: object, characters: int) -> str:
    if value is None:
        return ""
    text = " ".join(str(value).split())
    if len(text) > characters:
        text = text[: characters - 1] + "…"
    return text.replace("|", r"\|")
