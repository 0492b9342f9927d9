"""What the protocols have in common: how a piece becomes a request, and what an answer means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import cramjam

from collector.frames.dictionary import Dictionary
from collector.sinks.cells import Cells, Piece
from collector.sinks.reply import Reply

_GZIP_LEVEL = 5
_ZSTD_LEVEL = 3


class Packing(NamedTuple):
    """A Content-Encoding."""

    name: str
    pack: Callable[[bytes | bytearray], bytes]


SNAPPY = Packing("snappy", lambda plain: bytes(cramjam.snappy.compress_raw(plain)))
ZSTD = Packing("zstd", lambda plain: bytes(cramjam.zstd.compress(plain, _ZSTD_LEVEL)))
GZIP = Packing("gzip", lambda plain: bytes(cramjam.gzip.compress(plain, _GZIP_LEVEL)))


class Request(NamedTuple):
    """What is posted, and how many samples are in it."""

    body: bytes
    headers: Mapping[str, str]
    samples: int


class Dialect(Protocol):
    """A protocol with its compression. Belongs to one thread."""

    @property
    def name(self) -> str: ...

    @property
    def packing(self) -> Packing: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def unsendable(self, dictionary: Dictionary) -> Mapping[int, str]:
        """The series that are never sent, with the reason as a short code."""
        ...

    def request(self, cells: Cells, piece: Piece, without: set[int]) -> Request | None:
        """Encode a piece, without some series; None when that leaves no sample."""
        ...

    def metadata(self, dictionary: Dictionary, now: float) -> Request | None:
        """What is due to be told of metrics in a request of its own; `now` of any clock."""
        ...

    def judge(self, reply: Reply, request: Request, now: float) -> int:
        """Return how many samples the receiver refuses of what it took, 0 as a rule; else raise.

        `now` is Unix time. Raises Retry (Ambiguous, Unsupported and Unconfirmed are some), Rejected
        and TooLarge.
        """
        ...


def left_out(encoded: Sequence[bytes], piece: Piece, without: set[int]) -> list[bytes]:
    """Each series' bytes of a piece; empty for those that it leaves out."""
    these = list(encoded[piece.series : piece.series_end])
    for i in without:
        these[i - piece.series] = b""
    return these
