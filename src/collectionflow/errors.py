"""Every error that collectionflow raises.

```
CollectionflowError
├── StopRun              a Dagster failure that is never retried: waiting cannot cure it
│   ├── SourceError      the source is not what the harvest needs
│   └── Refused          a table breaks its contract or has shrunk; the last good version stays
├── SourceUnavailable    the source does not answer; the run may be tried again
├── TargetUnavailable    the target does not answer; what was live stays, the run may be tried again
└── ProjectError         the command line cannot find the project, a job, an asset or a version
```
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg


class CollectionflowError(Exception):
    """Anything that collectionflow raises on purpose.

    Examples:
        >>> from collectionflow.errors import CollectionflowError, SourceError
        >>> issubclass(SourceError, CollectionflowError)
        True
    """


class StopRun(dg.Failure, CollectionflowError):
    """Stops the run at once: a retry would meet the same data.

    The message is for a registrar, `metadata` for the Dagster UI.

    Examples:
        >>> from collectionflow.errors import StopRun
        >>> StopRun("Table 'objects' is missing.").allow_retries
        False
    """

    def __init__(self, message: str, metadata: Mapping[str, Any] | None = None) -> None:
        super().__init__(message, metadata=metadata, allow_retries=False)


class SourceError(StopRun):
    """The source lacks a table or a column, or sends something that cannot be read safely."""


class Refused(StopRun):
    """A table was written but not published; the last good version is still in place."""


class SourceUnavailable(CollectionflowError):
    """The source does not answer, although it was asked patiently. A retry of the run may help."""


class TargetUnavailable(CollectionflowError):
    """The target does not answer, although it was asked patiently. A retry of the run may help."""


class ProjectError(CollectionflowError):
    """The command line was asked for something that the project does not have."""
