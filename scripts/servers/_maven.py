"""Files of Maven Central, fetched once and known by their checksums."""

import hashlib
import os
import shutil
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from servers._process import MissingServerError

_MAVEN: Final = "https://repo1.maven.org/maven2"


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A file of Maven Central, and what it must be."""

    path: str
    sha256: str

    def fetched(self) -> Path:
        """Return the file from the cache, fetched where it is not there or not whole.

        Raises:
            MissingServerError: where Maven Central cannot be reached.
        """
        kept = _cache() / self.path.rpartition("/")[2]
        if not kept.exists() or self._digest(kept) != self.sha256:
            partial = kept.with_suffix(f".{os.getpid()}.partial")
            _fetch(f"{_MAVEN}/{self.path}", partial)
            if (found := self._digest(partial)) != self.sha256:
                partial.unlink()
                message = f"{self.path} has the SHA-256 {found}, expected {self.sha256}."
                raise RuntimeError(message)
            partial.replace(kept)
        return kept

    @staticmethod
    def _digest(path: Path) -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(url: str, path: Path) -> None:
    try:
        with urllib.request.urlopen(url) as body, path.open("wb") as file:  # noqa: S310
            shutil.copyfileobj(body, file)
    except OSError as error:
        message = f"'{url}' cannot be fetched ({error})."
        raise MissingServerError(message) from error


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "collectionflow" / "servers"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
