"""A name server that fails, answers late or never: the caller's time holds, threads don't pile."""

from __future__ import annotations

import socket
import threading
from threading import Event

import pytest

from collector.http import resolver
from collector.http.resolver import Address, Resolver

V4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))
V6 = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 80, 0, 0))


class NameServer:
    """Answers as told, but not before `may_answer`."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.may_answer = Event()
        self.may_answer.set()

    def __call__(self, host: str, port: int, **_: object) -> list[object]:
        self.asked += 1
        assert self.may_answer.wait(30)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, list)
        return answer


def resolver_threads() -> int:
    return sum(thread.name == "resolver" for thread in threading.enumerate())


def test_all_addresses_come_in_their_order_each_once():
    server = NameServer([V6, V4, V6])
    assert Resolver("a.example", 80, server).addresses(5) == [
        Address(socket.AF_INET6, ("2001:db8::1", 80, 0, 0)),
        Address(socket.AF_INET, ("192.0.2.1", 80)),
    ]


def test_f27_each_connection_asks_anew():
    server = NameServer([V4], socket.gaierror(socket.EAI_AGAIN, "try again"), [V6])
    one = Resolver("a.example", 80, server)
    assert [address.family for address in one.addresses(5)] == [socket.AF_INET]
    with pytest.raises(socket.gaierror, match="try again"):
        one.addresses(5)
    assert [address.family for address in one.addresses(5)] == [socket.AF_INET6]


def test_f27_a_server_that_does_not_answer_has_one_thread_however_often_it_is_asked():
    before = resolver_threads()
    server = NameServer([V4])
    server.may_answer.clear()
    one = Resolver("a.example", 80, server)
    for _ in range(20):
        with pytest.raises(TimeoutError, match="name server"):
            one.addresses(0.001)
    assert (server.asked, resolver_threads() - before) == (1, 1)
    server.may_answer.set()
    assert one.addresses(5) == [Address(socket.AF_INET, ("192.0.2.1", 80))]
    assert server.asked == 1


def test_f27_an_answer_that_came_late_is_used_once_and_not_when_it_is_old(monkeypatch):
    server = NameServer([V4], [V6])
    server.may_answer.clear()
    one = Resolver("a.example", 80, server)
    with pytest.raises(TimeoutError):
        one.addresses(0.001)
    underway = one._underway
    assert underway is not None
    server.may_answer.set()
    assert underway.done.wait(5)
    monkeypatch.setattr(resolver, "LATE_S", -1.0)
    assert [address.family for address in one.addresses(5)] == [socket.AF_INET6]


def test_what_is_no_host_name_is_an_error_as_others():
    with pytest.raises(OSError, match="not a host name"):
        Resolver("a" * 70 + ".example", 80).addresses(5)
