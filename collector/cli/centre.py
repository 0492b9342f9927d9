"""What a Prometheus has of streams: the samples that completeness is judged by, read in pieces."""

from __future__ import annotations

from collections.abc import Mapping

from collector.cli.completeness import Epoch, GapSaid, Told, Window
from collector.cli.progress import Progress
from collector.cli.prometheus_api import PrometheusApi, Track, label_value
from collector.frames.dictionary import Stream

PIECE_MS = 86_400_000
"""Of one query: a day, about 60,000 samples at a round in 15 seconds."""

_BACK_MS = 31 * PIECE_MS
"""How far back the newest round before a window is looked for."""

_AHEAD_MS = PIECE_MS

CONTEXT_MS = 3_600_000
"""Of before the window: what its first rounds follow, and what counters had counted by then."""

_SEQ = "edgevitals_round_seq"
_NAMES = (
    "edgevitals_(round_seq|epoch_info|round_missed_total|gap_rounds_total|gap_first_seq|"
    "gap_last_seq|process_start_time_seconds|pump_backlog_rounds|pulse_backlog_rounds|"
    "spool_degraded|pump_rejected_rounds_total)"
)


def streams(api: PrometheusApi, site: str | None, window: Window) -> list[Stream]:
    """The streams that have rounds in or near the window. Raises NoAnswerError."""
    selector = f"{_SEQ}{{site={label_value(site)}}}" if site else _SEQ
    found = api.series(selector, window.from_ms, window.to_ms)
    names = {Stream(one.get("site", ""), one.get("node", ""), one.get("tier", "")) for one in found}
    return sorted(name for name in names if all(name))


def told_of(api: PrometheusApi, stream: Stream, window: Window, progress: Progress) -> Told:
    """Everything that is told of one stream in a window. Raises NoAnswerError."""
    told = Told(stream)
    who = f"site={label_value(stream.site)},node={label_value(stream.node)}"
    mine = f"{_SEQ}{{{who},tier={label_value(stream.tier)}}}"
    everything = f'{{__name__=~"{_NAMES}",{who}}}'
    firsts: dict[tuple[str, str], dict[int, int]] = {}
    lasts: dict[tuple[str, str], dict[int, int]] = {}
    begin = at = window.from_ms - CONTEXT_MS
    pieces = -(-(window.to_ms - begin) // PIECE_MS)
    while at < window.to_ms:
        progress.at((at - begin) // PIECE_MS, f"of {pieces} days of {'/'.join(stream)}")
        end = min(at + PIECE_MS, window.to_ms)
        for track in api.samples(everything, at, end):
            name = track.labels.get("__name__", "")
            if name in {"edgevitals_gap_first_seq", "edgevitals_gap_last_seq"}:
                into = firsts if name.endswith("first_seq") else lasts
                key = track.labels.get("pump", ""), track.labels.get("reason", "")
                into.setdefault(key, {}).update((ms, int(seq)) for ms, seq in track.points)
            else:
                _take(told, name, track)
        at = end
    for key, first in firsts.items():
        last = lasts.get(key, {})
        told.said |= {
            GapSaid(seq, last[ms], key[1]) for ms, seq in first.items() if seq and ms in last
        }
    for points in (told.rounds, told.epochs, told.starts):
        points.sort()
    before = api.newest_before(mine, begin, _BACK_MS)
    told.before = int(max(before)) if before else None
    told.behind = _behind(api, mine, window)
    return told


def _take(told: Told, name: str, track: Track) -> None:
    labels: Mapping[str, str] = track.labels
    is_mine = labels.get("tier") == told.stream.tier
    if name == _SEQ and is_mine:
        told.rounds += [(ms, int(seq)) for ms, seq in track.points]
    elif name == "edgevitals_epoch_info" and is_mine:
        epoch = Epoch(labels.get("epoch", ""), labels.get("previous_epoch", ""))
        told.epochs += [(ms, epoch) for ms, _ in track.points]
    elif name == "edgevitals_round_missed_total":
        told.missed.setdefault(labels.get("reason", ""), []).extend(track.points)
    elif name == "edgevitals_gap_rounds_total":
        pump = f"{labels.get('reason', '')} ({labels.get('pump', '')})"
        told.gaps.setdefault(pump, []).extend(track.points)
    elif name == "edgevitals_process_start_time_seconds":
        told.starts += track.points
    elif name == "edgevitals_pump_rejected_rounds_total":
        if labels.get("pump", "").startswith("forward-"):
            told.refused.setdefault(labels.get("reason", ""), []).extend(track.points)
    elif name == "edgevitals_spool_degraded":
        told.degraded |= {ms for ms, value in track.points if value}
    elif labels.get("pump", "").startswith("forward-") and track.points:
        told.backlog = max(told.backlog or track.points[-1], track.points[-1])


def _behind(api: PrometheusApi, selector: str, window: Window) -> tuple[int, int] | None:
    """The first round behind a window that has ended."""
    end = min(window.to_ms + _AHEAD_MS, window.now_ms)
    if end <= window.to_ms:
        return None
    found = [
        (ms, int(seq))
        for track in api.samples(selector, window.to_ms, end)
        for ms, seq in track.points
    ]
    return min(found, default=None)
