"""Lays out the small machines of tests/data/hosts."""

from __future__ import annotations

from pathlib import Path

HOSTS = Path(__file__).parents[2] / "data/hosts"


def lay_out(name: str, into: Path) -> Path:
    """Write the files of a machine below `into`; `{sys}` in them is its /sys. Return `into`."""
    text = (HOSTS / f"{name}.txt").read_text().replace("{sys}", str(into / "sys"))
    for part in text.split("== ")[1:]:
        head, _, content = part.partition("\n")
        path, _, target = head.partition(" -> ")
        (into / path).parent.mkdir(parents=True, exist_ok=True)
        if target:
            (into / path).symlink_to(target)
        else:
            (into / path).write_text(content)
    return into
