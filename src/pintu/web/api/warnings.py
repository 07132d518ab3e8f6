"""/api/v1/operations/warnings: CAP 1.2 documents in and out, an Atom feed, a person's deeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Response, get, post

from pintu.kernel.access import Deed
from pintu.kernel.clock import iso
from pintu.kernel.context.decode import decode_json
from pintu.kernel.errors import BadRequestData, Forbidden, PintuError, ResourceNotFound, TooLarge
from pintu.kernel.operations.warnings import Message, PublicWarning, Taken, Warnings
from pintu.kernel.operations.warnings.opening import our_name as sender_name
from pintu.protocols import cap, cap_sign
from pintu.protocols.cap_atom import MEDIA_TYPE, FeedEntry, write_feed
from pintu.web.api.reading import as_json
from pintu.web.house import house_of
from pintu.web.visit import AnyRequest, Visit, enter

if TYPE_CHECKING:
    from pintu.kernel.operations.warnings.words import Kept
    from pintu.web.rooms import Rooms

DATA_SET: Final = "operations"
PATH: Final = "/operations/warnings"
SAID: Final = frozenset(("issued", "updated", "cancelled"))
"""Effects of messages that everybody was told."""
JSON_TYPES: Final = ("application/json", "application/ld+json")


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a deed that may have a reason."""

    reason: str = ""


# --- between the wire's words and the kernel's ----------------------------------------------------
def message_of(document: bytes) -> Message:
    """A CAP document as the kernel has it; BadRequestData or TooLarge with the reason."""
    try:
        read = cap.read(document)
    except cap.CapError as error:
        raise (TooLarge if error.over else BadRequestData)(error.detail) from error
    return msgspec.convert(msgspec.to_builtins(read), Message)


def document_of(message: Message) -> bytes:
    """A message of the kernel as a CAP document."""
    return cap.write(msgspec.convert(msgspec.to_builtins(message), cap.CapAlert))


def read_back(message: Message) -> Message:
    """A message as others would read it from us; BadRequestData or TooLarge says what they could
    not."""
    try:
        document = document_of(message)
    except (ValueError, OverflowError) as error:
        raise BadRequestData(f"The warning cannot be written as CAP: {error}") from error
    return message_of(document)


def vouched(rooms: Rooms, message: Message, document: bytes) -> Message:
    """A message held against the certificate that the town configured for its sender
    (`config/warnings/senders.toml`); as it is where there is none. Forbidden for one that its
    sender did not sign: nobody else speaks in that name."""
    certificate = certificates(rooms).get(message.sender)
    if certificate is None:
        return message
    alert = msgspec.convert(msgspec.to_builtins(message), cap.CapAlert)
    if document:
        alert = cap.read(document)
    why = cap_sign.check(document, alert, certificate, rooms.clock.now_us())
    if why:
        raise Forbidden(f"Sender {message.sender[:80]!r} did not sign this message: {why}")
    return msgspec.structs.replace(message, verified=True)


def certificates(rooms: Rooms) -> dict[str, str]:
    """Sender → certificate (PEM), as the town configured them."""
    saved = rooms.configuration.find("warnings", "senders")
    told: Any = saved.content.get("sender") if saved is not None else None
    return {
        str(one["name"]): str(one["certificate"])
        for one in (told if isinstance(told, list) else ())
        if isinstance(one, dict) and {"name", "certificate"} <= one.keys()
    }


def room_of(rooms: Rooms) -> Warnings:
    """The room of warnings; ResourceNotFound in a city without one."""
    room = rooms.operations.warnings if rooms.operations is not None else None
    if room is None:
        raise ResourceNotFound("This city has no room of warnings")
    return room


def our_name(rooms: Rooms) -> str:
    """Who we are in messages."""
    return sender_name(rooms.settings.public_url)


def may_see(visit: Visit, warning: PublicWarning) -> bool:
    """Public ones by whoever reads the city; others by who works in the operations room."""
    if warning.tenant != visit.tenant:
        return False
    return warning.message.scope == "Public" or visit.may(Deed.RESPOND)


async def get_warning(visit: Visit, id: str) -> PublicWarning:
    """One that the visitor may see; another does not exist for them."""
    warning = await room_of(visit.rooms).get(id)
    if not may_see(visit, warning):
        raise ResourceNotFound(f"Warning {id[:64]!r} does not exist")
    return warning


async def document_as_sent(visit: Visit, warning: PublicWarning) -> bytes:
    """The message that stands, as its authority wrote it, with its signature; ours as we write
    it."""
    came = await room_of(visit.rooms).document(warning.number)
    return came or document_of(warning.message)


def told(warning: PublicWarning, visit: Visit) -> dict[str, Any]:
    """A warning as JSON; times as ISO 8601. Who took, approved and saw it is told to those who
    work in the operations room."""
    plain: dict[str, Any] = msgspec.to_builtins(warning)
    if not visit.may(Deed.RESPOND):
        plain |= dict.fromkeys(("by", "approved_by", "acknowledged_by"), "")
    for name in ("sent", "from", "until", "changed"):
        plain[f"{name}At"] = iso(plain.pop(f"{name}_us"))
    plain["severity"] = warning.message.severity
    plain["entity"] = warning.entity_id
    return plain


# --- in -------------------------------------------------------------------------------------------
@post(PATH, summary="Hand in a warning (CAP 1.2)", status_code=200)
async def take(request: AnyRequest) -> Response[bytes]:
    """201 when it made a warning, 202 when it waits for a second person, else 200 with its effect
    and, where it had none, the reason. Asked for `application/cap+xml`, the answer is an Ack or an
    Error of CAP. JSON with the same fields is taken, too."""
    house = house_of(request)
    visit = enter(request, house.rooms, Deed.RESPOND, data_set=DATA_SET)
    body = await request.body()
    as_cap = cap.WRITTEN in request.headers.get("accept", "")
    message: Message | None = None
    try:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        message = _from_json(body) if kind in JSON_TYPES else message_of(body)
        document = b"" if kind in JSON_TYPES else body
        message = vouched(visit.rooms, message, document)
        taken = await room_of(visit.rooms).take(
            visit.actor, message, visit.tenant, document=document
        )
    except PintuError as error:
        if as_cap and message is not None and error.status < 500:
            return _receipt(visit, message, "Error", error.detail, error.status)
        raise
    status = {"issued": 201, "proposed": 202}.get(taken.effect, 200)
    if as_cap:
        return _receipt(visit, message, "Ack", taken.reason or taken.effect, status)
    return as_json(_outcome(taken, visit), status)


def _from_json(body: bytes) -> Message:
    """The same fields as JSON, read as strictly: what could not be sent on as CAP is not taken."""
    try:
        told = msgspec.convert(decode_json(body)[0], Message)
    except msgspec.ValidationError as error:
        raise BadRequestData(f"The warning cannot be used: {error}") from error
    return read_back(told)


def _outcome(taken: Taken, visit: Visit) -> dict[str, Any]:
    return {
        "effect": taken.effect,
        "reason": taken.reason,
        "message": taken.number,
        "warning": told(taken.warning, visit) if taken.warning is not None else None,
    }


def _receipt(visit: Visit, message: Message, kind: str, note: str, status: int) -> Response[bytes]:
    """Our Ack or Error for a message: private, to its sender (CAP 1.2, 3.2.1 msgType)."""
    now = iso(visit.rooms.clock.now_us() // 1_000_000 * 1_000_000).replace("Z", "-00:00")
    refers = cap.CapReference(
        sender=message.sender, identifier=message.identifier, sent=message.sent
    )
    answer = cap.CapAlert(
        identifier=f"pintu-{kind.lower()}-{message.identifier}"[:200],
        sender=our_name(visit.rooms),
        sent=now,
        status=message.status,
        msg_type=kind,
        scope="Private",
        addresses=(message.sender,),
        note=note,
        references=(refers,),
    )
    return Response(cap.write(answer), status_code=status, media_type=cap.WRITTEN)


# --- out ------------------------------------------------------------------------------------------
@get(PATH, summary="Warnings in force, or all of them")
async def listed(request: AnyRequest, which: str = "issued") -> Response[bytes]:
    """`which`: issued (in force), or all; newest change first."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    room = room_of(visit.rooms)
    found = await (room.recent(visit.tenant) if which == "all" else room.active(visit.tenant))
    return as_json([told(one, visit) for one in found if may_see(visit, one)])


@get(f"{PATH}/feed.atom", summary="Public warnings as an Atom feed")
async def feed(request: AnyRequest) -> Response[bytes]:
    """In force and over, newest change first; each entry leads to its CAP document."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    found = await room_of(visit.rooms).recent(visit.tenant)
    url = (visit.rooms.settings.public_url or str(request.base_url)).rstrip("/")
    here = f"{url}/api/v1{PATH}"
    public = [one for one in found if one.message.scope == "Public"]
    newest = max((one.changed_us for one in public), default=visit.rooms.clock.now_us())
    entries = [_entry(one, f"{here}/{one.id}.cap", visit) for one in public]
    title = visit.words.text("Warnings to the public")
    name, address = our_name(visit.rooms), f"{here}/feed.atom"
    body = write_feed(title, address, iso(newest), entries, author=name)
    return Response(body, media_type=MEDIA_TYPE, headers={"Cache-Control": "max-age=30"})


def _entry(one: PublicWarning, link: str, visit: Visit) -> FeedEntry:
    info = next(
        (i for i in one.message.infos if i.language.lower().startswith(visit.words.lang[:2])),
        one.message.infos[0] if one.message.infos else None,
    )
    title = (info.headline or info.event) if info else one.message.identifier
    return FeedEntry(
        id=one.entity_id,
        title=title,
        updated=iso(one.changed_us),
        published=iso(one.sent_us),
        author=(info.sender_name if info else "") or one.message.sender,
        link=link,
        summary=f"{one.state} · {one.message.severity} · {iso(one.until_us)}",
        category=one.message.category,
    )


@get(PATH + "/{name:str}", summary="One warning; with .cap its CAP document")
async def one_warning(request: AnyRequest, name: str) -> Response[bytes]:
    """JSON with every message of it, or the document of the message that stands."""
    visit = enter(request, house_of(request).rooms, data_set=DATA_SET)
    warning = await get_warning(visit, name.removesuffix(".cap"))
    if name.endswith(".cap"):
        return Response(await document_as_sent(visit, warning), media_type=cap.WRITTEN)
    messages = [msgspec.to_builtins(one) for one in await messages_for(visit, warning)]
    return as_json({**told(warning, visit), "messages": messages})


async def messages_for(visit: Visit, warning: PublicWarning) -> list[Kept]:
    """The messages of a warning that the visitor may read: for who does not work in the operations
    room only what was said to the public, and not who handed it in."""
    found = await room_of(visit.rooms).messages(warning.id)
    if visit.may(Deed.RESPOND):
        return found
    public = (one for one in found if one.effect in SAID and one.message.scope == "Public")
    return [msgspec.structs.replace(one, who="") for one in public]


# --- a person's deeds -----------------------------------------------------------------------------
@post(PATH + "/{id:str}/acknowledge", summary="Somebody has seen it", status_code=200)
async def acknowledge(request: AnyRequest, id: str) -> Response[bytes]:
    """The first who did is remembered."""
    visit = enter(request, house_of(request).rooms, Deed.RESPOND, data_set=DATA_SET)
    return as_json(told(await room_of(visit.rooms).acknowledge(visit.actor, id), visit))


@post(PATH + "/{id:str}/settle", summary="Follow this one of several", status_code=200)
async def settle(request: AnyRequest, id: str) -> Response[bytes]:
    """Of warnings that contradict each other; what the others set going is taken back."""
    visit = enter(request, house_of(request).rooms, Deed.RESPOND, data_set=DATA_SET)
    said = await _said(request)
    settled = await room_of(visit.rooms).settle(visit.actor, id, said.reason)
    return as_json(told(settled, visit))


@post(PATH + "/messages/{number:int}/approve", summary="The second person", status_code=200)
async def approve(request: AnyRequest, number: int) -> Response[bytes]:
    """A message that waits takes effect; 403 for who wrote it, 409 when it does not wait."""
    visit = enter(request, house_of(request).rooms, Deed.RESPOND, data_set=DATA_SET)
    return as_json(_outcome(await room_of(visit.rooms).approve(visit.actor, number), visit))


@post(PATH + "/messages/{number:int}/withdraw", summary="Not this message", status_code=200)
async def withdraw(request: AnyRequest, number: int) -> Response[bytes]:
    """A message that waits never takes effect."""
    visit = enter(request, house_of(request).rooms, Deed.RESPOND, data_set=DATA_SET)
    said = await _said(request)
    taken = await room_of(visit.rooms).withdraw(visit.actor, number, said.reason)
    return as_json(_outcome(taken, visit))


async def _said(request: AnyRequest) -> Said:
    body = await request.body()
    try:
        return msgspec.convert(decode_json(body)[0], Said) if body else Said()
    except msgspec.ValidationError as error:
        raise BadRequestData(f"The body cannot be used: {error}") from error


HANDLERS: Final[tuple[Any, ...]] = (
    take, listed, feed, one_warning, acknowledge, settle, approve, withdraw,
)  # fmt: skip
