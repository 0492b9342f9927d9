"""Which beans are read, and how that follows the MBeans that come and go.

The first look asks for all names with their classes. Later ones ask for names only, and for the
class of those that are new.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from collector.jmx import jrmp, mbeans
from collector.jmx.bean import NONE_BAD, Bean, Probe
from collector.jmx.errors import JmxError, PeerBrokeProtocol
from collector.jmx.exchange import Call
from collector.jmx.infos import Infos, Maybe
from collector.jmx.limits import Limits
from collector.jmx.mbeans import BeanClass, BeanInfo
from collector.jmx.objectname import ObjectName
from collector.jmx.selection import Narrowed, Selection
from collector.jmx.session import Session
from collector.jmx.templates import Budget, Shape

_MANY_NEW: Final = 200
"""New names from which on asking for all classes at once is cheaper than one by one."""


class Plan:
    """The beans to read, in the order in which they appeared.

    `generation` changes when beans come or go, or when something else is asked of one.
    """

    def __init__(self, selection: Selection, limits: Limits) -> None:
        self.beans: list[Bean] = []
        self.generation = 0
        self._selection = selection
        self._limits = limits
        self._budget = Budget(limits.template_bytes)
        self._infos = Infos(limits.info_bytes, self._budget)
        self._known: dict[str, Bean | None] = {}  # None: not wanted
        self._former: Mapping[str, Bean | None] = {}
        self._shapes: dict[tuple[str, ...], Shape] = {}
        self._has_changed = False
        self._narrowed = selection if isinstance(selection, Narrowed) else None

    def forget(self) -> None:
        """Ask for everything anew: another JVM may have taken the place of the one we knew.

        Beans that are still there stay the same objects, so that their layouts keep their tags.
        """
        self._former = self._known or self._former
        self._known = {}
        self._infos.forget()
        self._narrowed = self._selection if isinstance(self._selection, Narrowed) else None
        for bean in self.beans:
            bean.bad = NONE_BAD

    def look(self, session: Session, deadline: float) -> None:
        """Follow the MBeans that came and went. After an error the beans are those of before."""
        known = self._known
        found = self._find(session, deadline)
        wanted = [
            BeanClass(text, class_name)
            for text, class_name in found.items()
            if text not in known and self._wants(text, class_name)
        ]
        stay = {text: bean for text, bean in known.items() if text in found}
        dynamic = [
            BeanClass(text, bean.class_name)
            for text, bean in stay.items()
            if bean is not None and not bean.info.is_of_class
        ]
        infos = self._infos.ask_again(session, dynamic, deadline)
        infos += self._infos.ask(session, wanted, deadline)
        self._former = self._former or known
        self._known = stay | dict.fromkeys(text for text in found if text not in known)
        for one, info in infos:
            self._take(one.name, info)
        self._former = {}
        self._settle()

    def probe(self, session: Session, spoiled: Sequence[Bean], deadline: float) -> None:
        """Find the attributes that spoil the answers of these beans, and leave them out."""
        probes = [
            Probe(bean, Shape((name,), self._budget), self._limits)
            for bean in spoiled
            for name in bean.shape.attributes
        ]
        session.ask(jrmp.GET_ATTRIBUTES, probes, deadline)
        for bean in spoiled:
            self._ask_for(bean, [name for name in bean.shape.attributes if name not in bean.bad])
        self._settle()

    def _find(self, session: Session, deadline: float) -> dict[str, str]:
        """Return names, with the class for those that are new and "" for the others."""
        if not self._known:
            return dict(self._query(session, jrmp.QUERY_MBEANS, deadline))
        texts = dict.fromkeys(self._query(session, jrmp.QUERY_NAMES, deadline), "")
        new = [text for text in texts if text not in self._known]
        if len(new) > _MANY_NEW:
            return dict(self._query(session, jrmp.QUERY_MBEANS, deadline))
        calls = [Maybe(mbeans.about(text), mbeans.read_bean) for text in new]
        answers = session.ask_all(jrmp.GET_OBJECT_INSTANCE, calls, deadline)
        for text, bean in zip(new, answers, strict=True):
            if bean is None:
                del texts[text]  # gone already
            else:
                texts[text] = bean.class_name
        return texts

    def _query(self, session: Session, method: int, deadline: float) -> Iterator[Any]:
        read = mbeans.read_beans if method == jrmp.QUERY_MBEANS else mbeans.read_names
        patterns = self._selection.patterns
        if self._narrowed:
            left_out = self._narrowed.leaves_out
            calls = [Call(mbeans.query(one, left_out(one)), read) for one in patterns]
            answers = session.ask(method, calls, deadline)
            if not any(isinstance(answer, JmxError) for answer in answers):
                return chain.from_iterable(answers)
            # A JVM may refuse what it does not expect (com.sun.management.jmxremote.serial.filter.
            # pattern), or read a pattern otherwise than we do: without a condition it tells more.
            self._narrowed = None
        calls = [Call(mbeans.query(one), read) for one in patterns]
        return chain.from_iterable(session.ask_all(method, calls, deadline))

    def _wants(self, text: str, class_name: str) -> bool:
        try:
            name = ObjectName.parse(text)
        except ValueError:
            return False  # no server of Java's sends such a name
        return self._selection.wants(name, class_name)

    def _take(self, text: str, info: BeanInfo) -> None:
        """Let the selection choose, and plan the bean."""
        bean = self._former.get(text)
        if bean is not None and bean.class_name != info.class_name:
            bean = None
        name = ObjectName(text) if bean is None else bean.name
        chosen = self._selection.attributes(name, info)
        if bean is not None:
            bean.info = info
            self._ask_for(bean, [one for one in chosen if one not in bean.bad])
        elif chosen:
            bean = Bean(name, info, self._shape(chosen), self._limits)
        self._known[text] = bean

    def _settle(self) -> None:
        """Make the list of beans, and let go of what none of them needs."""
        beans = [bean for bean in self._known.values() if bean and bean.shape.attributes]
        if len(beans) > self._limits.beans:
            raise PeerBrokeProtocol(
                f"more than {self._limits.beans} MBeans to read", "Select fewer of them"
            )
        shapes = {bean.shape.attributes: bean.shape for bean in beans}
        for attributes, shape in self._shapes.items():
            if attributes not in shapes:
                shape.forget()
        self._shapes = shapes
        if self._has_changed or beans != self.beans:
            self.generation += 1
        self._has_changed = False
        self.beans = beans

    def _ask_for(self, bean: Bean, attributes: Sequence[str]) -> None:
        if tuple(attributes) != bean.shape.attributes:
            bean.ask_for(self._shape(attributes))
            self._has_changed = True

    def _shape(self, attributes: Sequence[str]) -> Shape:
        key = tuple(attributes)
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._shapes[key] = Shape(key, self._budget)
        return shape
