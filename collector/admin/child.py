"""The process that makes all AdminClient calls, so that another one doesn't die of them.

librdkafka ends its process (SIGSEGV, SIGABRT; no Python exception) when a group's coordinator
moves while `list_consumer_group_offsets` or `describe_consumer_groups` is on its way, in a planned
restart too (librdkafka #5040, #4605, #5397). A client that is kept is worse: nearly every move of
a coordinator ended it, and after a move of a leader it asks the old one for ever (#4620). So there
is a client a request, dropped after it, and group calls come last, when all else is already told.

    python -m collector.admin.child      speaks `collector.admin.wire` on stdin and stdout

It ends when its stdin closes or its parent dies.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from typing import BinaryIO

from confluent_kafka import KafkaException

from collector.admin.cycle import Cycle
from collector.admin.wire import (
    LENGTH_BYTES,
    Answer,
    Done,
    Failure,
    decode_hello,
    decode_request,
    encode,
)

LEAST_S = 0.2
"""Seconds that a request has, however late it is read: a broker that is well answers in 0.05."""
GROWTH_BYTES = 8 << 20
REQUESTS_BEFORE_LEAVING = 100
"""librdkafka grew by 25 KiB a client while brokers came and went, 5 KiB in 200 quiet ones: a child
that grew by GROWTH_BYTES leaves, but never so soon that its start is what the time goes to."""
PR_SET_PDEATHSIG = 1


def _messages(stdin: BinaryIO) -> Iterator[bytes]:
    """Yield what the parent says until it closes the pipe, in the middle of a message or not."""
    while len(head := stdin.read(LENGTH_BYTES)) == LENGTH_BYTES:
        body = stdin.read(length := int.from_bytes(head, "big"))
        if len(body) < length:
            return
        yield body


def _resident_bytes() -> int:
    with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 - pathlib costs memory here
        return int(statm.read().split()[1]) * resource.getpagesize()


def serve(stdin: BinaryIO, stdout: BinaryIO) -> None:
    """Answer requests one by one until the parent closes the pipe or this process has grown."""

    def tell(answer: Answer) -> None:
        stdout.write(encode(answer))
        stdout.flush()

    messages = _messages(stdin)
    first = next(messages, None)
    if first is None:
        return
    hello = decode_hello(first)
    if os.getppid() != hello.parent:  # it died before we asked Linux to tell us
        return
    at_start = 0
    for served, message in enumerate(messages, 1):
        request = decode_request(message)
        ends = max(request.ends, time.monotonic() + LEAST_S)
        cycle = None
        try:
            cycle = Cycle(hello.properties, ends, tell)
        except KafkaException as error:  # a property that librdkafka doesn't know
            tell(Failure("configure", error.args[0].name(), error.args[0].str()))
        else:
            cycle.answer(request)
        at_start = at_start or _resident_bytes()  # after the first: everything is loaded then
        has_grown = _resident_bytes() > at_start + GROWTH_BYTES
        is_leaving = has_grown and served >= REQUESTS_BEFORE_LEAVING
        tell(Done(is_leaving))
        if is_leaving:
            return
        if cycle is not None:
            cycle.end()  # after Done: with calls still open it takes up to 0.1 s


def main() -> None:
    # The parent's thread that started us lives as long as the parent: it is the one Linux watches.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold the passwords
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C and a service's stop reach the whole
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # group: the parent says when it is over
    with os.fdopen(os.dup(1), "wb") as stdout:
        os.dup2(2, 1)  # nothing that prints may land between two messages
        serve(sys.stdin.buffer, stdout)


if __name__ == "__main__":
    main()
