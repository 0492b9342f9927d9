"""The keys of what applications send to us."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from collector.config.scalars import (
    Address,
    BodySize,
    HostPort,
    LabelCount,
    LabelText,
    Samples,
    Staleness,
    TextLength,
)


class OtlpConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Take metrics of applications by OTLP over HTTP, at /v1/metrics."""

    listen: Annotated[
        HostPort, Meta(description="Where to listen. There is no login: keep it to this machine.")
    ] = Address("127.0.0.1", 4318)
    stale_after: Annotated[
        Staleness, Meta(description="How long the last value of a series that isn't sent is told.")
    ] = 300.0
    series_limit: Annotated[
        Samples, Meta(description="Series that may be kept, and points that a request may have.")
    ] = 20_000
    body_size_limit: Annotated[
        BodySize, Meta(description="Size that a request may have, folded and unfolded.")
    ] = 4 << 20
    label_limit: Annotated[LabelCount, Meta(description="Labels that a series may have.")] = 64
    label_value_length_limit: Annotated[
        TextLength, Meta(description="Length of a label's name and value, in bytes.")
    ] = 4096
    job: Annotated[
        LabelText, Meta(description="The job label of up, and of senders without service.name.")
    ] = "otlp"
    instance: Annotated[
        LabelText | None, Meta(description="The instance label likewise; the node if left out.")
    ] = None
