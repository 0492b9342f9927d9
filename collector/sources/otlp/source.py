"""The source `otlp`: one receiver, whose last values a round takes."""

from __future__ import annotations

import socket
from collections.abc import Callable

from collector.catalog.sources import TARGETS
from collector.config import OtlpConfig
from collector.errors import SourceError
from collector.series import TargetSeries
from collector.sources.otlp.receiver import Receiver
from collector.sources.otlp.state import Limits, State
from collector.target import Reading
from collector.telemetry import Telemetry


class OtlpSource:
    """It listens from the first round on: whoever reads a configuration only opens no port."""

    def __init__(
        self,
        config: OtlpConfig,
        telemetry: Telemetry,
        series: TargetSeries,
        is_taken: Callable[[tuple[str, str]], bool],
    ) -> None:
        """`is_taken` tells the job and instance of all others, as they are now."""
        limits = Limits(
            config.series_limit,
            config.label_limit,
            config.label_value_length_limit,
            config.stale_after,
        )
        # A sender can't say what we say of it.
        ours = frozenset(series.intern(metric.family, {}) for metric in TARGETS)
        self._state = State(series, limits, is_taken, ours)
        self._config = config
        self._telemetry = telemetry
        self._receiver: Receiver | None = None

    @property
    def address(self) -> tuple[str, int] | None:
        """Where it listens, also when port 0 was asked for."""
        return self._receiver.address if self._receiver else None

    def read(self, deadline: float) -> Reading:  # noqa: ARG002 - nothing is waited for
        """Take the last values. Raises SourceError while the port can't be had."""
        if self._receiver is None or not self._receiver.is_alive:
            self._receiver = self._opened()
        return Reading(*self._state.last())

    def close(self) -> None:
        """Close the port and every connection. Never raises."""
        if self._receiver:
            self._receiver.close()

    def _opened(self) -> Receiver:
        listen = self._config.listen
        try:
            return Receiver(
                (listen.host, listen.port),
                self._state,
                self._telemetry,
                self._config.body_size_limit,
                self._config.series_limit,
            )
        except (OSError, socket.gaierror) as error:
            raise SourceError(
                f"can't listen on {listen}: {error.strerror or error}",
                "stop what has this port, or set sources.otlp.listen to a free one",
            ) from error
