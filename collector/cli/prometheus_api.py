"""Prometheus's HTTP API, as far as a proof needs it: series, and their samples as they are stored.

Mimir, Thanos and VictoriaMetrics speak the same. Every answer has a deadline and a size; a range
with too much in it is asked for in halves.
"""

from __future__ import annotations

from collections.abc import Mapping
from http.client import HTTPException
from math import isfinite
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import parse_url

from collector import __version__
from collector.errors import CollectorError, ConfigError, Retry
from collector.http.access import Access, Keyring
from collector.http.route import Deadline, Route, words
from collector.sinks.reply import clean

DEADLINE_S = 60.0
MAX_BYTES = 32 << 20
"""Of one answer: a day of rounds a second, with all that is told of them."""

_SHORTEST_MS = 60_000
_BROKEN = (OSError, HTTPException, HTTPError)
_PREFIX = "/api/v1"
_TOO_MUCH = (413, 422, 503)
"""Prometheus answers 422 to what would load too many samples and 503 to what takes too long."""


class NoAnswerError(CollectorError):
    """Prometheus can't be asked, or says nothing that can be used."""


class _TooMuchError(NoAnswerError):
    """The answer is too large, or too much work."""


class Track(NamedTuple):
    """A series and its samples (Unix ms, value), oldest first."""

    labels: Mapping[str, str]
    points: list[tuple[int, float]]


class PrometheusApi:
    """Asks one Prometheus. Belongs to one thread."""

    def __init__(
        self, url: str, access: Access | None = None, deadline_s: float = DEADLINE_S
    ) -> None:
        """Raises ConfigError for what is no URL to ask."""
        try:
            parts = parse_url(url if "://" in url else f"http://{url}")
        except LocationParseError:
            raise ConfigError(f"{url!r} is not a URL", _HINT) from None
        if parts.scheme not in {"http", "https"} or not parts.host or parts.auth:
            raise ConfigError("--prometheus is not a URL that can be asked", _HINT)
        is_tls = parts.scheme == "https"
        port = parts.port or (443 if is_tls else 80)
        self._keyring = Keyring(access or Access())
        self._route = Route(parts.host, port, is_tls=is_tls, keyring=self._keyring)
        self.place = (parts.host, port)
        self.where = self._route.where
        path = (parts.path or "").rstrip("/").removesuffix(_PREFIX)
        self._path = f"{path}{_PREFIX}"
        self._deadline_s = deadline_s

    def close(self) -> None:
        self._route.close()

    def series(self, selector: str, from_ms: int, to_ms: int) -> list[dict[str, str]]:
        """The labels of the series that may have samples in a range. Raises NoAnswerError."""
        given = {"match[]": selector, "start": _seconds(from_ms), "end": _seconds(to_ms)}
        found = self._ask("series", given)
        return [_labels(one) for one in _list(found)]

    def samples(self, selector: str, from_ms: int, to_ms: int) -> list[Track]:
        """The samples from a time on and before another, as they are stored, oldest first.

        Stale markers are not among them: nobody is shown them. Raises NoAnswerError.
        """
        try:
            return self._samples(selector, from_ms, to_ms)
        except _TooMuchError:
            if to_ms - from_ms <= _SHORTEST_MS:
                raise
        middle = (from_ms + to_ms) // 2
        earlier = self.samples(selector, from_ms, middle)
        return earlier + self.samples(selector, middle, to_ms)

    def newest_before(self, selector: str, at_ms: int, back_ms: int) -> list[float]:
        """The newest value of each series before a time. Raises NoAnswerError."""
        query = f"last_over_time({selector}[{back_ms}ms])"
        found = self._ask("query", {"query": query, "time": _seconds(at_ms - 1)})
        try:
            values = [float(one["value"][1]) for one in _list(_result(found, "vector"))]
            return [value for value in values if isfinite(value)]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise self._not_it(f"no vector: {error!r}") from error

    def _samples(self, selector: str, from_ms: int, to_ms: int) -> list[Track]:
        # Whether the sample at the range's beginning belongs to it depends on the version: a
        # range that begins earlier, and the look at each time, make it all the same.
        query = f"{selector}[{to_ms - from_ms}ms]"
        found = self._ask("query", {"query": query, "time": _seconds(to_ms - 1)})
        try:
            return [
                Track(
                    _labels(one["metric"]),
                    [
                        (ms, number)
                        for at, value in one["values"]
                        if from_ms <= (ms := round(float(at) * 1000)) < to_ms
                        and isfinite(number := float(value))
                    ],
                )
                for one in _list(_result(found, "matrix"))
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise self._not_it(f"no matrix: {error!r}") from error

    def _ask(self, what: str, given: Mapping[str, str]) -> Any:
        target = f"{self._path}/{what}?{urlencode(given, quote_via=quote)}"
        status, body = self._get(target)
        try:
            said = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError):
            said = None
        if status == 200 and isinstance(said, dict) and said.get("status") == "success":
            return said.get("data")
        why = said.get("error", "") if isinstance(said, dict) else ""
        text = clean(str(why).encode() or body)
        if status in _TOO_MUCH:
            raise _TooMuchError(
                f"{self.where} answered {status}: {text}",
                "ask for less at once with --from and --to, or raise --query.max-samples there",
            )
        if status in {401, 403}:
            raise NoAnswerError(
                f"{self.where} answered {status}: {text}",
                "give --token-file, or --username and --password-file",
            )
        raise self._not_it(f"HTTP {status}: {text}")

    def _get(self, target: str) -> tuple[int, bytes]:
        try:
            headers = {
                "Accept": "application/json",
                "User-Agent": f"edgevitals/{__version__}",
                **self._keyring.headers(),
            }
            with Deadline(self._deadline_s) as deadline:
                connection = self._route.connected(deadline)
                connection.timeout = deadline.left_s()
                return self._exchange(connection, target, headers)
        except Retry as error:
            raise NoAnswerError(error.message, error.hint) from error
        except _BROKEN as error:
            self.close()
            raise NoAnswerError(
                f"no answer from {self.where} within {self._deadline_s:g} s: {words(error)}",
                "is Prometheus up, and is this its address?",
            ) from error

    def _exchange(
        self, connection: HTTPConnection, target: str, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        connection.request("GET", target, headers=headers)
        # http.client's, which reads no more of a body than it is asked for.
        with super(HTTPConnection, connection).getresponse() as answer:
            body = answer.read(MAX_BYTES + 1)
            if len(body) > MAX_BYTES:
                self.close()
                raise _TooMuchError(
                    f"{self.where} answered with more than {MAX_BYTES >> 20} MiB",
                    "ask for less at once, with --site, --from and --to",
                )
            return answer.status, body

    def _not_it(self, why: str) -> NoAnswerError:
        return NoAnswerError(
            f"what answers at {self.where} is no Prometheus: {why}",
            "give the address that has /api/v1/query under it: --prometheus http://host:9090",
        )


_HINT = "write it as http://host:9090, without a user in it: there are options for that"


def label_value(text: str) -> str:
    """A label's value as PromQL writes it, in quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _seconds(ms: int) -> str:
    return f"{ms // 1000}.{ms % 1000:03d}"


def _result(found: Any, kind: str) -> Any:
    if not isinstance(found, dict) or found.get("resultType") != kind:
        raise NoAnswerError(f"Prometheus answered with no {kind}", _HINT)
    return found.get("result")


def _list(found: Any) -> list[Any]:
    if not isinstance(found, list):
        raise NoAnswerError("Prometheus answered with something that is no list", _HINT)
    return found


def _labels(found: Any) -> dict[str, str]:
    if not isinstance(found, dict):
        raise NoAnswerError("Prometheus answered with a series that has no labels", _HINT)
    return {str(name): str(value) for name, value in found.items()}
