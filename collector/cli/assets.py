"""`edgevitals assets`: boards, rules, runbooks and units that come with the program, as files."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

import click

from collector import __version__
from collector.cli.options import output_option
from collector.cli.program import OK, Verb
from collector.cli.words import as_json, harmless
from collector.errors import CollectorError, ConfigError

PARTS = (
    "alerts",
    "dashboards/out",
    "deploy/central/README.md",
    "deploy/central/alertmanager.yml",
    "deploy/central/compose.yaml",
    "deploy/central/grafana",
    "deploy/central/prometheus.yml",
    "deploy/systemd",
)
"""Files and folders, below DIR as in a checkout: some of them name one another by their paths. The
wheel has them below collector/assets. Not the folder of somebody's secrets beside them."""

MANIFEST = ".edgevitals-assets.json"
"""In DIR: what was written there, so that a newer version tells our own files from changed ones."""

_SHOWN = 10


@click.command(
    cls=Verb,
    examples=(
        ("edgevitals assets /etc/edgevitals/assets", "all of them; again after an upgrade"),
        ("edgevitals assets --force assets", "also over files that were changed there"),
        ("edgevitals assets -o json assets", "what was written and what was the same"),
    ),
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--force", is_flag=True, help="Also over files that somebody changed.")
@output_option()
def assets(folder: Path, force: bool, output: str) -> int:
    """Write the boards, alert rules and runbooks of this version to DIR.

    Boards for Grafana go to DIR/dashboards/out, Prometheus's rule files with their runbooks to
    DIR/alerts, the systemd unit and the centre's files to DIR/deploy. A file that an earlier
    version wrote there is replaced. If one was changed since, or is somebody else's, nothing is
    written at all and the exit code is 2: keep your own rules in files of another name. What this
    version no longer has is left there, and named.
    """
    done = Writing(folder, shipped(), force=force).write()
    if output == "json":
        click.echo(as_json({"version": __version__, "folder": str(folder), **done._asdict()}))
        return OK
    click.echo(f"{folder}: {len(done.written)} written, {len(done.same)} as they were")
    for name in done.former:
        click.echo(f"  {harmless(name)}: no longer part of edgevitals {__version__}; remove it")
    return OK


class Done(NamedTuple):
    """Files by their paths below the folder. `former` are those that only an earlier one had."""

    written: list[str]
    same: list[str]
    former: list[str]


def shipped() -> dict[str, Traversable]:
    """Every file that comes with the program, by its path. Raises CollectorError without any."""
    package = resources.files("collector")
    packaged = package / "assets"
    if packaged.is_dir():
        return dict(_walk(packaged, ""))
    checkout = Path(str(package)).parent
    found = {
        name: file
        for part in PARTS
        if (checkout / part).exists()
        for name, file in _walk(checkout / part, part)
    }
    if not found:
        raise CollectorError(
            "this installation has no boards, rules and runbooks with it",
            "install the wheel of edgevitals, or run it from a whole checkout",
        )
    return found


def _walk(one: Traversable, path: str) -> Iterator[tuple[str, Traversable]]:
    if one.is_file():
        yield path, one
        return
    for below in sorted(one.iterdir(), key=lambda below: below.name):
        yield from _walk(below, f"{path}/{below.name}".lstrip("/"))


class Writing:
    """One run: looks at everything first, and writes only when nothing is in the way."""

    def __init__(self, folder: Path, files: dict[str, Traversable], *, force: bool) -> None:
        self._folder = folder
        self._files = {name: file.read_bytes() for name, file in files.items()}
        self._force = force

    def write(self) -> Done:
        """Raises ConfigError, with nothing written, where a file is not ours to replace."""
        try:
            known = self._written_before()
            there = {name: self._there(name) for name in self._files}
            changed = [
                name
                for name, content in there.items()
                if content is not None
                and content != self._files[name]
                and known.get(name) != _digest(content)
            ]
            if changed and not self._force:
                raise self._refusal(changed)
            to_write = [name for name in self._files if there[name] != self._files[name]]
            # The manifest comes last: what a cut leaves behind is the same as before or after.
            for name in to_write:
                _replace(self._folder / name, self._files[name])
            _replace(self._folder / MANIFEST, self._manifest())
            former = [
                name
                for name in known
                if name not in self._files and (self._folder / name).is_file()
            ]
        except OSError as exc:
            raise ConfigError(
                f"{exc.filename or self._folder}: {exc.strerror}", "give another DIR"
            ) from exc
        return Done(to_write, [name for name in self._files if name not in to_write], former)

    def _there(self, name: str) -> bytes | None:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def _written_before(self) -> dict[str, str]:
        """What the manifest says; nothing where it is missing, or no longer ours."""
        try:
            said = json.loads((self._folder / MANIFEST).read_bytes())["files"]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return {}
        pairs = said.items() if isinstance(said, dict) else ()
        return {name: digest for name, digest in pairs if isinstance(digest, str)}

    def _manifest(self) -> bytes:
        digests = {name: _digest(content) for name, content in self._files.items()}
        return (as_json({"version": __version__, "files": digests}) + "\n").encode()

    def _refusal(self, changed: list[str]) -> ConfigError:
        shown = "".join(f"\n  {self._folder / name}" for name in changed[:_SHOWN])
        more = f"\n  and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        return ConfigError(
            f"not as edgevitals wrote them, so nothing was written:{shown}{more}",
            "give another DIR, or --force to replace them",
        )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _replace(file: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    made = Path(name)
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
        made.chmod(0o644)
        made.replace(file)
    finally:
        with suppress(FileNotFoundError):
            made.unlink()
