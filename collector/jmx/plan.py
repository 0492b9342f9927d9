"""Which beans are read, and how that follows the MBeans that come and go.

The first look asks for all names with their classes. Later ones ask for names only, and for the
class of those that are new. What an MBean has is asked once per class if it is made from a Java
interface, else once per MBean and again at each look: Kafka's own metrics add attributes to
MBeans that are already there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from collector.jmx import jrmp, mbeans
from collector.jmx.bean import Bean, Probe
from collector.jmx.errors import CallFailed, JmxError
from collector.jmx.exchange import Call
from collector.jmx.limits import Limits
from collector.jmx.mbeans import BeanClass, BeanInfo
from collector.jmx.objectname import ObjectName
from collector.jmx.selection import Selection
from collector.jmx.session import Session
from collector.jmx.templates import Shape, Template
from collector.jmx.values import Value

_MANY_NEW: Final = 200


class Plan:
    """The beans to read, in the order in which they appeared."""

    def __init__(self, selection: Selection, limits: Limits) -> None:
        self.beans: list[Bean] = []
        self.generation = 0
        self._selection = selection
        self._limits = limits
        self._known: dict[str, Bean | None] = {}  # None: not wanted
        self._infos: dict[str, BeanInfo] = {}  # of classes whose MBeans are all alike
        self._info_templates: dict[str, Template] = {}  # of the others, by name
        self._shapes: dict[tuple[str, ...], Shape] = {}

    def forget(self) -> None:
        """Ask for everything anew: another JVM may have taken the place of the one we knew."""
        self._infos = {}
        self._info_templates = {}
        self._known = {text: bean for text, bean in self._known.items() if bean is not None}
        for bean in self.beans:
            bean.bad = {}

    def look(self, session: Session, deadline: float) -> None:
        """Follow the MBeans that came and went."""
        found = self._find(session, deadline)
        old = self._known
        self._known = {text: bean for text, bean in old.items() if text in found}
        self._known |= dict.fromkeys(text for text in found if text not in old)
        before = [(bean, bean.shape) for bean in self.beans]
        wanted = [
            BeanClass(text, class_name)
            for text, class_name in found.items()
            if class_name and (text not in old) and self._wants(text, class_name)
        ]
        for one, info in self._ask_infos(session, wanted, deadline):
            self._take(one.name, info)
        self._ask_again(session, deadline)
        self.beans = [bean for bean in self._known.values() if bean and bean.shape.attributes]
        self._shapes = {bean.shape.attributes: bean.shape for bean in self.beans}
        if before != [(bean, bean.shape) for bean in self.beans]:
            self.generation += 1

    def probe(self, session: Session, spoiled: Sequence[Bean], deadline: float) -> None:
        """Find the attributes that spoil the answers of these beans, and leave them out."""
        probes = [Probe(bean, name) for bean in spoiled for name in bean.shape.attributes]
        session.ask(jrmp.GET_ATTRIBUTES, probes, deadline)
        for bean in spoiled:
            self._ask_for(bean, [name for name in bean.shape.attributes if name not in bean.bad])

    def _find(self, session: Session, deadline: float) -> dict[str, str]:
        """Return names, with the class for those that are new and "" for the others."""
        if not self._known:
            return self._find_classes(session, deadline)
        queries = [
            Call(mbeans.query(pattern), mbeans.read_names) for pattern in self._selection.patterns
        ]
        texts = dict.fromkeys(_flat(session.ask(jrmp.QUERY_NAMES, queries, deadline)), "")
        new = [text for text in texts if text not in self._known]
        if len(new) > _MANY_NEW:
            return self._find_classes(session, deadline)
        calls = [_Maybe(mbeans.about(text), mbeans.read_bean) for text in new]
        for bean in session.ask(jrmp.GET_OBJECT_INSTANCE, calls, deadline):
            if bean is not None:
                texts[bean.name] = bean.class_name
        return {text: name for text, name in texts.items() if name or text in self._known}

    def _find_classes(self, session: Session, deadline: float) -> dict[str, str]:
        queries = [
            Call(mbeans.query(pattern), mbeans.read_beans) for pattern in self._selection.patterns
        ]
        return dict(_flat(session.ask(jrmp.QUERY_MBEANS, queries, deadline)))

    def _wants(self, text: str, class_name: str) -> bool:
        try:
            name = ObjectName.parse(text)
        except ValueError:
            return False  # no server of Java's sends such a name
        return self._selection.wants(name, class_name)

    def _ask_infos(
        self, session: Session, wanted: Sequence[BeanClass], deadline: float
    ) -> Iterable[tuple[BeanClass, BeanInfo]]:
        """Ask for one info of each class first, then for those of classes that differ."""
        first = {one.class_name: one for one in wanted if one.class_name not in self._infos}
        known: dict[BeanClass, BeanInfo | None]
        known = dict(
            zip(first.values(), self._infos_of(session, first.values(), deadline), strict=True)
        )
        for one, info in known.items():
            if info is not None and info.is_of_class:
                self._infos[one.class_name] = info
        rest = [one for one in wanted if one.class_name not in self._infos and one not in known]
        known |= dict(zip(rest, self._infos_of(session, rest, deadline), strict=True))
        for one in wanted:
            info = self._infos.get(one.class_name) or known.get(one)
            if info is not None:
                yield one, info

    def _infos_of(
        self, session: Session, beans: Iterable[BeanClass], deadline: float
    ) -> list[BeanInfo | None]:
        calls = [_Maybe(mbeans.about(one.name), mbeans.read_info) for one in beans]
        return session.ask(jrmp.GET_MBEAN_INFO, calls, deadline)

    def _ask_again(self, session: Session, deadline: float) -> None:
        """See whether dynamic beans have other attributes than before."""
        dynamic = [bean for bean in self._known.values() if bean and not bean.info.is_of_class]
        calls = [_InfoAgain(bean, self._info_templates) for bean in dynamic]
        for bean, info in zip(
            dynamic, session.ask(jrmp.GET_MBEAN_INFO, calls, deadline), strict=True
        ):
            if info is not None and info != bean.info:
                self._take(bean.name.text, info)
        names = {bean.name.text for bean in dynamic}
        self._info_templates = {
            text: template for text, template in self._info_templates.items() if text in names
        }

    def _take(self, text: str, info: BeanInfo) -> None:
        """Let the selection choose, and plan the bean."""
        name = ObjectName(text)
        chosen = self._selection.attributes(name, info)
        bean = self._known.get(text)
        if bean is None:
            if chosen:
                bean = Bean(name, info, self._shape(chosen), self._limits)
                self._known[text] = bean
            return
        bean.info = info
        self._ask_for(bean, [name for name in chosen if name not in bean.bad])

    def _ask_for(self, bean: Bean, attributes: Sequence[str]) -> None:
        if tuple(attributes) != bean.shape.attributes:
            bean.ask_for(self._shape(attributes))

    def _shape(self, attributes: Sequence[str]) -> Shape:
        key = tuple(attributes)
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._shapes[key] = Shape(key)
        return shape


class _Maybe(Call):
    """A call about an MBean that may be gone by now: then None."""

    def failed(self, error: JmxError) -> None:
        if not isinstance(error, CallFailed):
            raise error


class _InfoAgain(_Maybe):
    """Asks for an info that most likely did not change: its bytes are compared first."""

    def __init__(self, bean: Bean, templates: dict[str, Template]) -> None:
        super().__init__(mbeans.about(bean.name.text), mbeans.read_info)
        self._text = bean.name.text
        self._templates = templates
        self.template = templates.get(self._text)

    def hit(self, template: Template, values: tuple[Value, ...]) -> None:
        """Nothing changed."""

    def answered(self, value: Any, raw: bytes) -> BeanInfo:
        self._templates[self._text] = Template(raw)
        return mbeans.read_info(value)


def _flat(parts: Iterable[Iterable[Any]]) -> Iterable[Any]:
    return (item for part in parts for item in part)
