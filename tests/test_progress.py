import itertools
import time

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from collectionflow.progress import LOG_EVERY_SECONDS, counted, listening

TABLE = pl.DataFrame({"object_id": [1, 2, 3]})


def test_rows_are_counted_as_they_stream_and_the_frame_stays_the_same() -> None:
    told: list[tuple[str, int]] = []
    parts = pl.concat([TABLE.lazy(), TABLE.lazy()])
    frame = counted(parts, "objects", print, lambda table, rows: told.append((table, rows)))
    assert_frame_equal(frame.collect(), pl.concat([TABLE, TABLE]))
    assert told[-1] == ("objects", 6)
    assert [rows for _, rows in told] == sorted(rows for _, rows in told)


def test_batches_of_several_threads_are_told_in_turn() -> None:
    told: list[int] = []

    def listen(_: str, rows: int) -> None:
        time.sleep(0.002 * (rows % 7))
        told.append(rows)

    many = pl.LazyFrame({"object_id": range(500_000)})
    counted(many, "objects", print, listen).collect()
    assert told == sorted(told)
    assert told[-1] == 500_000


def test_listeners_hear_of_every_table_until_they_leave() -> None:
    first: list[tuple[str, int]] = []
    second: list[tuple[str, int]] = []
    with listening(lambda *told: first.append(told)):
        with listening(lambda *told: second.append(told)):
            counted(TABLE.lazy(), "objects", print).collect()
        counted(TABLE.lazy().head(1), "titles", print).collect()
    counted(TABLE.lazy().head(2), "makers", print).collect()
    assert first[-1] == ("titles", 1)
    assert second[-1] == ("objects", 3)
    assert set(second) < set(first)


def test_a_listener_leaves_after_an_error_too() -> None:
    heard: list[int] = []

    def write_and_fail() -> None:
        with listening(lambda _, rows: heard.append(rows)):
            message = "disk full"
            raise OSError(message)

    with pytest.raises(OSError, match="disk full"):
        write_and_fail()
    counted(TABLE.lazy(), "objects", print).collect()
    assert heard == []


def test_a_quick_table_is_not_logged() -> None:
    logged: list[str] = []
    counted(TABLE.lazy(), "objects", logged.append).collect()
    assert logged == []


def test_a_slow_table_is_logged_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(step=LOG_EVERY_SECONDS + 1)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    logged: list[str] = []
    many = pl.LazyFrame({"object_id": range(2_000)})
    counted(many, "objects", logged.append).collect()
    assert logged[-1] == "'objects': 2,000 rows written so far."
