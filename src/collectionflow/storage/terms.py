"""On which terms a table may be published."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from collectionflow.contract import Contract
from collectionflow.storage.drop_guard import DropGuard
from collectionflow.storage.engines._engine import Engine
from collectionflow.storage.engines.polars import POLARS
from collectionflow.storage.merge import Merge
from collectionflow.storage.quarantine import Quarantine


@dataclass(frozen=True, kw_only=True)
class Terms:
    """On which terms a table may be published."""

    contract: Contract | None = None
    engine: Engine = POLARS
    guard: DropGuard = field(default_factory=DropGuard)
    is_drop_allowed: bool = False
    versions_kept: int = 3
    warn: Callable[[str], None] = print
    log: Callable[[str], None] = print
    explain: Callable[[], Exception | None] = lambda: None
    merge: Merge | None = None
    state: Mapping[str, str] = field(default_factory=dict)
    quarantine: Quarantine | None = None
    source_columns: Sequence[str] = ()
