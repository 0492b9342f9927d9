"""A view that says what a test wants it to."""

from collector.catalog import METRICS
from collector.series import Series
from collector.status.model import (
    PumpStatus,
    SpoolStatus,
    Status,
    StreamStatus,
    TargetStatus,
)

STATUS = Status(
    version="0.1.0",
    site="store-0412",
    node="n1",
    started_at=1_700_000_000.0,
    now=1_700_000_100.5,
    interval_seconds=15.0,
    problems=["The sink centre can't be reached since 10:04: connection refused."],
    targets=[
        TargetStatus(
            job="kafka",
            instance="127.0.0.1:9999",
            up=False,
            duration_seconds=0.05,
            error="connection refused",
            age_seconds=3.5,
        )
    ],
    spool=SpoolStatus(path="/var/lib/edgevitals", bytes=4096, max_bytes=2**31, rounds=7),
    streams=[StreamStatus(tier="standard", epoch="c0ffee0123456789", last_seq=7)],
    pumps=[
        PumpStatus(
            name="centre",
            from_="topic",
            to="https://metrics.example/api/v1/write",
            state="waiting",
            backlog_rounds=3,
            oldest_at=1_700_000_055.0,
            last_error="connection refused",
            next_try_seconds=4.2,
        )
    ],
    missed={"disk_full": 2},
    gaps={},
)


class FixedView:
    def __init__(self, age=1.0, samples=None):
        self.age = age
        self.given = samples

    def samples(self):
        if self.given is not None:
            return self.given
        up = METRICS["up"].family
        return [(Series("up", (("job", "kafka"), ("site", "store-0412")), up), 0.0)]

    def status(self):
        return STATUS

    def last_round_age(self):
        return self.age
