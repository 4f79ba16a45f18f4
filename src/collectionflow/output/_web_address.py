"""Addresses of the web by expression: IRIs as URLs, and what cannot be one as null."""

from typing import Final
from urllib.parse import urlsplit

import polars as pl

from collectionflow.output._percent import escaped

# https://www.sitemaps.org/protocol.html: an address has less than 2,048 characters.
MOST_CHARACTERS: Final = 2_047
# https://www.rfc-editor.org/rfc/rfc3986#section-2: what a URL may hold as it is.
_SAFE: Final = (
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?#[]@!$&'()*+,;="
)
_IS_PLAIN: Final = r"^(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*$"
# A control character, which no address has, stands for the sign of what is encoded already.
_MARK: Final = "\x01"
_CONTROL: Final = r"[\x00-\x1f\x7f]"
# No user's name, which is a secret or a mistake, and nothing that only a browser would mend.
_ORIGIN: Final = r"^(?i:https?)://[A-Za-z0-9.\-]+(?::[0-9]+)?(?:[/?#]|$)"


def origin_of(url: str) -> str:
    """Return scheme and host of a URL as a URL has them, an international host in Punycode.

    Raises:
        ValueError: where it has none, or names a user.

    Examples:
        >>> from collectionflow.output._web_address import origin_of
        >>> origin_of("HTTPS://Müseum.example/de/")
        'https://xn--mseum-kva.example'
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        message = "A base_url is 'https://' or 'http://' and a host, and names no user."
        raise ValueError(message)
    host = parts.hostname.encode("idna").decode()
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


def as_url(iri: pl.Expr, site: str | None = None) -> pl.Expr:
    """Return an address as a URL: what RFC 3986 does not allow in it percent-encoded, and once.

    Null where it is no absolute address, names a user, has control characters or is too long. An
    international host is known only as that of `site`, in whichever of its two forms.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.output._web_address import as_url
        >>> addresses = ["https://example.org/é a/100%?q=%C3%A9", "ftp://example.org", "/a"]
        >>> pl.DataFrame({"loc": addresses}).select(as_url(pl.col("loc"))).to_series().to_list()
        ['https://example.org/%C3%A9%20a/100%25?q=%C3%A9', None, None]
    """
    return iri.map_batches(
        lambda texts: _as_urls(texts, site), return_dtype=pl.String, is_elementwise=True
    )


def _as_urls(iris: pl.Series, site: str | None) -> pl.Series:
    # Step by step: as one expression, each step would be computed wherever it is used.
    table = pl.DataFrame({"iri": iris})
    if site and (international := _international(site)):
        is_ours = pl.col("iri").str.to_lowercase().str.starts_with(international)
        ours = pl.lit(origin_of(site)) + pl.col("iri").str.slice(len(international))
        table = table.select(iri=pl.when(is_ours).then(ours).otherwise("iri"))
    is_odd = ~pl.col("iri").str.contains(_IS_PLAIN) & ~pl.col("iri").str.contains(_CONTROL)
    # Null wherever nothing needs encoding, which costs next to nothing.
    table = table.with_columns(odd=pl.when(is_odd).then("iri"))
    # What is encoded already is not encoded again.
    marked = pl.col("odd").str.replace_all("%([0-9A-Fa-f]{2})", f"{_MARK}$1")
    table = table.select("iri", encoded=escaped(marked, "%", _SAFE, mark=_MARK))
    table = table.select(url=pl.coalesce("encoded", "iri"))
    url = pl.col("url")
    is_good = url.str.contains(_ORIGIN) & (url.str.len_bytes() <= MOST_CHARACTERS)
    return table.select(pl.when(is_good & ~url.str.contains(_CONTROL)).then(url)).to_series()


def is_on(url: pl.Expr, site: str) -> pl.Expr:
    """Return whether a URL is of the same scheme and host as the site.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.output._web_address import is_on
        >>> pl.select(is_on(pl.lit("HTTPS://Example.org/1"), "https://example.org")).item()
        True
        >>> pl.select(is_on(pl.lit("https://example.org.evil"), "https://example.org")).item()
        False
    """
    return url.str.extract("^([^/?#]*//[^/?#]*)").str.to_lowercase() == origin_of(site)


def _international(site: str) -> str | None:
    """Return the origin of a site whose host has other letters than ASCII has, in lower case."""
    origin = origin_of(site)
    scheme, host = origin.split("://")
    plain = host.encode().decode("idna")
    return None if plain == host else f"{scheme}://{plain}"
