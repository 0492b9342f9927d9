"""The WSGI application and the address, without a socket. tests/real has the server itself."""

import contextlib
import gzip
import logging
from typing import Any
from wsgiref.validate import validator

import pytest

from collector.errors import ConfigError
from collector.series import Family, Series
from collector.status.pages import Pages
from collector.status.server import StatusServer, application
from tests.unit.status.view import FixedView


def ask(view, path, method="GET", **headers):
    """Return (status line, headers, body) of one call, held to PEP 3333 by wsgiref's validator."""
    seen = []

    def start_response(status, headers, exc_info=None):
        seen.append((status, dict(headers)))
        return lambda _: None

    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "9464",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **{f"HTTP_{name.upper()}": value for name, value in headers.items()},
    }
    environ["wsgi.input"] = environ["wsgi.errors"] = Stream()
    answer: Any = validator(application(Pages(view)))(environ, start_response)
    with contextlib.closing(answer):
        body = b"".join(answer)
    ((status, headers),) = seen
    return status, headers, body


class Stream:
    """What the validator wants to see as input and error stream; nothing may touch it."""

    def read(self, *_):
        raise AssertionError("a request's body is not read")

    readline = readlines = __iter__ = write = writelines = flush = read


def many(count):
    up = Family("up")
    return [(Series("up", (("n", str(n)),), up), float(n)) for n in range(count)]


def test_an_answer_has_its_length_type_and_guards():
    status, headers, body = ask(FixedView(), "/metrics")
    assert status == "200 OK"
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert headers["Content-Length"] == str(len(body))
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["Cache-Control"] == "no-store"


def test_head_is_get_without_the_body():
    _, got, body = ask(FixedView(), "/metrics")
    status, headers, nothing = ask(FixedView(), "/metrics", method="HEAD")
    assert (status, headers, nothing) == ("200 OK", got, b"")
    assert headers["Content-Length"] == str(len(body))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nothing_but_get_and_head(method):
    status, headers, _ = ask(FixedView(), "/metrics", method=method)
    assert status == "405 Method Not Allowed"
    assert headers["Allow"] == "GET, HEAD"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_long_page_is_compressed_for_those_who_take_it():
    view = FixedView(samples=many(20_000))
    _, plain_headers, plain = ask(view, "/metrics")
    assert "Content-Encoding" not in plain_headers
    _, headers, packed = ask(view, "/metrics", accept_encoding="gzip, deflate")
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed) == plain
    assert len(packed) < len(plain) / 3


def test_a_bug_in_a_page_is_a_500_and_a_traceback_in_the_log(caplog):
    class Broken(FixedView):
        def samples(self):
            raise ZeroDivisionError

    with caplog.at_level(logging.ERROR):
        status, _, body = ask(Broken(), "/metrics")
    assert status == "500 Internal Server Error"
    assert b"ZeroDivisionError" not in body
    assert caplog.records[0].exc_info[0] is ZeroDivisionError
    assert ask(Broken(), "/readyz")[0] == "200 OK"


@pytest.mark.parametrize(
    "listen", ["", "9464", ":9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "h:70000", "::1:9"]
)
def test_an_address_that_is_none_is_refused_with_an_example(listen):
    with pytest.raises(ConfigError, match="not an address and a port") as error:
        StatusServer(FixedView(), listen)
    assert "127.0.0.1:9464" in error.value.hint
