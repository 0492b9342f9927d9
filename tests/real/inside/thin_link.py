"""F26: 64 kbit/s, and a link that goes down and up again, between a sink and a real Prometheus.

python -m tests.real.inside.thin_link FOLDER FLAPS BATCHES
"""

from __future__ import annotations

import json
import random
import sys
import time
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from typing import Any

from collector.errors import Retry
from collector.sinks.post import Exchange
from tests.lab.prometheus import Prometheus
from tests.lab.remote_write import RemoteWrite
from tests.real.inside import do
from tests.real.test_remote_write import SIZE, batch, rounds

RATE = "64kbit"
ROUNDS = 20  # of a batch


def main(folder: Path, flaps: int, batches: int) -> dict[str, Any]:
    do("ip", "link", "set", "lo", "up", "mtu", "1500")
    start_ms = int(time.time() - 1800 - batches * ROUNDS) * 1000
    taken = 0

    def count(exchange: Exchange) -> None:
        nonlocal taken
        taken += exchange.body_bytes if exchange.code == "204" else 0

    with Prometheus(folder / "prometheus") as centre:
        shape = "tc qdisc add dev lo root tbf burst 4kb latency 400ms rate"
        do(*shape.split(), RATE)
        passed, began = _passed(), time.monotonic()
        over = Event()
        flapping = Thread(target=_flap, args=(flaps, over), daemon=True)
        flapping.start()
        tries = 0
        sink = RemoteWrite("centre", centre.write_url, None, count, deadline_s=6.0)
        with closing(sink):
            for number in range(batches):
                one = batch(rounds(1 + number * ROUNDS, ROUNDS, start_ms))
                while True:
                    tries += 1
                    try:
                        sink.send(one)
                    except Retry:
                        continue
                    break
        seconds = time.monotonic() - began
        over.set()
        flapping.join()
        passed = _passed() - passed
        do("tc", "qdisc", "del", "dev", "lo", "root")
        tracks = centre.samples('{site="store-1"}', "1h")
        wanted = [(start_ms + seq * 15_000) / 1000 for seq in range(1, 1 + batches * ROUNDS)]
        return {
            "whole": sum([at for at, _ in one.points] == wanted for one in tracks),
            "series": SIZE,
            "tries": tries,
            "share": taken / passed,
            "of_link": taken / (8000 * seconds),
            "flaps": flaps,
        }


def _flap(times: int, over: Event) -> None:
    chance = random.Random(times)
    for _ in range(times):
        if over.wait(chance.uniform(0.5, 2.0)):
            break
        do("ip", "link", "set", "lo", "down")
        over.wait(chance.uniform(0.2, 1.5))
        do("ip", "link", "set", "lo", "up")


def _passed() -> int:
    """Bytes that went over the link, both ways, headers and all."""
    line = next(one for one in Path("/proc/self/net/dev").read_text().splitlines() if "lo:" in one)
    return int(line.split(":")[1].split()[0])


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
