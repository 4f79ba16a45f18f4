"""Files of XML, of any vocabulary: LIDO, MARCXML, EAD, or what a system exports of its own."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg
import polars as pl
from pydantic import Field

from collectionflow.contract import Contract
from collectionflow.errors import SourceError
from collectionflow.harvest._source import TableSource, missing_table
from collectionflow.harvest._stream import stream
from collectionflow.notes import Notes


class XmlRecords(dg.Config):
    """Which elements are the records of a table, and where in a record its columns are.

    Each XPath starts at the record; a key with a dot is a field of nested records, whose XPath
    starts at the nested one. The contract's type says what shape a column has.

    Examples:
        >>> from collectionflow.harvest.xml import XmlRecords
        >>> lido = XmlRecords(
        ...     path="//lido:lido",
        ...     namespaces={"lido": "http://www.lido-schema.org"},
        ...     fields={
        ...         "id": "lido:lidoRecID",
        ...         "makers": ".//lido:actorInRole",
        ...         "makers.name": "lido:actor/lido:nameActorSet/lido:appellationValue",
        ...         "makers.role": "lido:roleActor/lido:term",
        ...     },
        ... )
    """

    path: str = Field(
        description="The records: '/wrap/record' from the root, or '//record' wherever it is."
    )
    fields: Mapping[str, str] = Field(description="XPath by column, such as 'title/@lang'.")
    namespaces: Mapping[str, str] = Field(
        default={}, description="Namespace by the prefix that the paths use."
    )


class XmlSource(TableSource):
    """A folder of XML files. `records` says what the records of a table are.

    A table is the file of its name, `objects.xml`; `files` says which file it is where that
    differs, or which files together: `{"objects": "lido/*.xml"}`. Several tables may come from one
    file.

    What a column holds is what the contract says: text is one value, and a second one stops the
    harvest; `List(String)` is always a list; `Struct` is a nested record and `List(Struct)` any
    number of them. The value of an element is all text in it, with that of inner elements and
    without comments, and its white space as it is. An element that is not there is null (an empty
    list), an empty one is an empty text. A path that finds nothing in any record is a warning.

    Files are read piece by piece, whatever their size. Nothing is fetched, and a file that declares
    entities of its own is refused.

    Examples:
        >>> from collectionflow.harvest.xml import XmlRecords, XmlSource
        >>> source = XmlSource(
        ...     directory="exports",
        ...     files={"objects": "emu/ecatalogue*.xml"},
        ...     records={
        ...         "objects": XmlRecords(
        ...             path="/table/tuple",
        ...             fields={"irn": "atom[@name='irn']", "title": "atom[@name='TitMainTitle']"},
        ...         ),
        ...     },
        ... )
    """

    directory: str = Field(description="The folder of the files.")
    records: Mapping[str, XmlRecords] = Field(description="What the records are, by table.")
    files: Mapping[str, str] = Field(
        default={}, description="File by table where the name differs, or a pattern: 'lido/*.xml'."
    )

    def scan(self, table: str, contract: Contract, notes: Notes) -> pl.LazyFrame:
        """Return a table as a lazy frame that reads its files when it is stored.

        Raises:
            SourceError: where there is no file, or a path cannot be used; while the frame is
                written, where a file is malformed or a value has not the shape of its column.
        """
        from collectionflow.harvest import _xml
        from collectionflow.harvest._xml_fields import fields_of
        from collectionflow.harvest._xml_values import XmlFrames

        if table not in self.records:
            raise missing_table(table, list(self.records), "The source's `records`")
        mapping = self.records[table]
        paths = self._find(table)
        fields = fields_of(table, contract, mapping.fields, mapping.namespaces, notes)
        record_path = _xml.RecordPath(mapping.path, mapping.namespaces)

        def batches(wanted: list[str]) -> Iterator[pl.DataFrame]:
            frames = XmlFrames(table=table, fields=fields, contract=contract)
            documents = ((f"'{path.name}'", _xml.chunks_of(path)) for path in paths)
            for frame in _xml.records_of(documents, record_path, frames, mapping.namespaces):
                yield frame.select(wanted)
            frames.finish(mapping.path, notes)

        harvest = notes.begin(table, _shown(paths))
        return stream({each.name: each.source_dtype for each in fields}, batches, harvest)

    def _find(self, table: str) -> list[Path]:
        folder = Path(self.directory)
        if not folder.is_dir():
            message = f"There is no folder '{folder}'. Set the source's directory."
            raise SourceError(message)
        pattern = self.files.get(table, f"{table}.xml")
        if pattern.startswith(("/", "~")) or ".." in Path(pattern).parts:
            message = f"'{pattern}' does not lie in '{folder}'. Set the source's directory."
            raise SourceError(message)
        found = sorted(path for path in folder.glob(pattern) if path.is_file())
        if not found:
            raise missing_table(pattern, [path.name for path in folder.iterdir()], f"'{folder}'")
        return found


def _shown(paths: list[Path]) -> str:
    return f"{paths[0].name} (XML)" if len(paths) == 1 else f"{len(paths):,} XML files"
