"""Build the image from this checkout, for this machine's architecture.

    python3 deploy/container/build.py NAME [--base IMAGE] [buildah's options...]

Needs buildah, and Python 3.11 with venv. First the wheels, into build/image/wheels: ours, and those
of uv.lock by their hashes; then the image, without a network but for Debian's packages. BUILDAH is
another program with the same `build` verb: podman, docker. Standard library only.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
PLACE = PROJECT / "build/image"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="the image's name, such as localhost/edgevitals:0.1.0")
    parser.add_argument("--base", help="a Debian 12 to build in, instead of the one on Docker Hub")
    ours, options = parser.parse_known_args(arguments)
    wheels()
    image(ours.name, ours.base, options)
    return 0


def wheels() -> None:
    """Put every wheel that the image needs into the build context."""
    shutil.rmtree(PLACE, ignore_errors=True)
    uv = shutil.which("uv") or PROJECT / ".venv/bin/uv"
    pip = PLACE / "pip/bin/python"
    run(sys.executable, "-m", "venv", pip.parents[1])
    wanted = PLACE / "requirements.txt"
    run(uv, "export", "--quiet", "--locked", "--no-dev", "--no-emit-project", "-o", wanted)
    run(uv, "build", "--quiet", "--wheel", "--out-dir", PLACE / "wheels")
    run(
        *(pip, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--require-hashes"),
        *("-r", wanted, "-d", PLACE / "wheels"),
    )


def image(name: str, base: str | None, options: list[str]) -> None:
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    revision = run("git", "rev-parse", "HEAD").strip()
    run(
        *(*os.environ.get("BUILDAH", "buildah").split(), "build", "--tag", name, *options),
        *("--build-arg", f"VERSION={version}", "--build-arg", f"REVISION={revision}"),
        *(("--build-arg", f"BASE={base}") if base else ()),
        *("--file", HERE / "Containerfile", PROJECT),
    )


def run(*command: str | Path) -> str:
    """Run a command in the checkout and return what it printed; its errors are shown."""
    done = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}\n{Path(command[0]).name} ended with {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
