from __future__ import annotations

import pytest

from collector.admin.wire import (
    MAX_MESSAGE,
    Answer,
    Broker,
    Cluster,
    Commits,
    CreateTopic,
    Done,
    Failure,
    Hello,
    Offsets,
    Partition,
    Topic,
    Topics,
    decode_answer,
    decode_hello,
    decode_request,
    encode,
    take_messages,
)

ANSWERS: list[Answer] = [
    Cluster("cluster", [Broker(1, "broker", 9092)]),
    Topics([Topic("orders", [Partition(0, 1, [1, 2], [1])])]),
    Offsets([("orders", 0, 5, 9)], is_last=True),
    Commits("billing", [("orders", 0, 7, 0, 9)]),
    Failure("list groups", "GROUP_AUTHORIZATION_FAILED", "not allowed"),
    Done(is_leaving=False),
]


def test_messages_come_out_whole_however_the_bytes_are_cut():
    stream = b"".join(map(encode, ANSWERS))
    for size in (1, 2, 3, 7, 64, len(stream)):
        buffer = bytearray()
        found = []
        for start in range(0, len(stream), size):
            buffer += stream[start : start + size]
            found += [decode_answer(message) for message in take_messages(buffer)]
        assert found == ANSWERS
        assert not buffer


def test_requests_and_the_hello_come_back_as_they_were():
    hello = Hello({"bootstrap.servers": "broker:9092", "ssl.key.password": "secret", "n": 1.5}, 42)
    request = CreateTopic(2.5, "edgevitals.telemetry", 3, 1, {"retention.ms": "-1"})
    buffer = bytearray(encode(hello) + encode(request))
    first, second = take_messages(buffer)
    assert decode_hello(first) == hello
    assert decode_request(second) == request


def test_a_length_that_is_not_ours_is_refused():
    with pytest.raises(ValueError, match="bytes"):
        list(take_messages(bytearray((MAX_MESSAGE + 1).to_bytes(4, "big"))))


@pytest.mark.parametrize(
    "code, forbidden, missing, ours",
    [
        ("TOPIC_AUTHORIZATION_FAILED", True, False, False),
        ("CLUSTER_AUTHORIZATION_FAILED", True, False, False),
        ("_AUTHENTICATION", False, False, False),
        ("UNKNOWN_TOPIC_OR_PART", False, True, False),
        ("ADMIN_DIED", False, False, True),
    ],
)
def test_a_failure_says_what_kind_it_is(code, forbidden, missing, ours):
    failure = Failure("describe topic", code, "text")
    assert (failure.is_forbidden, failure.is_missing, failure.is_ours) == (forbidden, missing, ours)


def test_a_failure_reads_as_a_sentence_part():
    assert str(Failure("list topics", "_TRANSPORT", "refused")) == (
        "list topics: refused [_TRANSPORT]"
    )
    assert str(Failure("read end offsets", "_TIMED_OUT", "no answer", "orders/0", 3)) == (
        "read end offsets: no answer (orders/0 and 2 more) [_TIMED_OUT]"
    )
