"""The decision: who asks, for what, under which agreement or role; once a call, from memory.

1. A call that names an agreement is judged by that agreement alone, whoever asks.
2. Rows of persons are never read by a grant, an administrator or a demo visitor: only by a member
   of the owning organisation who names purpose and reason, under an agreement, by the person
   themself (or who acts for them) and of that person alone, through broken glass, or on a
   machine that was started with `--open`, and each of these is written down.
3. A neighbour's node reads what is offered to it (`federation/offers.py`), and nothing else.
4. Everything else is decided by grants as ever, and counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from pintu.kernel.access import Act, Actor, Deed, Gate, Projection
from pintu.kernel.access.audited import AuditLog, Receipt
from pintu.kernel.access.reasons import check_reason
from pintu.kernel.clock import Clock
from pintu.kernel.errors import BadRequestData, Forbidden, PintuError, Refused, Unauthorized
from pintu.kernel.exchange.gate.breaking import Breaker
from pintu.kernel.exchange.gate.compiling import Compiler
from pintu.kernel.exchange.gate.limits import Limiter
from pintu.kernel.exchange.gate.recording import Recorder
from pintu.kernel.exchange.gate.words import Agreements, Compiled, Told

if TYPE_CHECKING:
    from pintu.kernel.exchange.agreements.words import Agreement
    from pintu.kernel.tables import OpenTables

LOOKING: Final = frozenset(("owner", "steward", "clerk", "officer"))
"""Roles in an organisation that may look at its persons."""

OWNER: Final = Projection(basis="owner", recorded=True)
OPEN: Final = Projection(basis="open", recorded=True)
MOST_COMPILED: Final = 20_000
LOOK_US: Final = 1_000_000
"""How often a compiled agreement is held against the data set it was compiled for."""


@dataclass(slots=True, kw_only=True)
class _Known:
    found: Compiled
    agreement: Agreement
    mark: tuple[object, ...]
    look_us: int


class ExchangeGate:
    """Implements access.Gate over the thin gate, which stays inside."""

    def __init__(
        self,
        thin: Gate,
        agreements: Agreements | None = None,
        audit: AuditLog | None = None,
        *,
        clock: Clock,
        open_access: bool = False,
    ) -> None:
        """`open_access`: whoever reaches this machine's loopback may do anything (recorded)."""
        self._thin, self._clock, self._open = thin, clock, open_access
        self._agreements: Agreements | None = None
        self._active: Callable[[str], Agreement | None] = _none_active
        self._compiler: Compiler | None = None
        self._compiled: dict[str, _Known] = {}
        self._count: Callable[[Actor, Act], None] = _uncounted
        self._held: Callable[[str, int], None] = _unheld
        self._theirs: Callable[[Actor, str], str] = _nobodys
        self._codes: Callable[[str], frozenset[str]] | None = None
        # what neighbours' nodes may read without an agreement
        self._offered: Callable[[Actor, Act], Projection] = thin.decide
        self.limits = Limiter(clock)
        self._breaker = Breaker(self.limits)
        self.recorder = Recorder(clock)
        self.join(agreements=agreements, audit=audit)

    def join(
        self,
        *,
        agreements: Agreements | None = None,
        audit: AuditLog | None = None,
        compiler: Compiler | None = None,
        tables: OpenTables | None = None,
        theirs: Callable[[Actor, str], str] | None = None,
        codes: Callable[[str], frozenset[str]] | None = None,
        versions: Callable[[str], int] | None = None,
        offered: Callable[[Actor, Act], Projection] | None = None,
    ) -> None:
        """The rooms that are opened after the gate: what is handed in stays, the rest as it is."""
        if agreements is not None:
            self._agreements, self._active = agreements, agreements.active
            agreements.listen(self._changed)
            self._held = agreements.held
            self._breaker.use(agreements)
        if audit is not None:
            self._count = audit.count
            self.recorder.use(audit)
        if compiler is not None:
            self._compiler = compiler
        if tables is not None:
            self.limits.open(tables, compiler.zone if compiler is not None else "UTC")
        if theirs is not None:
            self._theirs = theirs
        if versions is not None:
            self.recorder.version = versions
        if offered is not None:
            self._offered = offered
        if codes is not None:
            self._codes = lru_cache(maxsize=8)(codes)

    async def close(self) -> None:
        """Write what is counted and not written yet: before the log stops."""
        await self._breaker.close()
        await self.limits.close()
        await self.recorder.close()

    # --- deciding -----------------------------------------------------------------------------
    def decide(self, actor: Actor, act: Act) -> Projection:
        """What the actor may do of the act, once a call.

        Raises Unauthorized, Forbidden or TooManyRequests naming what is missing.
        """
        if act.agreement:
            return self._agreed(actor, act)
        if act.persons:
            return self._of_persons(actor, act)
        if actor.kind == "node" and act.data_set == "context":
            projection = self._offered(actor, act)
        else:
            projection = self._thin.decide(actor, act)
        self._count(actor, act)
        return projection

    def allows(self, actor: Actor, act: Act) -> bool:
        """Whether a grant still lets the actor do what it began; neither counted nor written down:
        for streams, which ask again and again."""
        try:
            self._thin.decide(actor, act)
        except (Unauthorized, Forbidden):
            return False
        return True

    def holds(self, actor: Actor, act: Act, projection: Projection) -> bool:
        """Whether what was decided is so at this moment, to the same columns, rows and masks;
        neither counted nor written down: for what was decided some time before it leaves."""
        if not act.agreement:
            return self.allows(actor, act)
        now_us = self._clock.now_us()
        try:
            found = self._find(actor, act, now_us)
            _check(actor, act, found, now_us)
        except Refused:
            return False
        return found.projection is projection

    def knows(self, actor: Actor, act: Act) -> bool:
        """Whether the actor may know that a data set is there; neither counted nor written down.
        Who has an agreement about it or owns it knows it."""
        return self.allows(actor, act) or self._concerned(actor, act)

    def _concerned(self, actor: Actor, act: Act) -> bool:
        if not actor.organisation:
            return False
        if actor.organisation == act.owner:
            return True
        known = self._agreements.of_consumer(actor.organisation) if self._agreements else ()
        return any(one.terms.data_set == act.data_set for one in known)

    # --- persons ------------------------------------------------------------------------------
    def _of_persons(self, actor: Actor, act: Act) -> Projection:
        try:
            return self._person_basis(actor, act)
        except Refused as error:
            self.recorder.refused(actor, act, error)
            raise

    def _person_basis(self, actor: Actor, act: Act) -> Projection:
        reads = act.deed is Deed.READ
        if reads and act.owner and actor.organisation == act.owner and LOOKING & actor.roles:
            _named(act.purpose, act.reason)
            if self._codes is not None and act.purpose not in self._codes("purpose"):
                raise Forbidden("The purpose named is none of the list of purposes")
            return OWNER
        if reads and act.subject and (own := self._theirs(actor, act.subject)):
            return Projection(basis=own, recorded=True, own=act.subject)
        if reads and actor.broken_glass:
            return Projection(basis=f"glass {actor.broken_glass}", recorded=True)
        if self._open and actor.local:
            return OPEN
        if actor.kind == "anonymous":
            self._thin.decide(actor, act)  # refuses in the words it has for what is not there
        if not self.knows(actor, act):
            return self._thin.decide(actor, act)
        raise Forbidden(_missing(actor, act))

    # --- agreements ---------------------------------------------------------------------------
    def compiled(self, id: str) -> Compiled | None:
        """The agreement in force under that id, compiled; None when there is none.

        Raises PintuError when it does not fit its data set any more.
        """
        return self._current(id, self._clock.now_us())

    def _current(self, id: str, now_us: int) -> Compiled | None:
        agreement = self._active(id)
        known = self._compiled.get(id)
        if known is not None:
            if agreement is known.agreement and now_us < known.look_us:
                return known.found
            if agreement is None:
                del self._compiled[id]
        if agreement is None or self._compiler is None:
            return None
        mark = self._compiler.mark(agreement)
        if known is not None and known.agreement == agreement and known.mark == mark:
            known.agreement, known.look_us = agreement, now_us + LOOK_US
            return known.found
        found = self._compiler.compile(agreement)
        if len(self._compiled) >= MOST_COMPILED:
            self._compiled.clear()
        self._compiled[id] = _Known(
            found=found, agreement=agreement, mark=mark, look_us=now_us + LOOK_US
        )
        return found

    def _changed(self, agreement: Agreement) -> None:
        self._compiled.pop(agreement.id, None)

    def _agreed(self, actor: Actor, act: Act) -> Projection:
        now_us = self._clock.now_us()
        try:
            found = self._find(actor, act, now_us)
            _check(actor, act, found, now_us)
            if found.limits.calls_a_minute:
                self.limits.call(found, now_us)
            return found.projection
        except Refused as error:
            self.recorder.refused(actor, act, error)
            raise

    def _find(self, actor: Actor, act: Act, now_us: int) -> Compiled:
        id = act.agreement
        version = ""
        if "/" in id:
            id, _, version = id.partition("/")
        try:
            found = self._current(id, now_us)
        except PintuError as error:
            told = f"Agreement {id!r} does not fit its data set any more: {error.detail}"
            raise Forbidden(told) from error
        if found is None or (version and version != str(found.version)):
            raise _none(actor, act)
        if found.name in self._breaker.broken:
            raise _none(actor, act)
        return found

    def under(self, projection: Projection) -> Compiled | None:
        """The compiled agreement a projection came from."""
        known = self._compiled.get(projection.agreement.partition("/")[0])
        return known.found if known is not None else None

    # --- writing down -------------------------------------------------------------------------
    async def record(self, actor: Actor, act: Act, projection: Projection, told: Told) -> Receipt:
        """Write an answer down; only when this returns may the answer be sent.

        Raises Unavailable when the log cannot be kept.
        """
        found = self.under(projection) if projection.agreement else None
        receipt = await self.recorder.enter((actor, act), projection, told, found)
        if found is not None and act.deed is Deed.READ:
            self.kept(found, told.rows)
        return receipt

    def kept(self, found: Compiled, rows: int) -> None:
        """The consumer got rows; those it may keep are asked back when the agreement ends."""
        if found.retained and rows:
            self._held(found.name, rows)


def _none_active(id: str) -> Agreement | None:
    """A city without agreements."""
    return None


def _nobodys(actor: Actor, subject: str) -> str:
    """A city that keeps no accounts knows nobody's own record."""
    return ""


def _unheld(agreement: str, rows: int) -> None:
    """A city without agreements has nobody who keeps copies."""


def _uncounted(actor: Actor, act: Act) -> None:
    """A city without a log counts nothing."""


def _check(actor: Actor, act: Act, found: Compiled, now_us: int) -> None:
    """Whether an agreement covers a call, in the order in which a caller may learn of it."""
    if not actor.organisation or found.consumer != actor.organisation:
        raise _none(actor, act)
    if found.persons and actor.kind == "person" and not LOOKING & actor.roles:
        told = "owners, stewards, clerks and officers"
        raise Forbidden(f"Agreement {found.name} is used by {told} of {found.consumer}")
    if now_us < found.from_us:
        raise Forbidden(f"Agreement {found.name} is not in force yet")
    if found.until_us and now_us >= found.until_us:
        raise Forbidden(f"Agreement {found.name} is over")
    if act.data_set != found.data_set:
        if act.data_set != "context" or found.projection.seen is None:
            raise Forbidden(f"Agreement {found.name} is not about {act.data_set!r}")
        if found.unqueryable:
            raise Forbidden(f"Agreement {found.name} is asked as a data set: {found.unqueryable}")
    if act.tenant != found.tenant:
        raise Forbidden(f"Agreement {found.name} is not about this tenant")
    if act.deed is not found.deed:
        raise Forbidden(f"Agreement {found.name} does not let anybody {act.deed.value}")
    if act.purpose != found.purpose:
        told = f"not {act.purpose[:60]!r}" if act.purpose else "which the call must name"
        raise Forbidden(f"Agreement {found.name} is for purpose {found.purpose!r}, {told}")
    if not act.reason:
        raise Forbidden(f"A call under agreement {found.name} gives its reason")
    _reason(act.reason)


def _named(purpose: str | None, reason: str | None) -> None:
    if not purpose:
        raise Forbidden("Rows of persons are looked at for a purpose: name it")
    if not reason:
        raise Forbidden("Rows of persons are looked at for a reason: give it")
    _reason(reason)


@lru_cache(maxsize=4096)
def _reason(reason: str) -> str:
    try:
        return check_reason(reason)
    except BadRequestData as error:
        raise Forbidden(error.detail) from error


def _none(actor: Actor, act: Act) -> Refused:
    """The same words whether there is no such agreement, it is another's, or it is not in force."""
    if actor.kind == "anonymous":
        return Unauthorized("A call under an agreement says who asks: show a token or sign in")
    return Forbidden(f"{actor.id} has no agreement {act.agreement[:60]!r} in force")


def _missing(actor: Actor, act: Act) -> str:
    told = f"Data set {act.data_set!r} tells of persons: "
    if not act.owner:
        return told + "it has no owner yet, so nobody reads it"
    if actor.organisation == act.owner:
        return told + "only its owner, stewards, clerks and officers look at them"
    return told + f"{act.owner} looks at them, others under an agreement that the call names"
