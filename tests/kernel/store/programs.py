"""Random programs for a store: writes that meet each other, and questions of every sort.

Pure: the same seed gives the same program, so that two stores can be asked the same.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import orjson

from pintu.kernel.context.record import Keep, Put, Record, Remove, Tell
from pintu.kernel.context.selection import (
    Absent,
    And,
    Compare,
    Exists,
    GeoSelection,
    Linked,
    OneOf,
    Or,
    OrderKey,
    Path,
    Q,
    Range,
    ScopeSelection,
    TypeSelection,
)
from pintu.kernel.errors import ResourceNotFound
from pintu.kernel.store.port import Op

Doc = dict[str, Any]

LONG = "长" * 900 + "x" * 3_000
TYPES = ["Lamp", "Bin", "Sensor", "https://example.org/" + "T" * 900]
ATTRIBUTES = ["power", "state", "note", "https://example.org/" + "a" * 900]
PLACES = ["location", "operationSpace"]
SCOPES = ["/east", "/east/a", "/east/a/b", "/west", "/west/ü"]
SOURCES = ["", "gateway", "street_lights/mqtt", "源"]
TENANTS = ["", "east", "west"]
NUMBERS: list[Any] = [
    *(0, 1, -3, 2.5, 0.1, 1.0, -0.0, 1e300, -1e300, 5e-324, 10**15),
    *(2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1),
]
TEXTS = [
    *("", "a", "A", "on", "off", "zürich", "zurich", "Ω", "\u0000", "a\u0000b", "\uffff"),
    *("𠮷", "\U0010ffff", "e\u0301", "é", "100%", "_a", r"back\slash", "' OR 1=1", LONG),
    *("2026-01-01T00:00:00Z", "2026-01-01T08:00:00+08:00", "2026-01-01", "12:00:00"),
    *("2026-01-01T00:00:00.5Z", "urn:ngsi-ld:Lamp:3", "x" * 255, "x" * 256, "x" * 257),
]
VALUES: list[Any] = [*NUMBERS, *TEXTS, True, False, None, [1, "b", 7], {"x": 3, "y": {"z": "q"}}]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do with a store: what, and with what. Nothing in it belongs to one store."""

    what: str
    told: dict[str, Any]


class Writing:
    """Makes operations; each is made anew for each store, from numbers that are the same."""

    def __init__(self, chance: random.Random, ids: int) -> None:
        self.chance = chance
        self.ids = [f"urn:ngsi-ld:Lamp:{number}" for number in range(ids)]
        self.ids += ["urn:x:ü", "urn:x:" + chance.randbytes(700).hex(), "urn:x:A", "urn:x:a"]

    def value(self) -> Any:
        """One value of any sort."""
        return self.chance.choice(VALUES)

    def geometry(self) -> Doc:
        """A point, line, polygon or several; some at the antimeridian and the poles."""
        chance = self.chance
        lon = chance.choice([chance.uniform(-180, 180), chance.uniform(119, 121), 179.9, -180, 180])
        lat = chance.choice([chance.uniform(-90, 90), chance.uniform(29, 31), 89.9, -90])
        sort = chance.randrange(8)
        if sort < 5:
            return {"type": "Point", "coordinates": [lon, lat]}
        side = chance.choice([0.001, 0.5, 20])
        east, north = min(lon + side, 180.0), min(lat + side, 90.0)
        if sort == 5:
            return {"type": "LineString", "coordinates": [[lon, lat], [east, north]]}
        if sort == 6:
            return {"type": "MultiPoint", "coordinates": [[lon, lat], [east, north]]}
        ring = [[lon, lat], [east, lat], [east, north], [lon, north], [lon, lat]]
        return {"type": "Polygon", "coordinates": [ring]}

    def attribute(self, name: str) -> Any:
        """One instance, or two."""
        chance = self.chance
        if name in PLACES:
            one: Doc = {"type": "GeoProperty", "value": self.geometry()}
            other: Doc = {"type": "GeoProperty", "value": self.geometry(), "datasetId": "urn:d"}
        elif name == "linked":
            one = {"type": "Relationship", "object": chance.choice(self.ids)}
            other = {**one, "datasetId": "urn:d"}
        else:
            one = {"type": "Property", "value": self.value()}
            if chance.random() < 0.3:
                one["unitCode"] = chance.choice(["CEL", "WTT"])
            if chance.random() < 0.3:
                one["accuracy"] = {"type": "Property", "value": self.value()}
            other = {"type": "Property", "value": self.value(), "datasetId": "urn:d"}
        return [one, other] if chance.random() < 0.1 else one

    def document(self, id: str) -> Doc:
        """A whole entity."""
        chance = self.chance
        types = sorted(chance.sample(TYPES, chance.choice([1, 1, 1, 2])))
        doc: Doc = {"id": id, "type": types if len(types) > 1 else types[0]}
        if chance.random() < 0.2:
            doc["scope"] = sorted(chance.sample(SCOPES, chance.randint(1, 2)))
        if chance.random() < 0.1:
            doc["expiresAt"] = chance.choice(
                ["2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", "2040-01-01T00:00:00.5Z"]
            )
        for name in (*ATTRIBUTES, *PLACES, "linked"):
            if chance.random() < 0.45:
                doc[name] = self.attribute(name)
        return doc

    def op(self) -> dict[str, Any]:
        """What one operation does, as data; `made` turns it into an operation."""
        chance = self.chance
        id = chance.choice(self.ids)
        deed = chance.choices(
            ["create", "put", "update", "delete", "touch", "late", "refuse", "break", "tell"],
            [30, 20, 30, 10, 3, 3, 2, 1, 5],
        )[0]
        told: dict[str, Any] = {"deed": deed, "id": id, "tenant": chance.choice(TENANTS[:2])}
        if deed in ("create", "put"):
            told["doc"] = self.document(id)
            told["bytes"] = chance.random() < 0.5
        elif deed in ("update", "late"):
            names = chance.sample([*ATTRIBUTES, *PLACES, "linked"], chance.randint(1, 3))
            told["attributes"] = {
                name: None if chance.random() < 0.2 else self.attribute(name) for name in names
            }
            told["times"] = chance.random() < 0.3
        elif deed == "tell":
            told["verb"] = chance.choice(["recorded", "recorded", "amended", "erased"])
            told["names"] = None if chance.random() < 0.3 else ATTRIBUTES[:2]
            told["types"] = tuple(sorted(chance.sample(TYPES, chance.choice([1, 2]))))
        return told


def made(told: dict[str, Any], tenants: dict[str, int]) -> Op:
    """The operation that `Writing.op` told."""
    tenant, id, deed = tenants[told["tenant"]], told["id"], told["deed"]
    doc: Doc = told.get("doc", {})
    body = orjson.dumps(doc) if told.get("bytes") else None
    if deed == "create":
        return Op(tenant, id, fresh=Put(doc, "created", body=body, detail="new"))

    def transform(record: Record | None, now: int) -> Put | Keep | Remove | Tell:
        if deed == "break":
            raise ZeroDivisionError("a bug")
        if deed == "tell":
            names = None if told["names"] is None else tuple(told["names"])
            return Tell(told["verb"], told["types"], b"{}", names, record and record.id)
        if deed == "put":
            return Put(doc, "created" if record is None else "replaced", body=body)
        if record is None or deed == "refuse":
            raise ResourceNotFound(f"{id[:40]} does not exist")
        if deed == "delete":
            return Remove([record.last_change, record.created_us])
        if deed == "touch":
            return Keep(orjson.loads(record.body).get("type"))
        return _changed(told, record, now)

    return Op(tenant, id, transform)


def _changed(told: dict[str, Any], record: Record, now: int) -> Put:
    whole, attributes = orjson.loads(record.body), told["attributes"]
    names = tuple(attributes)
    if told["deed"] == "late":
        return Put(whole, "updated", names, payload=orjson.dumps(attributes))
    for name, value in attributes.items():
        if value is None:
            whole.pop(name, None)
        else:
            whole[name] = value
    times = {name: [record.created_us, now] for name in names} if told["times"] else None
    return Put(whole, "updated", names, times=times, detail=sorted(names))


class Asking:
    """Makes questions."""

    def __init__(self, chance: random.Random, writing: Writing) -> None:
        self.chance, self.writing = chance, writing

    def path(self) -> Path:
        """Of a value, a member of it, a sub-attribute, a system time."""
        name = self.chance.choice(ATTRIBUTES)
        return self.chance.choice(
            [
                *[Path(name)] * 6,
                *(Path(name, (), ("x",)), Path(name, (), ("y", "z")), Path(name, ("accuracy",))),
                *(Path("modifiedAt"), Path("linked"), Path("expiresAt")),
            ]
        )

    def q(self, depth: int = 2) -> Q:
        """A comparison of any sort, or several."""
        chance, path = self.chance, self.path()
        scalars = [value for value in VALUES if isinstance(value, (str, int, float))]
        one, two = chance.choice(scalars), chance.choice(scalars)
        sort = chance.randrange(13)
        if depth and sort == 0:
            return And((self.q(depth - 1), self.q(depth - 1)))
        if depth and sort == 1:
            return Or((self.q(depth - 1), self.q(depth - 1)))
        if depth and sort == 2:
            kinds = chance.choice([(), ("Lamp",), ("Lamp", "Bin")])
            return Linked(Path("linked"), kinds, self.q(depth - 1))
        if sort == 3:
            return Exists(path) if chance.random() < 0.5 else Absent(path)
        if sort == 4:
            numbers = sorted(chance.sample([n for n in NUMBERS if n == n], 2))
            return Compare(path, "==", Range(*numbers))
        if sort == 5:
            return Compare(path, "==", Range(*sorted(chance.sample(TEXTS, 2))))
        if sort == 6:
            return Compare(path, chance.choice(["==", "!="]), OneOf((one, two)))
        if sort == 7:
            pattern = chance.choice(["^a", "^z.rich$", "^x{256}", "o[nf]", "^2026-", "^𠮷", "%"])
            return Compare(path, chance.choice(["~=", "!~="]), pattern)
        return Compare(path, chance.choice(["==", "!=", "<", "<=", ">", ">="]), one)

    def geo(self) -> GeoSelection:
        """Every relation, around points and shapes."""
        chance, name = self.chance, self.chance.choice(PLACES)
        if chance.random() < 0.6:
            place = self.writing.geometry()
            if chance.random() < 0.8:
                lon, lat = chance.choice([(180, 0), (120, 30), (-60, 90), (179.9, 89.9)])
                place = {"type": "Point", "coordinates": [lon, lat]}
            most = chance.choice([None, 1.0, 50_000.0, 4e6, 2.1e7])
            least = None if most is not None and chance.random() < 0.7 else 1_000.0
            return GeoSelection("near", place, name, most, least)
        west, south = chance.uniform(-180, 150), chance.uniform(-90, 60)
        east, north = west + 30, south + 30
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        square = {"type": "Polygon", "coordinates": [ring]}
        relation: Any = chance.choice(
            ["within", "contains", "intersects", "equals", "disjoint", "overlaps"]
        )
        return GeoSelection(relation, square, name)

    def types(self) -> TypeSelection:
        """One, two, or both at once."""
        one, two = self.chance.sample(TYPES, 2)
        return TypeSelection(
            self.chance.choice(
                [
                    (frozenset({one}),),
                    (frozenset({one}), frozenset({two})),
                    (frozenset({one, two}),),
                    (frozenset({"Ghost"}),),
                ]
            )
        )

    def order(self) -> tuple[OrderKey, ...]:
        """One key or two."""
        chance = self.chance
        place = {"type": "Point", "coordinates": [120.01, 30.0]}
        keys = [
            *[OrderKey(Path(name), chance.random() < 0.5) for name in ATTRIBUTES],
            OrderKey(Path("id"), chance.random() < 0.5),
            OrderKey(Path("type")),
            OrderKey(Path("scope")),
            OrderKey(Path("createdAt"), chance.random() < 0.5),
            OrderKey(Path("modifiedAt")),
            OrderKey(Path("location"), chance.random() < 0.5, by_distance_from=place),
            OrderKey(Path("note"), collation="sv"),
        ]
        return tuple(chance.sample(keys, chance.choice([1, 1, 2])))

    def selection(self) -> dict[str, Any]:
        """What to select by, as the members of a Selection without its tenant and page."""
        chance = self.chance
        wanted: dict[str, Any] = {}
        for share, member, make in (
            (0.6, "types", self.types),
            (0.6, "q", self.q),
            (0.25, "geo", self.geo),
            (0.3, "order", self.order),
            (0.1, "scope", self._scope),
            (0.1, "attributes", lambda: tuple(chance.sample([*ATTRIBUTES, "none"], 2))),
            (0.08, "id_pattern", lambda: chance.choice(["^urn:ngsi-ld:Lamp:1", "[05]$", "ü"])),
            (0.08, "ids", lambda: tuple(chance.choices([*self.writing.ids, "urn:no"], k=5))),
            (0.03, "dataset_ids", lambda: ("urn:d",)),
        ):
            if chance.random() < share:
                wanted[member] = make()
        return wanted

    def _scope(self) -> ScopeSelection:
        patterns = ["/east", "/east/#", "/+/a", "/west/+", "/#"]
        return ScopeSelection(tuple((one,) for one in self.chance.sample(patterns, 2)))


def program(seed: int, steps: int, *, ids: int = 40, fill: int = 0) -> list[Step]:
    """Writes and questions in turns, three questions after each turn of writing; `fill` entities
    are there first, so that indexes are worth learning.
    """
    chance = random.Random(seed)
    writing = Writing(chance, ids)
    asking = Asking(chance, writing)
    found: list[Step] = []
    for start in range(0, fill, 500):
        docs = [writing.document(f"urn:filled:{start + number}") for number in range(500)]
        ops = [{"deed": "create", "id": one["id"], "tenant": "", "doc": one} for one in docs]
        found.append(Step("submit", {"calls": [{"source": "fill", "ops": ops}]}))
    for _ in range(steps):
        calls = [
            {"source": chance.choice(SOURCES), "ops": [writing.op() for _ in range(size)]}
            for size in [chance.choice([1, 1, 2, 5, 12]) for _ in range(chance.choice([1, 1, 3]))]
        ]
        found.append(Step("submit", {"calls": calls}))
        found += [_question(chance, asking) for _ in range(3)]
    return found


def _question(chance: random.Random, asking: Asking) -> Step:
    what = chance.choices(
        [
            *("select", "retrieve", "history", "changes", "kinds", "expired", "cursor", "trim"),
            "again",
            "past",
        ],
        [60, 10, 8, 8, 6, 4, 4, 1, 1, 6],
    )[0]
    told: dict[str, Any] = {"tenant": chance.choice(TENANTS)}
    if what == "select":
        told |= {"wanted": asking.selection(), "limit": chance.choice([1, 7, 20, 500])}
    elif what in ("retrieve", "history"):
        told |= {
            "id": chance.choice([*asking.writing.ids, "urn:no"]),
            "limit": chance.choice([2, 900]),
        }
    elif what == "past":
        told |= {
            "types": chance.choice([None, asking.types()]),
            "limit": chance.choice([1, 7, 500]),
        }
    elif what == "changes":
        told |= {"part": chance.random(), "limit": chance.choice([1, 10, 1000])}
    elif what == "expired":
        told |= {
            "at": chance.choice([0, 1_780_000_000_000_000, 2**60]),
            "limit": chance.choice([1, 99]),
        }
    elif what == "cursor":
        told |= {"name": chance.choice("ab"), "part": chance.choice([None, chance.random()])}
    elif what == "trim":
        told |= {"part": chance.random() / 3}
    return Step(what, told)
