"""The operator's channels: mail server, gateways for SMS and instant messages, a broker."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.access import Act, Deed
from pintu.kernel.errors import BadRequestData, PintuError
from pintu.kernel.operations.roster.channels.settings import Channel
from pintu.web.house import house_of
from pintu.web.pages.render import page
from pintu.web.pages.roster_said import DATA_SET, form_of, room_of
from pintu.web.pages.roster_ways import parts
from pintu.web.visit import AnyRequest, Visit, enter
from pintu.web.words import mark

KINDS: Final = {
    "webhook": mark("Webhook: SMS or instant messages"),
    "email": mark("E-mail"),
    "mqtt": mark("MQTT"),
}
PLACES: Final = (
    "{to}", "{title}", "{text}", "{severity}", "{link}", "{subject}", "{receipt}", "{key}",
    "{city}", "{secret}",
)  # fmt: skip
SMS: Final = '{"phone": "{to}", "content": "{title}: {text}", "report": "{receipt}"}'


def enter_channels(request: AnyRequest) -> Visit:
    """A visit of whoever administers the city."""
    visit = enter(request, house_of(request).rooms, None, data_set=DATA_SET)
    act = Act(deed=Deed.OPERATE, tenant=visit.tenant, data_set=DATA_SET)
    visit.rooms.gate.decide(visit.actor, act)
    return visit


@get("/roster/channels", include_in_schema=False)
async def channels(request: AnyRequest, name: str = "") -> Response[Any]:
    """Each channel as it was told; what waits for each endpoint."""
    return await shown(enter_channels(request), name)


async def shown(
    visit: Visit, name: str = "", *, form: dict[str, str] | None = None, why: str = ""
) -> Response[Any]:
    """The page; `why` says what was not kept of `form`."""
    _, known = parts(visit)
    notifier = room_of(visit).notifier
    assert notifier is not None
    listed = known.list_channels()
    chosen = next((one for one in listed if one.name == name), None)
    values = msgspec.to_builtins(chosen) if chosen is not None else {}
    told = form or {key: str(it) for key, it in values.items() if isinstance(it, str | int)}
    if form is None and chosen is not None:
        told |= {"zh": chosen.title.get("zh", ""), "en": chosen.title.get("en", "")}
        told["headers"] = "\n".join(f"{key}: {value}" for key, value in chosen.headers.items())
    return page(
        visit,
        "roster_channels.html",
        400 if why else 200,
        channels=[
            {
                "name": one.name,
                "title": visit.words.pick(one.title) or one.name,
                "kind": visit.words.text(KINDS[one.kind]),
                "where": one.url.partition("?")[0] or f"{one.host}:{one.port}",
                "security": one.security if one.kind != "webhook" else "",
                "to": bool(one.to),
            }
            for one in listed
        ],
        mistakes=known.mistakes(),
        busy=notifier.sender.busy(),
        kinds=[(one, visit.words.text(title)) for one, title in KINDS.items()],
        places=PLACES,
        sms=SMS,
        told=told,
        why=why,
    )


@post("/roster/channels", include_in_schema=False)
async def deed(request: AnyRequest) -> Response[Any]:
    """Keep a channel, or take one away."""
    visit = enter_channels(request)
    form = await form_of(request)
    _, known = parts(visit)
    try:
        if form.get("deed") == "remove":
            known.remove(form.get("name", ""))
        else:
            secret = form.get("secret", "")
            wish = "" if form.get("forget") else secret or None
            known.save(read_form(form), by=visit.actor.id, secret=wish)
    except PintuError as error:
        return await shown(visit, form.get("name", ""), form=form, why=error.detail)
    return Redirect("/roster/channels", status_code=303)


def read_form(form: dict[str, str]) -> Channel:
    """A channel of a form; BadRequestData for what cannot be one."""
    told: dict[str, Any] = {
        name: form[name]
        for name in Channel.__struct_fields__
        if form.get(name) and name not in ("title", "headers", "port")
    }
    told["title"] = {lang: form[lang] for lang in ("zh", "en") if form.get(lang)}
    port = form.get("port", "")
    told["port"] = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 0
    pairs = [line.partition(":") for line in form.get("headers", "").splitlines() if line.strip()]
    told["headers"] = {name.strip(): value.strip() for name, _, value in pairs}
    try:
        return msgspec.convert(told, Channel)
    except msgspec.ValidationError as error:
        raise BadRequestData(f"That is no channel: {error}") from error


PAGES: Final[tuple[Any, ...]] = (channels, deed)
