"""A playbook as data, and a play: one run of it, for one cause."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from pintu.kernel.operations.playbooks.states import GroupState, PlayState, StepState

Do = Literal["command", "order", "message", "check", "wait"]
DOES: Final[tuple[Do, ...]] = ("command", "order", "message", "check", "wait")
OnFailure = Literal["continue", "stop", "back"]
Title = dict[str, str]


class Targets(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which things a step is for: of one type, inside the play's area (or within `reach_m` metres
    of it), that match `q`; `most` bounds them."""

    type: str
    q: str = ""
    reach_m: float = 0.0
    most: int = 5_000


class Condition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What must hold: at least `count` things of a type (in the area, unless `anywhere`) match."""

    type: str
    q: str = ""
    count: int = 1
    reach_m: float = 0.0
    anywhere: bool = False


class StepWord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step of a playbook. `back` says what undoing sends: literals, or
    `{from = "ATTRIBUTE", times = N, otherwise = V}` of what the thing was like before."""

    name: str
    title: Title
    do: Do
    piece: str = ""
    command: str = ""
    arguments: dict[str, Any] = {}
    back: dict[str, Any] = {}
    targets: Targets | None = None
    given: dict[str, Any] = {}  # of an order or a message: handed on as it is
    check: Condition | None = None
    when: Condition | None = None  # the step is passed over when this does not hold
    wait_s: float = 0.0
    within_s: float = 180.0
    until: Literal["acknowledged", "confirmed"] = "acknowledged"
    enough: float = 0.995  # share of the targets that must have come so far
    on_failure: OnFailure = "continue"


class GroupWord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Steps that are approved together, and done one after the other."""

    name: str
    title: Title
    steps: tuple[StepWord, ...]
    persons: int = 1
    role: str = ""  # one of those who approve must have it, "" asks for none
    within_s: float = 1_800.0  # after the proposal; later nobody can approve it
    after: tuple[str, ...] = ()  # groups that must have ended


class Fit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """For which causes a playbook is proposed by itself; empty: a person proposes it."""

    kinds: tuple[str, ...] = ()  # incident, warning, event
    categories: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    night: bool = False


class Playbook(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What to do about something, as a town wrote it down."""

    name: str
    title: Title
    about: Title
    groups: tuple[GroupWord, ...]
    fit: Fit = Fit()
    version: int = 0
    built_in: bool = False

    def group(self, name: str) -> GroupWord | None:
        """The group of that name, or None."""
        return next((one for one in self.groups if one.name == name), None)


class StepRun(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a play as it stands; counts are of its targets."""

    number: int
    group: str
    name: str
    title: Title
    do: Do
    state: StepState
    targets: int = 0
    reached: int = 0  # so far as the step waits for: acknowledged or confirmed; put back, undoing
    failed: int = 0
    detail: str = ""
    changed_us: int = 0
    ref: str = ""  # what the hand that did it calls it: an order's id


class GroupRun(msgspec.Struct, frozen=True, kw_only=True):
    """One group of a play, and who approved it."""

    name: str
    title: Title
    state: GroupState
    persons: int
    until_us: int
    role: str = ""
    approved_by: tuple[str, ...] = ()


class Play(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a playbook. `cause` is a subject of the journal: `incident:ID`, `warning:ID`."""

    id: str
    tenant: str
    playbook: str
    version: int
    title: Title
    cause: str
    state: PlayState
    by: str
    created_us: int
    changed_us: int
    area: dict[str, Any] | None = None
    reason: str = ""
    groups: tuple[GroupRun, ...] = ()
    steps: tuple[StepRun, ...] = ()
    dry: bool = False

    @property
    def entity(self) -> str:
        """The id of its ResponsePlan."""
        return f"urn:ngsi-ld:ResponsePlan:operations:{self.id}"
