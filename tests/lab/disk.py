"""A small disk for one test: it can fill up, run out of inodes, fail, be replaced.

It is mounted in a namespace of its own: nobody else sees it, and it goes with the process that
holds it, whatever happens to the test.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.lab.part import Part
from tests.lab.process import Process

SOON = 20.0

_HOLD = '{mount} && : > "$0/.mounted" && exec sleep infinity'
_BALLAST = "ballast"


class SmallDisk(Part):
    """A tmpfs. `place` leads to it for those who run `within`, `seen` for the test."""

    def __init__(self, folder: Path, size: str = "64m", inodes: int = 10_000) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.place = folder
        self._holder = self._mounted_by(
            f'mount -t tmpfs -o size={size},nr_inodes={inodes},mode=700 disk "$0"'
        )

    def start(self) -> None:
        self._holder.start()
        self._holder.wait_until((self.seen / ".mounted").exists, SOON)

    def stop(self) -> None:
        self._holder.stop()

    @property
    def within(self) -> list[str]:
        """What to put before a command that shall see the disk."""
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", "--target", str(self._holder.pid), "--mount", *user, "--"]

    @property
    def seen(self) -> Path:
        return Path(f"/proc/{self._holder.pid}/root{self.place}")

    @property
    def free(self) -> int:
        """Bytes."""
        found = os.statvfs(self.seen)
        return found.f_bavail * found.f_frsize

    def fill(self, leave: int = 0) -> None:
        """Take what is free, but for so many bytes."""
        with (self.seen / _BALLAST).open("ab") as ballast:
            os.posix_fallocate(ballast.fileno(), ballast.tell(), max(1, self.free - leave))

    def fill_inodes(self) -> None:
        """Make files until there can be no more."""
        folder = self.seen / "files"
        folder.mkdir(exist_ok=True)
        for number in range(os.statvfs(self.seen).f_ffree):
            (folder / str(number)).touch()

    def free_again(self) -> None:
        """Remove what `fill` and `fill_inodes` made."""
        (self.seen / _BALLAST).unlink(missing_ok=True)
        folder = self.seen / "files"
        for file in folder.iterdir() if folder.exists() else ():
            file.unlink()

    def _mounted_by(self, mount: str) -> Process:
        """The process that holds the disk; `$0` is its place."""
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        command: list[str | Path] = [
            "unshare",
            "--mount",
            *user,
            "sh",
            "-c",
            _HOLD.format(mount=mount),
            self.place,
        ]
        return Process("disk", command, self.place.with_suffix(".log"))

    def _run(self, *command: str | Path) -> None:
        words: Sequence[str | Path] = [*self.within, *command]
        subprocess.run(words, check=True, capture_output=True)


class Ext4Disk(SmallDisk):
    """An ext4 file system in a file. Needs root, as loop devices do."""

    def __init__(self, folder: Path, size: str = "64M") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.place = folder
        self._image = folder.with_suffix(".ext4")
        subprocess.run(["truncate", "-s", size, self._image], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", self._image], check=True)
        self._holder = self._mounted_by(f'mount -o loop "{self._image}" "$0"')

    def fail(self) -> None:
        """What the kernel does when it meets an error: read-only at once, for everybody."""
        self._run("mount", "-o", "remount,abort", self.place)

    def repair(self) -> None:
        """What a person does then: check it and mount it anew, under a process that runs.

        A copy of it: while the process has the old one open the kernel gives that one again.
        """
        self._run("umount", "--lazy", self.place)
        copy = self._image.with_suffix(".repaired")
        shutil.copy(self._image, copy)
        done = subprocess.run(["e2fsck", "-fy", copy], check=False, capture_output=True)
        assert done.returncode in {0, 1}, done.stdout.decode()
        self._run("mount", "-o", "loop", copy, self.place)
