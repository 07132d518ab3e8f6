"""Questions about rows of persons: lists, groups, counts, profiles, one person at a time."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from claims.exchange_leaks_asking import Round, expect, web
from claims.exchange_leaks_city import (
    TABLE_FIELDS,
)
from claims.exchange_leaks_model import (
    counted,
    marks_of_person,
    under,
    visible_people,
)


async def ask_table(one: Round) -> None:
    """One question about rows, judged."""
    seen = visible_people(one.scene, one.terms)
    one.allowed = set().union(*(marks_of_person(row, one.terms) for row in seen))
    if one.terms.k:
        await _groups(one)
    elif one.terms.subject:
        await _looked_up(one, seen)
    else:
        await one.chance.choice((_rows, _rows, _added, _measured))(one, seen)


def _query(one: Round) -> tuple[str, str, Any]:
    """A filter about one column: its name, how it is asked, and what it selects."""
    name = one.chance.choice(TABLE_FIELDS)
    row = one.chance.choice(one.scene.people)
    if name == "dose":
        bound = row["dose"]
        return name, f"f.dose=above:{bound}", lambda r: r["dose"] > bound
    if name == "vaccinated":
        return name, "f.vaccinated=true", lambda r: r["vaccinated"]
    value = row[name] or "Q"
    return name, f"f.{name}={value}", lambda r: r[name] == value


async def _rows(one: Round, seen: list[dict[str, Any]]) -> None:
    """Rows filtered, sorted, of chosen columns; exactly those that must be there."""
    name, asked, test = _query(one)
    columns = one.chance.sample(TABLE_FIELDS, 2)
    wish = one.chance.choice(("", f"&order={one.chance.choice(TABLE_FIELDS)}",
                              f"&columns={','.join(columns)}", "&limit=5000"))  # fmt: skip
    status, told = await web(one, "rows", f"/api/v1/data-sets/people/rows?{asked}{wish}&count=true")
    if name not in one.plain:
        expect(one, f"asking by {name}", True, status in (400, 403))
        return
    if wish and not wish.startswith("&limit"):
        return
    if wish and one.terms.limits.rows_a_call:
        expect(one, "a bulk pull", 403, status)
        return
    expected = [row for row in seen if test(row)]
    expect(one, f"how many by {name}", (200, len(expected)), (status, told.get("total")))
    for row, shown in zip(expected, told["rows"], strict=False):
        for field_name in one.plain:
            expect(one, "a value", row[field_name], shown[field_name])
        for field_name in shown.keys() - set(one.plain):
            mask = one.terms.fields[field_name]
            if mask.kind == "yes_no":
                expect(one, "yes or no", under(mask, row[field_name]), shown[field_name])


async def _added(one: Round, seen: list[dict[str, Any]]) -> None:
    """Groups and aggregates only of what is seen as it is."""
    group, measure = one.chance.choice(TABLE_FIELDS), one.chance.choice(("", "dose", "idno"))
    what = one.chance.choice(("count", "min", "max", "last")) if measure else "count"
    target = f"/api/v1/data-sets/people/rows?group={group}&aggregate={what}&measure={measure}"
    status, told = await web(one, "groups", target)
    named = {group, measure} - {""}
    if not named <= set(one.plain):
        expect(one, f"adding up by {named}", True, status in (400, 403))
    elif what == "count":
        limit = one.terms.limits.rows_a_call
        total = sum(row["count"] for row in told["rows"])
        expect(one, "counts", True, total == len(seen) or bool(limit))


async def _measured(one: Round, seen: list[dict[str, Any]]) -> None:
    """A profile of what is seen as it is, and of the rows that are."""
    status, told = await web(one, "profile", "/api/v1/data-sets/people/profile")
    if not one.plain:
        return expect(one, "a profile of masks", 403, status)
    expect(one, "a profile", (200, len(seen), set(one.plain)),
            (status, told["rows"], set(told["columns"])))  # fmt: skip


async def _looked_up(one: Round, seen: list[dict[str, Any]]) -> None:
    """One person at a time: that person's row, or nothing; never more."""
    row, column = one.chance.choice(one.scene.people), one.terms.subject
    one.allowed = marks_of_person(row, one.terms) if row in seen else set()
    others = one.chance.choice(("", "&f.school=S1", f"&f.{column}=in:{row[column]},x", "&limit=1"))
    status, told = await web(
        one, "look", f"/api/v1/data-sets/people/rows?f.{column}={quote(row[column])}{others}"
    )
    if status == 200 and not others:
        expect(one, "one person", 1 if row in seen else 0, len(told["rows"]))
    one.allowed = set()
    for target in ("rows", "rows?limit=10", "profile", f"rows?f.{column}=contains:Q",
                   "rows?group=school", "rows?count=true&limit=0"):  # fmt: skip
        status, _ = await web(one, "bulk", f"/api/v1/data-sets/people/{target}")
        expect(one, f"a bulk pull by {target}", 403, status)


async def _groups(one: Round) -> None:
    """Counts of k or more, rounded; no other question."""
    one.allowed = {mark for mark in one.allowed if mark.startswith("1987")}
    names = sorted(one.terms.fields)
    expected = counted(one.scene, one.terms)
    for group in expected:
        one.allowed |= {str(part) for part in group}
    target = f"/api/v1/data-sets/people/rows?group={','.join(names)}"
    status, told = await web(one, "counts", target)
    found = {tuple(row[name] for name in names): row["count"] for row in told["rows"]}
    expect(one, "counts", (200, expected), (status, found))
    for asked in ("", "?limit=0&count=true", "?f.school=S1", f"?group={names[0]}&f.school=S1",
                  f"?group={names[0]}&aggregate=max&measure=dose", "?group=idno"):  # fmt: skip
        status, _ = await web(one, "beside counts", f"/api/v1/data-sets/people/rows{asked}")
        expect(one, f"beside counts {asked}", True, status in (400, 403))
