"""Pipelined calls on one socket: what to send, and what the bytes that come back mean. No I/O.

The server reads one call after the other from a socket and answers in order, so calls are sent
before their forerunners are answered. The window is bounded in calls and in bytes: if both sides
wrote without reading, both could wait for ever.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from collector.jmx.errors import JmxError, PeerBrokeProtocol
from collector.jmx.javastream import Aborted, Decoder, Reading
from collector.jmx.jrmp import Reply, read_return
from collector.jmx.templates import Template
from collector.jmx.throwables import NO_SUCH_OBJECT, call_failed
from collector.jmx.values import Value

MOST_UNREAD_BYTES: Final = 16 << 10
"""Requests without an answer: fits into the socket buffers of any system."""


_MISREAD: Final = (
    *(ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError),
    struct.error,
)


class Forms(Protocol):
    """Forms that an answer is known to have: `template` is tried first, then `others`.

    What `hit` returns is the result.
    """

    @property
    def template(self) -> Template | None: ...
    @property
    def others(self) -> Sequence[Template]: ...

    def hit(self, template: Template, values: tuple[Value, ...]) -> Any: ...


class Question(Protocol):
    """A call with its arguments, and what becomes of its answer.

    `arguments` are bytes in pieces, which beans share. An answer in none of the `forms` is decoded;
    what `answered` or `failed` returns is the result.
    """

    @property
    def arguments(self) -> Sequence[bytes]: ...
    @property
    def forms(self) -> Forms | None: ...

    def answered(self, value: Any, raw: bytes) -> Any: ...
    def failed(self, error: JmxError) -> Any: ...


class Call:
    """A question whose answer is decoded each time; when it fails, the error is the result."""

    def __init__(self, arguments: bytes, read: Callable[[Any], Any]) -> None:
        self.arguments = (arguments,)
        self._read = read

    @property
    def forms(self) -> Forms | None:
        return None

    def answered(self, value: Any, raw: bytes) -> Any:  # noqa: ARG002
        return self._read(value)

    def failed(self, error: JmxError) -> Any:
        return error


class Exchange:
    """Questions of one method to one remote object, in order.

    After an error `results` holds what was answered before, and the question after the last of
    them is the one that met the error; the socket can't be used any more.
    """

    def __init__(
        self,
        head: bytes,
        questions: Sequence[Question],
        decoder: Decoder,
        window: int,
        *,
        has_value: bool = True,
    ) -> None:
        self.results: list[Any] = []
        self.hits = 0
        self._head = head
        self._questions = questions
        self._decoder = decoder
        self._window = window
        self._has_value = has_value
        self._unread: list[int] = []  # sizes of the requests that were sent
        self._unread_bytes = 0
        self._reading: Reading | None = None

    @property
    def done(self) -> bool:
        return len(self.results) == len(self._questions)

    def to_send(self) -> bytes:
        """Return the next requests; nothing while half of the window is still unread."""
        sent = len(self._unread)
        unread = sent - len(self.results)
        if sent == len(self._questions) or unread > self._window // 2:
            return b""
        if unread and self._unread_bytes > MOST_UNREAD_BYTES // 2:
            return b""
        parts: list[bytes] = []
        for question in self._questions[sent : sent + self._window - unread]:
            if unread and self._unread_bytes > MOST_UNREAD_BYTES:
                break
            before = len(parts)
            parts.append(self._head)
            parts += question.arguments
            size = sum(map(len, parts[before:]))
            self._unread.append(size)
            self._unread_bytes += size
            unread += 1
        return b"".join(parts)

    def expected_bytes(self) -> int:
        """Return how long the answers that are on their way will be, going by the last ones."""
        expected = 0
        for question in self._questions[len(self.results) : len(self._unread)]:
            known = question.forms.template if question.forms is not None else None
            if known is None:
                break
            expected += known.length
        return expected - len(self._decoder.buffer) + self._decoder.position

    def receive(self, data: bytes) -> None:
        """Take bytes from the socket. Raises PeerBrokeProtocol and CallFailed."""
        if self._reading is None:
            self._decoder.compact()
        self._decoder.buffer += data
        try:
            self._advance()
        except _MISREAD as error:
            # The decoder was run over hundreds of thousands of damaged conversations. Should a
            # peer still find a gap in its checks, it is that peer which is broken.
            raise PeerBrokeProtocol(
                f"an answer that can't be read ({type(error).__name__})"
            ) from error

    def _advance(self) -> None:
        decoder = self._decoder
        count = len(self._questions)
        while len(self.results) < count:
            if self._reading is None:
                self._take_known()
                if len(self.results) == count:
                    break
                question = self._questions[len(self.results)]
                if decoder.position == len(decoder.buffer) or self._may_become_known(question):
                    return
                decoder.begin()
                self._reading = read_return(decoder, has_value=self._has_value)
            try:
                next(self._reading)
            except StopIteration as stop:
                self._finish(self._questions[len(self.results)], stop.value)
            except Aborted as aborted:
                raise call_failed(aborted.thrown, aborted=True) from None
            else:
                return
        if decoder.position < len(decoder.buffer):
            raise PeerBrokeProtocol("an answer to no call")

    def _take_known(self) -> None:
        """Take answers by templates for as long as that goes. Nearly all answers end here."""
        decoder, questions, results = self._decoder, self._questions, self.results
        buffer, position = decoder.buffer, decoder.position
        available = len(buffer)
        done = len(results)
        count = len(questions)
        while done < count and position < available:
            forms = questions[done].forms
            if forms is None:
                break
            known = forms.template
            if known is None or not known.is_at(buffer, position):
                for known in forms.others:
                    if known.is_at(buffer, position):
                        break
                else:
                    break
            results.append(forms.hit(known, known.values(buffer, position)))
            position += known.length
            self._unread_bytes -= self._unread[done]
            done += 1
            self.hits += 1
        decoder.position = position

    def _may_become_known(self, question: Question) -> bool:
        """Say whether what is there is the beginning of an answer that has a template."""
        forms = question.forms
        if forms is None:
            return False
        begun = self._decoder.buffer[self._decoder.position :]
        known = forms.template
        return (known is not None and known.begins_with(begun)) or any(
            other.begins_with(begun) for other in forms.others
        )

    def _finish(self, question: Question, reply: Reply) -> None:
        decoder = self._decoder
        self._reading = None
        raw = bytes(decoder.buffer[decoder.start : decoder.position])
        if reply.thrown is None:
            result = question.answered(reply.value, raw)
        else:
            error = call_failed(reply.thrown)
            if error.socket_closed or error.java_class == NO_SUCH_OBJECT:
                raise error
            result = question.failed(error)
        self._unread_bytes -= self._unread[len(self.results)]
        self.results.append(result)
