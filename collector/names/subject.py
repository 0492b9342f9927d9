"""What a rule is matched against: one number, or text, that a JVM holds, and where it holds it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

NO_CANDIDATES: Final = (None, ())


class Bean:
    """An MBean's name, taken apart and written once."""

    __slots__ = ("candidates", "domain", "properties", "text")

    def __init__(self, domain: str, properties: dict[str, str]) -> None:
        """Keep a name; `properties` in the order in which the server names them, with quotes."""
        self.domain = domain
        self.properties = properties
        self.text = domain + _pairs(properties)
        """`domain<type=X, name=Y>`"""
        self.candidates: tuple[object, tuple[Any, ...]] = NO_CANDIDATES
        """The rules that could match, of the rule set that asked last: it keeps them here."""


class Subject(NamedTuple):
    """One value of a bean: `domain<k=v, k=v><key, key>attribute`."""

    bean: Bean
    keys: tuple[str, ...]
    """The attribute and the keys on the way into composite data; empty for a plain attribute."""
    attribute: str
    """The attribute's name, or the last key on the way."""
    java_type: str = "double"

    @property
    def prefix(self) -> str:
        """All of the text in front of the attribute's name."""
        return f"{self.bean.text}<{', '.join(self.keys)}>"

    @property
    def help(self) -> str:
        """The help text of a metric whose rule gives none."""
        properties = self.bean.properties
        about = f"name={properties.get('name', '')},type={properties.get('type', '')}"
        return f"{self.bean.domain}:{about},attribute={self.attribute}"


def subject_of(
    bean: Bean, attribute: str, path: tuple[str | tuple[tuple[str, str], ...], ...], java_type: str
) -> Subject:
    """Return the subject of a value that lies at `path` inside of an attribute.

    `path` is that of `collector.jmx.Slot`: keys of composite data, and rows of tabular data as
    pairs of index column and value. A row's index columns become properties of the bean (with an
    underscore more where the name is taken); a column named `value` adds nothing to the path.
    """
    keys: list[str] = []
    name = attribute
    properties = bean.properties
    in_row = False
    for step in path:
        if isinstance(step, str):
            if not (in_row and step.lower() == "value"):
                keys.append(name)
                name = step
            in_row = False
            continue
        properties = dict(properties)
        for column, value in step:
            key = column
            while key in properties:
                key += "_"
            properties[key] = value
        in_row = True
    if properties is not bean.properties:
        bean = Bean(bean.domain, properties)
    return Subject(bean, tuple(keys), name, java_type)


def _pairs(properties: dict[str, str]) -> str:
    return "<" + ", ".join(f"{key}={value}" for key, value in properties.items()) + ">"
