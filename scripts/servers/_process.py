"""What the servers share: a folder and a port of their own, a patient start and a sure stop."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol, TypedDict, TypeVar

_START_SECONDS = 120.0


class MissingServerError(Exception):
    """The machine has no such server. The message says how to get it."""


class Addressed(Protocol):
    """Something that can be reached."""

    @property
    def url(self) -> str:
        """Where it is."""
        ...


class Credentials(TypedDict, total=False):
    """As whom a process runs."""

    user: str
    group: int
    extra_groups: Sequence[str]


def free_port() -> int:
    """Return a port of loopback that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@dataclass
class Server(ABC):
    """A server in a folder of its own, that can be stopped and started again where it was."""

    folder: Path
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    user: ClassVar[str]
    ending: ClassVar[signal.Signals] = signal.SIGTERM

    @property
    @abstractmethod
    def url(self) -> str:
        """Where it is, with the password that it asks for."""

    @property
    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """What starts it."""

    @property
    def environment(self) -> Mapping[str, str] | None:
        """Its variables, None for those of this process."""
        return None

    @abstractmethod
    def install(self) -> None:
        """Put into the folder what it needs before it starts for the first time."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it answers."""

    def start(self) -> None:
        """Start, and wait until it answers."""
        path = self.folder / "log"
        with path.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self.credentials,
            )
        wait_until(self.is_ready, self._process, path)

    def stop(self) -> None:
        """Ask it to end every connection and stop."""
        if self._process is not None:
            stop(self._process, self.ending)

    @property
    def credentials(self) -> Credentials:
        """Whom it runs as: it must not be root; it makes no difference for anyone else."""
        if os.geteuid():
            return {}
        return {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid, "extra_groups": []}

    def hand_over(self) -> None:
        """Give its user the folder and all that is in it."""
        if not os.geteuid():
            for each in (self.folder, *self.folder.rglob("*")):
                shutil.chown(each, self.user)


Kind = TypeVar("Kind", bound=Server)


@contextmanager
def running_in_new_folder(kind: type[Kind]) -> Generator[Kind]:
    """Serve from a new folder until the block ends; then nothing is left of it."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="server-"))
        stack.callback(shutil.rmtree, folder)
        server = kind(folder)
        stack.callback(server.stop)
        server.install()
        server.start()
        yield server


def wait_until(is_ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server is ready.

    Raises:
        RuntimeError: where it ends before that or takes two minutes, with its log.
    """
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if is_ready():
            return
        time.sleep(0.05)
    message = f"The server did not start: {log.read_text(errors='replace')[-4000:]}"
    raise RuntimeError(message)


def stop(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Ask a server to stop, and end it where it does not."""
    process.send_signal(how)
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def serve_until_interrupted(running: AbstractContextManager[Addressed]) -> None:
    """Print where a server is, and serve until Ctrl-C, or until it is asked to end."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # Else it would outlive this process.
    with running as server, suppress(KeyboardInterrupt):
        print(server.url, flush=True)
        while True:
            time.sleep(3600)
