"""Machines for a cluster: network namespaces on a bridge, where they may be made."""

import os
import secrets
import subprocess
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """Something that a process runs on: an address, and the command that goes there."""

    address: str
    command: tuple[str, ...] = ()


@contextmanager
def network(count: int) -> Generator[tuple[Machine, list[Machine]]]:
    """Yield this machine and `count` others: namespaces on a bridge, or this one for all."""
    name = f"cf{secrets.token_hex(3)}"
    subnet = f"10.{213 + os.getpid() % 40}.{secrets.randbelow(250) + 1}"
    try:
        here, machines = _bridge(name, subnet, count)
    except (OSError, subprocess.CalledProcessError):
        _remove(name, count)
        alone = Machine("127.0.0.1")
        yield alone, [alone] * count
        return
    try:
        yield here, machines
    finally:
        _remove(name, count)


def _bridge(name: str, subnet: str, count: int) -> tuple[Machine, list[Machine]]:
    """Make a bridge with an address for this machine, and a namespace on it for each other one."""
    _ip("link", "add", name, "type", "bridge")
    _ip("address", "add", f"{subnet}.1/24", "dev", name)
    _ip("link", "set", name, "up")
    machines = []
    for number in range(count):
        space, outer, inner = f"{name}-{number}", f"{name}o{number}", f"{name}i{number}"
        address = f"{subnet}.{number + 2}"
        _ip("netns", "add", space)
        _ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", space)
        _ip("link", "set", outer, "master", name, "up")
        inside = ("ip", "netns", "exec", space)
        _ip("-n", space, "address", "add", f"{address}/24", "dev", inner)
        _ip("-n", space, "link", "set", inner, "up")
        _ip("-n", space, "link", "set", "lo", "up")
        machines.append(Machine(address, inside))
    return Machine(f"{subnet}.1"), machines


def _remove(name: str, count: int) -> None:
    """Remove what is there of a bridge and its namespaces; their cables go with them."""
    for number in range(count):
        with suppress(OSError, subprocess.CalledProcessError):
            _ip("netns", "delete", f"{name}-{number}")
    with suppress(OSError, subprocess.CalledProcessError):
        _ip("link", "delete", name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)  # noqa: S607
