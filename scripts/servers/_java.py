"""The Java of this machine."""

import os
import re
import shutil
from pathlib import Path


def installed_java() -> list[tuple[int, Path]]:
    """Return the major version and the home of each Java there is, the oldest first."""
    homes = {*Path("/usr/lib/jvm").glob("*")}
    homes |= {*Path("/Library/Java/JavaVirtualMachines").glob("*/Contents/Home")}
    if named := os.environ.get("JAVA_HOME"):
        homes.add(Path(named))
    if on_path := shutil.which("java"):
        homes.add(Path(on_path).resolve().parents[1])
    return sorted((version, home) for home in homes if (version := _version(home)))


def _version(home: Path) -> int:
    """Return the major version of the Java in a folder, 0 where there is none."""
    release = home / "release"
    text = release.read_text(errors="replace") if release.exists() else ""
    version = re.search(r'^JAVA_VERSION="(\d+)', text, re.MULTILINE)
    return int(version[1]) if version and (home / "bin" / "java").exists() else 0
