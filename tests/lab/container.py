"""The image of deploy/container, built for real, and a container of it as an orchestrator runs one.

buildah builds, runc runs: both are Debian's and need no daemon. No registry is asked: the image is
built in a Debian that mmdebstrap makes from Debian's packages.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.lab import parts
from tests.lab.part import Part
from tests.lab.process import Process

USER = 65532
BASE = "localhost/edgevitals-base:bookworm"
NAME = "localhost/edgevitals:test"
MEMORY_LIMIT = 160 << 20


class Image(NamedTuple):
    """`root` is a copy of its files; sizes are bytes, `packed` as a registry would hold it."""

    root: Path
    labels: dict[str, str]
    size: int
    packed: int


def buildah(*words: str | Path) -> str:
    program = parts.need("buildah", "buildah")
    # vfs: it copies where others mount, which a container of ours might not be allowed to.
    return parts.run([program, "--storage-driver=vfs", *words]).strip()


def build(folder: Path) -> Image:
    """Build it from this checkout; some minutes the first time."""
    if not buildah("images", "--quiet", "--filter", f"reference={BASE}"):
        _make_base()
    environment = {**os.environ, "BUILDAH": "buildah --storage-driver=vfs"}
    script = parts.PROJECT / "deploy/container/build.py"
    command: list[str | Path] = [
        sys.executable,
        script,
        NAME,
        "--base",
        BASE,
        "--isolation",
        "chroot",
    ]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    told = json.loads(buildah("inspect", "--type", "image", NAME))
    archive, root = folder / "image.tar", folder / "root"
    buildah("push", "--quiet", NAME, f"oci-archive:{archive}")
    container = buildah("from", NAME)
    try:
        shutil.copytree(buildah("mount", container), root, symlinks=True)
        os.chown(root / "var/lib/edgevitals", USER, USER)
    finally:
        buildah("rm", container)
    size = sum(path.lstat().st_size for path in root.rglob("*") if not path.is_dir())
    return Image(
        root, told["OCIv1"]["config"]["Labels"], size, len(gzip.compress(archive.read_bytes(), 6))
    )


def _make_base() -> None:
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "base.tar")
        program = parts.need("mmdebstrap", "mmdebstrap")
        parts.say("making a Debian to build the image in")
        parts.run([program, "--quiet", "--variant=minbase", "bookworm", archive])
        container = buildah("from", "scratch")
        buildah("add", container, archive, "/")
        buildah("commit", "--quiet", "--rm", container, BASE)


class Container(Part):
    """`edgevitals` in a container: nobody's root, a read-only one, no capability, 160 MiB.

    It is in the host's network, as a sidecar is in its pod's. `mounts` are (from, to, options).
    """

    def __init__(
        self, image: Image, folder: Path, name: str, mounts: Sequence[tuple[Path, str, str]]
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._name = name
        self._state = folder / "runc"
        bundle = folder / "bundle"
        bundle.mkdir()
        config = _bundle(image.root, name, mounts)
        (bundle / "config.json").write_text(json.dumps(config))
        runc: list[str | Path] = [parts.need("runc", "runc"), "--root", self._state]
        self.process = Process(
            "container", [*runc, "run", "--bundle", bundle, name], folder / "container.log"
        )

    @property
    def pid(self) -> int:
        """Of the collector, as the host numbers it."""
        state = json.loads((self._state / self._name / "state.json").read_text())
        return int(state["init_process_pid"])

    def start(self) -> None:
        self.process.start()

    def stop(self) -> None:
        """SIGTERM, which runc passes on."""
        self.process.stop(20.0)


def _bundle(root: Path, name: str, mounts: Sequence[tuple[Path, str, str]]) -> dict[str, object]:
    kinds = "bounding", "effective", "inheritable", "permitted", "ambient"
    own = [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {
            "destination": "/dev",
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["nosuid", "strictatime", "mode=755", "size=64k"],
        },
    ]
    bound = [
        {"destination": to, "type": "bind", "source": str(here), "options": ["rbind", how]}
        for here, to, how in mounts
    ]
    return {
        "ociVersion": "1.0.2",
        "hostname": name,
        "root": {"path": str(root), "readonly": True},
        "mounts": [*own, *bound],
        "process": {
            "terminal": False,
            "cwd": "/",
            "user": {"uid": USER, "gid": USER},
            "args": ["/opt/edgevitals/bin/edgevitals", "run", "-c", "/etc/edgevitals/config.yaml"],
            "env": ["PATH=/opt/edgevitals/bin"],
            "capabilities": {kind: [] for kind in kinds},
            "noNewPrivileges": True,
        },
        "linux": {
            "namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts")],
            "resources": {"memory": {"limit": MEMORY_LIMIT}},
        },
    }
