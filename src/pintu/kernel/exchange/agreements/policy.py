"""Which agreements may exist at all: Cedar policies, ours and a town's own.

Ours lie beside this file and cannot be taken away. A town's are `config/policies/NAME.toml` with
one member `cedar`, a text of `forbid`s; one that cannot be read forbids everything until it is
repaired, because what it was to forbid is not known.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.access import Mask
from pintu.kernel.errors import ConfigurationError, Forbidden
from pintu.kernel.exchange.agreements.topics import topics_of, topics_of_set
from pintu.kernel.exchange.agreements.words import Finding, Terms
from pintu.kernel.exchange.words import Column, DataSet

if TYPE_CHECKING:
    import cedarpy

    from pintu.kernel.configuration import Configuration

KIND: Final = "policies"
DAY_US: Final = 86_400_000_000
PLACES: Final = frozenset(("point", "shape"))
BROKEN: Final = "A policy of the town cannot be read: nothing is agreed until it is repaired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forbids:
    """One policy that forbids, in words."""

    id: str
    text: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """Policies that are ready to be asked."""

    policies: cedarpy.PolicySet
    texts: dict[str, Forbids] = field(default_factory=dict)  # by Cedar's own number


class Policies:
    """The built-in policies and those of a town, compiled when somebody first wants to agree on
    something: Cedar takes 9 MB, and most towns begin without an agreement."""

    def __init__(self, configuration: Configuration | None = None) -> None:
        self._configuration = configuration
        self._town: tuple[str, ...] = ()
        self._compiled: Compiled | None = None
        self.mistakes: list[str] = []
        self.look()

    def look(self) -> None:
        """Read the town's policies again if they changed."""
        found, mistakes = self._read()
        if found != self._town or mistakes != self.mistakes:
            self._town, self.mistakes = found, mistakes
            self._compiled = None

    def _read(self) -> tuple[tuple[str, ...], list[str]]:
        if self._configuration is None:
            return (), []
        mistakes = list(self._configuration.mistakes(KIND))
        found = []
        for saved in self._configuration.list_saved(KIND):
            text = saved.content.get("cedar")
            wrong = mistakes_of(text) if isinstance(text, str) else ["it has no member `cedar`"]
            mistakes += [f"Policy {saved.name!r}: {one}" for one in wrong]
            if not wrong:
                found.append(str(text))
        return tuple(found), mistakes

    def refusals(self, request: dict[str, Any]) -> list[Forbids]:
        """What forbids an agreement; nothing when it may exist. `request` as `asked` makes it."""
        if self.mistakes:
            return [
                Forbids(
                    id="broken-policy",
                    text={"en": BROKEN, "zh": "本地策略有误，修复前不能达成任何协议"},
                )
            ]
        import cedarpy

        if self._compiled is None:
            self._compiled = compiled("\n".join((built_in(), *self._town)))
        entities = request["entities"]
        told = {name: request[name] for name in ("principal", "action", "resource", "context")}
        answer = cedarpy.is_authorized(told, self._compiled.policies, entities, schema())
        if answer.allowed:
            return []
        errors = [str(one) for one in answer.diagnostics.errors]
        if errors:
            return [Forbids(id="policy-error", text={"en": errors[0], "zh": errors[0]})]
        found = [self._compiled.texts[one] for one in answer.diagnostics.reasons]
        return sorted(found, key=lambda one: one.id)

    def check(self, request: dict[str, Any]) -> None:
        """Forbidden, naming every policy that forbids it."""
        found = self.refusals(request)
        if found:
            raise Forbidden(
                "; ".join(one.text["en"] for one in found),
                policies=[one.id for one in found],
                zh="；".join(one.text["zh"] for one in found),
            )

    def findings(self, request: dict[str, Any]) -> list[Finding]:
        """The same, to be shown before anything is sent."""
        return [
            Finding(code=f"policy-{one.id}", level="error", text=one.text)
            for one in self.refusals(request)
        ]


@lru_cache(maxsize=1)
def built_in() -> str:
    """Our policies."""
    return resources.files(__package__).joinpath("policies", "refusals.cedar").read_text("utf-8")


@lru_cache(maxsize=1)
def schema() -> cedarpy.Schema:
    """What policies may speak of."""
    import cedarpy

    path = resources.files(__package__).joinpath("policies", "agreements.cedarschema")
    return cedarpy.Schema.from_str(path.read_text("utf-8"))


def compiled(text: str) -> Compiled:
    """Policies ready to be asked; ConfigurationError for what does not fit the schema."""
    import cedarpy

    checked = cedarpy.validate_policies(text, schema())
    if not checked.validation_passed:
        raise ConfigurationError([f"Policies of agreements: {one.error}" for one in checked.errors])
    texts = {}
    for number, one in json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].items():
        notes = one.get("annotations", {})
        id = notes.get("id", number)
        said = {"en": notes.get("en", f"Policy {id} of the town forbids it")}
        texts[number] = Forbids(id=id, text={**said, "zh": notes.get("zh", said["en"])})
    return Compiled(policies=cedarpy.PolicySet.from_str(text), texts=texts)


def mistakes_of(text: str) -> list[str]:
    """Why a town's policies cannot be used: they do not fit the schema, or permit something."""
    import cedarpy

    checked = cedarpy.validate_policies(text, schema())
    if not checked.validation_passed:
        return [str(one.error) for one in checked.errors]
    found = json.loads(cedarpy.policies_to_json_str(text))
    if found.get("templates") or found.get("templateLinks"):
        return ["a template is no policy"]
    kinds = {one["effect"] for one in found["staticPolicies"].values()}
    return [] if kinds <= {"forbid"} else ["a town's policies only forbid"]


# --- what is asked ------------------------------------------------------------------------------
def asked(terms: Terms, data_set: DataSet, *, stage: str, kind: str, known: bool) -> dict[str, Any]:
    """Terms as the policies see them; `kind` is the consumer's, `known` whether purpose and basis
    are codes of the city."""
    of_set = topics_of_set(data_set)
    who = {"type": "Organisation", "id": terms.consumer}
    what = {"type": "DataSet", "id": data_set.name}
    owned = {
        "owner": data_set.owner,
        "provider": data_set.provider,
        "persons": data_set.persons,
        "topics": sorted(of_set),
    }
    elsewhere = "@" in terms.consumer
    return {
        "principal": who,
        "action": {"type": "Action", "id": "agree"},
        "resource": what,
        "context": {"stage": stage, "known": known, **_told(terms, data_set, of_set)},
        "entities": [
            {"uid": who, "attrs": {"kind": kind, "elsewhere": elsewhere}, "parents": []},
            {"uid": what, "attrs": owned, "parents": []},
        ],
    }


def _told(terms: Terms, data_set: DataSet, of_set: frozenset[str]) -> dict[str, Any]:
    """What is to be seen, by what it is found, and for how long."""
    columns = {one.name: one for one in data_set.columns}
    told = {name: mask for name, mask in terms.fields.items() if mask.kind != "drop"}
    searched = [columns.get(terms.subject), *(columns.get(one.column) for one in terms.where)]
    shown = [(columns[name], mask) for name, mask in told.items() if name in columns]
    topics = of_set.union(*(topics_of(column) for column, _ in shown))
    looked = frozenset().union(*(topics_of(one) for one in searched if one is not None))
    bare = [one for one, mask in shown if mask.kind == "plain"]
    days = -(-(terms.until_us - terms.from_us) // DAY_US) if terms.until_us else 0
    return {
        "deed": terms.deed,
        "purpose": terms.purpose,
        "basis": terms.basis,
        "fields": sorted(terms.fields),
        "everything": _everything(terms, data_set),
        "marks": sorted({column.person for column, _ in shown if column.person}),
        "bare": sorted({one.person for one in bare if one.person}),
        "topics": sorted(topics | looked),
        "asked": sorted(looked),
        "open": sorted(frozenset().union(*(topics_of(one) for one in bare))),
        "place": any(one.kind in PLACES and mask.kind != "yes_no" for one, mask in shown),
        "moment": any(_moment(one, mask) for one, mask in shown),
        "subject": bool(terms.subject),
        "subjectsADay": terms.limits.subjects_a_day,
        "k": terms.k,
        "days": max(0, min(days, 1_000_000)),
        "retentionDays": terms.retention_days,
        "onward": terms.onward,
    }


def _everything(terms: Terms, data_set: DataSet) -> bool:
    return len(data_set.columns) > 1 and all(
        terms.fields.get(one.name, Mask(kind="drop")).kind == "plain" for one in data_set.columns
    )


def _moment(column: Column, mask: Mask) -> bool:
    if column.kind != "time" or mask.kind in ("yes_no", "pseudonym"):
        return False
    return not (mask.kind in ("generalise", "truncate") and 0 < mask.keep <= 10)
