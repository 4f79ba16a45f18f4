"""A folder on a web server, whose files are fetched by name and taken up where a transfer died."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import quote, urlsplit

from collectionflow._patience import TransientError
from collectionflow.errors import SourceError
from collectionflow.harvest._fetch import Partial, Version
from collectionflow.harvest._http import Http
from collectionflow.harvest._http_answer import Response
from collectionflow.harvest._url import shown
from collectionflow.harvest.credentials import Credentials
from collectionflow.ledger import Harvest
from collectionflow.notes import Notes

_CHUNK_BYTES: Final = 1 << 20
_PARTIAL: Final = 206
_NOT_MODIFIED: Final = 304
_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@dataclass(frozen=True, kw_only=True)
class WebFolder:
    """The files below a URL. There is no listing, so each is asked for by its name."""

    url: str
    credentials: Credentials | None
    harvest: Harvest
    notes: Notes

    def __post_init__(self) -> None:
        """Refuse a URL that names no folder."""
        if urlsplit(self.url).query or urlsplit(self.url).fragment:
            message = (
                f"The directory '{shown(self.url)}' has a query. Set the folder's URL only, and "
                "put what is secret into `credentials`."
            )
            raise SourceError(message)

    @property
    def where(self) -> str:
        """The folder without user and password."""
        return shown(self.url)

    def names(self) -> None:
        """Return nothing: a web server does not say which files there are."""

    def fetch(self, name: str, partial: Partial) -> None:
        """Fetch what is missing of a file; see `Remote`."""
        url = f"{self.url.rstrip('/')}/{quote(name)}"
        version = partial.version
        headers = {"Accept-Encoding": "identity", **_conditions(version, partial.size)}
        with (
            Http(self.url, self.harvest, self.notes, credentials=self.credentials) as http,
            http.opened(url, headers) as response,
        ):
            if response.status == _NOT_MODIFIED:
                return
            version = _taken_up(response, version, partial, url)
            is_packed = _is_packed(response, name)
            partial.extend(_chunks(response, is_packed=is_packed))
        partial.finish(version, f"'{shown(url)}'")


def _conditions(version: Version | None, size: int) -> Mapping[str, str]:
    """Return what asks for the rest of a file, or for all of it only where it has changed."""
    if version is None or version.tag is None:
        return {}
    is_etag = version.tag.startswith('"')
    if size == version.size:
        return {"If-None-Match" if is_etag else "If-Modified-Since": version.tag}
    return {"Range": f"bytes={size}-", "If-Range": version.tag} if size else {}


def _taken_up(response: Response, version: Version | None, partial: Partial, url: str) -> Version:
    """Return the version that comes, after the place where its bytes go was made ready."""
    if response.status != _PARTIAL:
        version = _version(response)
        partial.begin(version)
        return version
    found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    wanted = (str(partial.size), str(version.size) if version else "")
    if version is None or found is None or found.groups() != wanted:
        partial.begin(Version(tag=None))
        message = f"'{shown(url)}' sent another part than was asked for."
        raise TransientError(message)
    return version


def _version(response: Response) -> Version:
    """Return what the server says of a file that it sends from the start."""
    headers = response.headers
    etag, modified = headers.get("ETag", ""), headers.get("Last-Modified")
    length = headers.get("Content-Length")
    if "Content-Encoding" in headers:  # Packed for the way: neither size nor parts are the file's.
        return Version(tag=None, modified=_seconds(modified))
    size = int(length) if length and length.isdigit() else None
    # A weak tag does not promise that the bytes are the same.
    tag = etag if etag.startswith('"') else modified
    return Version(tag=tag if size is not None else None, size=size, modified=_seconds(modified))


def _seconds(date: str | None) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None


def _is_packed(response: Response, name: str) -> bool:
    """Return whether the answer is packed for the way; a server may call a .gz file that, too."""
    return "Content-Encoding" in response.headers and not name.lower().endswith(".gz")


def _chunks(response: Response, *, is_packed: bool) -> Iterator[bytes]:
    # What has come is kept at once: it is not asked for again.
    while chunk := response.read1(_CHUNK_BYTES, decode_content=is_packed):
        yield chunk
