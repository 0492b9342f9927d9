"""Pipelined calls against captured answers: what is sent when, and what pieces of bytes give."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.jmx import CallFailed, JmxError, Limits, ObjectName, PeerBrokeProtocol
from collector.jmx.bean import Bean, Layout, Probe
from collector.jmx.exchange import MOST_UNREAD_BYTES, Call, Exchange
from collector.jmx.javastream import Decoder
from collector.jmx.mbeans import BeanInfo
from collector.jmx.templates import Budget, Shape
from tests.unit.jmx.captures import BY_NUMBER

HEAD = b"h" * 41
MEMORY = BY_NUMBER["04"].answered
METER = BY_NUMBER["05"].answered
ODD = BY_NUMBER["11"].answered
FAILURES = BY_NUMBER["07"].answered
ABORT = BY_NUMBER["12"].answered
OVER = BY_NUMBER["10"].answered


def beans(count: int, budget: Budget | None = None) -> list[Bean]:
    info = BeanInfo("C", "", (), is_of_class=True)
    shape = Shape(["A"], budget or Budget(1 << 20))
    return [Bean(ObjectName(f"a:b={number}"), info, shape, Limits()) for number in range(count)]


def exchange(questions: list[Any], window: int = 64, decoder: Decoder | None = None) -> Exchange:
    return Exchange(HEAD, questions, decoder or Decoder(Limits()), window)


def run(one: Exchange, data: bytes, size: int | None = None) -> None:
    one.to_send()
    for at in range(0, len(data), size or len(data)):
        one.receive(data[at : at + (size or len(data))])
        one.to_send()


def found(result: tuple[Layout, tuple[Any, ...]]) -> dict[str, Any]:
    layout, values = result
    return {slot.attribute: value for slot, value in zip(layout.slots, values, strict=True)}


@pytest.mark.parametrize("size", [1, 7, 100, 5000, None])
def test_answers_come_in_order_however_the_bytes_come(size: int | None):
    one = exchange(beans(5))
    run(one, MEMORY + METER + MEMORY + ODD + METER, size)
    assert one.done
    assert ["Count" in found(result) for result in one.results] == [False, True, False, False, True]
    assert one.hits == 2


@settings(max_examples=30)
@given(
    order=st.lists(st.sampled_from([MEMORY, METER, ODD]), min_size=1, max_size=8),
    cuts=st.lists(st.floats(0, 1), max_size=9),
)
def test_templates_and_the_decoder_agree_on_any_cut(order: list[bytes], cuts: list[float]):
    data = b"".join(order)
    places = sorted({0, len(data), *(int(cut * len(data)) for cut in cuts)})
    with_templates, without = exchange(beans(len(order))), exchange(beans(len(order), Budget(0)))
    for one in (with_templates, without):
        one.to_send()
        for start, end in pairwise(places):
            one.receive(data[start:end])
        assert one.done
    assert without.hits == 0
    assert with_templates.hits == len(order) - len(set(order))
    pairs = zip(with_templates.results, without.results, strict=True)
    assert all(repr(found(a)) == repr(found(b)) for a, b in pairs)


def test_the_window_bounds_calls_without_an_answer():
    one = exchange(beans(10), window=4)
    sent = one.to_send()
    assert sent.count(HEAD) == 4
    assert one.to_send() == b""
    one.receive(MEMORY)
    assert one.to_send() == b""  # three under way: more than half
    one.receive(MEMORY)
    assert one.to_send().count(HEAD) == 2
    one.receive(MEMORY * 4)
    assert one.to_send().count(HEAD) == 4
    one.receive(MEMORY * 4)
    assert one.done
    assert one.to_send() == b""


def test_the_window_bounds_bytes_too():
    calls = [Call(bytes(MOST_UNREAD_BYTES // 3), lambda value: value) for _ in range(8)]
    one = exchange(calls)
    assert one.to_send().count(HEAD) == 3
    assert one.to_send() == b""
    one.receive(MEMORY)
    assert one.to_send() == b""
    one.receive(MEMORY)
    assert one.to_send().count(HEAD) == 2


def test_one_call_is_sent_however_large():
    one = exchange([Call(bytes(MOST_UNREAD_BYTES * 2), len)] * 2)
    assert one.to_send().count(HEAD) == 1


def test_a_failure_is_the_answer_of_one_question():
    questions = beans(4)
    one = exchange(questions)
    run(one, MEMORY + FAILURES + MEMORY)
    assert [result is None for result in one.results] == [False, True, True, False]
    assert questions[1].is_gone
    assert not questions[2].is_gone
    assert not any(bean.is_spoiled for bean in questions)


@pytest.mark.parametrize("answer, name", [(ABORT, "NotSerializable"), (OVER, "NoSuchObject")])
def test_an_answer_that_ends_the_exchange_shows_how_far_it_came(answer: bytes, name: str):
    one = exchange(beans(4))
    with pytest.raises(CallFailed, match=name):
        run(one, MEMORY + MEMORY + answer)
    assert len(one.results) == 2


@pytest.mark.parametrize("data", [b"\0", MEMORY + b"\0", MEMORY + METER + b"\x51"])
def test_bytes_that_answer_nothing_are_refused(data: bytes):
    one = exchange(beans(2))
    with pytest.raises(PeerBrokeProtocol):
        run(one, data)


def test_a_gap_in_the_decoder_is_the_peers_fault():
    def read(value: object) -> None:
        raise KeyError(value)

    with pytest.raises(PeerBrokeProtocol, match="KeyError"):
        run(exchange([Call(b"", read)]), MEMORY)


def test_a_bug_of_ours_is_not():
    def read(value: object) -> None:
        raise NotImplementedError

    with pytest.raises(NotImplementedError):
        run(exchange([Call(b"", read)]), MEMORY)


def test_an_error_of_a_call_is_its_result():
    one = exchange([Call(b"", lambda value: value)] * 2)
    run(one, FAILURES)
    assert all(isinstance(result, JmxError) for result in one.results)


def test_a_decoder_goes_from_one_exchange_to_the_next():
    decoder = Decoder(Limits())
    for _ in range(3):
        one = exchange(beans(2), decoder=decoder)
        run(one, MEMORY * 2)
        assert one.done
    assert len(decoder.buffer) <= 2 * len(MEMORY)


def test_a_bean_that_turns_to_another_shape_gets_its_layout_back():
    (bean,) = beans(1)
    layouts = []
    for answer in (MEMORY, METER, MEMORY, METER):
        one = exchange([bean])
        run(one, answer)
        layouts.append(one.results[0][0])
    assert layouts[0] is layouts[2]
    assert layouts[1] is layouts[3]
    assert layouts[0] is not layouts[1]


def test_a_probe_tells_a_bad_attribute_from_a_missing_mbean():
    (bean,) = beans(1)
    shape = Shape(["A"], Budget(0))
    good, gone = Probe(bean, shape, Limits()), Probe(bean, shape, Limits())
    run(exchange([good, gone, gone]), MEMORY + FAILURES)
    assert not bean.bad
    bad = Probe(bean, shape, Limits())
    bad.failed(PeerBrokeProtocol("cut"))
    assert set(bean.bad) == {"A"}
