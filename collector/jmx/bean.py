"""An MBean that is read: what is asked of it, and what its answers look like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from collector.jmx.errors import CallFailed, JmxError
from collector.jmx.limits import Limits
from collector.jmx.mbeans import NULL, BeanInfo, object_name
from collector.jmx.objectname import ObjectName
from collector.jmx.templates import Shape, Template
from collector.jmx.throwables import NOT_REGISTERED
from collector.jmx.values import Attributes, Slot, Value

MOST_LAYOUTS: Final = 8


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


class Failure(NamedTuple):
    """A bean, or one attribute of it, that could not be read."""

    name: ObjectName
    attribute: str | None
    error: JmxError


class Bean:
    """A question to ask each round (see `exchange.Question`), and the state of its answers."""

    __slots__ = (
        "_layouts",
        "_limits",
        "bad",
        "class_name",
        "error",
        "info",
        "layout",
        "name",
        "shape",
        "template",
    )

    def __init__(self, name: ObjectName, info: BeanInfo, shape: Shape, limits: Limits) -> None:
        self.name = name
        self.class_name = info.class_name
        self.info = info
        self.shape = shape
        self.template: Template | None = None
        self.layout: Layout | None = None
        self.error: JmxError | None = None  # of the last time it was asked
        self.bad: dict[str, JmxError] = {}  # attributes that can't be sent; not asked again
        self._layouts: tuple[Layout, ...] = ()
        self._limits = limits

    @property
    def arguments(self) -> bytes:
        return object_name(self.name.text) + self.shape.encoded + NULL

    @property
    def others(self) -> Sequence[Template]:
        return self.shape.templates

    @property
    def is_gone(self) -> bool:
        return isinstance(self.error, CallFailed) and self.error.java_class == NOT_REGISTERED

    def ask_for(self, shape: Shape) -> None:
        self.shape = shape
        self.template = None

    def hit(
        self, template: Template, values: tuple[Value, ...]
    ) -> tuple[Layout | None, tuple[Value, ...]]:
        if template is not self.template:
            self._turn_to(template)
        return self.layout, values

    def answered(self, value: Any, raw: bytes) -> tuple[Layout | None, tuple[Value, ...]]:
        attributes = Attributes(value, self._limits)
        self._turn_to(self.shape.learn(raw, attributes))
        values = [number.value for number in attributes.numbers]
        values += [constant for _, constant in attributes.constants]
        return self.layout, tuple(values)

    def failed(self, error: JmxError) -> None:
        self.error = error

    def _turn_to(self, template: Template) -> None:
        self.template = template
        for layout in self._layouts:
            if layout.slots == template.slots:
                self.layout = layout
                return
        self.layout = Layout(self, template.slots)
        self._layouts = (*self._layouts[1 - MOST_LAYOUTS :], self.layout)


class Probe:
    """A question for one attribute of a bean, to find the one that spoils the others' answer."""

    template: Template | None = None
    others: Sequence[Template] = ()

    def __init__(self, bean: Bean, attribute: str) -> None:
        self._bean = bean
        self._attribute = attribute
        self._shape = Shape((attribute,))

    @property
    def arguments(self) -> bytes:
        return object_name(self._bean.name.text) + self._shape.encoded + NULL

    def hit(self, template: Template, values: tuple[Value, ...]) -> None:
        raise NotImplementedError  # it has no templates

    def answered(self, value: Any, raw: bytes) -> None:
        """The answer counts when the attribute is asked for with its fellows."""

    def failed(self, error: JmxError) -> None:
        if not isinstance(error, CallFailed) or error.socket_closed:
            self._bean.bad[self._attribute] = error
