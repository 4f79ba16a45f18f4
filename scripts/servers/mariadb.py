"""A real MariaDB server on loopback, from the machine's own packages, with a life of its own.

Run: cd scripts && uv run python -m servers.mariadb, and stop it with Ctrl-C.
"""

import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

from servers import _process
from servers._process import MissingServerError, running_in_new_folder, serve_until_interrupted

_NAME = "collection"


def _program(name: str) -> str:
    """Return where a program is: Debian keeps servers away from the path of most users."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if found is None:
        message = "There is no MariaDB on this machine. On Debian: apt-get install mariadb-server."
        raise MissingServerError(message)
    return found


@dataclass
class Server(_process.Server):
    """A MariaDB server, with a database and a user who owns it."""

    password: str = field(default_factory=partial(secrets.token_hex, 8))
    program: str = field(default_factory=partial(_program, "mariadbd"))

    user: ClassVar[str] = "mysql"

    @property
    def url(self) -> str:
        """Where it is, with the password that it asks for."""
        return f"mysql://{_NAME}:{self.password}@127.0.0.1:{self.port}/{_NAME}"

    @property
    def command(self) -> Sequence[str | Path]:
        """The server, without what only a long life needs."""
        return [
            *(self.program, "--no-defaults", f"--datadir={self._data}"),
            *(f"--socket={self._socket}", f"--port={self.port}"),
            *("--bind-address=127.0.0.1", "--skip-name-resolve"),
            *("--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync"),
            *("--innodb-buffer-pool-size=256M", "--character-set-server=utf8mb4"),
            *("--max-allowed-packet=64M", f"--init-file={self._first}"),
        ]

    def install(self) -> None:
        """Make the server's files, and the SQL that makes the database."""
        self._first.write_text(
            f"CREATE DATABASE IF NOT EXISTS {_NAME};\n"
            f"CREATE USER IF NOT EXISTS {_NAME}@'127.0.0.1' IDENTIFIED BY '{self.password}';\n"
            f"GRANT ALL ON *.* TO {_NAME}@'127.0.0.1';\n"
        )
        self.hand_over()
        subprocess.run(
            [
                *(_program("mariadb-install-db"), "--no-defaults", f"--datadir={self._data}"),
                *("--auth-root-authentication-method=normal", "--skip-test-db"),
                "--innodb-flush-method=nosync",
            ],
            check=True,
            capture_output=True,
            **self.credentials,
        )

    def is_ready(self) -> bool:
        """Whether it answers."""
        command = [_program("mariadb-admin"), *self._as_root, "ping"]
        return not subprocess.run(command, check=False, capture_output=True).returncode

    def execute(self, sql: str) -> str:
        """Run SQL as the superuser and return what it answers, a row a line."""
        options = ["-N", "--default-character-set=utf8mb4", _NAME]
        return subprocess.run(
            [_program("mariadb"), *self._as_root, *options],
            input=sql,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    @property
    def _as_root(self) -> Sequence[str]:
        return ["--no-defaults", f"--socket={self._socket}", "-u", "root"]

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _socket(self) -> Path:
        return self.folder / "socket"

    @property
    def _first(self) -> Path:
        return self.folder / "first.sql"


def running() -> AbstractContextManager[Server]:
    """Serve until the block ends.

    Raises:
        MissingServerError: where the machine has no MariaDB.
    """
    return running_in_new_folder(Server)


if __name__ == "__main__":
    serve_until_interrupted(running())
