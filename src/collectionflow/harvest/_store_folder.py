"""A folder in an object store or on a file server: S3, Google Cloud, Azure, SFTP, by fsspec."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import fsspec

from collectionflow._patience import TransientError
from collectionflow.errors import SourceError
from collectionflow.harvest._fetch import Partial, Version

_CHUNK_BYTES: Final = 8 << 20
_PACKAGES: Final = {
    "s3": "'collectionflow[s3]'",
    "s3a": "'collectionflow[s3]'",
    "sftp": "'collectionflow[sftp]'",
    "ssh": "'collectionflow[sftp]'",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
}
_SSH: Final = ("sftp", "ssh")
_TAGS: Final = ("ETag", "etag", "content_md5", "md5Hash", "generation")
_TIMES: Final = ("LastModified", "last_modified", "updated", "mtime", "created")
# By name, since their libraries may not be there: no waiting cures these.
_FINAL: Final = {
    "PermissionDenied",
    "HostKeyNotVerifiable",
    "KeyImportError",
    "KeyEncryptionError",
    "NoCredentialsError",
    "PartialCredentialsError",
    "ProfileNotFound",
}


@dataclass
class StoreFolder:
    """The files below a URL such as `s3://bucket/exports`, reached with fsspec's options."""

    url: str
    options: Mapping[str, Any]
    _system: Any = field(default=None, repr=False)
    _path: str = ""

    @property
    def where(self) -> str:
        """The folder without user and password."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path}"

    def names(self) -> list[str]:
        """Return the names of the files in the folder itself."""
        with self._named_faults(self.where):
            found = self._connected().ls(self._path, detail=True)
        names = [each["name"].rstrip("/").rpartition("/")[2] for each in found if _is_file(each)]
        return [name for name in names if name]

    def fetch(self, name: str, partial: Partial) -> None:
        """Fetch what is missing of a file; see `Remote`."""
        shown = f"{self.where.rstrip('/')}/{name}"
        with self._named_faults(shown):
            path = f"{self._connected_path()}/{name}"
            version = self._version(path)
            if partial.version != version:
                partial.begin(version)
            if partial.size < (version.size or 0):
                partial.extend(self._chunks(path, partial.size))
            is_changed = self._version(path) != version
        if is_changed:
            partial.begin(Version(tag=None))
            message = f"'{shown}' changed while it was read."
            raise TransientError(message)
        partial.finish(version, f"'{shown}'")

    def _chunks(self, path: str, start: int) -> Iterator[bytes]:
        # Without a cache each read is one request for just these bytes.
        with self._system.open(path, "rb", cache_type="none") as file:
            file.seek(start)
            while chunk := file.read(_CHUNK_BYTES):
                yield bytes(chunk)

    def _version(self, path: str) -> Version:
        self._system.invalidate_cache()
        info = self._system.info(path)
        size = info["size"]
        marks = [str(info[key]) for key in (*_TAGS, *_TIMES) if info.get(key) is not None]
        tag = " ".join([*marks, str(size)]) if marks else None
        time = next((info[key] for key in _TIMES if info.get(key) is not None), None)
        return Version(tag=tag, size=size, modified=_seconds(time))

    def _connected_path(self) -> str:
        self._connected()
        return self._path.rstrip("/")

    def _connected(self) -> Any:
        if self._system is None:
            options = dict(self.options)
            if urlsplit(self.url).scheme in _SSH:
                # Hosts that nobody vouched for are not believed; that is the library's own default.
                options.setdefault("known_hosts", ())
            self._system, self._path = fsspec.core.url_to_fs(
                self.url, skip_instance_cache=True, **options
            )
        return self._system

    @contextmanager
    def _named_faults(self, shown: str) -> Generator[None]:
        """Turn the errors of many libraries into ours, without secrets."""
        try:
            yield
        except ImportError as error:
            scheme = urlsplit(self.url).scheme
            package = _PACKAGES.get(scheme, f"the fsspec driver for '{scheme}'")
            message = f"'{shown}' needs a package that is not installed: uv add {package}"
            raise SourceError(message) from error
        except FileNotFoundError:
            message = f"There is no '{shown}'. Set the source's directory and files."
            raise SourceError(message) from None
        except Exception as error:  # noqa: BLE001 (each store has errors of its own)
            self._system = None  # A connection that broke serves no one any more.
            reason = f"{type(error).__name__}: {self._without_secrets(str(error))}"
            if _is_final(error):
                message = f"'{shown}' cannot be read ({reason}). Check the source's options."
                raise SourceError(message) from None
            message = f"'{shown}' does not answer in full ({reason})."
            raise TransientError(message) from None

    def _without_secrets(self, text: str) -> str:
        parts = urlsplit(self.url)
        values = [*_texts(self.options), unquote(parts.password or ""), parts.password or ""]
        for secret in sorted(values, key=len, reverse=True):
            if secret and secret not in self.where:
                text = text.replace(secret, "***")
        return text


def _is_file(info: Mapping[str, Any]) -> bool:
    return info.get("type") in {"file", "link"}


def _is_final(error: Exception) -> bool:
    kinds = (PermissionError, NotADirectoryError, IsADirectoryError, ValueError, TypeError)
    return isinstance(error, kinds) or type(error).__name__ in _FINAL


def _seconds(time: Any) -> float | None:
    if isinstance(time, str):
        with suppress(ValueError):
            time = datetime.fromisoformat(time)
    if isinstance(time, datetime):
        return time.timestamp()
    return float(time) if isinstance(time, int | float) else None


def _texts(options: Any) -> Iterator[str]:
    """Yield all text in options, however deep."""
    if isinstance(options, Mapping):
        for value in options.values():
            yield from _texts(value)
    elif isinstance(options, str):
        yield options
