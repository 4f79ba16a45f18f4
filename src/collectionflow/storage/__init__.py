"""Where tables lie between two stages: written, judged, published, kept in versions."""

from collectionflow.storage.drop_guard import drop_guard
from collectionflow.storage.parquet import ParquetIOManager
from collectionflow.storage.quarantine import quarantine

__all__ = ["ParquetIOManager", "drop_guard", "quarantine"]
