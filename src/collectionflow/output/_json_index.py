"""The index of published JSON: a small file that says what was published, written last."""

import gzip
import json
import zlib
from dataclasses import asdict, dataclass
from typing import Final

from upath import UPath

from collectionflow.errors import StopRun
from collectionflow.storage import _files

_CHUNK: Final = 2**20


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A file that an index names: how many documents it has or lists, its size and checksum.

    Size and checksum (CRC-32, in hexadecimal digits) are of the JSON, before it is packed.
    """

    file: str
    documents: int
    bytes: int
    crc32: str


def index_of(listed: Listed) -> bytes:
    r"""Return the index of one file.

    Examples:
        >>> from collectionflow.output._json_index import Listed, index_of
        >>> listed = Listed(file="objects.ndjson", documents=2, bytes=18, crc32="5d8f0c21")
        >>> print(index_of(listed).decode(), end="")
        {
         "documents": 2,
         "files": [
          {
           "file": "objects.ndjson",
           "documents": 2,
           "bytes": 18,
           "crc32": "5d8f0c21"
          }
         ]
        }
    """
    content = {"documents": listed.documents, "files": [asdict(listed)]}
    return f"{json.dumps(content, indent=1, ensure_ascii=False)}\n".encode()


def read_index(path: UPath) -> Listed | None:
    """Return the file that an index names, None where there is no index.

    Raises:
        StopRun: where it is no such index.
    """
    try:
        (listed,) = json.loads(path.read_bytes())["files"]
        return Listed(**listed)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        message = (
            f"'{_files.location(path)}' is not an index of published JSON. Delete it, and publish "
            "again."
        )
        raise StopRun(message) from error


def listed_in(path: UPath, *, is_array: bool) -> Listed:
    """Read a file and return what an index is to say of it."""
    crc, size, lines = 0, 0, 0
    with path.open("rb") as packed:
        content = gzip.GzipFile(fileobj=packed) if path.name.endswith(".gz") else packed
        while chunk := content.read(_CHUNK):
            crc = zlib.crc32(chunk, crc)
            size += len(chunk)
            lines += chunk.count(b"\n")
    # A document takes one line, an array two more: one that opens it and one that closes it.
    documents = lines - 2 if is_array else lines
    return Listed(file=path.name, documents=documents, bytes=size, crc32=f"{crc:08x}")
