"""A folder of files, each a table: CSV, Excel, JSON and Parquet, here or elsewhere."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import polars as pl
from pydantic import Field

from collectionflow.contract import Contract
from collectionflow.errors import SourceError
from collectionflow.harvest._file import File, Reading, Request, described
from collectionflow.harvest._file_names import FORMATS, Address
from collectionflow.harvest._place import files_of, place_of
from collectionflow.harvest._source import TableSource
from collectionflow.harvest._stream import stream
from collectionflow.harvest.credentials import Credentials
from collectionflow.notes import Notes


class FolderSource(TableSource):
    """A folder of exported files: CSV, Excel, JSON, NDJSON and Parquet, side by side if need be.

    A table is the file of its name: `objects` is `objects.csv`, `objects.ndjson.gz` or
    `objects.xlsx`. Where the source names its files otherwise, `files` says which one a table is,
    which sheet of a workbook, which member of an archive, or which files together:
    `{"objects": "TMS_*.csv", "terms": "Thesaurus.xlsx#Terms", "media": "all.zip!media.csv"}`.

    The folder may lie elsewhere: `https://host/exports`, `s3://bucket/exports`,
    `sftp://host/exports`. Files are then fetched first; a transfer that died goes on where it
    stopped.

    Text arrives as it was; a value comes in its contract's type where the format itself has that
    type. Encoding (by byte order mark), delimiter and line ends of CSV files are detected and told
    on the asset's page. A file that is cut off, has rows of another width or bytes that are not
    text stops the harvest.

    Examples:
        >>> import dagster as dg
        >>> import pandera.polars as pa
        >>> from collectionflow import Frame
        >>> from collectionflow.harvest import FolderSource, TableSource
        >>> class HarvestedObjects(pa.DataFrameModel):
        ...     ObjectID: int = pa.Field(unique=True)
        ...     Title: str = pa.Field(nullable=True)
        ...     class Config:
        ...         coerce = True
        >>> @dg.asset
        ... def harvested_objects(tms: TableSource) -> Frame[HarvestedObjects]:
        ...     return tms.harvest("objects", HarvestedObjects)
        >>> source = FolderSource(directory="exports", files={"objects": "TMS_Objects.csv"})
        >>> elsewhere = FolderSource(
        ...     directory="s3://museum/exports",
        ...     storage_options={"key": dg.EnvVar("S3_KEY"), "secret": dg.EnvVar("S3_SECRET")},
        ... )
    """

    directory: str = Field(description="The folder of the files: a path or a URL.")
    files: Mapping[str, str] = Field(
        default={},
        description="File by table, where the name differs: 'a.csv', 'a-*.csv', 'a.xlsx#Sheet', "
        "'a.zip!b.csv'.",
    )
    encoding: str = Field(
        default="utf-8", description="Encoding of CSV files that have no byte order mark."
    )
    must_end_line: bool = Field(
        default=True, description="Whether a CSV file without a last line end counts as cut off."
    )
    records: str | None = Field(
        default=None,
        description="Where a .json file has its list of records: 'data.items'. Not set, it is one.",
    )
    fields: Mapping[str, str] = Field(
        default={},
        description="Where in a JSON record a column is, if not at the key of its name: "
        "'maker.name'.",
    )
    storage_options: Mapping[str, Any] = Field(
        default={},
        description="How to reach a bucket or file server, as fsspec takes it. Secrets: EnvVars.",
    )
    credentials: Credentials | None = Field(
        default=None, description="Who asks, where the folder is on a web server."
    )

    def scan(self, table: str, contract: Contract, notes: Notes) -> pl.LazyFrame:
        """Return the rows of a table's files as a lazy frame that reads them when it is stored.

        What lies elsewhere is fetched at once, since only the files say what is in them.

        Raises:
            SourceError: where a file or a column is missing, or a file cannot be read safely.
            SourceUnavailable: where what lies elsewhere does not come.
        """
        address = Address.of(self.files.get(table, table))
        place = place_of(self, table, notes)
        request = Request(
            table=table,
            contract=contract,
            notes=notes,
            encoding=self.encoding,
            must_end_line=self.must_end_line,
            sheet=address.sheet,
            records=self.records,
            fields=self.fields,
        )
        with place.kept():
            readings = [_reading(file, request) for file in files_of(place, table, address)]
            files = [reading.file for reading in readings]
            place.harvest.source = described(files, readings[0].form)
        schema = _common(readings, contract)

        def batches(wanted: list[str]) -> Iterator[pl.DataFrame]:
            with place.kept():
                for reading in readings:
                    yield from _frames(reading, schema, wanted)
            place.close()

        return stream(schema, batches, place.harvest)


def _reading(file: File, request: Request) -> Reading:
    module = import_module(f"collectionflow.harvest.{FORMATS[file.suffix]}")
    return module.read(file, request)


def _common(readings: list[Reading], contract: Contract) -> dict[str, pl.DataType]:
    """Return the columns of all files together; one that is optional may be absent in some.

    Raises:
        SourceError: where a column has two types.
    """
    schema: dict[str, pl.DataType] = {}
    for reading in readings:
        for name, dtype in reading.schema.items():
            if schema.setdefault(name, dtype) != dtype:
                message = (
                    f"Column '{name}' is {dtype} in {reading.file.where}, but {schema[name]} in "
                    "another file of the table. Ask for files that are alike."
                )
                raise SourceError(message)
    return {name: schema[name] for name in contract.dtypes if name in schema}


def _frames(
    reading: Reading, schema: Mapping[str, pl.DataType], wanted: list[str]
) -> Iterator[pl.DataFrame]:
    """Yield a file's rows with all columns that are wanted, null where the file has one not."""
    there = [name for name in wanted if name in reading.schema]
    absent = [pl.lit(None, schema[name]).alias(name) for name in wanted if name not in there]
    for frame in reading.batches(there):
        yield frame.with_columns(absent).select(wanted) if absent else frame
