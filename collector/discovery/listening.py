"""Sockets and processes of this machine, as far as we may look.

Everybody may read which ports are listened on, and the command lines of most processes. Whose port
it is only root may know, and everybody of his own processes.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from collector.discovery.java import JavaProcess, java_process

LISTEN = "0A"
MOST_SOCKETS = 4096
MOST_PROCESSES = 20_000
MOST_FILES = 4096
"""Open files of one process that are looked at."""
MOST_BYTES = 1 << 20

_INODE = re.compile(r"socket:\[(\d+)\]")
_CONTAINER = re.compile(r"(docker|kubepods|containerd|libpod|crio|lxc|garden|machine)")
_ANY = {"0.0.0.0", "::"}  # noqa: S104 - they are compared with


@dataclass(frozen=True, slots=True)
class Socket:
    """A port that is listened on. `host` is where to reach it from here."""

    host: str
    port: int
    inode: int


@dataclass(slots=True)
class Machine:
    """What was seen. `owners` is {inode: pid}; `hidden` counts processes we may not look into."""

    sockets: list[Socket] = field(default_factory=list)
    owners: dict[int, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    java: list[JavaProcess] = field(default_factory=list)
    containers: dict[int, str] = field(default_factory=dict)
    hidden: int = 0
    has_sockets: bool = True


def sockets(text: str, *, is_v6: bool) -> list[Socket]:
    """Read /proc/net/tcp or tcp6: those that listen. A line that is none is left out."""
    found = {}
    for line in text.splitlines()[1 : MOST_SOCKETS * 16]:
        words = line.split()
        if len(words) < 10 or words[3] != LISTEN or not words[9].isdigit():
            continue
        host, _, port = words[1].partition(":")
        try:
            address = _v6(host) if is_v6 else _v4(host)
            found[address, int(port, 16)] = Socket(address, int(port, 16), int(words[9]))
        except ValueError:
            continue
    return list(found.values())[:MOST_SOCKETS]


def machine(proc: Path = Path("/proc")) -> Machine:
    """Look at this machine."""
    seen = Machine()
    for name, is_v6 in (("tcp", False), ("tcp6", True)):
        text = _text(proc / "net" / name)
        if text is None and not is_v6:
            seen.has_sockets = False
        seen.sockets += sockets(text or "", is_v6=is_v6)
    wanted = {socket.inode for socket in seen.sockets}
    own = _container(_text(proc / "self/cgroup") or "")
    for pid in _pids(proc):
        place = proc / str(pid)
        arguments = (_text(place / "cmdline") or "").split("\0")
        process = java_process(pid, arguments)
        if process is not None:
            seen.java.append(process)
            inside = _container(_text(place / "cgroup") or "")
            if inside and inside != own:
                seen.containers[pid] = inside
        try:
            mine = _inodes(place / "fd") & wanted
        except PermissionError:
            seen.hidden += 1
            continue
        except OSError:
            continue
        for inode in mine:
            seen.owners[inode] = pid
        if mine:
            seen.names[pid] = (_text(place / "comm") or "").strip()
    return seen


def read_file(process: JavaProcess, name: str, proc: Path = Path("/proc")) -> str | None:
    """Return a file that a process was given, as that process finds it; None if we can't."""
    place = proc / str(process.pid)
    path = Path(name)
    roots = [place / "root"] if path.is_absolute() else [place / "cwd"]
    for root in roots:
        text = _text(root / name.lstrip("/"))
        if text is not None:
            return text
    return _text(path) if path.is_absolute() else None


def _pids(proc: Path) -> Iterator[int]:
    with suppress(OSError), os.scandir(proc) as entries:
        for count, entry in enumerate(entries):
            if count >= MOST_PROCESSES:
                return
            if entry.name.isdigit():
                yield int(entry.name)


def _inodes(folder: Path) -> set[int]:
    found = set()
    with os.scandir(folder) as entries:
        for count, entry in enumerate(entries):
            if count >= MOST_FILES:
                break
            with suppress(OSError):
                if inode := _INODE.fullmatch(Path(entry.path).readlink().name):
                    found.add(int(inode[1]))
    return found


def _text(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return None


def _container(cgroup: str) -> str:
    """Return which container a process is in, as its cgroup names it; "" for none."""
    for line in cgroup.splitlines():
        path = line.rpartition(":")[2]
        if _CONTAINER.search(path):
            return path.rpartition("/")[2][:64]
    return ""


def _v4(text: str) -> str:
    parts = bytes.fromhex(text)
    if len(parts) != 4:
        raise ValueError(text)
    address = ".".join(map(str, reversed(parts)))
    return "127.0.0.1" if address in _ANY else address


def _v6(text: str) -> str:
    words = bytes.fromhex(text)
    if len(words) != 16:
        raise ValueError(text)
    raw = b"".join(words[at : at + 4][::-1] for at in range(0, 16, 4))
    if raw[:12] == bytes(10) + b"\xff\xff":
        return _v4(raw[:11:-1].hex())
    if raw == bytes(16):
        return "127.0.0.1"  # of both families, unless a host has no IPv4 at all
    return ipaddress.IPv6Address(raw).compressed
