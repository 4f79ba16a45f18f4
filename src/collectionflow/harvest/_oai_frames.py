"""The records of an OAI-PMH repository as frames: header, mapped metadata, metadata as text."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import polars as pl
from lxml import etree  # ty: ignore[missing-module-member]

from collectionflow.contract import Contract
from collectionflow.harvest._oai_pmh import NAMESPACE, ListPage
from collectionflow.harvest._source import choose_columns
from collectionflow.harvest._xml import RecordPath
from collectionflow.harvest._xml_fields import Extraction, Field, fields_of
from collectionflow.harvest._xml_values import XmlFrames
from collectionflow.ledger import Harvest
from collectionflow.markdown import quoted
from collectionflow.notes import Notes

if TYPE_CHECKING:
    from collectionflow.harvest.xml import XmlRecords

IDENTIFIER: Final = "oai_identifier"
METADATA: Final = "metadata"
DELETED: Final = "is_deleted"

# A prefix that no mapping has.
_PREFIX: Final = "collectionflow-oai"
_HEADER: Final = {
    IDENTIFIER: f"{_PREFIX}:header/{_PREFIX}:identifier",
    DELETED: f"{_PREFIX}:header/@status = 'deleted'",
    "oai_datestamp": f"{_PREFIX}:header/{_PREFIX}:datestamp",
    "oai_sets": f"{_PREFIX}:header/{_PREFIX}:setSpec",
}
_OWN: Final = (*_HEADER, METADATA)
_KEPT: Final = f"self::*[not({_HEADER[DELETED]})]/{_PREFIX}:metadata"
_DC: Final = "http://purl.org/dc/elements/1.1/"
_DC_ELEMENTS: Final = (
    *("title", "creator", "subject", "description", "publisher", "contributor", "date", "type"),
    *("format", "identifier", "source", "language", "relation", "coverage", "rights"),
)
_FRAME_CHARACTERS: Final = 4_000_000
_EXAMPLES: Final = 5


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Where the table's columns, which are `names`, come from.

    `content` is the mapped metadata, a nested record, where anything of it is wanted. `unnamed`
    finds elements of Dublin Core that nobody wants.
    """

    names: tuple[str, ...]
    header: tuple[Field, ...]
    content: tuple[Field, ...]
    namespaces: Mapping[str, str]
    unnamed: etree.XPath | None

    @property
    def fields(self) -> tuple[Field, ...]:
        """All that is taken from a record."""
        return (*self.header, *self.content)

    def schema(self) -> dict[str, pl.DataType]:
        """Return the columns in the types in which the repository has them."""
        mapped = (inner for each in self.content for inner in each.fields)
        dtypes = {each.column: each.source_dtype for each in (*self.header, *mapped)}
        dtypes |= {METADATA: pl.String(), DELETED: pl.Boolean()}
        return {name: dtypes[name] for name in self.names}


def columns_of(
    table: str,
    contract: Contract,
    prefix: str,
    records: "XmlRecords | None",
    notes: Notes,
) -> Columns:
    """Return where the contract's columns come from.

    Raises:
        SourceError: where the repository cannot have one, or a path cannot be used.
    """
    is_dublin_core = records is None and prefix == "oai_dc"
    path, namespaces, xpaths = _mapping(prefix, records)
    RecordPath(path, namespaces)  # Refuses what is no path.
    offered = [*_OWN, *xpaths]
    if contract.missing(dict.fromkeys(offered)):
        choose_columns(table, contract, offered, f"The source, with its prefix '{prefix}',", notes)
    wanted = {
        name: xpath
        for name, xpath in xpaths.items()
        if name not in _OWN and (name in contract.dtypes or not is_dublin_core)
    }
    mapped = fields_of(table, _part(contract, wanted), wanted, namespaces, notes)
    header = [name for name in _HEADER if name in {IDENTIFIER, DELETED, *contract.dtypes}]
    own = {**namespaces, _PREFIX: NAMESPACE}
    return Columns(
        names=tuple(name for name in contract.dtypes if name in offered),
        header=fields_of(
            table, _part(contract, header), {name: _HEADER[name] for name in header}, own, notes
        ),
        content=(_content(path, mapped),) if mapped else (),
        namespaces=own,
        unnamed=_unnamed(wanted) if is_dublin_core else None,
    )


def _mapping(
    prefix: str, records: "XmlRecords | None"
) -> tuple[str, dict[str, str], dict[str, str]]:
    if records is not None:
        return records.path, dict(records.namespaces), dict(records.fields)
    elements = _DC_ELEMENTS if prefix == "oai_dc" else ()
    return "/*", {"dc": _DC}, {name: f"dc:{name}" for name in elements}


def _part(contract: Contract, names: Iterable[str]) -> Contract:
    """Return a contract of these columns; who a record is, and whether it is deleted, is text."""
    always = {IDENTIFIER, DELETED}
    dtypes = {
        name: pl.String() if name in always else contract.dtypes[name]
        for name in names
        if name in always or name in contract.dtypes
    }
    return replace(contract, dtypes=dtypes, required=contract.required & dtypes.keys())


def _content(path: str, mapped: tuple[Field, ...]) -> Field:
    return Field(
        name=METADATA,
        column=METADATA,
        xpath=_KEPT + path,
        dtype=pl.Struct([]),
        is_many=False,
        is_node=True,
        is_cast=False,
        fields=mapped,
    )


def _unnamed(names: Iterable[str]) -> etree.XPath:
    """Return the path to elements of Dublin Core that are not among these."""
    named = " or ".join(f"self::dc:{name}" for name in names) or "false()"
    namespaces = {"dc": _DC, _PREFIX: NAMESPACE}
    return etree.XPath(f"{_KEPT}/*/dc:*[not({named})]", namespaces=namespaces)


@dataclass(kw_only=True)
class OaiFrames:
    """Makes frames of one harvest's pages. Make a new one for each run of a lazy frame."""

    table: str
    contract: Contract
    columns: Columns
    where: str
    harvest: Harvest
    _bare: list[str] = field(default_factory=list)
    _bare_count: int = 0
    _left: Counter[str] = field(default_factory=Counter)

    def frames(self, pages: Iterable[ListPage], notes: Notes) -> Iterator[pl.DataFrame]:
        """Yield the records of pages, and say at the end what is odd about them.

        Raises:
            SourceError: where a value has not the shape of its column.
        """
        columns = self.columns
        frames = XmlFrames(table=self.table, fields=columns.fields, contract=self.contract)
        frames.begin(self.where)
        extraction = Extraction(columns.fields, columns.namespaces)
        texts: list[str | None] = []
        for page in pages:
            frames.add(extraction.text(list(page.records)), len(page.records))
            texts += self._look_at(page)
            if frames.is_due(_FRAME_CHARACTERS):
                yield self._frame(frames.take(), texts)
                texts = []
        if frames.is_due():
            yield self._frame(frames.take(), texts)
        if self.harvest.since is None:  # What changed of late need not have every field.
            frames.finish("the list", notes)
        self._finish(notes)

    def _look_at(self, page: ListPage) -> list[str | None]:
        """Return the metadata of a page's records as text, where it is wanted."""
        if self.columns.unnamed is not None:
            found = (each for record in page.records for each in self.columns.unnamed(record))
            self._left.update(etree.QName(each).localname for each in found)
        if METADATA not in self.columns.names:
            return [None] * len(page.records)
        return [_text(record) for record in page.records]

    def _frame(self, frame: pl.DataFrame, texts: list[str | None]) -> pl.DataFrame:
        is_deleted = frame[DELETED] == "true"
        self.harvest.count(deleted=int(is_deleted.sum()))
        has_text = pl.Series(texts, dtype=pl.String)
        has_content = frame[METADATA] if self.columns.content else has_text
        if self.columns.content or METADATA in self.columns.names:
            bare = frame.filter(has_content.is_null() & ~is_deleted)[IDENTIFIER]
            self._bare_count += len(bare)
            self._bare = [*self._bare, *bare][:_EXAMPLES]
        if self.columns.content:
            frame = frame.unnest(METADATA)
        own = {DELETED: is_deleted, METADATA: has_text}
        return frame.with_columns(**own).select(self.columns.names)

    def _finish(self, notes: Notes) -> None:
        if self._bare_count:
            notes.warn(
                f"{self.where} sent {self._bare_count:,} records of '{self.table}' without the "
                f"metadata that was asked for; their columns are empty: {quoted(self._bare)}."
            )
        if self._left:
            shown = ", ".join(f"'{name}' ({count:,})" for name, count in sorted(self._left.items()))
            notes.warn(
                f"{self.where} has elements that {self.contract.name} does not name, so they are "
                f"left behind: {shown}."
            )


def _text(record: etree._Element) -> str | None:
    """Return the metadata of a record as it came, None where it is deleted or has none."""
    found = record.find(f"{{{NAMESPACE}}}metadata/*")
    if found is None or record.find(f"{{{NAMESPACE}}}header").get("status") == "deleted":
        return None
    return etree.tostring(found, encoding="unicode", with_tail=False)
