"""Who takes part: organisations and people by their names, and what a visitor may do of the state
table of agreements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.exchange.agreements.states import TABLE, What
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kernel.access import Actor
    from pintu.kernel.exchange.agreements.words import Agreement
    from pintu.web.visit import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One deed as a page offers it."""

    name: str
    title: str
    asks: str = ""  # the label of the reason it needs
    help: str = ""
    sure: str = ""  # asked once more before it is done
    main: bool = False


TITLES: Final = {
    "approve": mark("Approve and sign"),
    "refuse": mark("Refuse"),
    "sign": mark("Sign"),
    "withdraw": mark("Withdraw"),
    "suspend": mark("Suspend"),
    "resume": mark("Let it pass again"),
    "revoke": mark("Revoke"),
}
DONE: Final = {
    "request": mark("Requested"),
    "approve": mark("Approved and signed by the owner"),
    "refuse": mark("Refused"),
    "sign": mark("Signed by the consumer: in force"),
    "withdraw": mark("Withdrawn"),
    "suspend": mark("Suspended"),
    "resume": mark("Passing again"),
    "revoke": mark("Revoked"),
    "escalate": mark("The deadline passed: the deputy was told"),
    "overdue": mark("The deputy's deadline passed: the auditor was told"),
    "remind": mark("The consumer was reminded to sign"),
    "break": mark("Suspended: limits were broken"),
    "expire": mark("Expired"),
    "supersede": mark("Replaced by a newer version"),
    "recall": mark("Asked to delete what was kept"),
    "answer_recall": mark("Answered what was deleted"),
}
ASKS: Final = {
    "refuse": mark("Why it is refused"),
    "suspend": mark("Why it is suspended"),
    "revoke": mark("Why it is revoked"),
}
HELP: Final = {
    "approve": mark(
        "Your organisation's key signs these terms. Nothing passes before both signed."
    ),
    "sign": mark("Your organisation's key signs these terms; from then on it is in force."),
    "revoke": mark(
        "The next call is refused within a second; whoever keeps a copy is asked to delete it."
    ),
    "withdraw": mark("Your organisation gives it up."),
}
SURE: Final = {
    "revoke": mark("Revoke it? It cannot be taken back; a new request would be needed."),
    "refuse": mark("Refuse this request?"),
}
WANTED: Final = frozenset(("approve", "sign", "resume"))
SOUGHT: Final[tuple[What, ...]] = (
    "approve",
    "refuse",
    "sign",
    "resume",
    "suspend",
    "revoke",
    "withdraw",
)


def may(agreement: Agreement, deed: What, actor: Actor) -> bool:
    """Whether the state table lets this actor do it; the room behind it decides again."""
    move = TABLE.get((agreement.state, deed))
    if move is None or move.side == "city" or not actor.person:
        return False
    terms = agreement.terms
    own = terms.provider if move.side == "provider" else terms.consumer
    if actor.organisation != own or not move.roles & actor.roles:
        return False
    if "not_approver" in move.needs and actor.person == agreement.approved_by:
        return False
    return not ("other_person" in move.needs and actor.person == agreement.requested_by)


def offers(agreement: Agreement, visit: Visit) -> list[Offer]:
    """What the visitor may do now, the expected first."""
    words = visit.words
    return [
        Offer(
            name=deed,
            title=words.text(TITLES[deed]),
            asks=words.text(ASKS.get(deed, "")),
            help=words.text(HELP.get(deed, "")),
            sure=words.text(SURE.get(deed, "")),
            main=deed in WANTED,
        )
        for deed in SOUGHT
        if may(agreement, deed, visit.actor)
    ]


def waits_for(agreement: Agreement, actor: Actor) -> What | None:
    """The deed this agreement waits for from this actor, or None."""
    wanted: dict[str, What] = {"requested": "approve", "escalated": "approve", "approved": "sign"}
    deed = wanted.get(agreement.state)
    return deed if deed is not None and may(agreement, deed, actor) else None


def organisation_name(visit: Visit, id: str) -> str:
    """What an organisation is called; of another node with the node beside it."""
    if not id:
        return visit.words.text("nobody: no owner is named")
    local, _, node = id.partition("@")
    found = find_organisation(visit, local if not node else id) or (
        find_organisation(visit, local) if not node else None
    )
    name = visit.words.pick(found.name) if found is not None and found.name else local
    return f"{name} @ {node}" if node else name


def find_organisation(visit: Visit, id: str) -> Any:
    """An organisation, or None."""
    return visit.rooms.identity.people.find_organisation(id)


def person_name(visit: Visit, id: str) -> str:
    """What a person is called; the id when nobody knows it."""
    found = visit.rooms.identity.people.find_person(id) if id else None
    return found.name if found is not None else id
