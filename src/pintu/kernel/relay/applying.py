"""From a relayed message to what it does to the copy: checked, then a transform; pure.

What comes is believed no more than what anybody sends: documents and fragments are read as those of
NGSI-LD are. What is then written is what the original's log says, so that the copy's documents,
rows and history are equal to it; system times are those of the copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from pintu.kernel.context.encode import exact_json
from pintu.kernel.context.read import read_entity_bytes, read_fragment
from pintu.kernel.context.record import Effect, Keep, Put, Record, Remove, Transform
from pintu.kernel.context.scalars import check_uri
from pintu.kernel.context.standing import Standing
from pintu.kernel.errors import BadRequestData, PintuError
from pintu.kernel.jsonld import CORE
from pintu.kernel.relay.rows import Row

Doc = dict[str, Any]
Refuse = Callable[[Doc], list[str]]
"""What is wrong with a stored document for a strict tenant, naming fields."""


class _Told:
    """A row of another log as `Standing` reads one, at a time of ours."""

    __slots__ = ("at_us", "id", "payload", "source", "types", "verb")

    def __init__(self, row: Row, payload: bytes, at_us: int) -> None:
        self.id, self.types, self.verb = row.id, row.types, row.verb
        self.source = "node:" if row.held else "relay/"
        self.payload, self.at_us = payload, at_us


def transform_of(row: Row, refuse: Refuse | None = None) -> Transform:
    """What a row does to the copy of its entity. Raises BadRequestData naming what is wrong."""
    if row.size:
        raise BadRequestData(
            f"{row.id} was {row.verb} with {row.size} bytes, more than a message holds: copy it "
            "by hand"
        )
    if row.verb == "deleted":
        check_uri(row.id, "id")
        return lambda record, _now_us: Keep() if record is None else Remove()
    if not row.types or list(row.types) != sorted(set(row.types)):
        raise BadRequestData(f"{row.id} has no types, or not in their order")
    if row.verb == "updated":
        return _updating(row, refuse)
    return replacing(bytes(row.data), row.id, refuse, keep_equal=False)


def replacing(
    body: bytes, id: str = "", refuse: Refuse | None = None, *, keep_equal: bool = True
) -> Transform:
    """A whole document in place of what there is; with `keep_equal` nothing is written over an
    equal one. Raises BadRequestData for a document that is none, or of another id."""
    document, body = read_document(body)
    if id and document["id"] != id:
        raise BadRequestData(f"A row of {id} holds {document['id']}")

    def transform(record: Record | None, now_us: int) -> Effect:
        if record is None:
            _let(document, refuse)
            return Put(dict(document), "created", body=body)
        if keep_equal and (record.body == body or orjson.loads(record.body) == document):
            return Keep()
        _let(document, refuse)
        return Put(dict(document), "replaced", body=body, times={"*": [now_us, now_us]})

    return transform


def foreseen(
    steps: Iterable[tuple[str, Transform]], records: dict[str, Record | None], now_us: int
) -> list[PintuError | None]:
    """What each step (id of the entity, what is done to it) would be refused with, one after the
    other on these records, which are changed as they would be."""
    found: list[PintuError | None] = []
    for id, transform in steps:
        record = records.get(id)
        try:
            effect = transform(record, now_us)
        except PintuError as error:
            found.append(error)
            continue
        found.append(None)
        if isinstance(effect, Put):
            born_us = now_us if record is None else record.created_us
            body = effect.body or exact_json(effect.entity)
            times = None if effect.times is None else exact_json(effect.times)
            records[id] = Record(0, id, (), body, born_us, now_us, times)
        elif isinstance(effect, Remove):
            records[id] = None
    return found


def read_document(body: bytes) -> tuple[Doc, bytes]:
    """(document, its bytes) of a whole entity, as it is stored; BadRequestData otherwise."""
    try:
        obj = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequestData(f"The document is not JSON: {error}") from error
    document, same = read_entity_bytes(obj, CORE)
    return document, body if same else exact_json(document)


def _updating(row: Row, refuse: Refuse | None) -> Transform:
    payload = _fragment(bytes(row.data), row.id)
    written: Doc = orjson.loads(payload)
    names = tuple(written)

    def transform(record: Record | None, now_us: int) -> Effect:
        standing = Standing() if record is None else _standing(record)
        standing.apply(_Told(row, payload, now_us))
        document = standing.doc
        assert document is not None
        _let(document, refuse)
        if record is None:  # what came before it was not told, or could not be read
            return Put(document, "created")
        late = any(document.get(name) != value for name, value in written.items())
        return Put(
            document,
            "updated",
            names,
            times=standing.times or None,
            payload=payload if late else None,
        )

    return transform


def _standing(record: Record) -> Standing:
    times = orjson.loads(record.times) if record.times else {}
    return Standing(orjson.loads(record.body), record.created_us, record.modified_us, times)


def _fragment(body: bytes, id: str) -> bytes:
    """A checked fragment: attributes that were written, null for those that went."""
    try:
        obj = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequestData(f"What was written is not JSON: {error}") from error
    if obj.__class__ is not dict or "id" in obj:
        raise BadRequestData(f"What was written of {id} is not an object of attributes")
    gone = [name for name, value in obj.items() if value is None]
    written = {name: value for name, value in obj.items() if value is not None}
    read = read_fragment({"id": id, **written}, CORE, nulls="none")
    del read["id"]
    if read == written:
        for name in gone:
            if not 0 < len(name) <= 2_000 or not name.isprintable():
                raise BadRequestData(f"An attribute that went from {id} has no name")
        return body
    return orjson.dumps({**read, **dict.fromkeys(gone)})


def _let(document: Doc, refuse: Refuse | None) -> None:
    if refuse is not None and (wrong := refuse(document)):
        raise BadRequestData("The vocabulary refuses it: " + "; ".join(wrong[:10]))
