"""`python -m dashboards`: write the boards to dashboards/out, one file each.

A file serves provisioning and the import dialog: where its data comes from is a variable.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dashboards.pipeline import pipeline
from dashboards.site import site

OUT = Path(__file__).parent / "out"


def boards() -> dict[str, dict[str, Any]]:
    """Every board by the name of its file."""
    return {f"{board['uid']}.json": board for board in (site(), pipeline())}


def written(board: dict[str, Any]) -> str:
    """A board as it stands in its file: the same bytes for the same board."""
    return json.dumps(board, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    OUT.mkdir(exist_ok=True)
    for name, board in boards().items():
        (OUT / name).write_text(written(board), "utf-8")


if __name__ == "__main__":
    main()
