import polars as pl

from collectionflow.markdown import bullet_list, markdown_table

TABLE = pl.DataFrame({"id": [1, 22], "title": ["A | B", None]})


def test_columns_are_aligned_for_a_terminal() -> None:
    assert markdown_table(TABLE).splitlines() == [
        "| id | title  |",
        "|----|--------|",
        r"| 1  | A \| B |",
        "| 22 |        |",
    ]


def test_columns_are_not_aligned_where_space_is_scarce() -> None:
    assert markdown_table(TABLE, is_aligned=False).splitlines() == [
        "| id | title |",
        "|---|---|",
        r"| 1 | A \| B |",
        "| 22 |   |",
    ]


def test_long_values_are_cut_and_line_ends_are_spaces() -> None:
    long = pl.DataFrame({"text": ["abcdef", "a\r\n\tb", "abcde"]})
    assert markdown_table(long, cell_characters=5).splitlines()[2:] == [
        "| abcd… |",
        "| a b   |",
        "| abcde |",
    ]


def test_nested_values_are_shown() -> None:
    nested = pl.DataFrame({"terms": [["oil", "ink"]], "maker": [{"name": "Ann"}]})
    last = markdown_table(nested).splitlines()[-1]
    assert last == "| ['oil', 'ink'] | {'name': 'Ann'} |"


def test_a_table_without_rows_is_its_header() -> None:
    assert markdown_table(TABLE.clear()) == "| id | title |\n|----|-------|"


def test_a_list_has_a_line_each() -> None:
    assert bullet_list(["one", "two"]) == "- one\n- two"
    assert bullet_list([]) == ""
