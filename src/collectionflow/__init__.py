"""Production data pipelines for museums, libraries and archives, on Dagster and Polars."""

from collectionflow._imports import settle
from collectionflow.buckets import in_buckets
from collectionflow.errors import (
    CollectionflowError,
    ProjectError,
    Refused,
    SourceError,
    SourceUnavailable,
    StopRun,
    TargetUnavailable,
)
from collectionflow.frame import Frame
from collectionflow.jobs import pipeline_job
from collectionflow.notes import add_chart, warn
from collectionflow.storage import ParquetIOManager, drop_guard, quarantine

__all__ = [
    "CollectionflowError",
    "Frame",
    "ParquetIOManager",
    "ProjectError",
    "Refused",
    "SourceError",
    "SourceUnavailable",
    "StopRun",
    "TargetUnavailable",
    "add_chart",
    "drop_guard",
    "in_buckets",
    "pipeline_job",
    "quarantine",
    "warn",
]

settle()
