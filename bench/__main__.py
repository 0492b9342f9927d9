"""What it takes, beside what it may take.

Without names: sizes, speed, wire and spool, which need nothing but the recording.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from importlib import import_module
from pathlib import Path

from bench.table import lines

BENCHES = {
    "sizes": "bytes a sample in the topic",
    "speed": "samples a second of CPU",
    "wire": "bytes a sample over remote write",
    "spool": "a round is put on disk, fsync in it",
    "scrape": "reading a page of metrics again, beside prometheus_client",
    "otlp": "taking in an export by OTLP, beside opentelemetry-proto's classes",
    "topic": "sizes in the log of a real topic, beside the computed ones",
    "jmx": "reading a broker's JMX, beside what others take for it",
    "groups": "a read of Kafka's topics and groups, at 200 and at 10,000 partitions",
    "drain": "a day's backlog from a real topic into a real Prometheus",
    "cut": "a cut link and a SIGKILL, beside vmagent and Prometheus in agent mode",
    "memory": "peak memory beside a real broker, for two minutes",
}
"""A module of this package each, whose `run()` returns tables."""

WITHOUT_PARTS = ("sizes", "speed", "wire", "spool", "scrape")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        epilog="\n".join(f"  {name:<8}{about}" for name, about in BENCHES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help="one of those below")
    names = parser.parse_args().names or WITHOUT_PARTS
    unknown = set(names) - BENCHES.keys()
    if unknown:
        parser.error(f"no such bench: {', '.join(sorted(unknown))}")
    print(f"Python {platform.python_version()}, {machine()}")
    print("CPU time of one core, best of several runs; on a busy machine these are floors\n")
    for name in names:
        for table in import_module(f"bench.{name}").run():
            print(*lines(table), sep="\n", flush=True)
    return 0


def machine() -> str:
    """The processor's name, how many there are, and how busy they are."""
    info = Path("/proc/cpuinfo").read_text()
    model = next(
        (line.partition(": ")[2] for line in info.splitlines() if line.startswith("model name")),
        platform.machine(),
    )
    cores = len(os.sched_getaffinity(0))
    return f"{cores} x {model}, load {os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    sys.exit(main())
