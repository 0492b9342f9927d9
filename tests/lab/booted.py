"""A real systemd, as PID 1 of namespaces of its own: a machine for units, on our network.

Needs root. The kernel, its clock and /usr are the machine's, and can't be changed from inside.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.lab import parts
from tests.lab.part import Part
from tests.lab.process import Process
from tests.lab.waiting import wait_for

SCRIPT = Path(__file__).with_name("boot.sh")
INSTALLED = "opt/edgevitals"
BOOT_SECONDS = 60.0


class Booted(Part):
    """`folder` becomes its root directory. `files` are written there: path from the root -> text.

    Users must be able to pass through `folder`: where pytest makes one, nobody else is.
    """

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        self.root = folder
        written = {
            "etc/machine-id": "",  # systemd makes one
            "etc/hosts": "127.0.0.1 localhost\n",
            "etc/nsswitch.conf": "passwd: files systemd\ngroup: files systemd\nhosts: files dns\n",
            "etc/passwd": "root:x:0:0::/root:/bin/sh\n",
            "etc/group": "root:x:0:\n",
            **files,
        }
        for path, text in written.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        shutil.copy("/etc/ld.so.cache", folder / "etc")
        folder.chmod(0o755)
        parts.need("/lib/systemd/systemd", "systemd")
        self._cgroup = _cgroup2() / f"edgevitals-lab-{os.getpid()}"
        words = ["unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child"]
        self._holder = Process(
            "systemd",
            [*words, "sh", SCRIPT, folder, self._cgroup],
            folder.with_suffix(".log"),
        )

    def start(self) -> None:
        self._cgroup.mkdir()
        self._holder.start()
        self._holder.wait_until(self._is_up, BOOT_SECONDS)

    def stop(self) -> None:
        self._holder.kill()  # PID 1 and so all that runs inside
        wait_for(self._is_gone, 20.0, "the end of all that ran inside")

    def ctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run systemctl inside."""
        return self.run("systemctl", "--no-pager", *words)

    def show(self, unit: str, key: str) -> str:
        """One property of a unit."""
        return self.ctl("show", "--value", f"--property={key}", unit).stdout.strip()

    def journal(self, unit: str) -> str:
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}").stdout

    def processes(self, unit: str) -> dict[int, str]:
        """A service's processes: their numbers here, and inside."""
        file = self._cgroup / "system.slice" / unit / "cgroup.procs"
        found = {}
        for pid in map(int, file.read_text().split() if file.exists() else ()):
            with suppress(FileNotFoundError, ProcessLookupError):  # it has ended since
                status = Path(f"/proc/{pid}/status").read_text()
                numbers = next(x for x in status.splitlines() if x.startswith("NSpid:"))
                found[pid] = numbers.split()[-1]
        return found

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a program inside, as root."""
        first = self._first
        within = ["nsenter", f"--target={first}", "--mount", "--pid", f"--root=/proc/{first}/root"]
        return subprocess.run(
            [*within, *words], capture_output=True, text=True, check=False, timeout=120
        )

    @property
    def _first(self) -> int:
        """The number that PID 1 has outside; 0 while there is none."""
        parent = self._holder.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return int(children[0]) if children else 0

    def _is_up(self) -> bool:
        first = self._first
        if not first or Path(f"/proc/{first}/comm").read_text().strip() != "systemd":
            return False
        return self.ctl("is-system-running").stdout.strip() in {"running", "degraded"}

    def _is_gone(self) -> bool:
        groups = [*self._cgroup.rglob("*/"), self._cgroup]
        try:
            for group in sorted(groups, key=lambda path: -len(path.parts)):
                if group.is_dir():
                    group.rmdir()
        except OSError:  # something in it has not ended yet
            return False
        return True


def install(root: Path) -> None:
    """Install EdgeVitals of this checkout below `root`, by uv.lock, for the machine's Python."""
    python = shutil.which("python3", path="/usr/bin")
    if python is None:
        parts.install("python3", "there is no /usr/bin/python3")
        python = "/usr/bin/python3"
    place = root / INSTALLED
    uv = shutil.which("uv") or Path(sys.executable).with_name("uv")
    parts.run([uv, "venv", "--quiet", "--relocatable", "--python", python, place])
    sync = [uv, "sync", "--quiet", "--locked", "--no-dev", "--no-editable"]
    parts.run(["env", f"UV_PROJECT_ENVIRONMENT={place}", *sync], parts.PROJECT)


def _cgroup2() -> Path:
    """Where the machine has its cgroups of version 2, beside others or alone."""
    found = parts.run(["findmnt", "--noheadings", "--first-only", "-t", "cgroup2", "-o", "TARGET"])
    return Path(found.strip())
