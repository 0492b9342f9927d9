"""HTTP/1.1 as seen from the side: bytes of both directions in, whole exchanges out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from threading import Lock
from typing import NamedTuple


class Message(NamedTuple):
    """A request or an answer; header names in lower case."""

    start: str
    headers: dict[str, str]
    body: bytes


class Exchange(NamedTuple):
    request: Message
    answer: Message

    @property
    def status(self) -> int:
        return int(self.answer.start.split()[1])


class Messages:
    """The messages of one direction, however their bytes are cut."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._parser = self._parse()

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that `data` made whole."""
        self._buffer += data
        whole = []
        while (message := next(self._parser)) is not None:
            whole.append(message)
        return whole

    def _parse(self) -> Iterator[Message | None]:
        while True:
            start, *lines = (yield from self._until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {}
            for line in lines:
                name, _, value = line.partition(":")
                headers[name.strip().lower()] = value.strip()
            if "chunked" in headers.get("transfer-encoding", ""):
                body = yield from self._chunks()
            else:
                body = yield from self._exactly(int(headers.get("content-length", "0")))
            yield Message(start, headers, body)

    def _until(self, mark: bytes) -> Generator[None, None, bytes]:
        while (at := self._buffer.find(mark)) < 0:
            yield
        found = bytes(self._buffer[:at])
        del self._buffer[: at + len(mark)]
        return found

    def _exactly(self, size: int) -> Generator[None, None, bytes]:
        while len(self._buffer) < size:
            yield
        found = bytes(self._buffer[:size])
        del self._buffer[:size]
        return found

    def _chunks(self) -> Generator[None, None, bytes]:
        body = bytearray()
        while True:
            line = yield from self._until(b"\r\n")
            size = int(line.split(b";")[0], 16)
            if size == 0:
                while (yield from self._until(b"\r\n")):
                    pass  # trailers
                return bytes(body)
            body += yield from self._exactly(size)
            yield from self._until(b"\r\n")


class Conversation:
    """One connection: tells `done` of each request that was answered, in the order of answers.

    Both directions may come from threads of their own. What is cut in the middle is never told.
    """

    def __init__(self, done: Callable[[Exchange], None]) -> None:
        self._done = done
        self._requests = Messages()
        self._answers = Messages()
        self._unanswered: deque[Message] = deque()
        self._feeding = Lock()

    def sent(self, data: bytes) -> None:
        """Take bytes on their way to the server."""
        with self._feeding:
            self._unanswered += self._requests.feed(data)

    def received(self, data: bytes) -> None:
        """Take bytes on their way back."""
        with self._feeding:
            for answer in self._answers.feed(data):
                exchange = Exchange(self._unanswered[0], answer)
                if exchange.status >= 200:  # before it there may be "100 Continue"
                    self._unanswered.popleft()
                    self._done(exchange)
