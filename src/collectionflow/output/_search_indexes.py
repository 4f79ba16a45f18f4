"""The indexes behind one alias: which there are, which is live, and how another becomes so."""

import re
import secrets
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from collectionflow.errors import Refused, StopRun, TargetUnavailable
from collectionflow.output._search_http import SearchServer, ServerRefusedError

_META: Final = "collectionflow"
_TIME: Final = "%Y%m%dt%H%M%S%f"
_NOT_FOUND: Final = 404
# Whoever loads an index says so each minute. One that has been silent for so long was killed.
_SAYS_SO_EVERY: Final = timedelta(minutes=1)
_SILENT_FOR: Final = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Index:
    """One physical index behind an alias, and what it says of itself."""

    name: str
    is_loading: bool
    says: Mapping[str, Any] = field(default_factory=dict)

    def is_abandoned(self, now: datetime) -> bool:
        """Return whether it was being loaded by a run that is no more."""
        alive_at = datetime.fromisoformat(self.says.get("alive_at", "1970-01-01T00:00:00+00:00"))
        return self.is_loading and now - alive_at > _SILENT_FOR


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """What there is behind an alias: the names that it points to, and our indexes, newest first.

    `is_index` says that an index bears the alias's name.
    """

    live: tuple[str, ...]
    indexes: tuple[Index, ...]
    is_index: bool

    @property
    def finished(self) -> list[Index]:
        """The indexes that are or were live."""
        return [index for index in self.indexes if not index.is_loading]


def look(server: SearchServer, alias: str) -> Shelf:
    """Return what there is behind an alias now."""
    parameters = {"ignore_unavailable": "true", "filter_path": "*.aliases,*.mappings._meta"}
    found = server.ask("GET", f"/{alias},{alias}-*", None, parameters)
    # The indexes of an alias 'objects-rare' are not those of 'objects'.
    ours = re.compile(rf"{re.escape(alias)}-\d{{8}}t\d{{12}}-[0-9a-f]{{4}}")
    indexes = [
        Index(
            name=name,
            is_loading=loading_alias(name) in each.get("aliases", {}),
            says=each.get("mappings", {}).get("_meta", {}).get(_META, {}),
        )
        for name, each in found.items()
        if ours.fullmatch(name)
    ]
    live = [name for name, each in found.items() if alias in each.get("aliases", {})]
    return Shelf(
        live=tuple(sorted(live)),
        indexes=tuple(sorted(indexes, key=lambda index: index.name, reverse=True)),
        is_index=alias in found,
    )


def count(server: SearchServer, name: str) -> int:
    """Return how many documents an index or an alias serves.

    Raises:
        StopRun: where some of its shards did not answer.
    """
    answer = server.ask("GET", f"/{name}/_count")
    if failed := answer["_shards"]["failed"]:
        message = f"{failed} shards of '{name}' do not answer, so its documents cannot be counted."
        raise StopRun(message)
    return answer["count"]


def loading_alias(name: str) -> str:
    """Return the alias by which an index is loaded, and which says that it is."""
    return f"{name}.loading"


class NewIndex:
    """An index that is being loaded. Whatever happens, it goes live whole or not at all."""

    def __init__(self, server: SearchServer, alias: str) -> None:
        now = datetime.now(UTC)
        self.name = f"{alias}-{now.strftime(_TIME)}-{secrets.token_hex(2)}"
        self.loading_alias = loading_alias(self.name)
        self._server = server
        self._said_at = now
        self._alias = alias

    def create(self, settings: Mapping[str, Any], mappings: Mapping[str, Any]) -> None:
        """Make it, empty. It is not refreshed while it is loaded."""
        body = {
            "settings": {**settings, "index.refresh_interval": "-1"},
            "mappings": {**mappings, "_meta": _says()},
            "aliases": {self.loading_alias: {}},
        }
        self._make("PUT", f"/{self.name}", body)

    def clone(self, source: str) -> None:
        """Make it with the documents of another index, which takes no writes from now on."""
        self._server.ask("PUT", f"/{source}/_settings", {"index.blocks.write": True})
        body = {
            "settings": {"index.blocks.write": None, "index.refresh_interval": "-1"},
            "aliases": {self.loading_alias: {}},
        }
        self._make("POST", f"/{source}/_clone/{self.name}", body)
        self.say()

    def _make(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        try:
            self._server.ask(method, path, body)
        except ServerRefusedError as error:
            # No one else knows the name: an earlier attempt came through, its answer did not.
            if error.kind != "resource_already_exists_exception":
                raise

    def still_alive(self) -> None:
        """Say, once a minute, that it is still being loaded."""
        if datetime.now(UTC) - self._said_at > _SAYS_SO_EVERY:
            self.say()

    def say(self, **known: Any) -> None:
        """Write down what is known of the index, and that its run is alive."""
        self._said_at = datetime.now(UTC)
        self._server.ask("PUT", f"/{self.name}/_mapping", {"_meta": _says(**known)})

    def complete(self, refresh_interval: str | None, **known: Any) -> int:
        """Make what was loaded visible, and return how many documents there are."""
        interval = {"index.refresh_interval": refresh_interval}
        self._server.ask("PUT", f"/{self.name}/_settings", interval)
        self._server.ask("POST", f"/{self.name}/_refresh")
        self.say(**known)
        return count(self._server, self.name)

    def go_live(self, seen: Shelf) -> None:
        """Point the alias to this index, if it still points to where it was seen."""
        swap(self._server, self._alias, self.name, seen, is_loading=True)


def _says(**known: Any) -> dict[str, Any]:
    return {_META: {"alive_at": datetime.now(UTC).isoformat(), **known}}


@contextmanager
def new_index(server: SearchServer, alias: str) -> Generator[NewIndex]:
    """Yield an index to be loaded; it is deleted unless it has gone live when the block ends."""
    index = NewIndex(server, alias)
    left = (
        f"The unfinished index '{index.name}' may still be there. No one sees it, and a "
        "publication after an hour from now deletes it."
    )
    try:
        yield index
    except TargetUnavailable as error:
        error.add_note(left)  # To ask once more would only take ten minutes more.
        raise
    except BaseException as error:
        try:
            _discard(server, alias, index.name)
        except (StopRun, TargetUnavailable) as problem:
            error.add_note(f"{left} {problem}")
        raise
    _discard(server, alias, index.name)


def _discard(server: SearchServer, alias: str, name: str) -> None:
    if name not in look(server, alias).live:
        delete(server, name)


def delete(server: SearchServer, name: str) -> None:
    """Delete an index, or see that it is gone."""
    try:
        server.ask("DELETE", f"/{name}")
    except ServerRefusedError as error:
        if error.status != _NOT_FOUND:
            raise


def swap(
    server: SearchServer, alias: str, name: str, seen: Shelf, *, is_loading: bool = False
) -> None:
    """Point the alias to another index in one step, if it still points to where it was seen.

    Raises:
        Refused: where someone else has pointed it elsewhere meanwhile.
    """
    actions = _actions(alias, name, seen, is_loading=is_loading)

    def once() -> None:
        # An earlier attempt may have come through although its answer did not.
        if look(server, alias).live != (name,):
            server.ask_once("POST", "/_aliases", {"actions": actions})

    try:
        server.patiently(once)
    except ServerRefusedError as error:
        if (now := look(server, alias).live) == seen.live:
            raise
        raise _elsewhere(alias, name, now) from error
    if (now := look(server, alias).live) != (name,):
        raise _elsewhere(alias, name, now)


def _actions(alias: str, name: str, seen: Shelf, *, is_loading: bool) -> list[dict[str, Any]]:
    # An alias has one index to write to, and a second one is refused: so two publications that
    # have seen the same cannot both go live.
    add = {"add": {"index": name, "alias": alias, "is_write_index": True}}
    loaded = {"remove": {"index": name, "alias": loading_alias(name)}}
    freed = (
        [{"remove_index": {"index": alias}}]
        if seen.is_index
        else [{"remove": {"index": each, "alias": alias}} for each in seen.live]
    )
    return [*freed, add, *([loaded] if is_loading else [])]


def _elsewhere(alias: str, name: str, now: Sequence[str]) -> Refused:
    where = ", ".join(f"'{each}'" for each in now) or "no index"
    return Refused(
        f"'{alias}' was changed by someone else while '{name}' was being made ready: it points to "
        f"{where} now, and that stays. Run again to publish on top of it."
    )


def prune(server: SearchServer, alias: str, keep: int) -> list[str]:
    """Delete all but the live and `keep` earlier indexes, and abandoned ones; return which."""
    shelf = look(server, alias)
    earlier = [index for index in shelf.finished if index.name not in shelf.live]
    now = datetime.now(UTC)
    gone = [*earlier[keep:], *(index for index in shelf.indexes if index.is_abandoned(now))]
    for index in gone:
        delete(server, index.name)
    return [index.name for index in gone]
