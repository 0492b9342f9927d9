"""Pipelined calls on one socket: what to send, and what the bytes that come back mean. No I/O.

The server reads one call after the other from a socket and answers in order, so calls are sent
before their forerunners are answered. The window is bounded in calls and in bytes: if both sides
wrote without reading, both could wait for ever.
"""

from __future__ import annotations

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


class Question(Protocol):
    """A call with its arguments, and what becomes of its answer.

    `template` is tried first, then `others`; what `hit` or `answered` returns is the result.
    """

    @property
    def arguments(self) -> bytes: ...
    @property
    def template(self) -> Template | None: ...
    @property
    def others(self) -> Sequence[Template]: ...

    def hit(self, template: Template, values: tuple[Value, ...]) -> Any: ...
    def answered(self, value: Any, raw: bytes) -> Any: ...
    def failed(self, error: JmxError) -> Any: ...


class Call:
    """A question whose answer is decoded each time; a failure is raised."""

    template: Template | None = None
    others: Sequence[Template] = ()

    def __init__(self, arguments: bytes, read: Callable[[Any], Any]) -> None:
        self.arguments = arguments
        self._read = read

    def hit(self, template: Template, values: tuple[Value, ...]) -> Any:
        raise NotImplementedError  # it has no templates

    def answered(self, value: Any, raw: bytes) -> Any:  # noqa: ARG002
        return self._read(value)

    def failed(self, error: JmxError) -> Any:
        raise error


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
            arguments = question.arguments
            parts += (self._head, arguments)
            size = len(self._head) + len(arguments)
            self._unread.append(size)
            self._unread_bytes += size
            unread += 1
        return b"".join(parts)

    def receive(self, data: bytes) -> None:
        """Take bytes from the socket. Raises PeerBrokeProtocol and CallFailed."""
        if self._reading is None:
            self._decoder.compact()
        self._decoder.buffer += data
        try:
            self._advance()
        except JmxError:
            raise
        except Exception as error:
            # The decoder was run over a hundred thousand mutated conversations. Should a peer
            # still find a way to a bug in it, that is the peer's broken reply and not our end.
            raise PeerBrokeProtocol(
                f"an answer that can't be read ({type(error).__name__})"
            ) from error

    def _advance(self) -> None:
        decoder = self._decoder
        while not self.done:
            question = self._questions[len(self.results)]
            if self._reading is None:
                if decoder.position == len(decoder.buffer):
                    return
                taken = self._try_templates(question)
                if taken is None:
                    return
                if taken:
                    continue
                decoder.begin()
                self._reading = read_return(decoder, has_value=self._has_value)
            try:
                next(self._reading)
            except StopIteration as stop:
                self._finish(question, stop.value)
            except Aborted as aborted:
                raise call_failed(aborted.thrown, aborted=True) from None
            else:
                return
        if self._reading is None and decoder.position < len(decoder.buffer):
            raise PeerBrokeProtocol("an answer to no call")

    def _try_templates(self, question: Question) -> bool | None:
        """Return whether a template took the answer; None when more bytes must come first."""
        template = question.template
        others = question.others
        if template is None and not others:
            return False
        decoder = self._decoder
        buffer, position = decoder.buffer, decoder.position
        available = len(buffer) - position
        for known in others if template is None else (template, *others):
            if known.length <= available:
                end = position + known.length
                if known.matches(buffer[position:end]):
                    values = known.values(buffer, position)
                    decoder.position = end
                    self.hits += 1
                    self._count(question.hit(known, values))
                    return True
            elif known.begins_with(buffer[position:]):
                return None
        return False

    def _finish(self, question: Question, reply: Reply) -> None:
        decoder = self._decoder
        self._reading = None
        raw = bytes(decoder.buffer[decoder.start : decoder.position])
        if reply.thrown is None:
            self._count(question.answered(reply.value, raw))
            return
        error = call_failed(reply.thrown)
        if error.socket_closed or error.java_class == NO_SUCH_OBJECT:
            raise error
        self._count(question.failed(error))

    def _count(self, result: Any) -> None:
        self._unread_bytes -= self._unread[len(self.results)]
        self.results.append(result)
