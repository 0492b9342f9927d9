"""Which MBeans and attributes are read: the caller's choice, asked when an MBean appears."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from collector.jmx.mbeans import BeanInfo
from collector.jmx.objectname import ObjectName


class Selection(Protocol):
    """`patterns` go to the server, which sends only names that match one of them."""

    @property
    def patterns(self) -> Sequence[str]: ...

    def wants(self, name: ObjectName, class_name: str) -> bool:
        """Say whether to look at this MBean at all."""
        ...

    def attributes(self, name: ObjectName, info: BeanInfo) -> Sequence[str]:
        """Return the attributes to read; none leaves the MBean out."""
        ...


@runtime_checkable
class Narrowed(Selection, Protocol):
    """A selection that knows which names the server need not send at all.

    `wants` is asked about the others as always, and about these too where a server doesn't take
    the condition: it may not want what is left out.
    """

    def leaves_out(self, pattern: str) -> Sequence[str]:
        """Return patterns of MBeans that match one of `patterns` and are not wanted."""
        ...


class Numbers:
    """Everything that may be a number or a boolean; with `text`, strings too."""

    def __init__(self, patterns: Sequence[str] = ("*:*",), *, text: bool = False) -> None:
        self.patterns = patterns
        self._text = text

    def wants(self, name: ObjectName, class_name: str) -> bool:  # noqa: ARG002
        return True

    def attributes(self, name: ObjectName, info: BeanInfo) -> Sequence[str]:  # noqa: ARG002
        return [
            one.name
            for one in info.attributes
            if one.may_be_number or (self._text and one.may_be_text)
        ]
