from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.lab.conversation import Conversation, Exchange, Messages

POST = b"POST /api/v1/write HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n"
)


def test_messages_come_whole():
    whole = Messages().feed(POST + CHUNKED + NO_CONTENT)
    assert [message.body for message in whole] == [b"body", b"abcde", b""]
    assert whole[0].headers == {"content-length": "4"}


@given(st.integers(min_value=1, max_value=20))
def test_messages_come_the_same_cut_anywhere(size: int):
    data = POST + CHUNKED + POST + NO_CONTENT
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    messages = Messages()
    found = [message for piece in pieces for message in messages.feed(piece)]
    assert found == Messages().feed(data)


def test_a_request_is_told_when_it_is_answered():
    told: list[Exchange] = []
    conversation = Conversation(told.append)
    conversation.sent(POST + POST)
    assert told == []
    conversation.received(b"HTTP/1.1 100 Continue\r\n\r\n" + NO_CONTENT)
    assert [exchange.status for exchange in told] == [204]
    conversation.received(b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno")
    assert [exchange.status for exchange in told] == [204, 503]
