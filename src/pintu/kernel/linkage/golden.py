"""A golden record: of every attribute the word of its authority, and beside it what others say;
never the latest. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from pintu.kernel.linkage.reading import (
    read_address,
    read_birth,
    read_name,
    read_number,
    read_phone,
)
from pintu.kernel.linkage.reading.features import read_sex
from pintu.kernel.linkage.words import Attribute, Cluster, Golden, Plan, Ref, Value


def golden(plan: Plan, cluster: Cluster, values: Mapping[str, Mapping[Ref, Value]]) -> Golden:
    """The golden record of a cluster; `values`: attribute → record → its value."""
    attributes = []
    for name in plan.attributes:
        says = tuple(values.get(name, {})[ref] for ref in cluster.members
                     if ref in values.get(name, {}))  # fmt: skip
        holds, settled = _holds(plan, name, says, cluster.picks.get(name))
        different = {meaning(name, one.value) for one in says}
        attributes.append(
            Attribute(
                name=name, holds=holds, settled=settled, says=says, conflict=len(different) > 1
            )
        )
    return Golden(cluster=cluster, attributes=tuple(attributes))


def _holds(
    plan: Plan, name: str, says: Sequence[Value], picked: Ref | None
) -> tuple[Value | None, str]:
    """What a steward chose; else what the first authority that says anything says, when it says
    one thing; else what everybody says, when it is one thing."""
    if picked is not None:
        for one in says:
            if (one.data_set, one.key) == (picked.data_set, picked.key):
                return one, "pick"
    for authority in plan.authority.get(name, ()):
        own = [one for one in says if one.data_set == authority]
        if own:
            one_thing = len({meaning(name, one.value) for one in own}) == 1
            return (own[0], "authority") if one_thing else (None, "")
    if says and len({meaning(name, one.value) for one in says}) == 1:
        return says[0], "only"
    return None, ""


def meaning(attribute: str, value: Any) -> str:
    """What a value says, however it is written: 15 and 18 digits of one number are one."""
    read = _READERS.get(attribute)
    found = read(value) if read is not None else ""
    return found or unicodedata.normalize("NFKC", str(value)).strip().casefold()


def _address(value: Any) -> str:
    found = read_address(value)
    if not found.road:
        return ""
    return f"{found.city}/{','.join(found.districts)}/{found.place or found.road}/{found.home}"


_READERS: dict[str, Any] = {
    "name": lambda value: read_name(value).text,
    "id_number": lambda value: read_number(value).text,
    "birth": read_birth,
    "phone": read_phone,
    "sex": read_sex,
    "address": _address,
}
