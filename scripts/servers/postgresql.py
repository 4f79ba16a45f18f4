"""A real PostgreSQL server on loopback, from the machine's own packages, with a life of its own.

Run: cd scripts && uv run python -m servers.postgresql, and stop it with Ctrl-C.
"""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from servers._process import MissingServerError, free_port, run_as, stop, wait_until

_USER = "postgres"
_QUICK = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_wal_size": "4GB",
    "listen_addresses": "127.0.0.1",
}


@dataclass
class Server:
    """A server that can be stopped and started again where it was."""

    folder: Path
    port: int
    password: str
    programs: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Where it is, with the password that it asks for."""
        return f"postgresql://{_USER}:{self.password}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start, and wait until it answers."""
        settings = {**_QUICK, "port": str(self.port), "unix_socket_directories": str(self.folder)}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.folder / "data", *options],
                stdout=log,
                stderr=log,
                **run_as(_USER),
            )
        ready = [self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        wait_until(ready, self._process, self.folder / "log")

    def stop(self) -> None:
        """End every connection at once and stop."""
        if self._process is not None:
            stop(self._process, signal.SIGINT)

    def execute(self, sql: str) -> str:
        """Run SQL as the superuser and return what it answers, a row a line."""
        return subprocess.run(
            [self.programs / "psql", self.url, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"],
            input=sql,
            check=True,
            capture_output=True,
            text=True,
        ).stdout


@contextmanager
def running() -> Generator[Server]:
    """Serve from a new folder until the block ends; then nothing is left of it.

    Raises:
        MissingServerError: where the machine has no PostgreSQL.
    """
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    try:
        server = Server(folder, free_port(), secrets.token_hex(8), _programs())
        _initialize(server)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


@contextmanager
def serve() -> Generator[str]:
    """Serve until the block ends, and yield the URL."""
    with running() as server:
        yield server.url


def _initialize(server: Server) -> None:
    password = server.folder / "password"
    password.write_text(server.password)
    if os.geteuid() == 0:
        shutil.chown(server.folder, _USER)
        shutil.chown(password, _USER)
    options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
    subprocess.run(
        [
            *(server.programs / "initdb", "-D", server.folder / "data", "-U", _USER),
            *(*options, f"--pwfile={password}"),
        ],
        check=True,
        capture_output=True,
        **run_as(_USER),
    )


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


def main() -> None:
    """Serve until Ctrl-C."""
    with serve() as url, suppress(KeyboardInterrupt):
        print(url, flush=True)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
