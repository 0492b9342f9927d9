"""A configuration as a file, loaded; and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from collector.config import load
from collector.errors import ConfigError


def loaded(text: str, **environ: str) -> Any:
    """Load a file of this text, in the present folder: a `Loaded`, of which a test knows more."""
    Path("c.yaml").write_text(dedent(text))
    return load(Path("c.yaml"), environ)


def said(text: str, **environ: str) -> list[str]:
    """The headlines of everything that is wrong with a file."""
    with pytest.raises(ConfigError) as caught:
        loaded(text, **environ)
    return [
        line.removeprefix("c.yaml:")
        for line in caught.value.message.splitlines()
        if ": error: " in line or ": warning: " in line
    ]
