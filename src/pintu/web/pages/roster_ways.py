"""Ways to oneself: where messages and rings reach a person, when they are quiet, and a try."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.errors import BadRequestData, PintuError, Unauthorized
from pintu.kernel.operations.roster.ways import masked
from pintu.kernel.operations.roster.words import SEVERITIES, Message, Reach
from pintu.web.house import house_of
from pintu.web.pages.render import page
from pintu.web.pages.roster_said import channel_titles, form_of, receipt_said, room_of
from pintu.web.visit import AnyRequest, Visit, enter
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kernel.operations.roster.channels import OperatorChannels
    from pintu.kernel.operations.roster.ways import Ways

DONE: Final = {
    "saved": mark("Kept. Try whether it reaches you."),
    "removed": mark("The address is gone."),
    "tried": mark("A message is on its way to you; below is what became of it."),
}
TRY: Final = {"zh": "试一试：这是一条测试消息。", "en": "A try: this is a test message."}
TRY_TITLE: Final = {"zh": "测试消息", "en": "Test message"}
LATELY: Final = 20


def enter_ways(request: AnyRequest) -> Visit:
    """A visit of a person, about themself."""
    visit = enter(request, house_of(request).rooms, None)
    if not visit.actor.person:
        raise Unauthorized("Ways are a person's own: sign in")
    return visit


@get("/roster/ways", include_in_schema=False)
async def ways(request: AnyRequest, done: str = "") -> Response[Any]:
    """Each way with its address masked, and what came of the last messages."""
    return await shown(enter_ways(request), done=done)


async def shown(visit: Visit, *, done: str = "", why: str = "", status: int = 200) -> Response[Any]:
    """The page; `why` says what was not done."""
    known, channels = parts(visit)
    notifier = room_of(visit).notifier
    assert notifier is not None
    titles = channel_titles(visit)
    lately = await notifier.list_receipts(visit.tenant, person=visit.actor.person, limit=LATELY)
    return page(
        visit,
        "roster_ways.html",
        status,
        ways=[_said(titles, one) for one in known.of(visit.actor.person)],
        channels=_offered(titles, channels),
        severities=SEVERITIES,
        lately=[receipt_said(visit, one, titles) for one in lately],
        done=visit.words.text(DONE[done]) if done in DONE else "",
        why=why,
    )


def _said(titles: dict[str, str], one: Reach) -> dict[str, Any]:
    return {
        "id": one.id,
        "channel": titles.get(one.channel, one.channel),
        "address": masked(one),
        "quiet": "–".join(one.quiet) if one.quiet else "",
        "least": one.least,
        "broken": one.broken,
        "at_us": one.at_us,
    }


def _offered(titles: dict[str, str], channels: OperatorChannels) -> list[tuple[str, str]]:
    """(name, title) of the channels an address can be left for."""
    names = [one.name for one in channels.list_channels()]
    return [(one, titles.get(one, one)) for one in [*names, "webhook"]]


def parts(visit: Visit) -> tuple[Ways, OperatorChannels]:
    """The ways and the channels of the city."""
    room = room_of(visit)
    assert room.ways is not None and room.channels is not None
    return room.ways, room.channels


@post("/roster/ways", include_in_schema=False)
async def deed(request: AnyRequest) -> Response[Any]:
    """Leave a way, take one away, or try them all."""
    visit = enter_ways(request)
    form = await form_of(request)
    known, _ = parts(visit)
    what = form.get("deed", "")
    try:
        if what == "save":
            await known.save(visit.actor, visit.tenant, _asked(visit, form))
            done = "saved"
        elif what == "remove":
            await known.remove(visit.actor, visit.tenant, form.get("id", ""))
            done = "removed"
        elif what == "try":
            await _try(visit)
            done = "tried"
        else:
            raise BadRequestData(f"Nothing called {what[:40]!r} can be done with a way")
    except PintuError as error:
        return await shown(visit, why=error.detail, status=error.status)
    return Redirect(f"/roster/ways?done={done}", status_code=303)


def _asked(visit: Visit, form: dict[str, str]) -> Reach:
    _, channels = parts(visit)
    name = form.get("channel", "")
    known = channels.find(name)
    if known is None and name != "webhook":
        raise BadRequestData(f"Channel {name[:40]!r} is not set up")
    quiet = (form.get("from", ""), form.get("to", ""))
    return Reach(
        id="",
        person=visit.actor.person,
        kind=known.kind if known is not None else "webhook",
        channel=name,
        address=form.get("address", ""),
        quiet=quiet if all(quiet) else None,
        least=form.get("least", "informational"),  # type: ignore[arg-type]
        lang="zh" if visit.words.lang == "zh-CN" else "en",
    )


async def _try(visit: Visit) -> None:
    notifier = room_of(visit).notifier
    assert notifier is not None
    subject = f"drill:{uuid.uuid4().hex[:8]}"
    message = Message(
        subject=subject, title=TRY_TITLE, text=TRY, severity="critical", link="/roster/ways",
        kind="test",
    )  # fmt: skip
    await notifier.send(visit.tenant, message, [visit.actor.id], f"test/{subject}")


PAGES: Final[tuple[Any, ...]] = (ways, deed)
