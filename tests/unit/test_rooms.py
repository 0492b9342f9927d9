from __future__ import annotations

import logging
from queue import SimpleQueue
from threading import Event, current_thread

import pytest

from collector import rooms
from collector.rooms import House

SOON = 30.0


def until_stopped(stop: Event) -> None:
    stop.wait(SOON)


@pytest.fixture
def house():
    one = House()
    yield one
    assert one.join(SOON) == []


def test_rooms_run_under_their_names_until_they_are_told_to_stop(house):
    names: list[str] = []
    entered = Event()

    def room(stop: Event) -> None:
        names.append(current_thread().name)
        entered.set()
        stop.wait(SOON)

    house.open("publish", room)
    assert entered.wait(SOON)
    assert not house.stop.is_set()
    assert house.join(SOON) == []
    assert names == ["publish"]
    assert house.error is None
    assert not house.died.is_set()


def test_a_room_that_dies_leaves_its_error_to_the_house(house):
    def room(_: Event) -> None:
        raise ZeroDivisionError("by zero")

    house.open("other", until_stopped)
    house.open("publish", room)
    assert house.died.wait(SOON)
    assert isinstance(house.error, ZeroDivisionError)
    assert house.error.__traceback__ is not None


def test_the_first_error_counts(house):
    first = Event()

    def one(_: Event) -> None:
        first.wait(SOON)
        raise ValueError("one")

    def two(_: Event) -> None:
        raise ValueError("two")

    house.open("two", two)
    assert house.died.wait(SOON)
    house.open("one", one)
    first.set()
    assert house.join(SOON) == []
    assert str(house.error) == "two"


def test_a_room_that_ends_the_interpreter_ends_the_house(house):
    def room(_: Event) -> None:
        raise SystemExit(3)

    house.open("publish", room)
    assert house.died.wait(SOON)
    assert isinstance(house.error, SystemExit)


def test_a_room_that_does_not_leave_is_named_and_left_behind(house):
    free = Event()
    house.open("stuck", lambda _: free.wait(SOON) and None)
    house.open("good", until_stopped)
    assert house.join(0.05) == ["stuck"]
    assert house.join(0.0) == ["stuck"], "no time left is no error"
    assert house.join(-1.0) == ["stuck"]
    free.set()


def test_no_room_keeps_the_process(house):
    kinds: SimpleQueue[bool] = SimpleQueue()

    def room(stop: Event) -> None:
        kinds.put(current_thread().daemon)
        stop.wait(SOON)

    house.open("one", room)
    house.open_again("two", room)
    assert [kinds.get(timeout=SOON), kinds.get(timeout=SOON)] == [True, True]


def test_a_room_that_only_shows_things_is_opened_again_ever_later(house, monkeypatch, caplog):
    monkeypatch.setattr(rooms, "FIRST_RESTART_S", 0.001)
    monkeypatch.setattr(rooms, "LONGEST_RESTART_S", 0.002)
    caplog.set_level(logging.ERROR)
    entries: list[int] = []
    fourth = Event()

    def room(stop: Event) -> None:
        entries.append(1)
        if len(entries) < 4:
            raise OSError(f"the port, time {len(entries)}")
        fourth.set()
        stop.wait(SOON)

    house.open_again("status", room)
    assert fourth.wait(SOON)
    assert house.join(SOON) == []
    assert house.error is None
    assert not house.died.is_set()
    assert caplog.messages == [
        f"status ended and starts again in 0 s: the port, time {time}" for time in (1, 2, 3)
    ]


def test_the_wait_before_a_room_is_opened_again_ends_with_the_house(house, caplog):
    died = Event()

    def room(_: Event) -> None:
        died.set()
        raise OSError("the port")

    house.open_again("status", room)  # it waits for a second
    assert died.wait(SOON)
    assert house.join(SOON) == []
    assert len(caplog.messages) <= 1
