"""The console script `edgevitals`, and `python -m collector`."""

from __future__ import annotations

from collector.cli.program import edgevitals


def main() -> None:
    edgevitals(prog_name="edgevitals")


if __name__ == "__main__":
    main()
