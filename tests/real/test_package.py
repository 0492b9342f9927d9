"""What people install: a wheel and an sdist, each in an environment that has nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

from collector import __version__
from collector.cli.assets import MANIFEST, shipped
from tests.lab.parts import PROJECT
from tests.lab.ports import free_port
from tests.lab.process import Process
from tests.lab.waiting import wait_for
from tests.real.edge import environment

BIN = Path(sys.executable).parent
UV = shutil.which("uv", path=f"{BIN}:{os.environ['PATH']}")
EXAMPLE = """\
site: store-1
interval: 1s
sources: {{host: true}}
spool: {{path: spool, max_size: 64MiB, min_free: 1MiB}}
status: {{listen: "127.0.0.1:{port}"}}
"""


def run(*command: object, variables: Mapping[str, str] | None = None, cwd: Path = PROJECT) -> str:
    """Run a command to its end; what it printed. Fails the test with that if it failed."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=clean(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=150,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def clean(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment, without what would lead a Python back to this project's own."""
    ours = ("EDGEVITALS_", "OTEL_", "PYTHON", "VIRTUAL_ENV")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
    return {**kept, **(variables or {})}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both, as `python -m build` makes them: the wheel from the sdist."""
    into = tmp_path_factory.mktemp("dist")
    path = {"PATH": f"{BIN}:{os.environ['PATH']}"}
    run(sys.executable, "-m", "build", "--installer", "uv", "--outdir", into, variables=path)
    wheel, sdist = f"edgevitals-{__version__}-py3-none-any.whl", f"edgevitals-{__version__}.tar.gz"
    assert {file.name for file in into.iterdir()} == {wheel, sdist}
    with tarfile.open(into / sdist) as archive:
        assert not [name for name in archive.getnames() if "/secrets" in name]
    return {"wheel": into / wheel, "sdist": into / sdist}


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_it_installs_and_runs_from_a_clean_environment(
    built: dict[str, Path], kind: str, tmp_path: Path
):
    python = tmp_path / "venv/bin/python"
    program = tmp_path / "venv/bin/edgevitals"
    versions = tmp_path / "versions.txt"
    run(UV, "export", "--frozen", "--no-dev", "--no-emit-project", "--no-hashes", "-o", versions)
    run(UV, "venv", "--python", sys.executable, tmp_path / "venv")
    run(UV, "pip", "install", "--python", python, "--constraint", versions, built[kind])
    run(UV, "pip", "check", "--python", python)

    assert run(program, "--version", cwd=tmp_path) == f"edgevitals {__version__}\n"
    port, file = free_port(), tmp_path / "config.yaml"
    file.write_text(EXAMPLE.format(port=port))
    assert "config.yaml: ok" in run(program, "check", file, cwd=tmp_path)

    run(program, "assets", "assets", cwd=tmp_path)
    written = {
        str(file.relative_to(tmp_path / "assets")): file.read_bytes()
        for file in (tmp_path / "assets").rglob("*")
        if file.is_file() and file.name != MANIFEST
    }
    assert written == {name: file.read_bytes() for name, file in shipped().items()}

    process = Process("installed", [program, "run", "-c", file], tmp_path / "log", environment())
    process.start()
    try:
        wait_for(lambda: "edgevitals_round_seq" in page(port), 60.0, "a round")
        run(program, "status", "--url", f"http://127.0.0.1:{port}", cwd=tmp_path)
    finally:
        process.stop()
    assert process.returncode == 0


def page(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5.0) as answer:
            return str(answer.read(), "utf-8")
    except OSError:
        return ""
