"""An admin process that plays a script: what it answers, and how it ends.

It stands for librdkafka, which can't be made to crash at will; the pipes and the parent are real.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

STAY, HANG, DEAF, SHOUT = "stay", "hang", "deaf", "shout"


class Turn(NamedTuple):
    """The answer to one request, as bytes, and what happens after it.

    `then`: a signal number that ends the process, or an exit code as a negative number, or a word.
    """

    answer: bytes
    then: int | str = STAY


def scripted(directory: Path, *lives: Sequence[Turn], aside: bytes = b"") -> tuple[str, ...]:
    """Return a command that plays `lives`, one each time it is started; the last one repeats.

    `aside` answers what is asked of settings and times, which then is no turn of the script.
    """
    script = directory / "script"
    plain = [[tuple(turn) for turn in life] for life in lives]
    script.write_bytes(pickle.dumps((plain, aside)))
    return (sys.executable, "-I", "-S", __file__, str(script))


def _take(size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = os.read(0, size - len(data))
        if not more:
            os._exit(0)
        data += more
    return data


def _play(script: Path) -> None:
    lives, aside = pickle.loads(script.read_bytes())
    births = script.with_name("births")
    number = len(births.read_bytes()) if births.exists() else 0
    with births.open("ab") as log:
        log.write(b".")
    if lives[min(number, len(lives) - 1)][0][1] == DEAF:
        time.sleep(60)
    _take(int.from_bytes(_take(4), "big"))
    for answer, then in lives[min(number, len(lives) - 1)]:
        while _is_aside(_take(int.from_bytes(_take(4), "big"))) and aside:
            os.write(1, aside)
        os.write(1, answer)
        if then == HANG:
            time.sleep(60)
        elif then == SHOUT:
            os.write(2, b"one line\n*** rdkafka_queue.h:1086: assertion ***\n")
            os.kill(os.getpid(), 6)
        elif isinstance(then, int) and then > 0:
            os.kill(os.getpid(), then)
        elif isinstance(then, int):
            os._exit(-then)
    while aside and _is_aside(_take(int.from_bytes(_take(4), "big"))):
        os.write(1, aside)
    _take(1 << 30)


def _is_aside(request: bytes) -> bool:
    return b"read_configs" in request or b"read_times" in request


if __name__ == "__main__":
    _play(Path(sys.argv[1]))
