"""`python -m docs`: write the pages that the code knows better than a person would."""

from __future__ import annotations

from pathlib import Path

from docs import configuration, metrics

FOLDER = Path(__file__).parent


def pages() -> dict[str, str]:
    """Every page that is made from the code, by the name of its file: the same bytes each time."""
    return {"configuration.md": configuration.page(), "metrics.md": metrics.page()}


def main() -> None:
    for name, text in pages().items():
        (FOLDER / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
