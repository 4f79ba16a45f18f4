"""A folder of CSV and Excel files, each a table."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl
from pydantic import Field

from collectionflow.contract import Contract
from collectionflow.errors import SourceError
from collectionflow.harvest._csv import scan_csv
from collectionflow.harvest._source import TableSource, missing_table
from collectionflow.notes import Notes

_EXCEL = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
_CSV = (".csv", ".tsv", ".txt")


class FolderSource(TableSource):
    """A folder of exported files: CSV and Excel, side by side if need be.

    A table is the file of its name: `objects` is `objects.csv` or `objects.xlsx`. Where the source
    names its files otherwise, `files` says which file, and for Excel which sheet, a table is:
    `{"objects": "TMS_Objects_2024.csv", "terms": "Thesaurus.xlsx#Terms"}`.

    Encoding (by byte order mark), delimiter and line ends are detected and told on the asset's
    page. A file that is cut off, has rows of another width or bytes that are not text stops the
    harvest.

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
    """

    directory: str = Field(description="The folder of the files.")
    files: Mapping[str, str] = Field(
        default={},
        description="File name by table, where they differ; 'book.xlsx#Sheet' for Excel.",
    )
    encoding: str = Field(
        default="utf-8", description="Encoding of CSV files that have no byte order mark."
    )
    must_end_line: bool = Field(
        default=True, description="Whether a CSV file without a last line end counts as cut off."
    )

    def scan(self, table: str, contract: Contract, notes: Notes) -> pl.LazyFrame:
        """Return one file, or one sheet, as a lazy frame of text.

        Raises:
            SourceError: where the file or a column is missing, or the file cannot be read safely.
        """
        path, sheet = self._find(table)
        if path.suffix.lower() in _EXCEL:
            from collectionflow.harvest._excel import scan_excel

            return scan_excel(path, table, contract, notes, sheet=sheet)
        return scan_csv(
            path,
            table,
            contract,
            notes,
            encoding=self.encoding,
            must_end_line=self.must_end_line,
        )

    def _find(self, table: str) -> tuple[Path, str | None]:
        folder = Path(self.directory)
        if not folder.is_dir():
            message = f"There is no folder '{folder}'. Set the source's directory."
            raise SourceError(message)
        name, _, sheet = self.files.get(table, table).partition("#")
        if "/" in name or "\\" in name or name.startswith("."):
            message = f"'{name}' is not the name of a file in '{folder}'."
            raise SourceError(message)
        tables = {
            path.name: path for path in folder.iterdir() if path.suffix.lower() in _CSV + _EXCEL
        }
        found = [path for path in tables.values() if name in {path.name, path.stem}]
        if len(found) > 1:
            names = " and ".join(sorted(path.name for path in found))
            message = f"'{folder}' has {names} for table '{table}'. Say which one in `files`."
            raise SourceError(message)
        if not found:
            raise missing_table(name, list(tables), f"'{folder}'")
        return found[0], sheet or None
