"""The page that `edgevitals status` prints. tests/real/test_cli.py asks a real server."""

from __future__ import annotations

import msgspec

from collector.cli.status import page
from collector.status.model import PumpStatus, SpoolStatus, Status, TargetStatus
from tests.unit.status.view import STATUS


def test_a_person_sees_what_is_wrong_first():
    assert page(STATUS) == [
        "store-0412 / n1   edgevitals 0.1.0, up 1m 40s, every 15s   2023-11-14 22:15:00 UTC",
        "PROBLEM  The sink centre can't be reached since 10:04: connection refused.",
        "",
        "TARGET  INSTANCE        STATE  READ    TOOK  SAMPLES  NOTE",
        "kafka   127.0.0.1:9999  DOWN   4s ago  50ms  0        connection refused",
        "",
        "SPOOL    4 KiB of 2 GiB (0 %), 7 rounds, /var/lib/edgevitals",
        "",
        "STREAM    EPOCH             SEQ  LAST ROUND",
        "standard  c0ffee0123456789  7    none yet",
        "",
        f"PUMP    FROM   {'TO':36}  STATE    BACKLOG            DELIVERED  REJECTED  NOTE",
        (
            "centre  topic  https://metrics.example/api/v1/write  waiting  3 back to 46s ago  "
            "0          0         connection refused, next try in 4s"
        ),
        "",
        "MISSED   2 rounds: disk_full",
    ]


def test_all_is_well():
    told = msgspec.structs.replace(
        STATUS,
        problems=[],
        missed={"disk_full": 0},
        targets=[
            TargetStatus(job="node", instance="n1", up=True, samples=300, age_seconds=2.0),
            TargetStatus(job="kafka", instance="k:1", up=False),
        ],
        streams=[],
        pumps=[
            PumpStatus(
                name="centre",
                from_="spool",
                to="https://m/w",
                state="idle",
                backlog_rounds=0,
                last_error="an old one",
                delivered_rounds=70,
            )
        ],
        spool=None,
    )
    assert page(told)[1:] == [
        "OK",
        "",
        "TARGET  INSTANCE  STATE  READ     TOOK  SAMPLES  NOTE",
        "node    n1        up     2s ago   -     300",
        "kafka   k:1       -      not yet  -     0",
        "",
        "PUMP    FROM   TO           STATE  BACKLOG  DELIVERED  REJECTED  NOTE",
        "centre  spool  https://m/w  idle   0        70         0",
    ]


def test_the_least_that_can_be_told():
    told = Status(
        version="1", site="s", node="n", started_at=0, now=0, interval_seconds=15, problems=[]
    )
    assert page(told) == ["s / n   edgevitals 1, up 0s, every 15s   1970-01-01 00:00:00 UTC", "OK"]


def test_a_disk_that_takes_nothing_stands_out():
    told = msgspec.structs.replace(
        STATUS,
        spool=SpoolStatus(
            path="/x", bytes=0, max_bytes=0, rounds=0, writable=False, error="No space left"
        ),
    )
    assert "         NOT WRITABLE: No space left" in page(told)


def test_what_others_wrote_can_not_move_the_cursor():
    evil = "\x1b[2J\nOK"
    told = msgspec.structs.replace(
        STATUS,
        site=evil,
        node=evil,
        version=evil,
        problems=[evil],
        missed={evil: 1},
        targets=[TargetStatus(job=evil, instance=evil, up=False, error=evil)],
    )
    assert all(line.isprintable() for line in page(told))
