"""Sources: where the records of a museum, library or archive come from."""

from collectionflow.harvest._source import TableSource
from collectionflow.harvest.credentials import (
    ApiKey,
    BasicAuth,
    BearerToken,
    ClientCredentials,
    Credentials,
)
from collectionflow.harvest.database import DatabaseSource
from collectionflow.harvest.folder import FolderSource
from collectionflow.harvest.json_api import JsonApiSource
from collectionflow.harvest.oai_pmh import OaiPmhSource
from collectionflow.harvest.paging import (
    Cursor,
    LinkHeaders,
    NextUrls,
    Offsets,
    PageNumbers,
    SinglePage,
)
from collectionflow.harvest.xml import XmlRecords, XmlSource

__all__ = [
    "ApiKey",
    "BasicAuth",
    "BearerToken",
    "ClientCredentials",
    "Credentials",
    "Cursor",
    "DatabaseSource",
    "FolderSource",
    "JsonApiSource",
    "LinkHeaders",
    "NextUrls",
    "OaiPmhSource",
    "Offsets",
    "PageNumbers",
    "SinglePage",
    "TableSource",
    "XmlRecords",
    "XmlSource",
]
