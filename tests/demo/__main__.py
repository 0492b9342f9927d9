"""The whole line, live, in about three minutes: python -m tests.demo [--keep]

A Kafka broker with traffic, of which MirrorMaker 2 carries a topic to a central Kafka; a Prometheus
there; a link that is cut for a minute; and the collector, which is killed in the middle of the cut.
At the end stands a proof; exit code 0 means that it holds.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.demo.cost import TARGETS_MIB, Cost
from tests.demo.evidence import Centre, judge
from tests.demo.screen import BOLD, GREEN, LETTERS, RED, Screen
from tests.demo.stage import INTERVAL, SITE, Stage
from tests.demo.story import Story
from tests.lab.parts import SetupError
from tests.lab.process import StartError
from tests.lab.prometheus import QueryError
from tests.lab.traffic import GROUPS

HOLDS, FAILED, INTERRUPTED = 0, 1, 130


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="stay up at the end, until Ctrl-C")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: it is ignored in the background
        signal.signal(number, signal.default_int_handler)
    directory = Path(tempfile.mkdtemp(prefix="edgevitals-demo-"))
    screen = Screen()
    code = FAILED
    try:
        code = play(directory, screen, keep=arguments.keep)
    except KeyboardInterrupt:
        screen.say("stopped")
        code = INTERRUPTED
    except (StartError, SetupError, TimeoutError, QueryError) as failure:
        screen.say(f"the demo can't go on: {failure}", RED)
    finally:
        if code in (HOLDS, INTERRUPTED):
            shutil.rmtree(directory, ignore_errors=True)
        else:
            screen.say(f"logs and data are kept in {directory}", BOLD)
    return code


def play(directory: Path, screen: Screen, *, keep: bool) -> int:
    began = time.monotonic()
    screen.say("EdgeVitals: a link is cut, a collector is killed, and nothing is lost", BOLD)
    screen.say("starting two Kafkas, traffic, MirrorMaker 2 and Prometheus")
    with Stage(directory) as stage:
        traffic = f"topics {' and '.join(stage.traffic.topics)}, {len(GROUPS)} consumer groups"
        screen.say(f"    edge      Kafka at {stage.broker.bootstrap}: {traffic}")
        screen.say(f"    centre    Prometheus at {stage.centre.url}, Kafka behind the link")
        screen.say(
            f"    link      proxies to them: {stage.link.address}, {stage.mirror_link.address}"
        )
        screen.say(f"    mirror    MirrorMaker 2 carries {stage.traffic.topics[0]} to the centre")
        screen.say(f"    up after {time.monotonic() - began:.0f} s")
        centre = Centre(stage.centre, since=time.time())
        story = Story(stage, centre, screen)
        verdicts = judge(stage, centre, story.tell())
        screen.verdicts(verdicts)
        summary(stage, centre, story.cost, screen)
        seconds = time.monotonic() - began
        failed = [letter for letter, one in zip(LETTERS, verdicts, strict=False) if not one.holds]
        if failed:
            screen.say(f"the proof FAILED at {', '.join(failed)}, {seconds:.0f} s", RED)
        else:
            screen.say(f"the proof holds, {seconds:.0f} s", GREEN)
        if keep:
            stay(stage, screen)
    return FAILED if failed else HOLDS


def summary(stage: Stage, centre: Centre, cost: Cost, screen: Screen) -> None:
    """What it took, beside what it may take."""
    minutes = sum(life.seconds for life in stage.collector.lives) / 60
    screen.say()
    for role, target in TARGETS_MIB.items():
        peak = cost.peak_kib[role] / 1024
        cpu = cost.cpu_seconds(role) / minutes
        over = "" if peak <= target else "  OVER"
        screen.say(
            f"    {role:<14}{peak:5.1f} MiB PSS at most (target {target}){over}, "
            f"CPU {cpu:.1f} s a minute",
            RED if over else None,
        )
    report = stage.witness.report()
    a_sample = report.bytes / max(1, report.samples)
    firing = {alert["labels"]["alertname"] for alert in stage.centre.alerts()}
    rows = {
        "the wire": f"{a_sample:5.1f} bytes a sample, a round a request each {INTERVAL:g} s",
        "sources": f"in how many rounds they were down: {counts(centre.downs())}",
        "not taken": f"rounds, by reason: {counts(centre.missed())}",
        "alerts": f"firing at the centre: {', '.join(sorted(firing)) or 'none'}",
    }
    for name, text in rows.items():
        screen.say(f"    {name:<14}{text}")
    screen.say()


def counts(found: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(found.items())) or "none"


def stay(stage: Stage, screen: Screen) -> None:
    """Start the collector once more and wait for Ctrl-C."""
    stage.collector.start()
    addresses = {
        "status page": stage.collector.url,
        "centre": f"{stage.centre.url}/api/v1/query?query=edgevitals_round_seq",
        "the link to it": f"http://{stage.link.address}",
        "Kafka": stage.broker.bootstrap,
        "JMX": stage.broker.jmx_address,
        "configuration": str(stage.config),
        "all files": str(stage.directory),
    }
    screen.say()
    screen.say(f"The site {SITE} stays up; Ctrl-C ends it.", BOLD)
    for name, address in addresses.items():
        screen.say(f"    {name:<16}{address}")
    try:
        signal.pause()
    except KeyboardInterrupt:
        screen.say("stopped")


if __name__ == "__main__":
    sys.exit(main())
