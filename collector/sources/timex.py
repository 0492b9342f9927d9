"""How well the clock is set, as the kernel knows it, under node_exporter's names.

The kernel's clock is the host's in a container too, and to ask takes no privilege. See adjtimex(2).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator

from collector.sources.procfs import Sample

_STA_NANO = 0x2000
_TIME_ERROR = 5

_int, _long = ctypes.c_int, ctypes.c_long


class _Timex(ctypes.Structure):
    """`struct timex`; `modes` 0 asks and changes nothing."""

    _fields_ = (
        ("modes", _int),
        *((name, _long) for name in ("offset", "freq", "maxerror", "esterror")),
        ("status", _int),
        *((name, _long) for name in ("constant", "precision", "tolerance")),
        *((name, _long) for name in ("tv_sec", "tv_usec", "tick", "ppsfreq", "jitter")),
        ("shift", _int),
        *((name, _long) for name in ("stabil", "jitcnt", "calcnt", "errcnt", "stbcnt")),
        ("tai", _int),
        ("reserved", _int * 64),  # 11 are enough; no kernel is to write behind it
    )


_libc = ctypes.CDLL(None, use_errno=True)


def timex() -> Iterator[Sample]:
    """Raises OSError where the kernel isn't to be asked (a sandbox)."""
    asked = _Timex()
    adjtimex = getattr(_libc, "adjtimex", None)
    if adjtimex is None:
        raise OSError("this C library has no adjtimex")
    state = adjtimex(ctypes.byref(asked))
    if state < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    yield from samples(state, asked.status, asked.offset, asked.maxerror, asked.esterror)


def samples(state: int, status: int, offset: int, maxerror: int, esterror: int) -> Iterator[Sample]:
    """`offset` is in ns or us, as `status` says; errors are in us."""
    yield ("node_timex_sync_status",), float(state != _TIME_ERROR)
    yield ("node_timex_offset_seconds",), offset / (1e9 if status & _STA_NANO else 1e6)
    yield ("node_timex_maxerror_seconds",), maxerror / 1e6
    yield ("node_timex_estimated_error_seconds",), esterror / 1e6
