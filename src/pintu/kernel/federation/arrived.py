"""From what a source answered to parts of entities: stored documents with their times, cut to what
the source may tell (4.3.6.3). Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
import orjson

from pintu.kernel.context.match.pattern import compile_pattern
from pintu.kernel.context.members import ENTITY_MEMBERS
from pintu.kernel.context.read import read_entity
from pintu.kernel.context.record import Record, Times
from pintu.kernel.context.times import DEFAULT, time_key, times_of
from pintu.kernel.errors import BadRequestData
from pintu.kernel.federation.words import Share
from pintu.kernel.jsonld import Terms

MOST: Final = 20_000
"""Entities of one answer; what comes after them is not looked at."""


class Part(msgspec.Struct, gc=False):
    """What one source has of an entity: a stored document, and when what of it was written.

    `source` is the id of its registration, "" for this broker; `mode` of it, "" for this broker.
    """

    id: str
    types: frozenset[str]
    document: dict[str, Any]
    times: Times
    created_us: int = 0
    modified_us: int = 0
    source: str = ""
    mode: str = ""

    def stamps(self, name: str, dataset_id: str | None) -> list[int]:
        """[created, modified] of one attribute instance."""
        found = self.times.get(time_key(name, dataset_id)) or self.times.get(DEFAULT)
        return found or [self.created_us, self.created_us]


class Arrived(msgspec.Struct, gc=False):
    """The parts of one answer; `strange` counts what was thrown away, `why` says one reason."""

    parts: list[Part]
    strange: int = 0
    why: str = ""
    size: int = 0  # entities in the answer, thrown away or not


def local_part(record: Record) -> Part:
    """What this broker has of an entity."""
    return Part(
        record.id, frozenset(record.types), orjson.loads(record.body), times_of(record),
        record.created_us, record.modified_us,
    )  # fmt: skip


def read_answer(body: bytes, terms: Terms, share: Share, now: str) -> Arrived:
    """The parts in the body of an answer: an entity, or a list of them (both to any question).

    `now` is the city's time in ISO 8601: what is over is not there. Raises BadRequestData for a
    body that is no JSON, or neither.
    """
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequestData(f"The answer is not JSON: {error}") from error
    members = found if isinstance(found, list) else [found]
    arrived = Arrived([], size=len(members))
    for member in members[:MOST]:
        try:
            part = read_part(member, terms, share)
        except BadRequestData as error:
            arrived.strange += 1
            arrived.why = error.detail
            continue
        if part is None:
            arrived.strange += 1
            arrived.why = "an entity that was not asked for"
        elif not _over(part.document.get("expiresAt"), now):
            arrived.parts.append(part)
    if len(members) > MOST:
        arrived.strange += len(members) - MOST
        arrived.why = f"more than {MOST} entities"
    if not isinstance(found, list) and arrived.strange:
        raise BadRequestData(arrived.why)
    return arrived


def read_part(member: Any, terms: Terms, share: Share) -> Part | None:
    """One entity as a source told it, without what it may not tell; None for one that it may not
    tell of at all. Raises BadRequestData for what is no entity.
    """
    if member.__class__ is not dict:
        raise BadRequestData("An entity is not a JSON object")
    member.pop("@context", None)
    created, modified = _system_times(member)
    stamps = _stamps(member, created)
    document = read_entity(member, terms)
    id, kind = document["id"], document["type"]
    types = frozenset((kind,) if isinstance(kind, str) else kind)
    if not share.covers(id, types) and not _between_patterns(share, id, types):
        return None
    if share.names:
        document = {
            name: value
            for name, value in document.items()
            if name in ENTITY_MEMBERS or name in share.names
        }
    times = {} if not stamps else _times(stamps, document, terms)
    return Part(
        id, types, document, times, created, modified or created, share.registration.id,
        share.registration.mode,
    )  # fmt: skip


def _between_patterns(share: Share, id: str, types: frozenset[str]) -> bool:
    """Whether an entity is of the pattern that was asked for and of the types of a registered one:
    two patterns are taken to fit each other (5.12). A joined node's are not: its terms were agreed.
    """
    if share.ids or share.id_pattern is None or share.registration.node:
        return False
    if not any(one.id_pattern and not one.types.isdisjoint(types) for one in share.selectors):
        return False
    return compile_pattern(share.id_pattern)(id)


def _over(expires_at: Any, now: str) -> bool:
    return isinstance(expires_at, str) and expires_at.rstrip("Z") <= now.rstrip("Z")


Stamp = tuple[str, str | None, int, int]
"""Name as the source wrote it, datasetId, created, modified."""


def _stamps(member: dict[str, Any], created_us: int) -> list[Stamp]:
    """System times taken out of the attributes, where they are not just when the entity was made:
    what is left is read as quickly as what is written here."""
    found: list[Stamp] = []
    for name, attribute in member.items():
        if attribute.__class__ is dict:
            created, modified = _system_times(attribute)
            if created != created_us or modified != created:
                found.append((name, attribute.get("datasetId"), created, modified))
        elif attribute.__class__ is list:
            for one in attribute:
                if one.__class__ is dict:
                    created, modified = _system_times(one)
                    found.append((name, one.get("datasetId"), created, modified))
    return found


def _times(stamps: list[Stamp], document: Mapping[str, Any], terms: Terms) -> Times:
    """When attribute instances were written, by stored names."""
    found: Times = {}
    for name, dataset_id, created, modified in stamps:
        stored = name if name in document else terms.stored(name)
        if stored in document and (created or modified):
            found[time_key(stored, dataset_id)] = [created or modified, modified or created]
    return found


def _system_times(member: dict[str, Any]) -> tuple[int, int]:
    """createdAt and modifiedAt, taken out; 0 where there is none."""
    return _us(member.pop("createdAt", None)), _us(member.pop("modifiedAt", None))


@lru_cache(8192)
def _moment(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
        return int(at.timestamp() * 1_000_000) if at.tzinfo is not None else 0
    except (ValueError, OverflowError):
        return 0


def _us(text: Any) -> int:
    """Microseconds since 1970 of a time that somebody else wrote; 0 for what is none."""
    return _moment(text) if text.__class__ is str and len(text) < 40 else 0
