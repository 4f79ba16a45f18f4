"""An API that sends records as JSON, page by page."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import polars as pl
from pydantic import Field

from collectionflow.contract import Contract
from collectionflow.errors import SourceError
from collectionflow.harvest._source import TableSource
from collectionflow.harvest._stream import stream
from collectionflow.harvest.credentials import Credentials
from collectionflow.harvest.paging import Paging
from collectionflow.notes import Notes


class JsonApiSource(TableSource):
    """An API that sends records as JSON. A table is the resource of its name below `base_url`.

    Values arrive exactly: truth values, whole numbers and Float64 as themselves, lists and objects
    nested, everything else as the text that it is in the JSON. A value that its column does not
    hold stops the harvest, with the number of the record and the field.

    A key that a record lacks is null; a required column that no record has stops the harvest at
    its end. Keys that the contract does not name are left behind with a warning that counts them.
    Names are never made alike: `objectID` and `object_id` are two columns.

    Pages are kept on disk until the harvest is complete, so that one that died goes on where it
    stopped. A count (`total`) that does not fit what came, a page that comes twice, or a record on
    two pages stops the harvest.

    Examples:
        >>> import dagster as dg
        >>> from collectionflow.harvest import BearerToken
        >>> from collectionflow.harvest.json_api import JsonApiSource
        >>> from collectionflow.harvest.paging import PageNumbers
        >>> source = JsonApiSource(
        ...     base_url="https://api.example.org/v1",
        ...     paths={"objects": "collection/objects"},
        ...     records="data",
        ...     total="pagination.total",
        ...     fields={"maker": "attributes.maker.name"},
        ...     paging=PageNumbers(size_parameter="limit", size=100),
        ...     credentials=BearerToken(token=dg.EnvVar("API_TOKEN")),
        ...     requests_per_second=10,
        ... )
    """

    base_url: str = Field(description="Where all resources are; without secrets.")
    paging: Paging = Field(description="How the records are divided into pages.")
    paths: Mapping[str, str] = Field(
        default={}, description="Path below base_url by table, where it is not the table's name."
    )
    parameters: Mapping[str, str] = Field(
        default={}, description="Query parameters of all requests; secrets are credentials."
    )
    records: str | None = Field(
        default=None,
        description="Where a page has its list of records: 'data.items'. Not set, it is the list.",
    )
    total: str | None = Field(
        default=None,
        description="Where a page has the source's own count: 'meta.total', or a header's name.",
    )
    fields: Mapping[str, str] = Field(
        default={},
        description="Where in a record a column is, if not at the key of its name: 'maker.name'.",
    )
    credentials: Credentials | None = Field(default=None, description="Who asks.")
    requests_per_second: float | None = Field(
        default=None, gt=0, description="How many requests the source allows."
    )
    in_flight: int = Field(
        default=8, ge=1, description="How many numbered pages are asked for at once."
    )

    def scan(self, table: str, contract: Contract, notes: Notes) -> pl.LazyFrame:
        """Return a table as a lazy frame that asks for page after page when it is stored.

        Raises:
            SourceError: where the URL cannot be; while the frame is written, where the source
                refuses or sends what cannot be read safely.
            SourceUnavailable: while the frame is written, where the source does not answer, or
                changed while it was read.
        """
        from collectionflow.harvest._api_harvest import ApiHarvest
        from collectionflow.harvest._api_page import Resource
        from collectionflow.harvest._json_places import json_schema
        from collectionflow.harvest._spool import spool_folder

        resource = Resource(
            base_url=self.base_url,
            url=self._url(table),
            parameters=self.parameters,
            records=self.records,
            total=self.total,
        )
        harvest = ApiHarvest(
            source=self,
            resource=resource,
            table=table,
            contract=contract,
            notes=notes,
            count=notes.begin(table, resource.name),
            folder=spool_folder(table),
        )
        kept = harvest.unchanged()
        if kept is not None:
            return kept
        return stream(json_schema(contract), harvest.batches, harvest.count)

    def _url(self, table: str) -> str:
        if urlsplit(self.base_url).query:
            message = (
                "The source's base_url has a query. Put it into `parameters`, and what is secret "
                "into `credentials`."
            )
            raise SourceError(message)
        path = self.paths.get(table, table)
        return f"{self.base_url.rstrip('/')}/{path.lstrip('/')}" if path else self.base_url
