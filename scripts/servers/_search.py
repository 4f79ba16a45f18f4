"""What the search servers share: fetched from Maven Central once, unpacked and started anew."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from servers._process import MissingServerError, free_port, run_as, stop

_MAVEN: Final = "https://repo1.maven.org/maven2"
_USER: Final = "nobody"
_LOWEST_JAVA: Final = 21
_START_SECONDS: Final = 120.0


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


@dataclass
class Server:
    """A search server that can be stopped, killed and started again where it was."""

    folder: Path
    program: str
    java: Path
    port: int
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "OPENSEARCH_JAVA_HOME": str(self.java),
            "ES_JAVA_HOME": str(self.java),
            "OPENSEARCH_TMPDIR": str(self.folder / "tmp"),
            "ES_TMPDIR": str(self.folder / "tmp"),
        }
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.folder / "bin" / self.program],
                cwd=self.folder,
                env=variables,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **run_as(_USER),
            )
        self._wait(self._process)

    def stop(self) -> None:
        """Ask it to stop."""
        if self._process is not None:
            stop(self._process, signal.SIGTERM)

    def kill(self) -> None:
        """End it without a word, as a power cut would."""
        if self._process is not None:
            # The launcher of Elasticsearch has the server itself as its child.
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request with a JSON body and return the answer's."""
        request = urllib.request.Request(  # noqa: S310 (its own server)
            f"{self.url}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request) as response:  # noqa: S310 (its own server)
            return json.load(response)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError):
                # A restarted server answers before its indexes do.
                self.ask("GET", "/_cluster/health?wait_for_status=yellow&timeout=60s")
                return
            time.sleep(0.1)
        self.kill()
        message = f"The server did not start: {(self.folder / 'log').read_text()[-2000:]}"
        raise RuntimeError(message)


@contextmanager
def unpacked(
    archive: Artifact, program: str, settings: dict[str, Any], modules: dict[Artifact, str]
) -> Generator[Server]:
    """Yield a server that is unpacked and not started; then nothing is left of it.

    `modules` are added, each with the properties that describe it.

    Raises:
        MissingServerError: where the machine has no JDK that it runs on.
    """
    java = _java()
    folder = Path(tempfile.mkdtemp(prefix=f"{program}-"))
    try:
        with zipfile.ZipFile(archive.fetched()) as file:
            file.extractall(folder)
        (home,) = folder.iterdir()
        for module, properties in modules.items():
            _add_module(home, module, properties)
        server = Server(home, program, java, free_port())
        _configure(server, settings)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _add_module(home: Path, module: Artifact, properties: str) -> None:
    folder = home / "modules" / dict(line.split("=") for line in properties.splitlines())["name"]
    folder.mkdir()
    shutil.copy(module.fetched(), folder)
    (folder / "plugin-descriptor.properties").write_text(properties)


def _configure(server: Server, settings: dict[str, Any]) -> None:
    every = {
        "network.host": "127.0.0.1",
        "http.port": server.port,
        "transport.port": free_port(),
        "discovery.type": "single-node",
        # What a full disk does is tried on one index; the machine's own disk is not the matter.
        "cluster.routing.allocation.disk.threshold_enabled": False,
    }
    config = server.folder / "config"
    lines = [f"{name}: {json.dumps(value)}\n" for name, value in (every | settings).items()]
    (config / f"{server.program}.yml").write_text("".join(lines))
    (config / "jvm.options.d").mkdir(exist_ok=True)
    (server.folder / "tmp").mkdir()
    (config / "jvm.options.d" / "heap.options").write_text("-Xms1g\n-Xmx1g\n")
    for each in (server.folder / "bin").iterdir():
        each.chmod(0o755)
    if os.geteuid() == 0:
        for each in (server.folder.parent, *server.folder.parent.rglob("*")):
            shutil.chown(each, _USER)


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "collectionflow" / "servers"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _java() -> Path:
    """Return the newest JDK of this machine."""
    named = [Path(os.environ["JAVA_HOME"])] if "JAVA_HOME" in os.environ else []
    found = [*named, *Path("/usr/lib/jvm").glob("*"), *_mac_homes()]
    newest = max(found, key=_java_version, default=None)
    if newest is None or _java_version(newest) < _LOWEST_JAVA:
        message = (
            f"There is no JDK {_LOWEST_JAVA} or newer on this machine. On Debian: apt-get install "
            "openjdk-21-jdk-headless; JAVA_HOME names one that lies elsewhere."
        )
        raise MissingServerError(message)
    return newest


def _mac_homes() -> list[Path]:
    return list(Path("/Library/Java/JavaVirtualMachines").glob("*/Contents/Home"))


def _java_version(home: Path) -> int:
    """Return the major version of the JDK in a folder, 0 where there is none."""
    release = home / "release"
    text = release.read_text(errors="replace") if release.exists() else ""
    version = re.search(r'^JAVA_VERSION="(\d+)', text, re.MULTILINE)
    return int(version[1]) if version and (home / "bin" / "java").exists() else 0


def serve_until_interrupted(server: Server) -> None:
    """Serve until Ctrl-C, and print where."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # Else the server would outlive it.
    server.start()
    print(server.url, flush=True)
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)
