"""Sources: where records come from. One kind of source a module."""

from collectionflow.harvest._source import TableSource
from collectionflow.harvest.database import DatabaseSource
from collectionflow.harvest.folder import FolderSource

__all__ = ["DatabaseSource", "FolderSource", "TableSource"]
