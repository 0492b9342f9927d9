"""Our own way out of the site, told like any other link: `edgevitals_link_*` of kind `edgevitals`.

Records are rounds here. Nothing is measured anew: the numbers are the pump's, in other words.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from collector.derive.rates import Growth
from collector.sources.links.reading import State

KIND = "edgevitals"
TOPIC = "rounds"
"""What is carried: our rounds, by the topic or past it."""

_STATES = {
    "idle": State.CONNECTED,
    "sending": State.CONNECTED,
    "waiting": State.DISCONNECTED,
    "holding": State.BROKEN,  # a wrong password, say: a person must do something
}


class Now(NamedTuple):
    """What a pump knows; None for what it does not know yet. Times are seconds since 1970."""

    state: str
    backlog: int | None
    oldest_at: float | None
    eta_s: float | None
    bytes_sent: int


class OwnLink:
    """One sink's way there."""

    def __init__(self, name: str) -> None:
        self._labels = {"link": name, "kind": KIND}
        self._state: State | None = None
        self._since = 0.0
        self._sent = Growth()

    def gauges(self, pump: Now, at: float) -> Iterable[tuple[str, float, dict[str, str]]]:
        """Yield metric, value, labels."""
        state = _STATES.get(pump.state, State.UNKNOWN)
        if state is not self._state:
            self._state, self._since = state, at
        for one in State:
            yield "edgevitals_link_state", float(one is state), self._labels | {"state": one}
        if state in (State.CONNECTED, State.DISCONNECTED):
            yield f"edgevitals_link_{state}_since_timestamp_seconds", self._since, self._labels
        of_topic = self._labels | {"topic": TOPIC}
        self._sent.note(pump.bytes_sent, at)
        rate = self._sent.per_second()
        if rate is not None:
            yield "edgevitals_link_bytes_per_second", rate, of_topic
        if pump.backlog is None:
            return
        yield "edgevitals_link_lag_records", pump.backlog, of_topic
        if pump.backlog == 0:
            yield "edgevitals_link_lag_seconds", 0.0, of_topic
        elif pump.oldest_at is not None:
            yield "edgevitals_link_lag_seconds", max(0.0, at - pump.oldest_at), of_topic
        if pump.eta_s is not None:
            yield "edgevitals_link_catch_up_seconds", pump.eta_s, of_topic
