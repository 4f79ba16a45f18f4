"""Repositories that offer their records by OAI-PMH 2.0."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import polars as pl
from pydantic import Field

from collectionflow.contract import Contract
from collectionflow.errors import SourceError
from collectionflow.harvest._source import TableSource
from collectionflow.harvest._stream import stream
from collectionflow.harvest.credentials import Credentials
from collectionflow.harvest.xml import XmlRecords
from collectionflow.notes import Notes


class OaiPmhSource(TableSource):
    """An OAI-PMH 2.0 repository. Deleted records stay in, marked `is_deleted`.

    A table is the set that `sets` names for it, without one the whole repository. Columns are the
    elements of Dublin Core by name (`title`, `creator`), or what `records` maps in another format;
    besides, of each record, `oai_identifier`, `oai_datestamp`, `oai_sets` (a list), `is_deleted`
    and, where the contract has it, `metadata`: the XML itself as text. As in `XmlSource`, text is
    one value and `List(String)` any number of them.

    The first harvest asks for all records. A later one asks for what changed since, and puts it
    into the published table by `oai_identifier`, as long as the contract and the source stay the
    same; a repository that does not keep track of deletions is asked for all identifiers as well.
    Each harvest reaches an hour (or, with datestamps of whole days, a day) further back than the
    last one ended.

    Pages are kept on disk until the harvest is complete, so that one that died goes on where it
    stopped. A list whose token expires, or that ends before it has as many records as it says, is
    begun anew; a record that comes twice counts once, as it came last.

    Examples:
        >>> from collectionflow.harvest.oai_pmh import OaiPmhSource
        >>> source = OaiPmhSource(
        ...     base_url="https://example.org/oai",
        ...     sets={"paintings": "collection:paintings"},
        ...     requests_per_second=2,
        ... )
    """

    base_url: str = Field(description="Where the repository answers, without a query.")
    metadata_prefix: str = Field(default="oai_dc", description="The format of the records.")
    sets: Mapping[str, str] = Field(
        default={}, description="Set by table; a table without one is the whole repository."
    )
    records: XmlRecords | None = Field(
        default=None,
        description="What to take from another format than oai_dc; `path` starts in the metadata.",
    )
    window_days: int | None = Field(
        default=None, ge=1, description="Splits a first harvest into windows of so many days."
    )
    is_size_exact: bool = Field(
        default=True, description="Whether a list must have all records that it says it has."
    )
    credentials: Credentials | None = Field(default=None, description="Who asks.")
    requests_per_second: float | None = Field(
        default=None, gt=0, description="How many requests the repository allows."
    )

    def scan(self, table: str, contract: Contract, notes: Notes) -> pl.LazyFrame:
        """Return a table as a lazy frame that asks for page after page when it is stored.

        Raises:
            SourceError: where the URL is none of a repository; while the frame is written, where
                the repository refuses, or a value has not the shape of its column.
            SourceUnavailable: where the repository does not answer, or its lists do not hold
                together.
        """
        from collectionflow.harvest._oai_frames import columns_of
        from collectionflow.harvest._oai_harvest import OaiHarvest
        from collectionflow.harvest._spool import spool_folder
        from collectionflow.harvest._url import shown

        if urlsplit(self.base_url).query:
            message = (
                "The source's base_url has a query. Leave it out, and put what is secret into "
                "`credentials`."
            )
            raise SourceError(message)
        columns = columns_of(table, contract, self.metadata_prefix, self.records, notes)
        chosen = f", set '{self.sets[table]}'" if table in self.sets else ""
        source = f"{shown(self.base_url)} ({self.metadata_prefix}{chosen})"
        harvest = OaiHarvest(
            source=self,
            table=table,
            contract=contract,
            columns=columns,
            notes=notes,
            count=notes.begin(table, source),
            folder=spool_folder(table),
        )
        harvest.begin()
        return stream(columns.schema(), harvest.batches, harvest.count)
