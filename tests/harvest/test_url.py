"""URLs of a source: which host they lead to, and what of them is shown."""

import pytest

from collectionflow.errors import SourceError
from collectionflow.harvest._url import resolved_link, shown, with_parameters

BASE = "https://example.org/v1"


@pytest.mark.parametrize(
    ("link", "base", "found"),
    [
        ("?page=2", BASE, "https://example.org/v1/objects?page=2"),
        ("/v2/o?page=2", BASE, "https://example.org/v2/o?page=2"),
        ("https://example.org:443/o", BASE, "https://example.org:443/o"),
        ("http://example.org/o?page=2", BASE, "https://example.org/o?page=2"),
        ("http://example.org:8080/o", "https://example.org:8443/", "https://example.org:8443/o"),
        ("https://example.org/o", "http://example.org/", "https://example.org/o"),
    ],
)
def test_a_link_of_a_page_is_resolved(link: str, base: str, found: str) -> None:
    assert resolved_link(link, f"{base}/objects?page=1", base) == found


@pytest.mark.parametrize(
    ("link", "base"),
    [
        ("https://other.org/o", BASE),
        ("//other.org/o", BASE),
        ("https://example.org.other.org/o", BASE),
        ("https://example.org@other.org/o", BASE),
        ("https://example.org:444/o", BASE),
        ("http://example.org:81/o", "http://example.org/"),
    ],
)
def test_a_link_to_another_host_is_refused(link: str, base: str) -> None:
    with pytest.raises(SourceError, match="A link to another host is not followed"):
        resolved_link(link, base, base)


@pytest.mark.parametrize(
    ("url", "parameters", "found"),
    [
        ("https://x.org/a", {}, "https://x.org/a"),
        ("https://x.org/a", {"b": "c d"}, "https://x.org/a?b=c+d"),
        ("https://x.org/a?z=%2F&y", {"b": "1"}, "https://x.org/a?z=%2F&y&b=1"),
        ("https://x.org/a?b=0&c=2&%62=3", {"b": "1"}, "https://x.org/a?c=2&b=1"),
    ],
)
def test_parameters_take_the_place_of_those_that_are_there(
    url: str, parameters: dict[str, str], found: str
) -> None:
    assert with_parameters(url, parameters) == found


def test_a_url_is_shown_without_its_secrets() -> None:
    assert shown("https://user:s3cret@x.org:8443/a?key=s3cret#s3cret") == "https://x.org:8443/a"
