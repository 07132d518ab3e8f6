"""Those who use a city over HTTP while something goes wrong, and remember what it answered.

Each caller has entities of its own and does one thing after the other: creates, PATCHes, batches,
deletes, subscriptions, looks at persons that leave a receipt. When no answer came, nobody knows
what became of it: both are right then, and the entity is left alone from there on.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import tomli_w

ENTITIES: Final = "/ngsi-ld/v1/entities"
TEMPORAL: Final = "/ngsi-ld/v1/temporal/entities"
UPSERT: Final = "/ngsi-ld/v1/entityOperations/upsert"
SUBSCRIPTIONS: Final = "/ngsi-ld/v1/subscriptions"
PERSONS: Final = "/api/v1/data-sets/patients_demo/rows"
REFUSALS: Final = frozenset((429, 503, 507))
BATCH: Final = 6
ABSENT: Final = -1


@dataclass(slots=True)
class Kept:
    """What one entity was answered for: its values in order, ABSENT where it was deleted."""

    values: list[int] = field(default_factory=list)
    maybe: int | None = None  # asked and never answered

    @property
    def now(self) -> int:
        """What it is now, as far as anybody was told."""
        return self.values[-1] if self.values else ABSENT

    def may_be(self, held: int) -> bool:
        """Whether a value (or ABSENT) is one it may have."""
        return held == self.now or (self.maybe is not None and held == self.maybe)

    def missing(self, told: list[int]) -> list[int]:
        """Values it was answered for that its past does not tell in order, each once."""
        wanted = [one for one in self.values if one != ABSENT]
        seen = [one for one in told if one != self.maybe or one in wanted]
        return [] if seen == wanted else [one for one in wanted if one not in told] or [-2]


class Line:
    """One kept connection; None is the answer when it broke."""

    def __init__(self, port: int, token: str, timeout_s: float = 30) -> None:
        self.port, self.timeout_s = port, timeout_s
        self.headers = {"Content-Type": "application/json"}
        if token:
            self.headers["Authorization"] = f"Bearer {token}"
        self._connection: http.client.HTTPConnection | None = None

    def ask(
        self, method: str, path: str, document: Any = None, **more: str
    ) -> tuple[int, bytes, Any] | None:
        """(status, body, headers), or None."""
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(
                    "127.0.0.1", self.port, timeout=self.timeout_s
                )
            given = document is None or isinstance(document, bytes)
            body = document if given else json.dumps(document)
            told = {name.replace("_", "-"): text for name, text in more.items()}
            headers = {**self.headers, **told}
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read(), answer.headers
        except (OSError, http.client.HTTPException):
            self.close()
            return None

    def close(self) -> None:
        """The next question opens another one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Caller(threading.Thread):
    """Does one thing after the other until `stopped`."""

    def __init__(self, port: int, token: str, name: str, *, receipts: bool = False) -> None:
        super().__init__(daemon=True)
        self.line = Line(port, token)
        self.name_, self.chance = name, random.Random(name)
        self.stopped = False
        self.kept: dict[str, Kept] = {}
        self.mine: list[str] = []  # that may still be changed
        self.subscriptions: dict[str, bool | None] = {}  # there, gone, unknown
        self.receipts: list[tuple[int, str]] = []
        self.answers: Counter[int] = Counter()
        self.acknowledged = 0
        self.wrong: list[str] = []
        self.longest_s = 0.0
        self.untold = 0  # refusals that did not say when to come again
        self._last = time.monotonic()
        self._number = 0
        self._deeds: list[Callable[[], None]] = [
            self.create, self.create, self.patch, self.patch, self.patch, self.batch,
            self.delete, self.subscribe, self.unsubscribe,
        ]  # fmt: skip
        if receipts:
            self._deeds.append(self.look)

    def run(self) -> None:
        """Until told to stop."""
        while not self.stopped:
            self.chance.choice(self._deeds)()
        self.line.close()

    # --- asking -----------------------------------------------------------------------------------
    def ask(self, method: str, path: str, document: Any = None, **more: str) -> Any:
        """(status, body, headers) or None; waits a little after a refusal."""
        answer = self.line.ask(method, path, document, **more)
        if answer is None:
            time.sleep(0.02)
            return None
        self.answers[answer[0]] += 1
        if answer[0] in REFUSALS:
            self.untold += answer[0] == 503 and "Retry-After" not in answer[2]
            time.sleep(0.05)
        elif answer[0] < 400:
            now = time.monotonic()
            self.longest_s, self._last = max(self.longest_s, now - self._last), now
            self.acknowledged += method != "GET"
        return answer

    def _id(self) -> str:
        self._number += 1
        return f"urn:ngsi-ld:Lamp:{self.name_}-{self._number}"

    def _settle(self, ids: dict[str, int], answer: Any, good: tuple[int, ...]) -> None:
        """What an answer means for the entities it was about (id: value or ABSENT)."""
        for id, value in ids.items():
            kept = self.kept.setdefault(id, Kept())
            if answer is None:
                kept.maybe = value
                if id in self.mine:
                    self.mine.remove(id)
            elif answer[0] in good:
                kept.values.append(value)
                if value == ABSENT:
                    if id in self.mine:
                        self.mine.remove(id)
                elif id not in self.mine:
                    self.mine.append(id)
            elif answer[0] not in REFUSALS:
                self.wrong.append(f"{id} := {value} was answered {answer[0]} {answer[1][:150]!r}")

    # --- deeds ------------------------------------------------------------------------------------
    def create(self) -> None:
        """A new entity."""
        id = self._id()
        self._settle({id: 1}, self.ask("POST", ENTITIES, entity(id, 1)), (201,))

    def patch(self) -> None:
        """One attribute of one of mine."""
        if not self.mine:
            return
        id = self.chance.choice(self.mine[-20:])
        value = self.kept[id].now + 1
        body = {"count": {"type": "Property", "value": value}}
        self._settle({id: value}, self.ask("PATCH", f"{ENTITIES}/{id}/attrs", body), (204,))

    def batch(self) -> None:
        """Some new and some replaced."""
        some = self.chance.sample(self.mine[-20:], min(len(self.mine), BATCH // 2))
        ids = {id: self.kept[id].now + 1 for id in some}
        ids |= {self._id(): 1 for _ in range(BATCH - len(ids))}
        answer = self.ask("POST", UPSERT, [entity(id, value) for id, value in ids.items()])
        self._settle(ids, answer, (201, 204))

    def delete(self) -> None:
        """One of mine goes."""
        if len(self.mine) > 10:
            id = self.chance.choice(self.mine[:10])
            self._settle({id: ABSENT}, self.ask("DELETE", f"{ENTITIES}/{id}"), (204,))

    def subscribe(self) -> None:
        """To what nobody writes, at an address nobody calls."""
        if len(self.subscriptions) > 60:
            return
        id = f"urn:ngsi-ld:Subscription:{self.name_}-{len(self.subscriptions)}"
        body = {
            "id": id,
            "type": "Subscription",
            "entities": [{"type": "Nothing"}],
            "notification": {"endpoint": {"uri": "http://127.0.0.1:9/"}},
        }
        answer = self.ask("POST", SUBSCRIPTIONS, body)
        if answer is None:
            self.subscriptions[id] = None
        elif answer[0] == 201:
            self.subscriptions[id] = True
        elif answer[0] not in REFUSALS:
            self.wrong.append(f"{id} was answered {answer[0]} {answer[1][:150]!r}")

    def unsubscribe(self) -> None:
        """From one of mine."""
        there = [id for id, held in self.subscriptions.items() if held]
        if len(there) < 5:
            return
        id = self.chance.choice(there)
        answer = self.ask("DELETE", f"{SUBSCRIPTIONS}/{id}")
        if answer is None:
            self.subscriptions[id] = None
        elif answer[0] == 204:
            self.subscriptions[id] = False
        elif answer[0] not in REFUSALS:
            self.wrong.append(f"{id} was answered {answer[0]} when it went")

    def look(self) -> None:
        """At a made-up person: the answer names its row of the log."""
        number = self.chance.randrange(10**6)
        answer = self.ask(
            "GET", f"{PERSONS}?f.id=DEMO-{self.name_}-{number}&purpose=treatment",
            Pintu_Reason=f"visit%20{number}", Pintu_Purpose="treatment",
        )  # fmt: skip
        if answer is None or answer[0] != 200:
            return
        told, _, leaf = (answer[2].get("Pintu-Receipt") or "").partition("; leaf=")
        if told.isdecimal() and len(leaf) == 64:
            self.receipts.append((int(told), leaf))
        else:
            self.wrong.append("an answer about a person names no row of the log")


def entity(id: str, value: int) -> dict[str, Any]:
    """A lamp with a place, so that every table has a row of it."""
    place = [120 + value % 100 / 100, 30 + hash(id) % 77 / 100]
    return {
        "id": id,
        "type": "Lamp",
        "count": {"type": "Property", "value": value},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": place}},
    }


def write_persons(data: Path) -> None:
    """A table about persons without rows, in the configuration of a city that is not started."""
    path = data / "config" / "datasets" / "patients_demo.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = [
        {"name": "id", "key": True, "person": "id_number"},
        {"name": "state", "person": "health"},
    ]
    content = {"provider": "table", "source": "patients_demo", "owner": "health"}
    path.write_text(tomli_w.dumps({**content, "columns": columns}), "utf-8")


# --- afterwards -----------------------------------------------------------------------------------
def missing_of(line: Line, callers: list[Caller], *, history: bool = True) -> list[str]:
    """Everything that is not as it was answered, one sentence each."""
    found: list[str] = []
    for caller in callers:
        for id, kept in list(caller.kept.items()):
            found += _wrong_entity(line, id, kept)
            if history and kept.values:
                found += _wrong_past(line, id, kept)
        for id, held in caller.subscriptions.items():
            answer = _read(line, f"{SUBSCRIPTIONS}/{id}")
            if held is not None and (answer is None or answer[0] != (200 if held else 404)):
                found.append(f"{id} should be {'there' if held else 'gone'}: {_short(answer)}")
        for number, leaf in caller.receipts:
            answer = _read(line, f"/api/v1/audit/proof/{number}?leaf={leaf}")
            if answer is None or answer[0] != 200 or json.loads(answer[1]).get("leaf") != leaf:
                found.append(f"receipt {number} has no row of the log: {_short(answer)}")
    return found


def _read(line: Line, path: str) -> Any:
    """A read may be asked twice: the connection may be one to a process that is gone."""
    return line.ask("GET", path) or line.ask("GET", path)


def _wrong_entity(line: Line, id: str, kept: Kept) -> list[str]:
    answer = _read(line, f"{ENTITIES}/{id}?format=simplified")
    if answer is None or answer[0] not in (200, 404):
        return [f"{id} cannot be read: {_short(answer)}"]
    held = json.loads(answer[1])["count"] if answer[0] == 200 else ABSENT
    if kept.may_be(held):
        return []
    return [f"{id} holds {held}, answered was {kept.now}, asked {kept.maybe}"]


def _wrong_past(line: Line, id: str, kept: Kept) -> list[str]:
    answer = _read(line, f"{TEMPORAL}/{id}?attrs=count&timeproperty=modifiedAt")
    if answer is None or answer[0] != 200:
        return [f"the past of {id} cannot be read: {_short(answer)}"]
    told = json.loads(answer[1]).get("count", [])
    told = told if isinstance(told, list) else [told]
    values = [one["value"] for one in told if isinstance(one.get("value"), int)]
    lacking = kept.missing(values)
    if not lacking:
        return []
    return [f"the past of {id} tells {values}, answered was {kept.values}, asked {kept.maybe}"]


def _short(answer: Any) -> str:
    return "no answer" if answer is None else f"{answer[0]} {answer[1][:120]!r}"
