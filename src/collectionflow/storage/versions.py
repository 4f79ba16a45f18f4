"""A stored table and the earlier versions that `diff` and `rollback` use."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from upath import UPath

from collectionflow.errors import ProjectError
from collectionflow.storage import _files
from collectionflow.storage._object_store import polars_options

VERSION_KEY = "collectionflow.version"
STATE_KEY = "collectionflow.harvest"


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of a table: when it was written, which also names it, and where it lies."""

    name: str
    path: UPath
    is_published: bool

    @property
    def written_at(self) -> datetime:
        """When the version was written, in UTC."""
        return datetime.strptime(self.name, _FORMAT).replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class StoredTable:
    """A table below `base`: published at `<base>/<name>.parquet`, the rest in `.collectionflow`.

    `name` is the asset's key with slashes, and for a partition the partition's key behind it.
    """

    base: UPath
    name: str

    @property
    def path(self) -> UPath:
        """Where readers find the table."""
        return self.base / f"{self.name}.parquet"

    @property
    def refused(self) -> UPath:
        """Where the last refused write is kept for inspection."""
        return self.base / ".collectionflow" / "refused" / f"{self.name}.parquet"

    @property
    def archive(self) -> UPath:
        """The folder of the earlier versions."""
        return self.base / ".collectionflow" / "versions" / self.name

    @property
    def parts(self) -> UPath:
        """The folder of its directories of parts, each of which is there under its version.

        Where the table is such a directory, `path` and the entries of `archive` are links to one.
        """
        return self.base / ".collectionflow" / "parts" / self.name

    @property
    def quarantine(self) -> UPath:
        """Where readers find the rows that were taken out of the published version, if any were."""
        return self.base / "quarantine" / f"{self.name}.parquet"

    def quarantined(self, version: str) -> UPath:
        """Where the rows that were taken out of a version are kept, if any were."""
        return self.base / ".collectionflow" / "quarantine" / self.name / f"{version}.parquet"

    def measured(self, version: str) -> UPath:
        """Where what was counted of a version is kept."""
        return self.base / ".collectionflow" / "measured" / self.name / f"{version}.json"

    @property
    def ledger(self) -> UPath:
        """The file of its harvests, one a line."""
        return self.base / ".collectionflow" / "ledger" / f"{self.name}.ndjson"

    def harvest_state(self) -> dict[str, str]:
        """Return where the harvest of the published version ended, empty where nobody said."""
        return json.loads(_metadata(self.path).get(STATE_KEY, "{}"))


_FORMAT = "%Y%m%dT%H%M%S.%fZ"
_VERSION = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z")


def new_version() -> str:
    """Return the name of a version that is written now; names sort by time.

    Examples:
        >>> from collectionflow.storage.versions import new_version
        >>> new_version() < new_version()
        True
    """
    return datetime.now(UTC).strftime(_FORMAT)


def versions(table: StoredTable) -> list[Version]:
    """Return the versions that are kept, newest first, the published one among them."""
    archived = {path.stem: path for path in _archived(table)}
    found = [Version(name=name, path=path, is_published=False) for name, path in archived.items()]
    if table.path.exists():
        published = _name_of(table.path)
        found = [version for version in found if version.name != published]
        found.append(Version(name=published, path=table.path, is_published=True))
    return sorted(found, key=lambda version: version.name, reverse=True)


def published_version(table: StoredTable) -> str:
    """Return the name of the published version."""
    return _name_of(table.path)


def publish(staged: Path, table: StoredTable, version: str, *, keep: int) -> None:
    """Put a staged table in the table's place and keep `keep` versions, itself among them."""
    with _files.publishing(table.base):
        _adopt(table)
        _archive_published(table)
        if staged.is_dir():
            _publish_parts(staged, table, version)
        else:
            _files.move(staged, table.path)
        earlier = [version for version in versions(table) if not version.is_published]
        for each in earlier[max(keep - 1, 0) :]:
            each.path.unlink(missing_ok=True)
        _remove_unused_parts(table)
        _remove_unused(table)
        _show_quarantine(table)


def rollback(table: StoredTable, to: str | None = None) -> Version:
    """Publish an earlier version again: the next older one, or the one named `to`.

    The version that was published until now is kept, so a rollback can be undone.

    Returns:
        The version that is now published.

    Raises:
        ProjectError: where there is no such version.
    """
    with _files.publishing(table.base):
        chosen = find_version(table, to) if to else _next_older(table, versions(table))
        if not chosen.is_published:
            _archive_published(table)
            _files.copy(chosen.path, table.path)
            _show_quarantine(table)
    return Version(name=chosen.name, path=table.path, is_published=True)


def find_version(table: StoredTable, name: str) -> Version:
    """Return the version named `name`; the start of a name is enough where it is unambiguous.

    Raises:
        ProjectError: where no version, or more than one, begins so.
    """
    known = versions(table)
    found = [version for version in known if version.name.startswith(name)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(version.name for version in known) or "none"
    what = "No version" if not found else "More than one version"
    message = f"{what} of '{table.name}' begins with '{name}'. There are: {names}."
    raise ProjectError(message)


def _next_older(table: StoredTable, known: list[Version]) -> Version:
    published = next((version for version in known if version.is_published), None)
    older = [each for each in known if published is None or each.name < published.name]
    if older:
        return older[0]
    message = (
        f"'{table.name}' has no version older than the published one. Versions are kept from the "
        "second time on that a table is written."
    )
    raise ProjectError(message)


def _publish_parts(staged: Path, table: StoredTable, version: str) -> None:
    """Move parts to where they stay, then lead readers there by a link, which is one rename."""
    home = Path(table.parts.path, f"{version}.parquet")
    _files.move(staged, UPath(home))
    _files.link(home, Path(table.path.path))


def _adopt(table: StoredTable) -> None:
    """Make a directory of parts that another tool put in the table's place a version of it.

    Between the two steps there is no table: once, and not with a directory of our own.
    """
    local = _files.local_path(table.path)
    if local is not None and local.is_dir() and not local.is_symlink():
        _publish_parts(local, table, _name_of(table.path))


def _remove_unused_parts(table: StoredTable) -> None:
    folder = _files.local_path(table.parts)
    if folder is None or not folder.exists():
        return
    used = {Path(path.path).resolve() for path in (table.path, *_archived(table))}
    for path in folder.resolve().glob("*.parquet"):
        if path not in used:
            _files.remove(path)


def _remove_unused(table: StoredTable) -> None:
    """Remove what is kept beside versions that are no longer there."""
    known = {version.name for version in versions(table)}
    for kept in (table.measured("version"), table.quarantined("version")):
        for path in kept.parent.iterdir() if kept.parent.exists() else ():
            if path.suffix == kept.suffix and path.stem not in known:
                path.unlink(missing_ok=True)


def _show_quarantine(table: StoredTable) -> None:
    """Let readers find the rows that belong to the published version, and no others."""
    own = table.quarantined(published_version(table))
    if own.exists():
        _files.copy(own, table.quarantine)
    else:
        table.quarantine.unlink(missing_ok=True)


def _archive_published(table: StoredTable) -> None:
    if table.path.exists():
        kept = table.archive / f"{_name_of(table.path)}.parquet"
        if not kept.exists():
            _files.copy(table.path, kept)


def _archived(table: StoredTable) -> list[UPath]:
    if not table.archive.exists():
        return []
    return [path for path in table.archive.iterdir() if path.suffix == ".parquet"]


def _name_of(path: UPath) -> str:
    """Return the version that a table says it is, or its time where another tool wrote it.

    A file says it in its metadata, a directory of parts by its name.
    """
    local = _files.local_path(path)
    if local is not None and local.is_dir():
        name = local.resolve().stem
        if _VERSION.fullmatch(name):
            return name
    elif VERSION_KEY in (metadata := _metadata(path)):
        return metadata[VERSION_KEY]
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime(_FORMAT)


def _metadata(path: UPath) -> dict[str, str]:
    first = _files.files(path)[0]
    return pl.read_parquet_metadata(_files.location(first), storage_options=polars_options(path))
