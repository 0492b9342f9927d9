"""The board *site*: is Kafka all right there, is the link up, and how old is what I see."""

from __future__ import annotations

from typing import Any

from dashboards import board, kafka, machine, style, truth
from dashboards.board import Row
from dashboards.grid import QUARTER, THIRD
from dashboards.panels import (
    Query,
    Text,
    above,
    bars,
    below,
    events,
    lines,
    states,
)
from dashboards.selectors import coded, counted_down, grown, of, shared
from dashboards.style import CRITICAL, WARN

TARGETS = states(
    Text(
        "Targets",
        "Whether what the collector reads answered, round by round. Good is: up. Down: "
        "`edgevitals status` at the site says why. An end of the line is the age of the data, "
        "not a target that is down.",
    ),
    [Query(f"max by (job, instance) ({of('up')})", "{{job}} {{instance}}")],
    style.UP_WORDS,
)

LINKS = states(
    Text(
        "Links",
        "What carries topics or rounds away from the site: MirrorMaker 2, cluster links, and our "
        "own way to each sink (edgevitals). Disconnected is an edge's daily life: look at the "
        "time until records are lost. Broken: a person must do something.",
    ),
    [Query(coded("edgevitals_link_state", style.LINK_STATES, "link, kind"), "{{link}} ({{kind}})")],
    style.LINK_WORDS,
)

GROUP_LAG = lines(
    Text(
        "Consumer groups: behind by",
        "Age of the oldest record that a group has not committed, of the ten worst. Good is: "
        "seconds, and not growing. It grows as fast as time: the group has stopped.",
    ),
    "seconds",
    [
        Query(
            f"topk(10, max by (consumergroup, topic) ({of('edgevitals_group_lag_seconds')}))",
            "{{consumergroup}} {{topic}}",
        )
    ],
    steps=above(group_stuck=WARN),
)

TIME_TO_LOSS = bars(
    Text(
        "Until records are lost",
        "Time until retention may delete a record that a group has not read or a link has not "
        "carried, if it stands still from now on; the ten nearest of each. The one harm that "
        "can't be undone: before it is 0 bring the reader back, or raise the retention. It counts "
        "down while the site is dark; the colours are EVTimeToDataLoss's.",
    ),
    "seconds",
    [
        Query(
            "bottomk(10, min by (consumergroup, topic) "
            f"({counted_down('edgevitals_group_time_to_loss_seconds')}))",
            "group {{consumergroup}} {{topic}}",
        ),
        Query(
            "bottomk(10, min by (link, topic) "
            f"({counted_down('edgevitals_link_time_to_loss_seconds')}))",
            "link {{link}} {{topic}}",
        ),
    ],
    steps=below(data_loss_critical=CRITICAL, data_loss_warning=WARN),
)

GROUP_RECORDS = lines(
    Text(
        "Consumer groups: records behind",
        "Records between what a group has committed and the end of the topic, of the ten worst.",
    ),
    "count",
    [
        Query(
            f"topk(10, max by (consumergroup, topic) ({of('kafka_consumergroup_lag_sum')}))",
            "{{consumergroup}} {{topic}}",
        )
    ],
    size=THIRD,
)

LOST = lines(
    Text(
        "Records that groups can't read any more",
        "Records between what a group has committed and the oldest that is kept, of the ten "
        "worst. Good is: 0. What is above it is gone; it ends when the group commits again.",
    ),
    "count",
    [
        Query(
            f"topk(10, max by (consumergroup, topic) ({of('edgevitals_group_lost_records')}))",
            "{{consumergroup}} {{topic}}",
        )
    ],
    size=THIRD,
)

TOPICS = bars(
    Text(
        "Largest topics",
        "Bytes on the disks of the brokers that are read here, all replicas together, of the ten "
        "largest topics.",
    ),
    "bytes",
    [Query(f"topk(10, sum by (topic) ({shared(of('edgevitals_topic_size_bytes'))}))", "{{topic}}")],
    size=THIRD,
)

LINK_LAG = lines(
    Text(
        "Links: behind by",
        "Age of the oldest record that a link has still to carry, of the ten worst. It grows as "
        "fast as time while the link is down. Good is: seconds.",
    ),
    "seconds",
    [
        Query(
            f"topk(10, max by (link, topic) ({of('edgevitals_link_lag_seconds')}))",
            "{{link}} {{topic}}",
        )
    ],
    size=QUARTER,
)

LINK_RECORDS = lines(
    Text(
        "Links: records behind",
        "Records that a link has still to carry, of the ten worst; rounds, of our own way to a "
        "sink. Absent while the link's position is not known.",
    ),
    "count",
    [
        Query(
            f"topk(10, max by (link, topic) ({of('edgevitals_link_lag_records')}))",
            "{{link}} {{topic}}",
        )
    ],
    size=QUARTER,
)

LINK_CATCH_UP = lines(
    Text(
        "Links: caught up in",
        "Time until a link has carried all, as fast as its lag shrank in the last two minutes; 0 "
        "without lag. Absent while the lag doesn't shrink: then it never will.",
    ),
    "seconds",
    [
        Query(
            f"topk(10, max by (link, topic) ({of('edgevitals_link_catch_up_seconds')}))",
            "{{link}} {{topic}}",
        )
    ],
    size=QUARTER,
)

LINK_LOST = events(
    Text(
        "Links: records lost",
        "Records that the source's retention deleted before the link could carry them, of the "
        "ten worst. Good is: none. Told where the link's offset syncs are read.",
    ),
    "count",
    [
        Query(
            f"topk(10, sum by (link, topic) ({grown(of('edgevitals_link_lost_records_total'))}))",
            "{{link}} {{topic}}",
        )
    ],
    size=QUARTER,
)


def site() -> dict[str, Any]:
    return board.build(
        "ev-site",
        "One site: is Kafka all right, is the link up, how old is what I see, who is behind, and "
        "what will be lost when.",
        [
            Row("", [*truth.STRIP, kafka.KAFKA, TARGETS, LINKS, GROUP_LAG, TIME_TO_LOSS]),
            Row(
                "Kafka",
                [kafka.BYTES, kafka.RECORDS, kafka.REQUESTS, kafka.TROUBLE, kafka.BUSY, kafka.HEAP],
            ),
            Row("Groups and topics", [GROUP_RECORDS, LOST, TOPICS]),
            Row("How far the links are", [LINK_LAG, LINK_RECORDS, LINK_CATCH_UP, LINK_LOST]),
            Row(
                "Disks and machine",
                [
                    machine.FREE,
                    machine.RUNWAY,
                    machine.CPU,
                    machine.MEMORY,
                    machine.CLOCK,
                    machine.CERTIFICATES,
                ],
            ),
        ],
    )
