"""An MBean that is read: what is asked of it, and what its answers look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Self

from collector.jmx.errors import CallFailed, JmxError
from collector.jmx.limits import Limits
from collector.jmx.mbeans import OBJECT_NAME, BeanInfo, object_name
from collector.jmx.objectname import ObjectName
from collector.jmx.templates import Shape, Template
from collector.jmx.throwables import NOT_REGISTERED
from collector.jmx.values import Attributes, Slot, Value

MOST_LAYOUTS: Final = 8
NONE_BAD: Final[Mapping[str, JmxError]] = {}


class Layout:
    """The form of one bean's answer: `values[i]` belongs to `slots[i]`.

    It is the same object as long as the form is the same, and when the form comes back.
    `tag` belongs to the caller: None at first.
    """

    __slots__ = ("bean", "slots", "tag")

    def __init__(self, bean: Bean, slots: tuple[Slot, ...]) -> None:
        self.bean = bean
        self.slots = slots
        self.tag: Any = None


Reading = tuple[Layout, tuple[Value, ...]]


class Failure(NamedTuple):
    """A bean, or one attribute of it, that could not be read."""

    name: ObjectName
    attribute: str | None
    error: JmxError


class Bean:
    """A question to ask each round (see `exchange.Question`), and the state of its answers.

    `error` is what became of it the last time, None when it answered. `bad` are attributes that
    break an answer off, with the error: they are not asked for again.
    """

    __slots__ = (
        "_encoded",
        "_layout",
        "_layouts",
        "_limits",
        "bad",
        "error",
        "info",
        "name",
        "shape",
        "template",
    )

    def __init__(self, name: ObjectName, info: BeanInfo, shape: Shape, limits: Limits) -> None:
        self.name = name
        self.info = info
        self.shape = shape
        self.template: Template | None = None
        self.error: JmxError | None = None
        self.bad: Mapping[str, JmxError] = NONE_BAD
        self._encoded = object_name(name.text).removeprefix(OBJECT_NAME)
        self._layout = Layout(self, ())
        self._layouts: tuple[Layout, ...] = ()
        self._limits = limits

    @property
    def bean(self) -> Self:
        return self

    @property
    def class_name(self) -> str:
        return self.info.class_name

    @property
    def arguments(self) -> tuple[bytes, ...]:
        return OBJECT_NAME, self._encoded, self.shape.encoded

    @property
    def forms(self) -> Self:
        return self

    @property
    def others(self) -> Sequence[Template]:
        return self.shape.templates

    @property
    def is_gone(self) -> bool:
        return isinstance(self.error, CallFailed) and self.error.java_class == NOT_REGISTERED

    @property
    def is_spoiled(self) -> bool:
        """Say whether its answer broke the connection, so that an attribute must be left out."""
        if isinstance(self.error, CallFailed):
            return self.error.socket_closed
        return self.error is not None

    def ask_for(self, shape: Shape) -> None:
        self.shape = shape
        self.template = None

    def hit(self, template: Template, values: tuple[Value, ...]) -> Reading:
        if template is not self.template:
            self.template = template
            self._turn_to(template.slots)
        return self._layout, values

    def answered(self, value: Any, raw: bytes) -> Reading:
        attributes = Attributes(value, self._limits)
        self.template, slots = self.shape.learn(raw, attributes)
        self._turn_to(slots)
        return self._layout, attributes.values

    def failed(self, error: JmxError) -> None:
        self.error = error

    def _turn_to(self, slots: tuple[Slot, ...]) -> None:
        for layout in self._layouts:
            if layout.slots == slots:
                self._layout = layout
                return
        self._layout = Layout(self, slots)
        self._layouts = (*self._layouts[1 - MOST_LAYOUTS :], self._layout)


class Probe:
    """A question for one attribute of a bean, to find the one that spoils the others' answer."""

    forms = None

    def __init__(self, bean: Bean, shape: Shape, limits: Limits) -> None:
        self.bean = bean
        self._shape = shape
        self._limits = limits

    @property
    def arguments(self) -> tuple[bytes, ...]:
        return (object_name(self.bean.name.text), self._shape.encoded)

    def answered(self, value: Any, raw: bytes) -> None:  # noqa: ARG002
        Attributes(value, self._limits)  # raises when it has another shape; the values come later

    def failed(self, error: JmxError) -> None:
        if not isinstance(error, CallFailed) or error.socket_closed:
            self.bean.bad = {**self.bean.bad, self._shape.attributes[0]: error}
