"""What is wanted of an XML record, and its extraction in one pass of libxslt per batch.

A stylesheet writes the values of many records as one text, with a mark before each value, behind
each field and behind each record. No value can be taken for a mark: it is of control characters,
which XML cannot have, not even as a reference.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl
from lxml import etree  # ty: ignore[missing-module-member]
from polars.datatypes import DataTypeClass

from collectionflow.contract import Contract
from collectionflow.errors import SourceError
from collectionflow.harvest._source import choose_columns
from collectionflow.markdown import quoted
from collectionflow.notes import Notes

Namespaces = Mapping[str, str]

_XSL: Final = "http://www.w3.org/1999/XSL/Transform"
_OWN: Final = "urn:collectionflow"
RECORD_END: Final = "\x03"
_PREFIX: Final = re.compile(r"[^\W\d][\w.\-]*")
# What a path may begin with that would lead to other records, which are not there any more.
_BESIDE: Final = re.compile(r"\s*(\.\.\s*/\s*)*(preceding|following)")


@dataclass(frozen=True, kw_only=True)
class Field:
    """One value of a record, a list of values, or records that are nested in it.

    `name` is its key in the mapping, `column` the name of its column, and `dtype` the type of one
    value. `is_node` tells a path that finds nodes from an expression that makes a text.
    """

    name: str
    column: str
    xpath: str
    dtype: pl.DataType
    is_many: bool
    is_node: bool
    is_cast: bool
    fields: "tuple[Field, ...]" = ()

    @property
    def source_dtype(self) -> pl.DataType:
        """The type in which the column leaves the source."""
        return pl.List(self._one) if self.is_many else self._one

    @property
    def _one(self) -> pl.DataType:
        if self.fields:
            return pl.Struct({each.column: each.source_dtype for each in self.fields})
        return self.dtype if self.is_cast else pl.String()


def fields_of(
    table: str,
    contract: Contract,
    xpaths: Mapping[str, str],
    namespaces: Namespaces,
    notes: Notes,
) -> tuple[Field, ...]:
    """Return the contract's columns that `xpaths` has, each with its shape.

    Keys with a dot are the fields of nested records: `makers.name` is a path from `makers`.

    Raises:
        SourceError: for a path that cannot be, a column without one, or a type that XML has not.
    """
    where = f"The mapping of '{table}'"
    _check_prefixes(namespaces, where)
    flat = [name for name in xpaths if name in contract.dtypes or "." not in name]
    chosen = choose_columns(table, contract, flat, where, notes)
    planner = _Planner(contract, xpaths, namespaces, where)
    fields = tuple(planner.field(name, "", contract.dtypes[name]) for name in chosen)
    known = {each.name for each in every(fields)}
    unused = [name for name in xpaths if name not in known and name not in flat]
    if unused:
        notes.warn(f"{where} has fields that {contract.name} does not name: {quoted(unused)}.")
    return fields


def every(fields: Sequence[Field]) -> Iterator[Field]:
    """Yield fields and the fields inside of them."""
    for field in fields:
        yield field
        yield from every(field.fields)


@dataclass(frozen=True)
class _Planner:
    """Makes fields of a mapping."""

    contract: Contract
    xpaths: Mapping[str, str]
    namespaces: Namespaces
    where: str

    def field(self, column: str, parent: str, dtype: pl.DataType) -> Field:
        """Return a column, or a field of a nested record, with what is inside of it."""
        name = f"{parent}.{column}" if parent else column
        if name not in self.xpaths:
            message = f"{self.where} has no XPath for '{name}', which {self.contract.name} names."
            raise SourceError(message)
        is_many = isinstance(dtype, pl.List)
        one = _instance(dtype.inner) if isinstance(dtype, pl.List) else dtype
        if isinstance(one, pl.List | pl.Array | pl.Object):
            message = (
                f"Column '{name}' of {self.contract.name} is {dtype}, which XML has not. It can "
                "be text, a nested record (Struct), or a list of one of these."
            )
            raise SourceError(message)
        inner = one.fields if isinstance(one, pl.Struct) else []
        # Storage casts what is flat, by the contract; what is inside of something is cast here.
        is_inside = is_many or bool(parent)
        return Field(
            name=name,
            column=column,
            xpath=self.xpaths[name],
            dtype=one,
            is_many=is_many,
            is_node=self._is_node(name, is_needed=is_many or bool(inner)),
            is_cast=is_inside and self._is_coerced(name) and not inner and one != pl.String,
            fields=tuple(self.field(each.name, name, _instance(each.dtype)) for each in inner),
        )

    def _is_coerced(self, name: str) -> bool:
        return any(f"{name}.".startswith(f"{each}.") for each in self.contract.coerced)

    def _is_node(self, name: str, *, is_needed: bool) -> bool:
        """Try an XPath on an empty element: it shows what it is, or what is wrong with it."""
        xpath = self.xpaths[name]
        try:
            found = etree.XPath(xpath, namespaces=dict(self.namespaces))(etree.Element("none"))
        except (etree.XPathError, ValueError) as error:
            message = (
                f"The XPath '{xpath}' of '{name}' cannot be used: {error}. Prefixes are declared "
                f"in `namespaces`, which has: {quoted(list(self.namespaces)) or 'none'}."
            )
            raise SourceError(message) from error
        is_node = isinstance(found, list)
        if _BESIDE.match(xpath) or (is_needed and not is_node):
            reason = "other records are not there" if is_node else "it finds no elements"
            message = f"The XPath '{xpath}' of '{name}' cannot be used, since {reason}."
            raise SourceError(message)
        return is_node


def value_start(level: int) -> str:
    """Return the mark before each value; nested records are a level deeper."""
    return f"\x01{level}\x04"


def field_end(level: int) -> str:
    """Return the mark behind each field."""
    return f"\x02{level}\x04"


class Extraction:
    """Writes the fields of many records as one text."""

    def __init__(self, fields: Sequence[Field], namespaces: Namespaces) -> None:
        self._records: list[etree._Element] = []
        self._start = etree.Element("none")
        # A function hands the records over where they lie; as an argument they would be copied.
        self._transform = etree.XSLT(
            _stylesheet(fields, namespaces),
            extensions={(_OWN, "records"): lambda _context: self._records},
            access_control=etree.XSLTAccessControl.DENY_ALL,
        )

    def text(self, records: list[etree._Element]) -> bytes:
        """Return the marked text of records, which may be anywhere in a tree, as UTF-8."""
        self._records = records
        try:
            return bytes(self._transform(self._start))
        finally:
            self._records = []


def _stylesheet(fields: Sequence[Field], namespaces: Namespaces) -> etree._Element:
    nsmap = {**namespaces, "collectionflow-xsl": _XSL, "collectionflow": _OWN}
    sheet = etree.Element(f"{{{_XSL}}}stylesheet", nsmap=nsmap, version="1.0")
    # Text is a third faster than elements: libxslt appends to one buffer, and escapes nothing.
    etree.SubElement(sheet, f"{{{_XSL}}}output", {"method": "text", "encoding": "UTF-8"})
    template = etree.SubElement(sheet, f"{{{_XSL}}}template", match="/")
    each = _for_each(template, "collectionflow:records()")
    _write_fields(each, fields, 0)
    _write_mark(each, RECORD_END)
    return sheet


def _write_fields(parent: etree._Element, fields: Sequence[Field], level: int) -> None:
    for field in fields:
        place = _for_each(parent, field.xpath) if field.is_node else parent
        _write_mark(place, value_start(level))
        if field.fields:
            _write_fields(place, field.fields, level + 1)
        else:
            value = "." if field.is_node else field.xpath
            etree.SubElement(place, f"{{{_XSL}}}value-of", select=value)
        _write_mark(parent, field_end(level))


def _write_mark(parent: etree._Element, mark: str) -> None:
    # No XML parser or tree lets control characters in, but HTML has them.
    text = etree.HTML(f"<p>{mark}</p>")[0][0]
    text.tag = f"{{{_XSL}}}text"
    parent.append(text)


def _for_each(parent: etree._Element, select: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{_XSL}}}for-each", select=select)


def _check_prefixes(namespaces: Namespaces, where: str) -> None:
    for prefix, namespace in namespaces.items():
        if not (_PREFIX.fullmatch(prefix) and namespace):
            message = (
                f"{where} declares the namespace '{namespace}' with the prefix '{prefix}', which "
                "XPath cannot use. Give it a prefix of letters, and write that in the paths."
            )
            raise SourceError(message)


def _instance(dtype: pl.DataType | DataTypeClass) -> pl.DataType:
    return dtype() if isinstance(dtype, type) else dtype
