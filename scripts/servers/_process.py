"""What the database servers share: a free port, another user, a patient start and a sure stop."""

import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

_START_SECONDS = 60.0


class MissingServerError(Exception):
    """The machine has no such server. The message says how to get it."""


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


def run_as(user: str) -> Credentials:
    """Return the options of a process that must not be root's; of no effect for anyone else."""
    if os.geteuid():
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def wait_until(ready: Sequence[str | Path], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the command `ready` succeeds.

    Raises:
        RuntimeError: where the server ends before that or takes a minute, with its log.
    """
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if not subprocess.run(ready, check=False, capture_output=True).returncode:
            return
        time.sleep(0.05)
    message = f"The server did not start: {log.read_text(errors='replace')[-2000:]}"
    raise RuntimeError(message)


def stop(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Ask a server to stop, and end it where it does not."""
    process.send_signal(how)
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
