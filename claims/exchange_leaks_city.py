"""A city in which every value can be told from every other: data, agreements and callers."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson

from pintu.city import City
from pintu.kernel.access import Mask
from pintu.kernel.context.record import Put
from pintu.kernel.exchange.agreements.words import Agreement, Limits, Terms
from pintu.kernel.exchange.landing import open_landing
from pintu.kernel.exchange.words import Condition
from pintu.kernel.identity.words import Organisation
from pintu.kernel.intake.mapping.words import Row
from pintu.kernel.store.port import Op
from pintu.settings import Settings
from pintu.web.app import build_app
from pintu.web.ngsi_ld import Broker

PURPOSE = "school-entry"
REASON = "Enrolment of the new classes"
SENSORS, PEOPLE = 36, 60
DISTRICTS = ("D0", "D1", "D2", "D3")
SCHOOLS = ("S0", "S1", "S2")
CONTEXT_FIELDS = (
    "district", "level", "name", "code", "location", "link", "note", "many", "when", "sheet",
    "items",
)  # fmt: skip
TABLE_FIELDS = ("id", "idno", "name", "school", "born", "dose", "vaccinated", "phone")
KINDS = ("drop", "truncate", "generalise", "pseudonym", "yes_no")


@dataclass(slots=True)
class Shelf:
    """The agreements in force, as the gate asks for them."""

    known: dict[str, Agreement] = field(default_factory=dict)
    heard: list[Any] = field(default_factory=list)
    breaks_a_day: int = 1_000_000  # random limits are gone over all the time

    def active(self, id: str) -> Agreement | None:
        """The one in force under an id."""
        return self.known.get(id)

    def of_consumer(self, organisation: str) -> list[Agreement]:
        """Those of a consumer."""
        return [one for one in self.known.values() if one.terms.consumer == organisation]

    def held(self, agreement: str, rows: int) -> None:
        """Nobody asks for copies back."""

    def listen(self, callback: Any) -> None:
        """Have changes told."""
        self.heard.append(callback)

    async def suspend_for(self, id: str, reason: str) -> None:
        """Agreements of a round last as long as it."""

    def put(self, agreement: Agreement) -> None:
        """Put one in force, and tell whoever listens."""
        self.known = {agreement.id: agreement}
        for callback in self.heard:
            callback(agreement)


@dataclass(slots=True)
class Scene:
    """What a round works with: the doors, and all there is as plain documents and rows."""

    city: City
    broker: Broker
    web: httpx.AsyncClient
    shelf: Shelf
    headers: dict[str, str]
    entities: list[dict[str, Any]]
    people: list[dict[str, Any]]
    taken: set[str] = field(default_factory=set)


class Marks:
    """Values nobody else has: texts `Q1f…Z`, numbers from 7000000, times of 1987."""

    def __init__(self, chance: random.Random) -> None:
        self._chance, self._number = chance, 0

    def text(self) -> str:
        """A text."""
        return f"Q{self._chance.getrandbits(40):010x}Z"

    def number(self) -> int:
        """A number."""
        self._number += self._chance.randint(1, 60)
        return 7_000_000 + self._number

    def time(self) -> str:
        """A time."""
        self._number += 1
        n = self._number
        return f"1987-{1 + n % 12:02d}-{1 + n // 12 % 28:02d}T{n // 336 % 24:02d}:{n % 60:02d}:00Z"

    def place(self) -> list[float]:
        """A place."""
        return [118 + self._chance.randint(1, 999_999) / 1e6, 30.25]


def sensor(marks: Marks, chance: random.Random, ids: list[str], number: int) -> dict[str, Any]:
    """One thing with every kind of attribute; some are missing."""
    text = marks.text
    found: dict[str, Any] = {
        "district": {"type": "Property", "value": chance.choice(DISTRICTS)},
        "level": {"type": "Property", "value": marks.number(), "unitCode": text()},
        "name": {"type": "LanguageProperty", "languageMap": {"zh": text(), "en": text()}},
        "code": {"type": "VocabProperty", "vocab": text()},
        "location": {
            "type": "GeoProperty", "value": {"type": "Point", "coordinates": marks.place()},
        },
        "link": {"type": "Relationship", "object": chance.choice(ids)},
        "note": {
            "type": "Property", "value": text(), "observedAt": marks.time(),
            "by": {"type": "Property", "value": text()},
        },
        "many": [
            {"type": "Property", "value": text()},
            {"type": "Property", "value": text(), "datasetId": f"urn:d:{text()}"},
        ],
        "when": {"type": "Property", "value": {"@type": "DateTime", "@value": marks.time()}},
        "sheet": {"type": "JsonProperty", "json": {"k": text()}},
        "items": {"type": "ListProperty", "valueList": [text(), text()]},
    }  # fmt: skip
    for name in list(found):
        if name != "district" and chance.random() < 0.15:
            del found[name]
    kind = "Sensor" if number % 6 else "Vault"
    types: Any = ["Sensor", "Vault"] if number % 9 == 1 else kind
    return {"id": ids[number], "type": types, "scope": [f"/{text()}"], **found}


def person(marks: Marks, chance: random.Random, number: int) -> dict[str, Any]:
    """One row of the table."""
    return {
        "id": marks.text(),
        "idno": marks.text(),
        "name": marks.text(),
        "school": chance.choice(SCHOOLS),
        "born": marks.time()[:10],
        "dose": marks.number(),
        "vaccinated": chance.random() < 0.6,
        "phone": marks.text() if number % 7 else None,
    }


CONTENT: dict[str, Any] = {
    "sensors": {
        "provider": "context", "type": "Sensor", "owner": "works",
        "columns": [{"name": one, "kind": "number" if one == "level" else "text"}
                    for one in CONTEXT_FIELDS],
    },
    "people": {
        "provider": "table", "owner": "health",
        "columns": [
            {"name": "id", "key": True}, {"name": "idno", "person": "id_number"},
            {"name": "name", "person": "name"}, {"name": "school"},
            {"name": "born", "kind": "date", "person": "birth"}, {"name": "dose", "kind": "number"},
            {"name": "vaccinated", "kind": "yes_no"}, {"name": "phone", "person": "phone"},
        ],
    },
}  # fmt: skip


async def open_scene(folder: Path, chance: random.Random) -> Scene:
    """A city with its data, a shelf of agreements, and one service of the school office."""
    city = await City.open(Settings(data=folder, pieces=False))
    rooms = city.rooms
    for name, content in CONTENT.items():
        rooms.configuration.save("datasets", name, content, by="claim")
    marks = Marks(chance)
    ids = [f"urn:ngsi-ld:Sensor:{marks.text()}" for _ in range(SENSORS)]
    entities = [sensor(marks, chance, ids, n) for n in range(SENSORS)]
    tenant = await rooms.store.open_tenant("")
    ops = [
        Op(tenant, one["id"], fresh=Put(one, "created", body=orjson.dumps(one))) for one in entities
    ]
    await rooms.store.submit(ops, "claim")
    people = [person(marks, chance, n) for n in range(PEOPLE)]
    landing = open_landing(
        city.tables, rooms.clock, rooms.exchange.catalogue.get("people"), source="claim"
    )
    rows = [Row(key=one["id"], values=one) for one in people]
    await landing.land("c", "1", rows, [])
    shelf = Shelf()
    rooms.gate.join(agreements=shelf)  # type: ignore[attr-defined]
    secret = await _token(rooms)
    app: Any = build_app(rooms)
    transport = httpx.ASGITransport(app=app, client=("10.0.0.9", 40_000))
    web = httpx.AsyncClient(transport=transport, base_url="http://city.example")
    return Scene(
        city, Broker(rooms), web, shelf, {"authorization": f"Bearer {secret}"}, entities, people
    )


async def _token(rooms: Any) -> str:
    await rooms.people.create_organisation(Organisation(id="school", name={"en": "School office"}))
    secret, _ = await rooms.identity.create_token(
        "school office", frozenset({"read:nowhere"}), kind="service", organisation="school"
    )
    return str(secret)


def random_agreement(chance: random.Random, number: int) -> Agreement:
    """Terms nobody thought of."""
    context = chance.random() < 0.6
    names = CONTEXT_FIELDS if context else TABLE_FIELDS
    fields = {
        name: random_mask(chance)
        for name in chance.sample(names, chance.randint(1, min(7, len(names))))
    }
    subject, k = "", 0
    if not context and chance.random() < 0.3:
        subject = chance.choice(("idno", "id"))
    elif not context and chance.random() < 0.35:
        k = chance.randint(2, 8)
        kept = chance.sample(("school", "born", "vaccinated"), chance.randint(1, 2))
        fields = {name: _grouping(name, chance) for name in kept}
    terms = Terms(
        data_set="sensors" if context else "people",
        provider="works" if context else "health",
        consumer="school",
        purpose=PURPOSE,
        basis="law",
        fields=fields,
        where=random_rows(chance, context=context),
        subject=subject,
        k=k,
        limits=Limits(calls_a_minute=0, rows_a_call=chance.choice((0, 5, 1000))),
    )
    return Agreement(id=f"ag-{number:010d}", version=1, terms=terms, state="active")


def random_mask(chance: random.Random) -> Mask:
    """Half of the fields are plain."""
    if chance.random() < 0.5:
        return Mask()
    kind: Any = chance.choice(KINDS)
    return Mask(kind=kind, keep=chance.choice((1, 3, 4, 7)), step=chance.choice((0.0, 0.1, 1000.0)))


def _grouping(name: str, chance: random.Random) -> Mask:
    return Mask(kind="truncate", keep=chance.choice((4, 7))) if name == "born" else Mask()


def random_rows(chance: random.Random, *, context: bool) -> tuple[Condition, ...]:
    """Rows that may be seen: all, or those that hold one or two conditions."""
    found = []
    if context and chance.random() < 0.7:
        found.append(Condition("district", "in", chance.sample(DISTRICTS, chance.randint(1, 3))))
    if context and chance.random() < 0.3:
        found.append(Condition("level", ">", 7_000_000 + chance.randint(0, 900)))
    if not context and chance.random() < 0.7:
        found.append(Condition("school", "=", chance.choice(SCHOOLS)))
    if not context and chance.random() < 0.3:
        found.append(Condition("dose", "<", 7_000_000 + chance.randint(900, 3_000)))
    return tuple(found)
