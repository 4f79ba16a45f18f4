"""A real MariaDB server on loopback, from the machine's own packages, with a life of its own.

Run: cd scripts && uv run python -m servers.mariadb, and stop it with Ctrl-C.
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

_USER = "mysql"
_NAME = "collection"


@dataclass
class Server:
    """A server that can be stopped and started again where it was."""

    folder: Path
    port: int
    password: str
    program: str
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Where it is, with the password that it asks for."""
        return f"mysql://{_NAME}:{self.password}@127.0.0.1:{self.port}/{_NAME}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(self.program, "--no-defaults", f"--datadir={self.folder / 'data'}"),
                    *(f"--socket={self._socket}", f"--port={self.port}"),
                    *("--bind-address=127.0.0.1", "--skip-name-resolve"),
                    *("--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync"),
                    *("--innodb-buffer-pool-size=256M", "--character-set-server=utf8mb4"),
                    "--max-allowed-packet=64M",
                ],
                stdout=log,
                stderr=log,
                **run_as(_USER),
            )
        ready = [
            _program("mariadb-admin"),
            "--no-defaults",
            f"--socket={self._socket}",
            "-u",
            "root",
            "ping",
        ]
        wait_until(ready, self._process, self.folder / "log")

    def stop(self) -> None:
        """End every connection and stop."""
        if self._process is not None:
            stop(self._process, signal.SIGTERM)

    def execute(self, sql: str) -> str:
        """Run SQL as the superuser and return what it answers, a row a line."""
        return subprocess.run(
            [
                *(_program("mariadb"), "--no-defaults", f"--socket={self._socket}"),
                *("-u", "root", "-N", "--default-character-set=utf8mb4", _NAME),
            ],
            input=sql,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def create(self) -> None:
        """Make the database, and the user who owns it."""
        subprocess.run(
            [_program("mariadb"), "--no-defaults", f"--socket={self._socket}", "-u", "root"],
            input=f"CREATE DATABASE {_NAME};"
            f"CREATE USER {_NAME}@'127.0.0.1' IDENTIFIED BY '{self.password}';"
            f"GRANT ALL ON *.* TO {_NAME}@'127.0.0.1';",
            check=True,
            capture_output=True,
            text=True,
        )

    @property
    def _socket(self) -> Path:
        return self.folder / "socket"


@contextmanager
def running() -> Generator[Server]:
    """Serve from a new folder until the block ends; then nothing is left of it.

    Raises:
        MissingServerError: where the machine has no MariaDB.
    """
    folder = Path(tempfile.mkdtemp(prefix="mariadb-"))
    try:
        server = Server(folder, free_port(), secrets.token_hex(8), _program("mariadbd"))
        _initialize(server)
        try:
            server.start()
            server.create()
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
    if os.geteuid() == 0:
        shutil.chown(server.folder, _USER)
    subprocess.run(
        [
            *(_program("mariadb-install-db"), "--no-defaults", f"--datadir={server.folder}/data"),
            *("--auth-root-authentication-method=normal", "--skip-test-db"),
            "--innodb-flush-method=nosync",
        ],
        check=True,
        capture_output=True,
        **run_as(_USER),
    )


def _program(name: str) -> str:
    """Return where a program is: Debian keeps servers away from the path of most users."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if found is None:
        message = "There is no MariaDB on this machine. On Debian: apt-get install mariadb-server."
        raise MissingServerError(message)
    return found


def main() -> None:
    """Serve until Ctrl-C."""
    with serve() as url, suppress(KeyboardInterrupt):
        print(url, flush=True)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
