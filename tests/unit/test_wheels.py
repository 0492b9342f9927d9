"""Every run-time dependency has a wheel for the machines of edge sites: no compiler is there."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.tags import Tag
from packaging.utils import parse_wheel_filename

LOCK = tomllib.loads((Path(__file__).parents[2] / "uv.lock").read_text())
PACKAGES: dict[str, dict[str, Any]] = {one["name"]: one for one in LOCK["package"]}
GLIBC = 36
"""Of Debian 12, which the image is made of: 2.36."""


def needed(name: str, extras: tuple[str, ...] = ()) -> Iterator[str]:
    """What is installed with a package on Linux, by the lock."""
    package = PACKAGES[name]
    wanted = [*package.get("dependencies", ())]
    for extra in extras:
        wanted += package.get("optional-dependencies", {}).get(extra, ())
    for one in wanted:
        if "win32" not in one.get("marker", ""):
            yield one["name"]
            yield from needed(one["name"], tuple(one.get("extra", ())))


def fits(tag: Tag, machine: str) -> bool:
    """Whether CPython 3.11 on a Debian 12 of that machine takes a wheel with this tag."""
    is_ours = tag.interpreter in {"py3", "py2.py3", "cp311"} or (
        tag.abi == "abi3" and tag.interpreter in {f"cp3{minor}" for minor in range(2, 12)}
    )
    builds = {f"manylinux_2_{minor}_{machine}" for minor in range(5, GLIBC + 1)}
    return is_ours and tag.platform in {"any", f"manylinux2014_{machine}", *builds}


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("extra", ["", "jvm", "otel"])
def test_no_site_needs_a_compiler(machine: str, extra: str):
    names = {*needed("edgevitals", (extra,) if extra else ())}
    assert {"confluent-kafka", "cramjam", "psutil", "promql-parser"} <= names
    without = {
        name
        for name in names
        if not any(
            fits(tag, machine)
            for wheel in PACKAGES[name].get("wheels", ())
            for tag in parse_wheel_filename(wheel["url"].rpartition("/")[2])[3]
        )
    }
    assert without == set()
