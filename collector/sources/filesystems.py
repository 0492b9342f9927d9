"""Sizes of mounted file systems, asked in a way that a dead mount can't hold up.

`statvfs` on a network mount whose server is away waits for ever, and a thread in it can't be
ended. So each read walks the mounts in a thread of its own; a mount it doesn't come back from is
left alone until it does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

from collector.sources.procfs import Procfs

# The file systems and places that node_exporter leaves out by default: they hold no data.
PSEUDO_TYPES = frozenset(
    (
        *("autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts"),
        *("devtmpfs", "erofs", "fusectl", "hugetlbfs", "iso9660", "mqueue", "nsfs", "overlay"),
        *("proc", "procfs", "pstore", "rpc_pipefs", "securityfs", "selinuxfs", "squashfs"),
        *("sysfs", "tracefs"),
    )
)
PSEUDO_PLACES = re.compile(
    r"/(dev|proc|sys|run/credentials/.+|var/lib/docker/.+|var/lib/containers/storage/.+)(/|$)"
)
SECRETS_OF_PODS = "/var/lib/kubelet/"
"""A tmpfs for each secret of each pod; volumes with data lie there too."""
REMOTE_TYPES = re.compile(r"nfs|cifs|smb|ceph|gluster|9p|afs|fuse")
"""The ones that hang: they are asked last, so that the others are there."""


class Mount(NamedTuple):
    """A line of /proc/<pid>/mountinfo. `disk` is its device number, as `major:minor`."""

    disk: str
    device: str
    mountpoint: str
    fstype: str
    is_readonly: bool
    is_bind: bool


class Usage(NamedTuple):
    """What `statvfs` says, in bytes and file nodes."""

    size: int
    free: int
    avail: int
    files: int
    files_free: int


def mounts(mountinfo: str) -> list[Mount]:
    """Return what may hold data, the remote ones last.

    Of mounts over one another only the last one can be reached. See proc_pid_mountinfo(5).
    """
    found: dict[str, Mount] = {}
    for line in mountinfo.splitlines():
        place, _, system = line.partition(" - ")
        _, _, disk, root, mountpoint, options, *_ = place.split(" ")
        fstype, device, super_options = system.split(" ", 2)
        found.pop(mountpoint, None)
        found[mountpoint] = Mount(
            disk,
            _unescaped(device),
            _unescaped(mountpoint),
            fstype,
            # Not from statvfs: a service that is shielded (ProtectSystem=) sees its own read-only
            # view. The second is where an ext4 goes after an error.
            "ro" in options.split(",") or "ro" in super_options.split(","),
            root != "/" and fstype != "btrfs",  # there it is the subvolume
        )
    wanted = [
        mount
        for mount in found.values()
        if mount.fstype not in PSEUDO_TYPES
        and not PSEUDO_PLACES.match(mount.mountpoint)
        and not (mount.fstype == "tmpfs" and mount.mountpoint.startswith(SECRETS_OF_PODS))
    ]
    return sorted(wanted, key=lambda mount: bool(REMOTE_TYPES.match(mount.fstype)))


class Filesystems:
    """The file systems of a host. One thread reads."""

    def __init__(self, proc: Procfs, root: Path) -> None:
        """`proc` has the list of mounts, whose places are below `root`."""
        self._proc = proc
        self._root = str(root)
        self._hanging: list[_Walk] = []

    def read(self, seconds: float) -> list[tuple[Mount, Usage | None]]:
        """Return the usage of each mount, None for one that fails or doesn't answer.

        A mount that hangs takes `seconds`, once. Raises OSError when there is no list of mounts.
        """
        self._hanging = [walk for walk in self._hanging if not walk.is_over.is_set()]
        hanging = {walk.at.mountpoint for walk in self._hanging if walk.at is not None}
        known = mounts(self._mountinfo())
        wanted = [mount for mount in known if mount.mountpoint not in hanging]
        walk = _Walk(wanted, self._root)
        Thread(target=walk.run, name="filesystems", daemon=True).start()
        if not walk.is_over.wait(seconds):
            walk.is_given_up = True
            self._hanging.append(walk)
            if walk.at is not None:
                hanging.add(walk.at.mountpoint)
        found = list(walk.found)
        told = {mount.mountpoint for mount, _ in found}
        late = [m for m in known if m.mountpoint in hanging and m.mountpoint not in told]
        return [*found, *((mount, None) for mount in late)]

    def _mountinfo(self) -> str:
        """Return the mounts of process 1, where a container or service sees only its own."""
        try:
            return self._proc.text("1/mountinfo")
        except OSError:  # hidepid
            return self._proc.text("self/mountinfo")


class _Walk:
    """One go over the mounts; `at` is the one being asked."""

    def __init__(self, wanted: Iterable[Mount], root: str) -> None:
        self.found: list[tuple[Mount, Usage | None]] = []
        self.at: Mount | None = None
        self.is_given_up = False
        self.is_over = Event()
        self._wanted = list(wanted)
        self._root = root

    def run(self) -> None:
        try:
            for found in self._ask():
                if self.is_given_up:
                    return
                self.found.append(found)
        finally:
            self.is_over.set()

    def _ask(self) -> Iterator[tuple[Mount, Usage | None]]:
        """Ask each mount; of a disk's bind mounts none if the disk itself is mounted, else one.

        In a container they are /etc/hosts and its like, and the one directory that matters.
        """
        disks = {mount.disk for mount in self._wanted if not mount.is_bind}
        for mount in self._wanted:
            self.at = mount
            place = f"{self._root.rstrip('/')}{mount.mountpoint}"
            if mount.is_bind:
                if mount.disk in disks or not Path(place).is_dir():
                    continue
                disks.add(mount.disk)
            try:
                found = os.statvfs(place)
            except OSError:
                yield mount, None
                continue
            block = found.f_frsize
            yield (
                mount,
                Usage(
                    found.f_blocks * block,
                    found.f_bfree * block,
                    found.f_bavail * block,
                    found.f_files,
                    found.f_ffree,
                ),
            )
        self.at = None


def _unescaped(field: str) -> str:
    r"""Turn \040 into a space; tab, line feed and the backslash come like this too."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
