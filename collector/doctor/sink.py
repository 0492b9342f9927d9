"""A receiver: its name, the way there, TLS, the login, and what it says to a request of nothing.

The request is one of the sink's own protocol without any sample. Receivers take it and store
nothing (Prometheus, Mimir and VictoriaMetrics say 204 or 200); what else they say is a status that
the reply table judges: a login that is wrong is 401 for nothing as for something. An answer of 400
to nothing is none to a round, so it is no finding of a problem.
"""

from __future__ import annotations

import math
import socket
import ssl
import time
from collections.abc import Generator, Iterator
from dataclasses import replace

from urllib3.util import parse_url

from collector.config import SinkConfig
from collector.doctor import clock
from collector.doctor.finding import Finding, Layer, cannot_tell, ok, problem
from collector.errors import ConfigError, DeliveryError, Rejected, Retry
from collector.horizon import Horizon
from collector.http.access import access
from collector.http.resolver import Resolver
from collector.http.route import cause_of
from collector.sinks import own_window
from collector.sinks.post import Post
from collector.sinks.reply import Reply, TooLarge, Unsupported, judge
from collector.sinks.sink import nothing

_LOOKUP_S = 5.0
_DEADLINE_S = 10.0
_WINDOW = "out_of_order_time_window"


def look(sink: SinkConfig) -> Iterator[Finding]:
    """Go the way of a request, step by step."""
    horizon = Horizon()
    post = Post(
        sink.url, {}, replace(access(sink), horizon=horizon, rate=None), deadline_s=_DEADLINE_S
    )
    try:
        name = _name(sink)
        yield name
        if name.verdict != "ok":
            return
        reply = yield from _answer(sink, post)
        if reply is None:
            return
        if (found := clock.against(f"sink {sink.name}", horizon.ahead_ms())) is not None:
            yield found
        if 200 <= reply.status < 300:
            yield from _window(sink, post)
    finally:
        post.close()


def _name(sink: SinkConfig) -> Finding:
    """Look the host up, or the proxy's, since that is who we connect to."""
    url = sink.proxy.url if sink.proxy else sink.url
    parts = parse_url(url)
    host = (parts.host or "").strip("[]")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return named(host, port, f"url of sink {sink.name}" if not sink.proxy else "proxy")


def named(host: str, port: int, key: str) -> Finding:
    """Look a host up; `key` is where the configuration names it."""
    try:
        addresses = Resolver(host, port).addresses(_LOOKUP_S)
    except OSError as error:
        says = error.strerror or str(error)
        do = f"getent ahosts {host}; look at /etc/resolv.conf, and at the host in {key}"
        return problem(Layer.DNS, host, says, do)
    return ok(Layer.DNS, host, ", ".join(str(one.at[0]) for one in addresses))


def _answer(sink: SinkConfig, post: Post) -> Generator[Finding, None, Reply | None]:
    """Post nothing; return the reply, None when there was none."""
    subject = f"{sink.name} ({post.where})"
    requests = nothing(sink)
    for request in requests:
        try:
            reply = post.send(request.body, request.headers)
        except Retry as why:
            yield problem(_layer(why, sink), subject, why.message, why.hint or _when_lost(post))
            return None
        found = judged(subject, reply, sink)
        if found is not None:
            yield found
            return reply
    yield problem(Layer.SINK, subject, "it takes none of our protocols", "look at url and protocol")
    return None


def _when_lost(post: Post) -> str:
    return f"is anything listening there, and may we pass? Type: curl -v http://{post.where}/"


def _layer(why: Retry, sink: SinkConfig) -> Layer:
    """Where on the way a request was lost, by what stands behind the error."""
    error = why.__cause__
    if "secret" in why.message:
        return Layer.LOGIN
    if error is None:
        return Layer.NETWORK
    if isinstance(error, ConfigError):
        return Layer.TLS
    if "Tunnel connection failed" in str(error):
        return Layer.PROXY
    cause = cause_of(error)
    if isinstance(cause, ssl.SSLError):
        return Layer.TLS
    if isinstance(cause, socket.gaierror):
        return Layer.DNS
    return Layer.PROXY if sink.proxy else Layer.NETWORK


def judged(subject: str, reply: Reply, sink: SinkConfig) -> Finding | None:
    """What a reply to nothing means; None: it wants another protocol. Pure."""
    says = f"it answers {reply.status}"
    try:
        judge(reply, time.time())
    except Unsupported:
        return None
    except Rejected as why:
        return cannot_tell(
            Layer.SINK,
            subject,
            f"it refuses a request without samples, which says nothing of rounds: {why.message}",
            "edgevitals status: does it take what the collector sends?",
        )
    except TooLarge as why:
        return problem(Layer.SINK, subject, f"it takes not even an empty request: {why.message}")
    except Retry as why:
        layer = {401: Layer.LOGIN, 403: Layer.LOGIN, 407: Layer.PROXY}.get(reply.status, Layer.SINK)
        do = why.hint
        if reply.status == 429:
            do = "it limits us: raise its limit for us, or set rate_limit of this sink below it"
        elif reply.status >= 500:
            do = "look at the receiver's own log, and at what stands before it"
        return problem(layer, subject, why.message, do)
    return ok(Layer.SINK, subject, f"{says}: it takes {sink.protocol} from us")


def _window(sink: SinkConfig, post: Post) -> Iterator[Finding]:
    """Hold the window in the configuration against the receiver's own, where it tells it."""
    wanted = sink.out_of_order_time_window
    place = own_window.page(post.path) if math.isfinite(wanted) else None
    if place is None:
        return
    try:
        own = own_window.window_s(post.look(place))
    except DeliveryError:
        own = None
    subject = f"{sink.name} {_WINDOW}"
    if own is None:
        return  # not a Prometheus, or one that doesn't show its configuration
    if own < wanted:
        yield problem(
            Layer.SINK,
            subject,
            f"the receiver takes what is {own:.0f} s late, ours says {wanted:.0f} s: after a cut "
            "the rounds between the two are refused",
            f"in the receiver's prometheus.yml: storage: {{tsdb: {{{_WINDOW}: {wanted:.0f}s}}}}",
            f"or {_WINDOW}: {own:.0f}s of this sink, which doesn't send what is older",
        )
    else:
        yield ok(Layer.SINK, subject, f"the receiver takes what is {own:.0f} s late")
