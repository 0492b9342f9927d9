"""One scrape after the other: look, read, and put up with MBeans that break or hang.

breaks the answer off    its attributes are asked one by one; the bad one is left out
can't be read at all     it is put aside and tried again later, each time after a longer while
does not answer in time  the scrape fails, the next one asks it last and gives it a second
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from collector.jmx import jrmp
from collector.jmx.bean import Bean, Failure, Probe, Reading
from collector.jmx.connection import TooLate, now
from collector.jmx.errors import JmxError, PeerBrokeProtocol
from collector.jmx.limits import Limits
from collector.jmx.plan import Plan
from collector.jmx.session import Session

FIRST_PAUSE_S: Final = 60.0
LONGEST_PAUSE_S: Final = 3600.0
PATIENCE_S: Final = 1.0  # for a bean that was too late before
GONE_LOOK_S: Final = 10.0  # after the last look, when a bean turned out to be gone


class Scrape(NamedTuple):
    """One reading of everything that was selected.

    `readings`: an entry for each bean that answered. `failures`: what could not be read.
    `generation` changes when the set of beans, or what is read of them, changed.
    """

    readings: list[Reading]
    failures: list[Failure]
    generation: int


class _Aside:
    """A bean that is not asked with the others, and when it is tried again."""

    def __init__(self, error: JmxError) -> None:
        self.error = error
        self.pause_s = FIRST_PAUSE_S
        self.retry_at = 0.0

    def put_off(self, error: JmxError) -> None:
        self.error = error
        self.retry_at = now() + self.pause_s
        self.pause_s = min(self.pause_s * 2, LONGEST_PAUSE_S)


class Scraper:
    """Reads the beans of a plan."""

    def __init__(self, session: Session, plan: Plan, limits: Limits, refresh_s: float) -> None:
        self._session = session
        self._plan = plan
        self._limits = limits
        self._refresh_s = refresh_s
        self._last_look = 0.0
        self._next_look = 0.0
        self._planned_in = 0  # the session in which the plan was made
        self._aside: dict[Bean, _Aside] = {}

    def scrape(self, deadline: float) -> Scrape:
        self._session.open(deadline)
        self._look(deadline)
        beans = self._plan.beans
        if self._aside:
            beans = [bean for bean in beans if bean not in self._aside]
        try:
            readings = self.read(beans, deadline)
            failures = self._failures_of(beans)
            failed = [bean for bean in beans if bean.error is not None]
            if spoiled := [bean for bean in failed if bean.is_spoiled]:
                readings += self._read_without_bad(spoiled, failures, deadline)
        except TooLate as error:
            stuck = self._session.stuck
            if not isinstance(stuck, Bean | Probe):
                raise
            late = TooLate(f"{error.message} (waiting for {stuck.bean.name})", error.hint)
            self._aside.setdefault(stuck.bean, _Aside(late))
            raise late from error
        if self._aside:
            self._try_again(readings, failures, deadline)
        if any(bean.is_gone for bean in failed):
            self._next_look = min(self._next_look, self._last_look + GONE_LOOK_S)
        return Scrape(readings, failures, self._plan.generation)

    def read(self, beans: Sequence[Bean], deadline: float) -> list[Reading]:
        """Read these beans; one that failed has an `error` and is left out."""
        for bean in beans:
            bean.error = None
        answers = self._session.ask(jrmp.GET_ATTRIBUTES, beans, deadline)
        readings = [answer for answer in answers if answer is not None]
        if sum(len(values) for _, values in readings) > self._limits.values:
            raise PeerBrokeProtocol(
                f"more than {self._limits.values} values in one scrape", "Select fewer MBeans"
            )
        return readings

    def _look(self, deadline: float) -> None:
        """Bring the plan up to date when it is time to."""
        sessions = self._session.counts.sessions
        if sessions != self._planned_in:
            self._plan.forget()
            self._aside = {}
        elif now() < self._next_look:
            return
        self._plan.look(self._session, deadline)
        self._planned_in = sessions
        self._last_look = now()
        self._next_look = self._last_look + self._refresh_s
        if self._aside:
            here = set(self._plan.beans)
            self._aside = {bean: aside for bean, aside in self._aside.items() if bean in here}

    @staticmethod
    def _failures_of(beans: Sequence[Bean]) -> list[Failure]:
        """Return attributes that are left out, and beans that failed alone."""
        failures = []
        for bean in beans:
            if bean.bad:
                failures += [Failure(bean.name, name, error) for name, error in bean.bad.items()]
            if bean.error is not None and not bean.is_gone and not bean.is_spoiled:
                failures.append(Failure(bean.name, None, bean.error))
        return failures

    def _read_without_bad(
        self, spoiled: Sequence[Bean], failures: list[Failure], deadline: float
    ) -> list[Reading]:
        """Find the attributes that break the answers, and read the others once more."""
        self._plan.probe(self._session, spoiled, deadline)
        readings = self.read([bean for bean in spoiled if bean.shape.attributes], deadline)
        for bean in spoiled:
            failures += [Failure(bean.name, name, error) for name, error in bean.bad.items()]
            if bean.shape.attributes and bean.error is not None:
                self._put_aside(bean, bean.error)
                failures.append(Failure(bean.name, None, bean.error))
        return readings

    def _try_again(self, readings: list[Reading], failures: list[Failure], deadline: float) -> None:
        """Ask those that were put aside and are due, each for itself."""
        for bean, aside in list(self._aside.items()):
            if aside.retry_at <= now():
                try:
                    readings += self.read([bean], min(deadline, now() + PATIENCE_S))
                except TooLate as error:
                    bean.error = error
                if bean.error is None:
                    del self._aside[bean]
                    continue
                aside.put_off(bean.error)
            failures.append(Failure(bean.name, None, aside.error))

    def _put_aside(self, bean: Bean, error: JmxError) -> None:
        aside = self._aside.setdefault(bean, _Aside(error))
        aside.put_off(error)
