"""What MBeans have, asked as rarely as can be.

Once per class if the class is made from a Java interface, as all its MBeans then have the same
attributes. Once per MBean else, and again at each look, by the bytes of the answer: Kafka's own
metrics add attributes to MBeans that are already there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

from collector.jmx import jrmp, mbeans
from collector.jmx.errors import CallFailed, JmxError, PeerBrokeProtocol
from collector.jmx.exchange import Call
from collector.jmx.mbeans import BeanClass, BeanInfo
from collector.jmx.session import Session
from collector.jmx.templates import LONGEST, Budget, Template
from collector.jmx.values import Value

Answer = tuple[BeanClass, BeanInfo]


class Infos:
    """The infos of all MBeans that are read. Equal ones are one object."""

    def __init__(self, most_bytes: int, budget: Budget) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._budget = budget
        self._of_class: dict[str, BeanInfo] = {}
        self._one_of_each: dict[BeanInfo, BeanInfo] = {}
        self._forms: dict[
            int, Template
        ] = {}  # of answers about one MBean, by what is fixed in them
        self._form_of: dict[str, Template] = {}  # by the MBean's name

    def forget(self) -> None:
        self._of_class = {}
        self._one_of_each = {}
        self._bytes = 0
        self._form_of = {}
        self._drop_forms()

    def ask(self, session: Session, beans: Sequence[BeanClass], deadline: float) -> list[Answer]:
        """Return an info for each of these MBeans; one that is gone by now is left out."""
        first = {one.class_name: one for one in beans if one.class_name not in self._of_class}
        known = dict(self._ask(session, first.values(), deadline))
        for one, info in known.items():
            if info.is_of_class:
                self._of_class[one.class_name] = info
        rest = [one for one in beans if one.class_name not in self._of_class and one not in known]
        known |= dict(self._ask(session, rest, deadline))
        infos = ((one, self._of_class.get(one.class_name) or known.get(one)) for one in beans)
        return [(one, info) for one, info in infos if info is not None]

    def ask_again(
        self, session: Session, beans: Sequence[BeanClass], deadline: float
    ) -> list[Answer]:
        """Return those that changed, or could not be compared. `beans`: all that are dynamic."""
        names = {one.name for one in beans}
        self._form_of = {name: form for name, form in self._form_of.items() if name in names}
        self._drop_forms()
        return list(self._ask(session, beans, deadline))

    def _ask(
        self, session: Session, beans: Iterable[BeanClass], deadline: float
    ) -> Iterator[Answer]:
        calls = [_InfoCall(self, one, self._form_of.get(one.name)) for one in beans]
        for answer in session.ask_all(jrmp.GET_MBEAN_INFO, calls, deadline):
            if answer is not None:
                yield answer

    def keep(self, one: BeanClass, info: BeanInfo, raw: bytes) -> BeanInfo:
        """Keep one of all that are equal, and the form of the answer."""
        known = self._one_of_each.get(info)
        if known is None:
            self._bytes += len(raw)
            if self._bytes > self._most_bytes:
                raise PeerBrokeProtocol(
                    "MBeans that say more of themselves than can be kept", "Select fewer of them"
                )
            known = self._one_of_each[info] = info
        if not known.is_of_class and len(raw) <= LONGEST:
            self._keep_form(one.name, Template(raw))
        return known

    def _keep_form(self, name: str, form: Template) -> None:
        if form.masked not in self._forms:
            if form.cost > self._budget.left:
                self._form_of.pop(name, None)
                return
            self._budget.left -= form.cost
            self._forms[form.masked] = form
        self._form_of[name] = self._forms[form.masked]

    def _drop_forms(self) -> None:
        used = {form.masked for form in self._form_of.values()}
        for masked in self._forms.keys() - used:
            self._budget.left += self._forms.pop(masked).cost


class Maybe(Call):
    """A call about an MBean that may be gone by now: then None."""

    def failed(self, error: JmxError) -> JmxError | None:
        return None if isinstance(error, CallFailed) else error


class _InfoCall(Maybe):
    """Asks what an MBean has. None when the bytes are those of the last time."""

    def __init__(self, infos: Infos, one: BeanClass, form: Template | None) -> None:
        super().__init__(mbeans.about(one.name), mbeans.read_info)
        self.template = form
        self.others: Sequence[Template] = ()
        self._one = one
        self._infos = infos

    @property
    def forms(self) -> Self:
        return self

    def hit(self, template: Template, values: tuple[Value, ...]) -> None:
        """Nothing changed."""

    def answered(self, value: Any, raw: bytes) -> Answer:
        return self._one, self._infos.keep(self._one, mbeans.read_info(value), raw)
