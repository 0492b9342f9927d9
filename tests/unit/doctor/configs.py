"""Configurations, as their files say them."""

from __future__ import annotations

from pathlib import Path

from collector.config import Config, load


def config_of(folder: Path, *lines: str) -> Config:
    """One with a spool in the folder, and more lines."""
    file = folder / "edgevitals.yaml"
    file.write_text("\n".join(["site: store-0412", *lines]))
    return load(file, {}).config
