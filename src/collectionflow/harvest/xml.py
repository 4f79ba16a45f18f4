"""Files of XML, of any vocabulary: LIDO, MARCXML, EAD, or what a system exports of its own."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from collectionflow.contract import Contract
from collectionflow.errors import SourceError
from collectionflow.harvest._file import described
from collectionflow.harvest._file_names import Address, is_zip, suffix_of
from collectionflow.harvest._place import Place, files_of, place_of
from collectionflow.harvest._source import TableSource, missing_table
from collectionflow.harvest._stream import stream
from collectionflow.harvest.credentials import Credentials
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

    A table is the file of its name, `objects.xml` or `objects.xml.gz`; `files` says which file it
    is where that differs, which member of an archive, or which files together:
    `{"objects": "lido/*.xml"}`. Several tables may come from one file.

    The folder may lie elsewhere: `https://host/exports`, `s3://bucket/exports`,
    `sftp://host/exports`. Files are then fetched first; a transfer that died goes on where it
    stopped.

    What a column holds is what the contract says: text is one value, and a second one stops the
    harvest; `List(String)` is always a list; `Struct` is a nested record and `List(Struct)` any
    number of them. The value of an element is all text in it, with that of inner elements and
    without comments, and its white space as it is. An element that is not there is null (an empty
    list), an empty one is an empty text. A path that finds nothing in any record is a warning.

    Files are read piece by piece, whatever their size. Nothing that a file refers to is fetched,
    and one that declares entities of its own is refused.

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

    directory: str = Field(description="The folder of the files: a path or a URL.")
    records: Mapping[str, XmlRecords] = Field(description="What the records are, by table.")
    files: Mapping[str, str] = Field(
        default={},
        description="File by table, where the name differs: 'a.xml', 'lido/*.xml', 'a.zip!b.xml'.",
    )
    storage_options: Mapping[str, Any] = Field(
        default={},
        description="How to reach a bucket or file server, as fsspec takes it. Secrets: EnvVars.",
    )
    credentials: Credentials | None = Field(
        default=None, description="Who asks, where the folder is on a web server."
    )

    def scan(self, table: str, contract: Contract, notes: Notes) -> pl.LazyFrame:
        """Return a table as a lazy frame that reads its files when it is stored.

        What lies elsewhere is fetched: the first file at once, others when they are read.

        Raises:
            SourceError: where there is no file, or a path cannot be used; while the frame is
                written, where a file is malformed or a value has not the shape of its column.
            SourceUnavailable: where what lies elsewhere does not come.
        """
        from collectionflow.harvest._xml import RecordPath
        from collectionflow.harvest._xml_fields import fields_of
        from collectionflow.harvest._xml_records import PIECE_BYTES, records_of
        from collectionflow.harvest._xml_values import XmlFrames

        if table not in self.records:
            raise missing_table(table, list(self.records), "The source's `records`")
        mapping = self.records[table]
        fields = fields_of(table, contract, mapping.fields, mapping.namespaces, notes)
        record_path = RecordPath(mapping.path, mapping.namespaces)
        address, place = self._place(table, notes)
        with place.kept():
            files = list(files_of(place, table, address, _formats(address)))
            place.harvest.source = described(files, "XML")

        def batches(wanted: list[str]) -> Iterator[pl.DataFrame]:
            frames = XmlFrames(table=table, fields=fields, contract=contract)
            with place.kept():
                documents = ((file.where, file.chunks(PIECE_BYTES)) for file in files)
                for frame in records_of(documents, record_path, frames, mapping.namespaces):
                    yield frame.select(wanted)
            place.close()
            frames.finish(mapping.path, notes)

        return stream({each.name: each.source_dtype for each in fields}, batches, place.harvest)

    def _place(self, table: str, notes: Notes) -> tuple[Address, Place]:
        """Return which file a table is, and the folder that it lies in."""
        address = Address.of(self.files.get(table, table))
        *folders, name = address.file.split("/")
        if not all(each.strip(".") for each in folders):
            message = (
                f"'{address.file}' does not lie in the folder of the source. Set its directory, "
                "and name the file from there."
            )
            raise SourceError(message)
        directory = "/".join([self.directory.rstrip("/"), *folders]) if folders else self.directory
        folder = self.model_copy(update={"directory": directory})
        return replace(address, file=name), place_of(folder, table, notes)


def _formats(address: Address) -> list[str]:
    """Return which ends of names are XML: what a file that is named ends in is so as well."""
    named = address.member or address.file
    own = "" if is_zip(named) else suffix_of(named)
    return list(dict.fromkeys([".xml", own or ".xml"]))
