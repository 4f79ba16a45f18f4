"""What a run leaves behind that is killed at any moment, or that runs beside another one."""

import multiprocessing
import random
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from statistics import median

import pandera.polars as pa
import polars as pl
import pytest
from upath import UPath

from collectionflow.contract import contract_of
from collectionflow.notes import Notes
from collectionflow.storage import _files
from collectionflow.storage.publication import publish_frame
from collectionflow.storage.terms import Terms
from collectionflow.storage.versions import StoredTable, versions

KILLS = {"file": 300, "parts": 60}
ROWS = 200_000
WRITERS_ROWS = 1_000
WRITERS_GENERATIONS = 200


class Objects(pa.DataFrameModel):
    object_id: int = pa.Field(unique=True)
    generation: int = pa.Field(ge=0, coerce=True)
    title: str


def terms(versions_kept: int = 3) -> Terms:
    # What crosses over to another process has to be pickled, and the default is a lambda.
    explain = Notes().explain
    return Terms(contract=contract_of(Objects), versions_kept=versions_kept, explain=explain)


def written_by(generation: int, rows: int) -> pl.LazyFrame:
    """Return a table that can be told from that of another generation, and half from whole."""
    number = pl.int_range(rows)
    return pl.LazyFrame({"text": [str(generation)]}).select(
        object_id=number,
        generation=pl.col("text").first(),
        title=pl.format("Portrait {} of {}", number, rows),
    )


def generation_in(path: UPath, rows: int) -> int:
    """Read a table to its last cell and return its generation; it must be whole."""
    found = _files.scan(path).select(
        rows=pl.len(),
        generations=pl.col("generation").n_unique(),
        ids=pl.col("object_id").sum(),
        titles=pl.col("title").n_unique(),
        generation=pl.col("generation").first(),
    )
    *counts, generation = found.collect().row(0)
    assert counts == [rows, 1, rows * (rows - 1) // 2, rows]
    return generation


def partial_files(table: StoredTable) -> list[Path]:
    folder = Path(table.base.path, ".collectionflow", "partial")
    return [path for path in folder.iterdir() if path.suffix == ".parquet"]


def left_parts(table: StoredTable) -> list[Path]:
    """Return directories of parts that are written, or that no version leads to any more."""
    partial = Path(table.base.path, ".collectionflow", "partial").glob("*.parts")
    return [*partial, *Path(table.parts.path).glob("*")]


@pytest.fixture
def table(tmp_path: Path) -> StoredTable:
    return StoredTable(base=UPath(tmp_path), name="objects")


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Fork from a process that has loaded the libraries: a start takes 10 ms, not 2 s."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["collectionflow", "pandera.polars"])
    return context


# The new process has this module not, and a frame would lose its buckets on the way to it.
IN_PARTS = f"""
from collectionflow import in_buckets
from collectionflow.storage.publication import publish_frame
bucketed = in_buckets(key="object_id", rows={ROWS // 4})(lambda frame: frame)
publish_frame(bucketed(frame), table, terms)
"""


def started(
    processes: ForkServerContext, table: StoredTable, generation: int, layout: str
) -> BaseProcess:
    frame = written_by(generation, ROWS)
    if layout == "file":
        process = processes.Process(target=publish_frame, args=(frame, table, terms()))
    else:
        names = {"frame": frame, "table": table, "terms": terms()}
        process = processes.Process(target=exec, args=(IN_PARTS, names))
    process.start()
    return process


def seconds_of_a_whole_run(
    processes: ForkServerContext, table: StoredTable, layout: str = "file"
) -> float:
    begin = time.monotonic()
    process = started(processes, table, 0, layout)
    process.join()
    assert process.exitcode == 0
    return time.monotonic() - begin


@pytest.mark.parametrize("layout", ["file", "parts"])
def test_a_killed_run_leaves_the_old_table_or_the_new_one(
    processes: ForkServerContext, table: StoredTable, layout: str
) -> None:
    seconds_of_a_whole_run(processes, table, layout)  # The first one loads the libraries.
    longest = 1.3 * median(seconds_of_a_whole_run(processes, table, layout) for _ in range(5))
    dice = random.Random(1984)  # noqa: S311 (dice, no secret)
    generations, killed_while_writing = [0], 0
    for number in range(1, KILLS[layout] + 1):
        # One in five breaks the contract: it must never be seen, wherever it is killed.
        generation = number if number % 5 else -number
        process = started(processes, table, generation, layout)
        time.sleep(dice.uniform(0, longest))
        process.kill()
        process.join()
        left = partial_files(table)
        assert len(left) <= 1, "A run did not clear away what the one before it left."
        killed_while_writing += len(left)
        found = generation_in(table.path, ROWS)
        assert found in {generations[-1], number}
        if found != generations[-1]:
            generations.append(found)
        # A machine that is busy with other things now must not make all kills early or late.
        longest *= 0.96 if left == [] else 1.02
    assert killed_while_writing > KILLS[layout] // 4, "The kills missed the writing."
    assert len(generations) > KILLS[layout] // 20, "The kills missed the publishing."
    assert all(generation % 5 for generation in generations[1:])
    kept = [generation_in(version.path, ROWS) for version in versions(table)]
    assert kept == generations[: -len(kept) - 1 : -1]
    publish_frame(written_by(0, ROWS), table, terms(versions_kept=1))
    assert left_parts(table) == []


@pytest.mark.parametrize("layout", ["file", "parts"])
def test_the_next_run_clears_away_what_a_killed_one_left(
    processes: ForkServerContext, table: StoredTable, layout: str
) -> None:
    seconds_of_a_whole_run(processes, table)
    process = started(processes, table, 1, layout)
    while not partial_files(table):
        time.sleep(0.001)
    process.kill()
    process.join()
    assert partial_files(table)
    publish_frame(written_by(2, ROWS), table, terms())
    assert partial_files(table) == []
    assert generation_in(table.path, ROWS) == 2


def test_two_writers_at_once_lose_no_version_and_a_reader_sees_only_whole_ones(
    processes: ForkServerContext, table: StoredTable
) -> None:
    generations = range(WRITERS_GENERATIONS)
    publish_frame(written_by(-0, WRITERS_ROWS), table, terms())
    with ProcessPoolExecutor(2, mp_context=processes) as pool:
        runs = [
            pool.submit(
                publish_frame,
                written_by(generation, WRITERS_ROWS),
                table,
                terms(versions_kept=WRITERS_GENERATIONS + 1),
            )
            for generation in generations
        ]
        while not all(run.done() for run in runs):
            assert generation_in(table.path, WRITERS_ROWS) in generations
    published = {run.result().version for run in runs}
    kept = versions(table)
    assert published < {version.name for version in kept}
    assert len(kept) == WRITERS_GENERATIONS + 1
    assert sorted(generation_in(version.path, WRITERS_ROWS) for version in kept) == [
        0,
        *generations,
    ]
    assert partial_files(table) == []
