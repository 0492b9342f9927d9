"""The pages of docs/ as tests type them."""

from __future__ import annotations

import re

from docs.__main__ import FOLDER


def commands(page: str) -> str:
    """The blocks of a page that begin with ```sh, one after the other."""
    return "".join(
        re.findall(r"^```sh\n(.*?)^```$", (FOLDER / page).read_text(), re.MULTILINE | re.DOTALL)
    )
