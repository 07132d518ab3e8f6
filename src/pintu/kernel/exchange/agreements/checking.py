"""What stands against an agreement before it is asked for, approved and signed: terms that cannot
be, policies that forbid them, persons who are one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from pintu.kernel.access import Actor
from pintu.kernel.clock import Clock
from pintu.kernel.errors import BadRequestData, Missing
from pintu.kernel.exchange.agreements import policy, validation
from pintu.kernel.exchange.agreements.policy import Policies
from pintu.kernel.exchange.agreements.validation import Known
from pintu.kernel.exchange.agreements.words import Agreement, Checked, Terms

if TYPE_CHECKING:
    from pintu.kernel.exchange.words import DataSet
    from pintu.kernel.identity.words import Delegation, Organisation, Person


class People(Protocol):
    """What is asked of the room of people."""

    def find_organisation(self, id: str) -> Organisation | None:
        """One of our organisations."""
        ...

    def organisations(self) -> list[Organisation]:
        """All of them."""
        ...

    def find_person(self, id: str) -> Person | None:
        """An account."""
        ...

    def list_people(self) -> list[Person]:
        """Every account."""
        ...

    def delegations(self, *, person: str = "", subject: str = "") -> list[Delegation]:
        """Who acts for whom."""
        ...


class Checking:
    """Asked by the room of agreements; remembers nothing."""

    def __init__(
        self,
        find_data_set: Callable[[str], DataSet],
        codes: Callable[[str], frozenset[str]],
        policies: Policies,
        clock: Clock,
        people: People | None,
    ) -> None:
        self._find, self._codes, self._policies = find_data_set, codes, policies
        self._clock, self._people = clock, people

    def check(self, terms: Terms, in_force: Iterable[Agreement]) -> Checked:
        """What is known of terms; ResourceNotFound without their data set. `in_force` are the
        consumer's other agreements."""
        data_set = self._find(terms.data_set)
        known = Known(
            data_set=data_set,
            purposes=self._codes("purpose"),
            bases=self._codes("legalBasis"),
            now_us=self._clock.now_us(),
            organisation=self._knows if self._people and self._people.organisations() else None,
        )
        found = validation.findings(terms, known)
        union: dict[str, tuple[str, ...]] = {}
        if data_set.persons and not terms.k:
            union = validation.union_of(terms, in_force, self._of_persons)
        refused = self._policies.findings(self._asked(terms, data_set, "request"))
        errors = [one for one in found if one.level == "error"]
        rest = [one for one in found if one.level != "error"]
        return Checked(
            findings=(*errors, *refused, *rest, *validation.union_warning(union)), union=union
        )

    def require(self, terms: Terms, in_force: Iterable[Agreement]) -> None:
        """BadRequestData with everything that keeps terms from being asked for."""
        errors = self.check(terms, in_force).errors
        if errors:
            raise BadRequestData(
                "; ".join(one.text["en"] for one in errors),
                zh="；".join(one.text["zh"] for one in errors),
                findings=[{"code": one.code, "field": one.field, **one.text} for one in errors],
            )

    def allow(self, agreement: Agreement, stage: str) -> None:
        """Forbidden when a policy forbids what was asked for, by now."""
        terms = agreement.terms
        self._policies.check(self._asked(terms, self._find(terms.data_set), stage))

    def look(self) -> None:
        """Read the town's policies again if they changed."""
        self._policies.look()

    def same_person(self, actor: Actor) -> frozenset[str]:
        """Accounts that are one with who acts: of the same proved person, of whom they act for,
        and of who acts for them."""
        people = self._people
        own = people.find_person(actor.person) if people is not None else None
        if people is None or own is None:
            return frozenset((actor.person,))
        now_us = self._clock.now_us()
        subjects = {own.subject} if own.subject else set()
        found = {actor.person}
        if own.subject:
            told = people.delegations(subject=own.subject)
            found |= {one.to_person for one in told if one.holds(now_us)}
        told = people.delegations(person=own.id)
        subjects |= {one.from_subject for one in told if one.holds(now_us)}
        if subjects:
            found |= {one.id for one in people.list_people() if one.subject in subjects}
        return frozenset(found)

    def _asked(self, terms: Terms, data_set: DataSet, stage: str) -> dict[str, Any]:
        known = terms.purpose in self._codes("purpose") and terms.basis in self._codes("legalBasis")
        found = self._people.find_organisation(terms.consumer) if self._people else None
        kind = found.kind if found is not None else "other"
        return policy.asked(terms, data_set, stage=stage, kind=kind, known=known)

    def _knows(self, organisation: str) -> bool:
        if "@" in organisation:
            return True  # of another node: who joined it knows whom it has
        return self._people is not None and self._people.find_organisation(organisation) is not None

    def _of_persons(self, name: str) -> bool:
        try:
            return self._find(name).persons
        except Missing:
            return True  # what is not known is thought the worst of
