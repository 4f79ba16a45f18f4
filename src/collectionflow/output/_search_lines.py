"""The lines of bulk requests: documents and actions as Polars writes them, cut to size."""

from collections.abc import Iterable, Iterator
from typing import Final

import polars as pl

from collectionflow.errors import Refused
from collectionflow.output._json_values import json_values

ID: Final = "id"
LINES: Final = "lines"
# Amazon's smallest machines take 10 MiB in one request, all others more.
BODY_BYTES: Final = 8_000_000
_BATCH_ROWS: Final = 1_024


def documents(frame: pl.LazyFrame, id_column: str) -> Iterator[pl.DataFrame]:
    """Yield frames of the columns `id` and `lines`: an action and a document, two lines a row.

    A batch is a small part of a large frame, so memory stays flat.

    Raises:
        Refused: where a document has no id: the server would make one up, and another each time.
    """
    schema = frame.collect_schema()
    document = pl.struct(json_values(schema)).struct.json_encode()
    id_text = pl.col(id_column).cast(pl.String)
    lines = pl.concat_str(_action("index", id_text), document, separator="\n")
    for batch in frame.collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True):
        if batch.get_column(id_column).null_count():
            message = (
                f"There are documents without '{id_column}', which is their id in the index. Leave "
                "them out in reshape, or mend them."
            )
            raise Refused(message)
        yield batch.select(id_text.alias(ID), lines.alias(LINES))


def deletions(ids: pl.DataFrame) -> pl.DataFrame:
    """Return the lines that delete the documents in the column `id`.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.output._search_lines import deletions
        >>> deletions(pl.DataFrame({"id": ["13"]})).row(0)
        ('13', '{"delete":{"_id":"13"}}')
    """
    return ids.select(ID, _action("delete", pl.col(ID)).alias(LINES))


def _action(name: str, id_text: pl.Expr) -> pl.Expr:
    return pl.struct(pl.struct(id_text.alias("_id")).alias(name)).struct.json_encode()


def bodies(batches: Iterable[pl.DataFrame], limit: int = BODY_BYTES) -> Iterator[pl.DataFrame]:
    """Yield the rows of frames of lines in frames of at most `limit` bytes.

    A document that is larger stands alone.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.output._search_lines import bodies
        >>> lines = pl.DataFrame({"id": ["1", "2", "3"], "lines": ["aaaa", "bbbb", "cccc"]})
        >>> [body["id"].to_list() for body in bodies([lines], limit=10)]
        [['1', '2'], ['3']]
    """
    held = pl.DataFrame(schema={ID: pl.String, LINES: pl.String})
    for batch in batches:
        held = pl.concat([held, batch])
        while held.height and (ends := _ends(held))[-1] > limit:
            fitting = max(ends.search_sorted(limit, side="right"), 1)
            yield held.head(fitting)
            held = held.slice(fitting)
    if held.height:
        yield held


def _ends(lines: pl.DataFrame) -> pl.Series:
    """Return where each row ends in a body, each with the line end behind it."""
    return (lines.get_column(LINES).str.len_bytes().cast(pl.Int64) + 1).cum_sum()
