"""Aggregations answered from sums that are kept ready, without reading rows: the same answer, to
the last bit (4.5.19)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.analytics.aggregating import METHODS, Ask
from pintu.kernel.clock import iso
from pintu.kernel.store.port import settled
from pintu.web.ngsi_ld.temporal_seeing import past_of

if TYPE_CHECKING:
    from pintu.kernel.analytics.aggregating import Sums
    from pintu.web.ngsi_ld.operation import Call
    from pintu.web.ngsi_ld.temporal_asking import Question

HOUR_US: Final = 3_600_000_000
FOREVER_US: Final = 4_102_444_800_000_000
"""2100-01-01: nothing was observed later."""


def summable(question: Question) -> bool:
    """Is it one of those questions that sums of hours may answer: of named attributes, whole hours
    from a whole hour on, of everybody who has any?
    """
    asked, selection = question.asked, question.selection
    if question.look.form != "aggregatedValues" or not METHODS.issuperset(asked.methods):
        return False
    if not (question.sight.whole and question.shown) or question.look.sys_attrs:
        return False
    if question.beside is not None:  # what others told is in no sum
        return False
    if asked.timeproperty != "observedAt" or asked.last_n or asked.low_us is None:
        return False
    if selection is not None and (
        selection.q is not None
        or selection.geo is not None
        or selection.scope is not None
        or selection.id_pattern is not None
        or bool(selection.ids and selection.types)  # whose types are not looked at
    ):
        return False
    if question.datasets is not None or "scope" in question.shown:
        return False
    times = (asked.low_us, asked.high_us or 0, asked.period.micros)
    return bool(
        asked.period.micros and not asked.period.months and not any(one % HOUR_US for one in times)
    )


async def summed(call: Call, question: Question, ids: list[str]) -> dict[str, Any] | None:
    """Entity → its document, for those of some ids that have anything there; None: ask the rows."""
    asked, shown = question.asked, question.shown
    assert shown is not None
    assert asked.low_us is not None
    past = past_of(call)
    by_name: dict[str, Sums] = {}
    for name in sorted(shown):
        ask = Ask(
            tenant=call.tenant,
            ids=tuple(ids),
            attribute=name,
            low_us=asked.low_us,
            high_us=asked.high_us or FOREVER_US,
            step_us=asked.period.micros,
            methods=asked.methods,
            alone=True,
        )
        found = await settled(past.aggregate(ask))
        if found is None:
            return None
        by_name[name] = found
    return {
        id: await _document(call, question, id, by_name)
        for id in ids
        if any(id in found for found in by_name.values())
    }


async def _document(
    call: Call, question: Question, id: str, by_name: dict[str, Sums]
) -> dict[str, Any]:
    look, step_us, terms = question.look, question.asked.period.micros, call.terms
    shown: dict[str, Any] = {}
    if look.wants("id"):
        shown["id"] = id
    if look.wants("type"):
        types = [terms.shown(name) for name in await _types(call, id)]
        shown["type"] = types[0] if len(types) == 1 else types
    for name, sums in by_name.items():
        if id not in sums or not look.wants(name):
            continue
        begins, columns = sums[id]
        times = [(iso(begin), iso(begin + step_us)) for begin in begins]
        shown[terms.shown(name)] = {
            "type": "Property",
            **{
                method: [[value, *time] for value, time in zip(columns[method], times, strict=True)]
                for method in question.asked.methods
            },
        }
    return shown


async def _types(call: Call, id: str) -> tuple[str, ...]:
    record = await settled(call.rooms.store.retrieve(call.tenant, id))
    if record is not None:
        return record.types
    rows = await settled(call.rooms.store.history(call.tenant, id, limit=1))
    return rows[0].types if rows else ()
