"""What the search servers share: fetched from Maven Central once, and unpacked anew."""

import json
import os
import shutil
import signal
import urllib.request
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

from servers._java import installed_java
from servers._maven import Artifact
from servers._process import MissingServerError, Server, free_port

_LOWEST_JAVA: Final = 21


def _java() -> Path:
    """Return the newest Java of this machine."""
    found = [home for version, home in installed_java() if version >= _LOWEST_JAVA]
    if not found:
        message = (
            f"There is no JDK {_LOWEST_JAVA} or newer on this machine. On Debian: apt-get install "
            "openjdk-21-jdk-headless; JAVA_HOME names one that lies elsewhere."
        )
        raise MissingServerError(message)
    return found[-1]


@dataclass
class SearchServer(Server):
    """A search server that can also be killed. `modules` have the properties that describe them."""

    java: Path = field(default_factory=_java)

    user: ClassVar[str] = "nobody"
    program: ClassVar[str]
    version: ClassVar[str]
    archive: ClassVar[Artifact]
    settings: ClassVar[Mapping[str, Any]] = {}
    modules: ClassVar[Mapping[Artifact, str]] = {}

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def command(self) -> Sequence[str | Path]:
        """Its own launcher."""
        return [self._home / "bin" / self.program]

    @property
    def environment(self) -> Mapping[str, str]:
        """Nothing of what else is set here."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self._home),
            "OPENSEARCH_JAVA_HOME": str(self.java),
            "ES_JAVA_HOME": str(self.java),
            "OPENSEARCH_TMPDIR": str(self._home / "tmp"),
            "ES_TMPDIR": str(self._home / "tmp"),
        }

    def install(self) -> None:
        """Unpack it and its modules, and write its settings."""
        with zipfile.ZipFile(self.archive.fetched()) as file:
            file.extractall(self.folder)
        for module, properties in self.modules.items():
            name = dict(line.split("=") for line in properties.splitlines())["name"]
            folder = self._home / "modules" / name
            folder.mkdir()
            shutil.copy(module.fetched(), folder)
            (folder / "plugin-descriptor.properties").write_text(properties)
        for each in (self._home / "bin").iterdir():
            each.chmod(0o755)
        (self._home / "tmp").mkdir()
        self._configure()
        self.hand_over()

    def is_ready(self) -> bool:
        """Whether it answers, and its indexes do: after a start they take longer."""
        with suppress(OSError):
            self.ask("GET", "/_cluster/health?wait_for_status=yellow&timeout=60s")
            return True
        return False

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

    @property
    def _home(self) -> Path:
        return self.folder / f"{self.program}-{self.version}"

    def _configure(self) -> None:
        every: dict[str, Any] = {
            "network.host": "127.0.0.1",
            "http.port": self.port,
            "transport.port": free_port(),
            "discovery.type": "single-node",
            # What a full disk does is tried on one index; the machine's own disk is not the matter.
            "cluster.routing.allocation.disk.threshold_enabled": False,
        }
        config = self._home / "config"
        lines = [
            f"{name}: {json.dumps(value)}\n" for name, value in {**every, **self.settings}.items()
        ]
        (config / f"{self.program}.yml").write_text("".join(lines))
        (config / "jvm.options.d").mkdir(exist_ok=True)
        (config / "jvm.options.d" / "heap.options").write_text("-Xms1g\n-Xmx1g\n")
