"""URLs of a source: its own host's or another's, and as they may be shown."""

from collections.abc import Mapping
from urllib.parse import SplitResult, unquote_plus, urlencode, urljoin, urlsplit

from collectionflow.errors import SourceError


def split_url(url: str) -> SplitResult:
    """Return the parts of a URL that can be asked.

    Raises:
        SourceError: where it is none.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # Is read when asked for, and may be no number.
    except ValueError as error:
        message = "A URL of the source cannot be read. Expected the form 'https://host/path'."
        raise SourceError(message) from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        message = (
            f"A URL of the source is of the kind '{parts.scheme}'. Expected the form "
            "'https://host/path'."
        )
        raise SourceError(message)
    return parts


def is_same_host(one: SplitResult, base: SplitResult) -> bool:
    """Return whether secrets for `base` may go to `one`: the same host, encrypted no worse."""
    if one.hostname != base.hostname:
        return False
    if (one.scheme, _port(one)) == (base.scheme, _port(base)):
        return True
    return (base.scheme, _port(base), one.scheme, _port(one)) == ("http", 80, "https", 443)


def resolved_link(link: str, page: str, base_url: str) -> str:
    """Return a link of a page as an absolute URL of the source's own host.

    A host behind a proxy may write `http` of itself where it is asked by `https`: that is mended.

    Raises:
        SourceError: where the link leads to another host.
    """
    base, target = split_url(base_url), split_url(urljoin(page, link))
    if target.scheme == "http" and base.scheme == "https" and target.hostname == base.hostname:
        target = target._replace(scheme="https", netloc=base.netloc)
    if not is_same_host(target, base):
        message = (
            f"The source '{base.hostname}' links its next page to '{target.hostname}'. A link to "
            "another host is not followed: ask the source to mend it, or set the source's URL to "
            "that host."
        )
        raise SourceError(message)
    return target.geturl()


def with_parameters(url: str, parameters: Mapping[str, str]) -> str:
    """Return a URL with these query parameters, in the stead of those of the same name.

    A link to the next page may repeat what was sent, keys included.

    Examples:
        >>> from collectionflow.harvest._url import with_parameters
        >>> with_parameters("https://example.org/objects?page=2&key=x", {"key": "1984"})
        'https://example.org/objects?page=2&key=1984'
    """
    if not parameters:
        return url
    parts = urlsplit(url)
    others = [
        each
        for each in parts.query.split("&")
        if each and unquote_plus(each.partition("=")[0]) not in parameters
    ]
    return parts._replace(query="&".join([*others, urlencode(parameters)])).geturl()


def shown(url: str) -> str:
    """Return a URL as errors and metadata may show it: without user, password and query.

    Examples:
        >>> from collectionflow.harvest._url import shown
        >>> shown("https://user:secret@example.org/objects?key=1984")
        'https://example.org/objects'
    """
    parts = split_url(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)
