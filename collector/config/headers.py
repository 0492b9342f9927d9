"""The `headers` of a sink: what a person may add to a request, less what would be wrong there."""

from __future__ import annotations

import re
from pathlib import Path

from collector.config.problems import SECRET_WORD, quoted
from collector.config.scalars import file_path

FILE_ENDING = "_file"

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^`|~-]{1,128}")
_LOGIN = {
    "authorization": "write token_file, or username and password_file, of this sink",
    "proxy-authorization": "write username and password_file below proxy of this sink",
}
_OURS = re.compile(
    r"(?i:content-.*|transfer-encoding|accept-encoding|connection|keep-alive|proxy-.*|host|te|"
    r"trailer|upgrade|expect|user-agent|x-prometheus-remote-write-.*)"
)
_SECRET_HEADER = re.compile(r"(?i:.*(api|access|auth|private)[-.]?(key|token)?$|cookie)")


def header_name(name: str) -> str:
    """Check a header's name. Raises ValueError with what to write instead."""
    plain = name.removesuffix(FILE_ENDING)
    if plain.lower() in _LOGIN:
        raise ValueError(f"credentials have keys of their own: {_LOGIN[plain.lower()]}")
    if not _NAME.fullmatch(plain):
        raise ValueError("not the name of a header: write it like X-Scope-OrgID")
    if _OURS.fullmatch(plain):
        raise ValueError("set by edgevitals itself: leave it out")
    if plain == name and (SECRET_WORD.search(name) or _SECRET_HEADER.fullmatch(name)):
        raise ValueError(f"secrets are only read from files: write {name}{FILE_ENDING} with a path")
    return name


def header_value(name: str, text: str) -> str | Path:
    """Return what is sent: text, or for `<header>_file` the path of the file with it."""
    if name.endswith(FILE_ENDING):
        return file_path(text)
    if not re.fullmatch(r"[!-~]([ -~]{0,1022}[!-~])?", text):
        raise ValueError(f"{quoted(text)} is not for a header: write 1 to 1024 ASCII characters")
    return text
