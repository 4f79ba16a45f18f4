import polars as pl

from collectionflow.harvest._key_watch import KeyWatch


def watch(*rows: tuple[object, object, int]) -> KeyWatch:
    """Return a watch over (id, part, page) rows."""
    watch = KeyWatch(["id", "part"])
    for one, other, page in rows:
        watch.add(pl.DataFrame({"id": [one], "part": [other]}), [page])
    return watch


def test_a_key_on_two_pages_is_found() -> None:
    assert watch((1, "a", 0), (1, "b", 0), (1, "a", 7)).on_two_pages() == (0, 7)


def test_the_earliest_of_several_is_told() -> None:
    rows = [(1, "a", 0), (2, "a", 1), (2, "a", 5), (1, "a", 6)]
    assert watch(*rows).on_two_pages() == (1, 5)


def test_a_key_twice_on_one_page_is_left_to_the_contract() -> None:
    assert watch((1, "a", 3), (1, "a", 3)).on_two_pages() is None


def test_a_key_that_is_not_filled_is_left_to_the_contract() -> None:
    assert watch((None, "a", 1), (None, "a", 2)).on_two_pages() is None


def test_nothing_is_found_in_nothing() -> None:
    assert KeyWatch(["id"]).on_two_pages() is None
    assert not KeyWatch(["id"]).is_due()


def test_without_a_key_nothing_is_watched() -> None:
    watch = KeyWatch([])
    watch.add(pl.DataFrame({"id": [1, 1]}), [0, 1])
    assert watch.on_two_pages() is None


def test_a_look_is_due_whenever_the_records_have_doubled() -> None:
    watch = KeyWatch(["id"])
    due = []
    for page in range(100):
        watch.add(pl.DataFrame({"id": range(page * 1000, page * 1000 + 1000)}), [page] * 1000)
        if watch.is_due():
            due.append(page + 1)
            assert watch.on_two_pages() is None
    assert due == [10, 20, 40, 80]
