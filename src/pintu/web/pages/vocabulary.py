"""The vocabulary desk: every shared word, who writes and reads it, proposals and their versions."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Response, get, post
from litestar.response import Redirect

from pintu.kernel.access import Act, Deed
from pintu.kernel.errors import BadRequestData, ConfigurationError, ResourceNotFound, Unavailable
from pintu.vocabulary import TownWord, adopt_saved, vocabulary
from pintu.vocabulary.compatible import changes
from pintu.vocabulary.town import JSON_TYPES, KINDS, read_word, saved_words
from pintu.web.api.search import plain
from pintu.web.house import House, house_of
from pintu.web.pages import labels
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, enter, raw_headers

if TYPE_CHECKING:
    from pintu.kernel.configuration import Saved
    from pintu.kit.manifest import Manifest
    from pintu.web.rooms import Rooms

DATA_SET = "vocabulary"
MODEL_WITHIN_S = 20.0
MOST_ROWS = 200
SPARE_ROWS = 5
CAPITAL = re.compile(r"(?<=[a-z0-9])([A-Z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Who writes and who reads a type: pieces by their manifests, sources by their mappings."""

    writers: list[str] = field(default_factory=list)
    readers: list[str] = field(default_factory=list)


@get("/vocabulary", include_in_schema=False)
async def browse(request: AnyRequest, q: str = "") -> Response[str]:
    """Every type with its attributes; `q` finds in Chinese and English, names and meanings."""
    rooms = house_of(request).rooms
    visit = enter(request, rooms, data_set=DATA_SET)
    kinds = rooms.store.kinds(visit.number) if visit.number else []
    counts: dict[str, int] = {}
    for kind in kinds:
        for one in kind.types:
            counts[one] = counts.get(one, 0) + kind.count
    found = [one for one in vocabulary().types() if fits(one, q)]
    strangers = sorted(counts.keys() - {one.name for one in vocabulary().types()})
    return page(
        visit,
        "vocabulary.html",
        types=sorted(found, key=lambda one: (-counts.get(one.name, 0), one.name)),
        counts=counts,
        strangers=strangers,
        town=[(saved, one) for saved, one in _own(rooms) if one.state != "adopted"],
        q=q[:100],
        may=visit.may(Deed.OPERATE, DATA_SET),
    )


@get("/vocabulary/types/{name:str}", include_in_schema=False)
async def one_type(request: AnyRequest, name: str) -> Response[str]:
    """One type: attributes with units, ranges and lists, who writes and reads it, its versions."""
    rooms = house_of(request).rooms
    visit = enter(request, rooms, data_set=DATA_SET)
    word = vocabulary().find_type(name)
    saved, town = _own_called(rooms, name)
    if word is None and town is None:
        raise ResourceNotFound(f"Type {name[:80]} is no word of the vocabulary")
    versions = rooms.configuration.versions("words", saved.name) if saved else []
    return page(
        visit,
        "vocabulary_type.html",
        name=name,
        word=word,
        town=town,
        saved=saved,
        versions=steps(versions),
        use=use_of(rooms, visit, name),
        unit_sign=labels.unit_sign,
        lists={one.name: one for one in vocabulary().code_lists()},
        may=visit.may(Deed.OPERATE, DATA_SET),
    )


@get("/vocabulary/propose", include_in_schema=False)
async def propose(
    request: AnyRequest, word: str = "", find: str = "", model: str = ""
) -> Response[str]:
    """The form of a proposal: empty, of a word there is, or of a known model."""
    rooms = house_of(request).rooms
    visit = enter(request, rooms, Deed.OPERATE, DATA_SET)
    content: dict[str, Any] = {}
    version, why = 0, ""
    found: list[dict[str, str]] = []
    try:
        if word:
            saved = rooms.configuration.get("words", word)
            content, version = saved.content, saved.version
        elif model:
            subject, _, name = model.partition("/")
            content = await _models("show", subject[:100], name[:100]) or {}
        elif find:
            found = await _models("find", find[:100])
    except Unavailable as error:
        why = error.detail
    return _form(visit, content, version=version, found=found, find=find, why=why)


@post("/vocabulary/propose", include_in_schema=False)
async def keep_proposal(request: AnyRequest) -> Response[Any]:
    """Keep a proposal, or a new version of a word; what it breaks must be wanted in so many
    words."""
    house = house_of(request)
    form, visit = await _operate(request, house)
    content = word_of_form(form)
    version = int(str(form.get("version", "0")) or 0)
    lists = {one.name: one for one in vocabulary().code_lists()}
    try:
        word = read_word(
            content, known=built_in(house.rooms), units=[one.value for one in lists["unit"].codes]
        )
    except ConfigurationError as error:
        return _form(visit, content, version=version, mistakes=error.mistakes)
    name = file_name(word.type)
    before = house.rooms.configuration.find("words", name)
    if before is not None and not form.get("breaks_wanted"):
        old = msgspec.convert(before.content, TownWord)
        broken = [one for one in changes(old, word) if one.breaks]
        if old.state == "adopted" and broken:
            said = [f"{one.attribute}: {visit.words.pick(one.what)}" for one in broken]
            return _form(visit, content, version=version, mistakes=said, breaks=True)
    house.rooms.configuration.save(
        "words", name, msgspec.to_builtins(word), by=visit.actor.id, over=version
    )
    adopt_saved(house.rooms.configuration)
    return Redirect(f"/vocabulary/types/{word.type}", status_code=303)


@post("/vocabulary/types/{name:str}/{deed:str}", include_in_schema=False)
async def decide(request: AnyRequest, name: str, deed: str) -> Response[Any]:
    """Adopt a proposal, or retire a word: what is stored keeps its names."""
    house = house_of(request)
    _, visit = await _operate(request, house)
    rooms = house.rooms
    saved, word = _own_called(rooms, name)
    if saved is None or word is None:
        raise ResourceNotFound(f"Type {name[:80]} is no word of this town")
    states = {"adopt": "adopted", "retire": "retired"}
    if deed not in states:
        raise BadRequestData(f"A word can be adopted or retired, not {deed[:40]!r}")
    since = word.since or visit.words.iso(rooms.clock.now_us())[:10]
    changed = msgspec.structs.replace(word, state=states[deed], since=since)
    rooms.configuration.save(
        "words", saved.name, msgspec.to_builtins(changed), by=visit.actor.id, over=saved.version
    )
    adopt_saved(rooms.configuration)
    return Redirect(f"/vocabulary/types/{name}", status_code=303)


# --- what these pages share -------------------------------------------------------------------
def _own(rooms: Rooms) -> list[tuple[Saved, TownWord]]:
    return saved_words(rooms.configuration)


def _own_called(rooms: Rooms, name: str) -> tuple[Saved, TownWord] | tuple[None, None]:
    return next(((saved, one) for saved, one in _own(rooms) if one.type == name), (None, None))


def built_in(rooms: Rooms) -> set[str]:
    """Types a town cannot redefine."""
    return {one.name for one in vocabulary().types()} - {one.type for _, one in _own(rooms)}


def fits(word: Any, text: str) -> bool:
    """Whether a type or one of its attributes is called or means that, in any language."""
    wanted = plain(text)
    if not wanted:
        return True
    said = [word.name, *word.label.values(), *word.description.values()]
    for name, one in word.attributes.items():
        said += [name, *one.label.values(), *(one.description or {}).values()]
    return any(wanted in plain(one) for one in said)


def use_of(rooms: Rooms, visit: Visit, name: str) -> Use:
    """Who writes and reads a type."""
    use = Use()
    for manifest in rooms.pieces:
        if name in manifest.writes:
            use.writers.append(_called(manifest, visit))
        if name in manifest.reads:
            use.readers.append(_called(manifest, visit))
    for saved in rooms.configuration.list_saved("mappings"):
        if saved.content.get("type") == name:
            use.writers.append(f"mappings/{saved.name}")
    for saved in rooms.configuration.list_saved("datasets"):
        if saved.content.get("type") == name:
            use.readers.append(f"datasets/{saved.name}")
    return use


def _called(manifest: Manifest, visit: Visit) -> str:
    title = visit.words.title(manifest.title)
    return f"{title} · {manifest.name}" if title and title != manifest.name else manifest.name


def steps(versions: list[Any]) -> list[dict[str, Any]]:
    """Versions, newest first, each with what changed since the one before it."""
    read = []
    for saved in versions:
        try:
            read.append((saved, msgspec.convert(saved.content, TownWord)))
        except msgspec.ValidationError:
            continue
    pairs = zip(read, [*read[1:], (None, None)], strict=False)  # nothing before the first
    return [
        {"saved": saved, "word": word, "changes": changes(before, word) if before else []}
        for (saved, word), (_, before) in pairs
    ]


def file_name(entity_type: str) -> str:
    """`WaterLevelObserved` → `water_level_observed`."""
    return CAPITAL.sub(r"_\1", entity_type).lower()


def word_of_form(form: Any) -> dict[str, Any]:
    """The content of a word as it was typed; what is wrong with it says `read_word`."""

    def typed(name: str) -> str:
        value = form.get(name, "")
        return value.strip()[:2_000] if isinstance(value, str) else ""

    def said(name: str) -> dict[str, str]:
        both = {lang: typed(f"{name}.{lang}") for lang in ("zh", "en")}
        return {lang: text for lang, text in both.items() if text}

    attributes = []
    for number in range(min(int(typed("rows") or 0), MOST_ROWS)):
        name = typed(f"a.{number}.name")
        if not name:
            continue
        one: dict[str, Any] = {"name": name, "label": said(f"a.{number}.label")}
        one |= {key: typed(f"a.{number}.{key}") for key in ("kind", "json", "unit")}
        for key in ("minimum", "maximum"):
            number_typed = typed(f"a.{number}.{key}")
            if number_typed:
                one[key] = _number(name, key, number_typed)
        values = [part.strip() for part in typed(f"a.{number}.values").split(",") if part.strip()]
        one |= {"values": values} if values else {}
        one |= {"required": True} if typed(f"a.{number}.required") else {}
        attributes.append({key: value for key, value in one.items() if value not in ("", {})})
    content: dict[str, Any] = {"attributes": attributes}
    content |= {name: said(name) for name in ("label", "description", "owner")}
    content |= {name: typed(name) for name in ("type", "state", "since", "source")}
    return {key: value for key, value in content.items() if value}


def _number(name: str, key: str, typed: str) -> float:
    try:
        return float(typed)
    except ValueError as error:
        raise BadRequestData(f"{key} of {name} is {typed[:40]!r}, which is no number") from error


async def _operate(request: AnyRequest, house: House) -> tuple[Any, Visit]:
    form = await request.form()
    house.rooms.identity.check_csrf(raw_headers(request), str(form.get("csrf", "")))
    visit = enter(request, house.rooms, data_set=DATA_SET)
    house.rooms.gate.decide(
        visit.actor, Act(deed=Deed.OPERATE, tenant=visit.tenant, data_set=DATA_SET)
    )
    return form, visit


def _form(visit: Visit, content: dict[str, Any], **told: Any) -> Response[str]:
    lists = {one.name: one for one in vocabulary().code_lists()}
    rows = [*content.get("attributes", []), *([{}] * SPARE_ROWS)]
    shown: dict[str, Any] = {"version": 0, "mistakes": [], "found": [], "find": "", "why": ""}
    shown |= {"breaks": False, "word": content, "rows": rows, "kinds": KINDS}
    shown |= {"json_types": JSON_TYPES, "units": lists["unit"].codes} | told
    return page(visit, "vocabulary_propose.html", 400 if shown["mistakes"] else 200, **shown)


async def _models(*arguments: str) -> Any:
    """Ask the program that knows the models; Unavailable says how to get it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "pintu.vocabulary.smart_data_models", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), MODEL_WITHIN_S)
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise Unavailable("The known models took too long to read; try again") from error
    if process.returncode != 0:
        raise Unavailable(err.decode(errors="replace").strip()[-300:] or "The models failed")
    return json.loads(out)


PAGES = (browse, one_type, propose, keep_proposal, decide)
