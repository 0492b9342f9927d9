"""The spool: whose it is, who may write it, how much room there is, and whether it is whole.

Nothing is locked and nothing written. Damage is looked for in the newest segments alone, as far as
a few seconds go: `edgevitals spool verify` reads everything.
"""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Iterator
from pathlib import Path

from collector.config import Config
from collector.doctor.finding import Finding, Layer, cannot_tell, ok, problem
from collector.errors import SpoolError
from collector.spool.reading import SpoolFiles, Trouble, pieces

READ_S = 4.0
"""For looking for damage."""

_MIB = 1 << 20
_BAD = {Trouble.DAMAGED, Trouble.NOT_OURS, Trouble.UNREADABLE}


def look(config: Config) -> Iterator[Finding]:
    """Look at the folder of a configuration."""
    path = config.spool.path
    if not path.exists():
        yield from _not_there(path)
        return
    yield from _room(config)
    if not os.access(path, os.R_OK | os.X_OK):
        yield cannot_tell(Layer.SPOOL, str(path), *_foreign(path, "read"))
        return
    try:
        files = SpoolFiles(path)
    except SpoolError as error:
        if not any(path.iterdir()):
            yield from _may_write(path, "it is empty, and is begun at the first start")
        else:
            yield problem(Layer.SPOOL, str(path), error.message, error.hint)
        return
    yield from _owner(config, files)
    user = files.user()
    says = f"{files.size() / _MIB:.1f} MiB of {config.spool.max_size / _MIB:.0f} MiB"
    says += f", in use by process {user}" if user else ", not in use"
    yield from _may_write(path, says)
    yield from _damage(files)


def _not_there(path: Path) -> Iterator[Finding]:
    above = next(one for one in path.parents if one.exists())
    if os.access(above, os.W_OK | os.X_OK):
        yield ok(Layer.SPOOL, str(path), "it isn't there yet, and is made at the first start")
        return
    says = f"it isn't there, and {_me()} may not make it in {above}"
    do = f"sudo install -d -m 0700 -o {_me()} {path}"
    yield problem(Layer.SPOOL, str(path), says, do, "or run this as the user of edgevitals")


def _room(config: Config) -> Iterator[Finding]:
    path = config.spool.path
    disk = os.statvfs(path)
    free = disk.f_bavail * disk.f_frsize
    floor = config.spool.min_free_bytes(disk.f_blocks * disk.f_frsize)
    if disk.f_flag & os.ST_RDONLY:
        says = "its file system is read-only: rounds are kept in memory, 8 MiB of them"
        do = f"dmesg | tail: why it is so; then mount -o remount,rw $(findmnt -nT {path} -o TARGET)"
        yield problem(Layer.SPOOL, f"disk of {path}", says, do)
    elif free < floor or not disk.f_favail:
        what = f"{free / _MIB:.0f} MiB are free" if disk.f_favail else "no inode is free"
        says = (
            f"{what}, spool.min_free is {floor / _MIB:.0f} MiB: the spool grows no more, the "
            "oldest rounds that the topic has make way for new ones"
        )
        do = f"df -h {path}; du -xh --max-depth=2 / | sort -h | tail: what takes it"
        yield problem(Layer.SPOOL, f"disk of {path}", says, do, "or a smaller spool.min_free")
    else:
        yield ok(Layer.SPOOL, f"disk of {path}", f"{free / _MIB:.0f} MiB are free")


def _may_write(path: Path, says: str) -> Iterator[Finding]:
    """Say whether who runs this may write there: most often that is not who runs the collector."""
    if os.access(path, os.W_OK | os.X_OK):
        yield ok(Layer.SPOOL, str(path), says)
    else:
        yield cannot_tell(Layer.SPOOL, str(path), *_foreign(path, "write"))


def _foreign(path: Path, what: str) -> tuple[str, str, str]:
    owner = _name(path.stat().st_uid)
    return (
        f"{_me()} may not {what} it, {owner} owns it",
        f"sudo -u {owner} edgevitals doctor ...: if {owner} is who the collector runs as",
        f"sudo chown -R {_me()} {path}: if it runs as {_me()}",
    )


def _owner(config: Config, files: SpoolFiles) -> Iterator[Finding]:
    for what, kept, asked in (
        ("site", files.site, config.site),
        ("node", files.node, config.node),
    ):
        if asked is not None and asked != kept:
            yield problem(
                Layer.SPOOL,
                str(files.path),
                f"it belongs to {what} {kept}, the config says {asked}: no collector starts on it",
                f"set {what}: {kept} again, or give {asked} a spool.path of its own",
            )


def _damage(files: SpoolFiles) -> Iterator[Finding]:
    """Read the newest segments of each tier, until the time is over."""
    until = time.monotonic() + READ_S
    segments = [path for tier in files.tiers for _, path in reversed(files.segments(tier))]
    read = 0
    is_sound = True
    for path in segments:
        try:
            for piece in pieces(path):
                if piece.trouble in _BAD:
                    is_sound = False
                    says = f"{piece.trouble} at byte {piece.at}: {piece.says}"
                    do = f"edgevitals spool verify --spool {files.path}: which rounds that has cost"
                    yield problem(Layer.SPOOL, str(path), says, do, "the line goes on behind it")
                if time.monotonic() > until:
                    break
        except FileNotFoundError:
            continue  # dropped just now
        except OSError as error:
            is_sound = False
            yield problem(
                Layer.SPOOL, str(path), f"can't be read: {error.strerror}", "dmesg | tail"
            )
        read += 1
        if time.monotonic() > until:
            break
    if segments and is_sound:
        some = f"the newest {read} of {len(segments)}" if read < len(segments) else f"all {read}"
        yield ok(Layer.SPOOL, f"segments of {files.path}", f"no damage in {some}")


def _me() -> str:
    return _name(os.geteuid())


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"
