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

__all__ = [
    "ApiKey",
    "BasicAuth",
    "BearerToken",
    "ClientCredentials",
    "Credentials",
    "DatabaseSource",
    "FolderSource",
    "TableSource",
]
