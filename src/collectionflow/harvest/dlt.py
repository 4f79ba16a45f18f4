"""Any dlt resource as a source, so that dlt's catalogue of connectors is there as well.

dlt fetches; what it fetched goes the way of all other sources. Its own normalizer, which renames
columns and drops those without a value, is not used.
"""

import json
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from collectionflow.contract import Contract
from collectionflow.errors import SourceError, SourceUnavailable
from collectionflow.harvest._json import record_list
from collectionflow.harvest._json_frames import JsonFrames
from collectionflow.harvest._json_places import json_schema
from collectionflow.harvest._source import TableSource, missing_table
from collectionflow.harvest._stream import stream
from collectionflow.notes import Notes

if TYPE_CHECKING:
    from dlt.extract import DltResource
    from dlt.extract import DltSource as Connector

_BATCH_ITEMS: Final = 5_000


class DltSource(TableSource):
    """A dlt source or resource, such as a verified source or one of dlt's REST API configurations.

    Subclass it with the connector's settings and `connect`, which makes it. A table is one of its
    resources. Needs the extra `collectionflow[dlt]`.

    Every harvest is a full one: dlt's own incremental state is not kept between runs.

    Examples:
        >>> from collectionflow.harvest.dlt import DltSource
        >>> class Loans(DltSource):
        ...     token: str
        ...     def connect(self):
        ...         import dlt
        ...         @dlt.resource(name="loans")
        ...         def loans():
        ...             yield [{"id": 1, "borrower": "City Museum"}]
        ...         return loans
        >>> import pandera.polars as pa
        >>> class HarvestedLoans(pa.DataFrameModel):
        ...     id: int
        ...     borrower: str
        >>> Loans(token="secret").harvest("loans", HarvestedLoans).collect().rows()
        [(1, 'City Museum')]
    """

    @abstractmethod
    def connect(self) -> "Connector | DltResource":
        """Return the dlt source or resource, made with this configuration."""

    def scan(self, table: str, contract: Contract, notes: Notes) -> pl.LazyFrame:
        """Return one resource's items as a lazy frame; nothing is fetched until it is stored.

        Raises:
            SourceError: where there is no such resource; while the frame is written, where an item
                is no record.
            SourceUnavailable: while the frame is written, where the connector stops.
        """
        _resource(self.connect(), table)
        harvest = notes.begin(table, f"{type(self).__name__} (dlt, resource '{table}')")
        return stream(
            json_schema(contract), partial(self._batches, table, contract, notes), harvest
        )

    def _batches(
        self, table: str, contract: Contract, notes: Notes, wanted: list[str]
    ) -> Iterator[pl.DataFrame]:
        where = f"The dlt resource '{table}'"
        frames = JsonFrames(table=table, contract=contract, where=where)
        # A resource is a generator that has run once: each run of the frame connects anew.
        for items in _in_batches(self._items(table)):
            yield frames.frame([record_list(_as_json(items, where), None, where)], wanted)
        frames.finish(notes)

    def _items(self, table: str) -> Iterator[Any]:
        from dlt.common.exceptions import DltException

        try:
            for item in _resource(self.connect(), table):
                yield from _records(item)
        except DltException as error:
            # What a connector says may hold the secrets that it was given, so it is not passed on.
            cause = type(error.__cause__ or error).__name__
            message = (
                f"The dlt resource '{table}' stopped with {cause}. Run again; if it stops again, "
                "try the connector by itself, which tells more."
            )
            raise SourceUnavailable(message) from None


def _resource(connector: Any, table: str) -> Any:
    """Return the resource of a table: the connector itself, or one of its resources."""
    resources = getattr(connector, "resources", None) or {connector.name: connector}
    if table not in resources:
        raise missing_table(table, list(resources), "The dlt connector")
    return resources[table]


def _in_batches(items: Iterator[Any]) -> Iterator[list[Any]]:
    while batch := list(islice(items, _BATCH_ITEMS)):
        yield batch


def _records(item: Any) -> Iterator[Any]:
    """Return the records of what a resource yields: a record, a list of them, or a table."""
    if hasattr(item, "__arrow_c_stream__"):
        yield from pl.DataFrame(item).iter_rows(named=True)
    elif isinstance(item, list):
        yield from item
    else:
        yield item


def _as_json(items: Sequence[Any], where: str) -> bytes:
    """Return records as JSON: exact, since what JSON lacks becomes text, and NaN is refused."""
    try:
        return json.dumps(items, default=_text, allow_nan=False).encode()
    except ValueError as error:
        message = f"{where} sends a number that is not finite. Ask the source to leave it out."
        raise SourceError(message) from error


def _text(value: object) -> str:
    """Return a value that JSON does not have as text: ISO 8601 for times, hexadecimal for bytes."""
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    return str(value)
