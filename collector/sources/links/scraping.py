"""The JVMs that tell of a link, read one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from collector.errors import SourceError
from collector.jmx import Client, JmxError

Add = Callable[[Mapping[str, str], Mapping[str, float]], None]
"""Takes in one MBean: the keys of its name, and its numbers by attribute."""


def scrape(jvms: Sequence[Client], add: Add, deadline: float) -> list[JmxError]:
    """Read all JVMs and return the errors of those that can't be read.

    Raises SourceError when none can.
    """
    errors: list[JmxError] = []
    for jvm in jvms:
        try:
            for layout, values in jvm.scrape(deadline).readings:
                told = {
                    slot.attribute: float(value)
                    for slot, value in zip(layout.slots, values, strict=True)
                    if isinstance(value, int | float)
                }
                add(layout.bean.name.properties, told)
        except JmxError as error:
            errors.append(error)
    if len(errors) == len(jvms):
        raise SourceError(errors[0].message, errors[0].hint)
    return errors
