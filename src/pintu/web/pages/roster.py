"""The roster: who is on duty when, where nobody is, swaps, and the rotas that come again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.errors import BadRequestData, PintuError
from pintu.kernel.operations.roster.words import POSTS as ORDER
from pintu.kernel.operations.roster.words import Rota, Shift, Swap, Turn
from pintu.web.pages.render import page
from pintu.web.pages.roster_said import (
    POSTS,
    clock,
    day,
    days_later,
    enter_roster,
    form_of,
    local,
    midnight,
    minute_us,
    name_of,
    plans,
    room_of,
    shift_said,
)
from pintu.web.visit import AnyRequest, Visit

if TYPE_CHECKING:
    from pintu.kernel.operations.roster.roster import Roster

DAYS: Final = 7
MOST_AHEAD: Final = 60
EXAMPLE: Final = "0 20:00-08:00 duty LOGIN LOGIN"
LINE: Final = re.compile(r"(\d{1,3})\s+(\d\d:\d\d)-(\d\d:\d\d)\s+(\w+)\s+(.+)")


@get("/roster", include_in_schema=False)
async def roster(request: AnyRequest, week: int = 0) -> Response[Any]:
    """A week: each day's shifts, gaps, and what may be changed."""
    return await shown(enter_roster(request), week)


async def shown(visit: Visit, week: int = 0, *, why: str = "", status: int = 200) -> Response[Any]:
    """The page; `why` says what was not done."""
    room = roster_of(visit)
    week = max(-MOST_AHEAD, min(week, MOST_AHEAD))
    now_us = visit.rooms.clock.now_us()
    begin = days_later(visit, midnight(visit, now_us), DAYS * week)
    until = days_later(visit, begin, DAYS)
    shifts = room.shifts(visit.tenant, begin, until)
    return page(
        visit,
        "roster.html",
        status,
        days=_days(visit, shifts, begin),
        gaps=[
            (day(visit, a), clock(visit, a), day(visit, b), clock(visit, b))
            for a, b in room.gaps(visit.tenant, max(begin, now_us), until)
        ]
        if until > now_us
        else [],
        on_duty=[shift_said(visit, one) for one in room.on_duty(visit.tenant)],
        swaps=[_swap(visit, one) for one in room.list_swaps(visit.tenant, now_us)],
        swappable=_swappable(visit, shifts, now_us),
        people=[(one.id, one.name) for one in room.staff(visit.tenant)],
        posts=[(one, visit.words.text(POSTS[one])) for one in ORDER],
        rotas=[_rota(visit, one) for one in room.list_rotas(visit.tenant)],
        plans=plans(visit),
        example=EXAMPLE,
        week=week,
        why=why,
    )


def _days(visit: Visit, shifts: list[Shift], begin: int) -> list[dict[str, Any]]:
    """Seven days, each with its spans, each with who has it."""
    now_us = visit.rooms.clock.now_us()
    found = []
    for number in range(DAYS):
        since = days_later(visit, begin, number)
        until = days_later(visit, since, 1)
        spans: dict[tuple[int, int], list[Shift]] = {}
        for one in shifts:
            if since <= one.since_us < until or (not number and one.since_us < since):
                spans.setdefault((one.since_us, one.until_us), []).append(one)
        found.append(
            {
                "title": day(visit, since),
                "today": since <= now_us < until,
                "spans": [
                    {
                        "from": clock(visit, a),
                        "to": clock(visit, b),
                        "now": a <= now_us < b,
                        "before": a < since,
                        "shifts": [shift_said(visit, one) for one in sorted(its, key=_rank)],
                    }
                    for (a, b), its in sorted(spans.items())
                ],
            }
        )
    return found


def _rank(one: Shift) -> tuple[int, int, str]:
    return ORDER.index(one.post), one.rank, one.id


def _swappable(visit: Visit, shifts: list[Shift], now_us: int) -> list[tuple[str, str]]:
    """(person|since|until, what it is called) of the shifts the visitor may give away."""
    anybody = plans(visit)
    there = (one for one in shifts if one.until_us > now_us)
    found = []
    for one in there:
        if anybody or one.person == visit.actor.person:
            when = f"{day(visit, one.since_us)} {clock(visit, one.since_us)}"
            key = f"{one.person}|{one.since_us}|{one.until_us}"
            found.append((key, f"{when} · {name_of(visit, one.person)}"))
    return found


def _swap(visit: Visit, one: Swap) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": name_of(visit, one.person),
        "by": name_of(visit, one.by),
        "since": f"{day(visit, one.since_us)} {clock(visit, one.since_us)}",
        "until": f"{day(visit, one.until_us)} {clock(visit, one.until_us)}",
        "reason": one.reason,
        "mine": one.person == visit.actor.person or plans(visit),
    }


def _rota(visit: Visit, one: Rota) -> dict[str, Any]:
    people = visit.rooms.identity.people

    def login(id: str) -> str:
        known = people.find_person(id)
        return known.login if known is not None else id

    lines = [
        f"{turn.day} {turn.starts}-{_end(turn)} {turn.post} {' '.join(map(login, turn.people))}"
        for turn in one.turns
    ]
    return {
        "id": one.id,
        "zh": one.title.get("zh", ""),
        "en": one.title.get("en", ""),
        "title": visit.words.pick(one.title),
        "first_day": one.first_day,
        "until_day": one.until_day,
        "days": one.days,
        "zone": one.zone,
        "event": one.event,
        "lines": "\n".join(lines),
    }


def _end(turn: Turn) -> str:
    hour, minute = int(turn.starts[:2]), int(turn.starts[3:])
    over = (hour * 60 + minute + turn.minutes) % 1440
    return f"{over // 60:02d}:{over % 60:02d}"


def read_turns(visit: Visit, text: str) -> tuple[Turn, ...]:
    """Turns of lines such as `0 20:00-08:00 duty anna ben`: the day of the cycle, from when until
    when, as what, and the logins of who is first in line, second, and so on.

    Raises BadRequestData naming the line.
    """
    found = []
    for number, raw in enumerate(filter(None, map(str.strip, text.splitlines())), 1):
        match = LINE.fullmatch(raw)
        if match is None:
            raise BadRequestData(
                f"Line {number} is not like: 0 20:00-08:00 duty LOGIN LOGIN",
                zh=f"第 {number} 行不符合格式：0 20:00-08:00 duty 登录名 登录名",
            )
        begin, over = (int(one[:2]) * 60 + int(one[3:]) for one in (match[2], match[3]))
        found.append(
            Turn(
                day=int(match[1]),
                starts=match[2],
                minutes=(over - begin) % 1440 or 1440,
                people=tuple(_person(visit, one, number) for one in match[5].split()),
                post=match[4],  # type: ignore[arg-type]
            )
        )
    return tuple(found)


def _person(visit: Visit, login: str, line: int) -> str:
    known = visit.rooms.identity.people.find_login(login)
    if known is None:
        raise BadRequestData(
            f"Line {line}: nobody has the login {login[:40]!r}",
            zh=f"第 {line} 行：没有登录名 {login[:40]}",
        )
    return known.id


def roster_of(visit: Visit) -> Roster:
    """The roster of the city."""
    found = room_of(visit).roster
    assert found is not None
    return found


@post("/roster", include_in_schema=False)
async def deed(request: AnyRequest) -> Response[Any]:
    """Swap, take a swap back, put somebody on duty once, save or remove a rota."""
    visit = enter_roster(request)
    form = await form_of(request)
    room, what = roster_of(visit), form.get("deed", "")
    try:
        if what == "swap":
            await room.swap(visit.actor, _asked_swap(visit, form))
        elif what == "unswap":
            await room.unswap(visit.actor, visit.tenant, form.get("id", ""))
        elif what == "shift":
            await room.add_shift(visit.actor, _asked_shift(visit, form))
        elif what == "rota":
            await room.save_rota(visit.actor, _asked_rota(visit, form))
        elif what == "remove_rota":
            await room.remove_rota(visit.actor, visit.tenant, form.get("id", ""))
        else:
            raise BadRequestData(f"Nothing called {what[:40]!r} can be done with a roster")
    except PintuError as error:
        why = str(error.extra.get("zh", "")) if visit.words.lang == "zh-CN" else ""
        return await shown(visit, why=why or error.detail, status=error.status)
    return Redirect("/roster", status_code=303)


def _asked_swap(visit: Visit, form: dict[str, str]) -> Swap:
    parts = form.get("shift", "").split("|")
    if len(parts) != 3 or not all(one.isascii() and one.isdigit() for one in parts[1:]):
        raise BadRequestData("A swap is about a shift of the list")
    return Swap(
        id="",
        tenant=visit.tenant,
        person=parts[0],
        by=form.get("by", ""),
        since_us=int(parts[1][:18]),
        until_us=int(parts[2][:18]),
        reason=form.get("reason", "")[:500],
    )


def _asked_shift(visit: Visit, form: dict[str, str]) -> Shift:
    return Shift(
        id="",
        tenant=visit.tenant,
        person=form.get("person", ""),
        post=form.get("post", "duty"),  # type: ignore[arg-type]
        since_us=minute_us(visit, form.get("since", "")),
        until_us=minute_us(visit, form.get("until", "")),
        rank=1,
        event=form.get("event", "")[:100],
    )


def _asked_rota(visit: Visit, form: dict[str, str]) -> Rota:
    days = form.get("days", "")
    return Rota(
        id=form.get("id", ""),
        tenant=visit.tenant,
        title={"zh": form.get("zh", "")[:100], "en": form.get("en", "")[:100]},
        first_day=form.get("first_day", "") or f"{local(visit, visit.rooms.clock.now_us()):%F}",
        until_day=form.get("until_day", ""),
        days=int(days) if days.isascii() and days.isdigit() and len(days) < 5 else 0,
        turns=read_turns(visit, form.get("turns", "")),
        zone=visit.rooms.settings.tz,
        event=form.get("event", "")[:100],
    )


PAGES: Final[tuple[Any, ...]] = (roster, deed)
