"""A real PostgreSQL server on loopback, from the machine's own packages, with a life of its own.

Run: cd scripts && uv run python -m servers.postgresql, and stop it with Ctrl-C.
"""

import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

from servers import _process
from servers._process import MissingServerError, running_in_new_folder, serve_until_interrupted

_QUICK = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_wal_size": "4GB",
    "listen_addresses": "127.0.0.1",
}


def _programs() -> Path:
    """Return the folder of the newest PostgreSQL: Debian keeps it away from the path."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve().parent] if on_path else []
    found += sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name)
    )
    for folder in found:
        if (folder / "initdb").exists():
            return folder
    message = "There is no PostgreSQL on this machine. On Debian: apt-get install postgresql."
    raise MissingServerError(message)


@dataclass
class Server(_process.Server):
    """A PostgreSQL server."""

    password: str = field(default_factory=partial(secrets.token_hex, 8))
    programs: Path = field(default_factory=_programs)

    user: ClassVar[str] = "postgres"
    ending: ClassVar[signal.Signals] = signal.SIGINT

    @property
    def url(self) -> str:
        """Where it is, with the superuser's password."""
        return f"postgresql://{self.user}:{self.password}@127.0.0.1:{self.port}/postgres"

    @property
    def command(self) -> Sequence[str | Path]:
        """The server, without what only a long life needs."""
        settings = {**_QUICK, "port": str(self.port), "unix_socket_directories": str(self.folder)}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return [self.programs / "postgres", "-D", self.folder / "data", *options]

    def install(self) -> None:
        """Make the database's files, in UTF-8."""
        password = self.folder / "password"
        password.write_text(self.password)
        self.hand_over()
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run(
            [
                *(self.programs / "initdb", "-D", self.folder / "data", "-U", self.user),
                *(*options, f"--pwfile={password}"),
            ],
            check=True,
            capture_output=True,
            **self.credentials,
        )

    def is_ready(self) -> bool:
        """Whether it answers."""
        command = [self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return not subprocess.run(command, check=False, capture_output=True).returncode

    def execute(self, sql: str) -> str:
        """Run SQL as the superuser and return what it answers, a row a line."""
        return subprocess.run(
            [self.programs / "psql", self.url, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"],
            input=sql,
            check=True,
            capture_output=True,
            text=True,
        ).stdout


def running() -> AbstractContextManager[Server]:
    """Serve until the block ends.

    Raises:
        MissingServerError: where the machine has no PostgreSQL.
    """
    return running_in_new_folder(Server)


if __name__ == "__main__":
    serve_until_interrupted(running())
