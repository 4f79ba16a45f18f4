"""A real Spark cluster: a master and two workers, and a Spark Connect server that clients talk to.

Where it may, it gives the master and each worker a network namespace of its own, so that they are
three machines to each other that share nothing but the file system. Elsewhere all are processes of
this machine's own network, and `Cluster.has_namespaces` says so. Nothing else is then different.

Spark comes from PyPI, into a folder of its own that stays for the next time.

Run: cd scripts && uv run python -m servers.spark, and stop it with Ctrl-C.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from servers._java import installed_java
from servers._machines import Machine, network
from servers._process import (
    MissingServerError,
    free_port,
    serve_until_interrupted,
    stop,
    wait_until,
)

VERSION: Final = "4.2.0"
_PACKAGES: Final = (f"pyspark=={VERSION}", "py4j==0.10.9.9")
WORKERS: Final = 2
_WORKER_MEMORY: Final = "1536m"
_OLDEST_JAVA: Final = 17


@dataclass(frozen=True)
class Cluster:
    """A running cluster: where clients find it, and whether its machines have their own network."""

    url: str
    has_namespaces: bool


@contextmanager
def running() -> Generator[Cluster]:
    """Serve until the block ends; then nothing is left but Spark itself.

    Raises:
        MissingServerError: where there is no Java, or Spark cannot be installed.
    """
    home, java = installed() / "pyspark", java_home()
    folder = Path(tempfile.mkdtemp(prefix="spark-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        here, machines = stack.enter_context(network(1 + WORKERS))
        start = _Starter(stack, home, java, folder)
        master = machines[0]
        port = str(free_port())
        process = start(master, "master", _class("master.Master", master, "--port", port))
        url = f"spark://{master.address}:{port}"
        _wait_for(master.address, int(port), process, folder / "master.log")
        for number, machine in enumerate(machines[1:], start=1):
            command = _class("worker.Worker", machine, "--cores", "1", "--memory", _WORKER_MEMORY)
            start(machine, f"worker-{number}", [*command, url])
        connect = free_port()
        process = start(here, "connect", _connect(here, connect, url))
        _wait_for(here.address, connect, process, folder / "connect.log")
        yield Cluster(f"sc://{here.address}:{connect}", bool(master.command))


@contextmanager
def serve() -> Generator[str]:
    """Serve until the block ends, and yield the URL."""
    with running() as cluster:
        yield cluster.url


@dataclass(frozen=True)
class _Starter:
    """Starts processes of Spark that end when `stack` is closed, the last one first."""

    stack: ExitStack
    home: Path
    java: Path
    folder: Path

    def __call__(
        self, machine: Machine, name: str, command: Sequence[str]
    ) -> subprocess.Popen[bytes]:
        """Start a process on a machine; its output goes to the folder's `<name>.log`."""
        environment = {
            **os.environ,
            "JAVA_HOME": str(self.java),
            "SPARK_HOME": str(self.home),
            "SPARK_LOCAL_IP": machine.address,
            "SPARK_LOCAL_DIRS": str(self.folder / name),
            "SPARK_WORKER_DIR": str(self.folder / name),
            "SPARK_DAEMON_MEMORY": "1g" if name == "connect" else "256m",
        }
        program = self.home / "bin" / command[0]
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [*machine.command, program, *command[1:]],
                env=environment,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        self.stack.callback(stop, process, signal.SIGTERM)
        return process


def _class(name: str, machine: Machine, *options: str) -> list[str]:
    java_class = f"org.apache.spark.deploy.{name}"
    return ["spark-class", java_class, "--host", machine.address, "--webui-port", "0", *options]


def _connect(machine: Machine, port: int, master: str) -> list[str]:
    settings = {
        "spark.driver.host": machine.address,
        "spark.driver.bindAddress": machine.address,
        "spark.executor.memory": "1g",
        "spark.connect.grpc.binding.address": machine.address,
        "spark.connect.grpc.binding.port": str(port),
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "8",
        # A job begins when both workers are there, so that each test sees the same cluster.
        "spark.scheduler.minRegisteredResourcesRatio": "1.0",
        "spark.cores.max": str(WORKERS),
    }
    listed = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
    java_class = "org.apache.spark.sql.connect.service.SparkConnectServer"
    return ["spark-submit", "--master", master, "--class", java_class, *listed, "spark-internal"]


def _wait_for(address: str, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a process listens there."""

    def is_ready() -> bool:
        with suppress(OSError), socket.create_connection((address, port), timeout=1):
            return True
        return False

    wait_until(is_ready, process, log)


def java_home() -> Path:
    """Return the home of the oldest Java that Spark runs on, which is the one it is tested with."""
    for version, home in installed_java():
        if version >= _OLDEST_JAVA:
            return home
    message = "There is no Java 17 or newer. On Debian: apt-get install openjdk-17-jre-headless."
    raise MissingServerError(message)


def installed() -> Path:
    """Return the folder of packages that has all of Spark, which the first call installs.

    Raises:
        MissingServerError: where it cannot be installed.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    target = cache / "collectionflow" / f"spark-{VERSION}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=target.parent))
        _install(partial)
        with suppress(OSError):  # Another process was quicker.
            partial.rename(target)
    return target


def _install(folder: Path) -> None:
    """Install PySpark into a folder, without what its client side alone depends on."""
    uv_path = Path(__file__).parents[1] / "uv-path"
    uv = subprocess.run([uv_path], check=True, capture_output=True, text=True).stdout.strip()
    command = [uv, "pip", "install", "--quiet", "--no-deps", "--target", folder]
    try:
        subprocess.run(
            [*command, "--python", sys.executable, *_PACKAGES],
            check=True,
            capture_output=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        shutil.rmtree(folder)
        message = f"PySpark {VERSION} could not be installed: {getattr(error, 'stderr', error)}"
        raise MissingServerError(message) from error


if __name__ == "__main__":
    serve_until_interrupted(running())
