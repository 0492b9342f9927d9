from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from collector.errors import Rejected, Retry
from collector.sinks.reply import Ambiguous, Reply, TooLarge, clean, is_already_stored, judge

NOW = 1_790_000_000.0
TODAY = datetime.fromtimestamp(NOW, UTC)


def after(status: int, body: bytes = b"", *, is_whole: bool = True, **headers: str) -> Exception:
    """What judge raises."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises((Retry, Rejected, TooLarge)) as caught:
        judge(Reply(status, named, body, is_whole), NOW)
    return caught.value


@pytest.mark.parametrize("status", [200, 202, 204])
@pytest.mark.parametrize("body", [b"", b"\n", b"ok", b'{"status":"success"}'])
def test_2xx_with_a_few_plain_words_is_an_ack(status, body):
    judge(Reply(status, {"content-type": "text/plain"}, body), NOW)


@pytest.mark.parametrize(
    "body, headers",
    [
        (b"<!DOCTYPE html><title>Log in</title>", {}),
        (b"\r\n  <html>", {}),
        (b"", {"content_type": "text/html; charset=utf-8"}),
        (b"welcome", {"content_type": "application/xhtml+xml"}),
        (b"\x1f\x8b\x08packed", {"content_encoding": "gzip"}),
    ],
)
def test_2xx_with_a_page_comes_from_a_captive_portal_and_is_no_ack(body, headers):
    raised = after(200, body, **headers)
    assert isinstance(raised, Retry)
    assert not isinstance(raised, Ambiguous)
    assert "captive portal" in str(raised)


def test_2xx_whose_body_is_broken_or_huge_is_no_ack():
    assert isinstance(after(200, b"x" * 100, is_whole=False), Ambiguous)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_a_hold_that_names_where_to_and_no_secrets(status):
    raised = after(status, location="https://user:pw@login.example/x?token=abc\r\n")
    assert isinstance(raised, Retry)
    assert raised.hold
    assert "https://login.example/x" in str(raised)
    assert "pw" not in str(raised)
    assert "abc" not in str(raised)


@pytest.mark.parametrize("status", [400, 409, 422])
def test_what_the_receiver_refuses_is_rejected_with_its_words(status):
    raised = after(status, b"out of order sample\n")
    assert isinstance(raised, Rejected)
    assert raised.reason == f"http_{status}"
    assert "out of order sample" in raised.message


@pytest.mark.parametrize(
    "status, advice",
    [
        (401, "token_file"),
        (403, "token"),
        (404, "--web.enable-remote-write-receiver"),
        (405, "path in url"),
        (407, "proxy"),
        (415, "protocol and compression"),
        (402, "url of this sink"),
        (410, "url of this sink"),
        (431, "url of this sink"),
    ],
)
def test_what_only_a_person_can_end_is_held_and_says_what_to_do(status, advice):
    raised = after(status, b"no")
    assert isinstance(raised, Retry)
    assert raised.hold
    assert advice in raised.hint


@pytest.mark.parametrize("status", [408, 425, 429, 500, 501, 503, 507, 529, 599])
def test_what_passes_by_itself_is_retried(status):
    raised = after(status, b"too old sample")
    assert type(raised) is Retry
    assert (raised.hold, raised.after, raised.reached) == (False, None, True)


@pytest.mark.parametrize("status", [502, 504])
def test_what_a_proxy_says_of_a_broken_connection_is_ambiguous(status):
    assert isinstance(after(status), Ambiguous)


def test_413_asks_for_less():
    assert isinstance(after(413), TooLarge)


@pytest.mark.parametrize("status", [101, 600, 999])
def test_a_status_that_nobody_knows_is_retried(status):
    raised = after(status)
    assert isinstance(raised, Retry)
    assert str(status) in str(raised)


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 1.0),
        ("900", 900.0),
        ("1000000000", 900.0),
        ("9" * 500, 900.0),
        ("-5", None),
        ("1e9", None),
        ("1.5", None),
        ("٣", None),
        ("abc", None),
        ("", None),
        ("Fri, 99 Foo 2026 00:00:00 GMT", None),
        (format_datetime(TODAY + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(TODAY + timedelta(days=9), usegmt=True), 900.0),
        (format_datetime(TODAY - timedelta(days=9), usegmt=True), 1.0),
        ("Sun, 01 Jan 9999999 00:00:00 GMT", None),
    ],
)
def test_f20_retry_after_is_honoured_clamped_or_ignored(text, seconds):
    for status in (429, 503):
        raised = after(status, retry_after=text)
        assert isinstance(raised, Retry)
        assert raised.after == seconds


def test_a_date_to_wait_for_counts_from_the_receivers_own_clock():
    theirs = TODAY + timedelta(days=400)  # ours has no battery
    raised = after(
        503,
        date=format_datetime(theirs, usegmt=True),
        retry_after=format_datetime(theirs + timedelta(seconds=30), usegmt=True),
    )
    assert isinstance(raised, Retry)
    assert raised.after == 30.0


@pytest.mark.parametrize(
    "status, text, is_stored",
    [
        (400, b"out of order sample", True),
        (400, b"duplicate sample for timestamp", True),
        (400, b"send data: (err-mimir-sample-out-of-order)", True),
        (400, b"send data: (err-mimir-sample-duplicate-timestamp)", True),
        (409, b"store locally: conflict", True),
        (400, b"out of bounds", False),
        (409, b"out of bounds", False),
        (400, b"too old sample", False),
        (400, b"(err-mimir-sample-timestamp-too-old)", False),
        (400, b"label name is not valid", False),
    ],
)
def test_which_refusals_say_that_the_receiver_has_it(status, text, is_stored):
    refusal = after(status, text)
    assert isinstance(refusal, Rejected)
    assert is_already_stored(refusal) is is_stored


def test_text_from_afar_is_one_short_line_without_control_characters():
    hostile = "a\x1b[31mred\x07\r\nb\u202eevil\u0000 \t c".encode() + b"\xff" + b"x" * 5000
    text = clean(hostile)
    assert text.startswith("a [31mred b evil c\ufffdxxx")
    assert len(text) <= 1024
    assert text.isprintable()
    assert clean(text.encode()) in str(after(400, hostile))
