"""Remote write 1.0 to one receiver, without a configuration around it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from collector.http.access import Access
from collector.sinks.delivery import Delivery
from collector.sinks.dialect import Dialect
from collector.sinks.pace import Pace
from collector.sinks.post import DEADLINE_S, Exchange, Post
from collector.sinks.remote_write_1 import RemoteWrite1


class RemoteWrite(Delivery):
    """Remote write 1.0 to a receiver that takes rounds of any age; `dialects` for another."""

    def __init__(
        self,
        name: str,
        url: str,
        access: Access | None = None,
        on_request: Callable[[Exchange], None] | None = None,
        *,
        dialects: Sequence[Dialect] = (),
        window_s: float = math.inf,
        deadline_s: float = DEADLINE_S,
        pace: Pace | None = None,
    ) -> None:
        super().__init__(
            name,
            Post(url, {}, access, deadline_s=deadline_s),
            dialects or [RemoteWrite1()],
            window_s,
            pace=pace,
            on_request=on_request,
        )
