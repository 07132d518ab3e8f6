"""Bent requests at both doors of a running city: each is answered or closed, nothing is carried out
that was not asked, both doors agree; `measure("", requests)`.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
import select
import socket
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from bench.http_ops import City
from tests.faults.bends import EACH, OK, REFUSED, Bend, bends, mixes, mutant, partial
from tests.faults.callers import ENTITIES, Line
from tests.faults.city_kill import broker_of
from tests.faults.seen import Seen

ANSWER_S = 15.0
"""An answer or a close is due within this; the clock of the headers is 10 s."""
CALM_S = 0.05
MORE_S = 3.0
"""So long we wait before we say that nothing more comes."""

AT_ONCE = 8
REFUSING = frozenset((*range(400, 500), 501, 505))
MUTANTS = 5_555_000_000
"""Their first number, so far from the others' that bytes flipped in it make none of those."""
_EARLY = re.compile(r"urn:ngsi-ld:Bent:0{7}\d{3}")
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back over one connection."""

    statuses: tuple[int, ...]
    closed: bool  # the server ended it, before or after we did
    took_s: float

    @property
    def first(self) -> int:
        """The first answer that is one, 0 when there was none."""
        return next((one for one in self.statuses if one >= 200), 0)


def answers_in(got: bytes) -> tuple[int, ...]:
    """The statuses of whole answers, one after the other; bodies are stepped over."""
    found, at = [], 0
    while (match := _STATUS.match(got, at)) is not None:
        found.append(int(match[1]))
        length = re.search(rb"(?im)^content-length: *(\d+)", match[2])
        at = match.end() + (int(length[1]) if length and found[-1] >= 200 else 0)
        if length is None and b"chunked" in match[2].lower():
            at = got.find(b"0\r\n\r\n", at) + 5
    return tuple(found)


def talk(port: int, bend: Bend) -> Reply:
    """Send it, wait for an answer when one is due, then say that nothing more comes."""
    began, got, closed = time.monotonic(), b"", False
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S) as link:
        left = memoryview(bend.data)
        link.setblocking(False)
        asked = False  # we said that nothing more comes
        until = began + ANSWER_S
        while time.monotonic() < until:
            writing = [link] if left else []
            readable, writable, _ = select.select([link], writing, [], CALM_S if got else 0.5)
            try:
                if readable:
                    part = link.recv(65_536)
                    if not part:
                        closed = True
                        break
                    got += part
                elif writable:
                    left = left[link.send(left[:65_536]) :]
                elif not asked and (not bend.whole or answers_in(got) or late(began)):
                    asked = True
                    link.shutdown(socket.SHUT_WR)
            except (ConnectionError, OSError):
                closed = True
                break
            if not left and not bend.whole and not asked:
                asked = True
                with contextlib.suppress(OSError):
                    link.shutdown(socket.SHUT_WR)
    return Reply(statuses=answers_in(got), closed=closed, took_s=time.monotonic() - began)


def late(began: float) -> bool:
    """Nobody answers: the server waits for more of what says that it goes on."""
    return time.monotonic() - began > MORE_S


def judged(bend: Bend, reply: Reply) -> str:
    """What is wrong with a reply, or ""."""
    first = reply.first
    if not reply.closed:
        return f"neither an answer nor a close within {ANSWER_S:g} s: {reply.statuses}"
    if any(500 <= one < 600 and one not in REFUSING for one in reply.statuses):
        return f"answered {reply.statuses}"
    if bend.want == OK and not (200 <= first < 400):
        return f"is a good request and was answered {reply.statuses}"
    if bend.want == REFUSED and first and first not in REFUSING:
        return f"has to be refused and was answered {reply.statuses}"
    if bend.answers and len([one for one in reply.statuses if 200 <= one < 400]) != bend.answers:
        return f"{bend.answers} answers are due, there were {reply.statuses}"
    return ""


def carried_out(reply: Reply) -> bool:
    """Whether the first request was done."""
    return 200 <= reply.first < 400


def made_things(line: Line, kind: str) -> set[str]:
    """Ids of all entities of a type."""
    found: set[str] = set()
    while True:
        path = f"{ENTITIES}?type={kind}&limit=1000&offset={len(found)}&options=keyValues"
        answer = line.ask("GET", path)
        assert answer is not None and answer[0] == 200, answer
        page = json.loads(answer[1])
        found |= {one["id"] for one in page}
        if len(page) < 1000:
            return found


@dataclass(slots=True)
class Door:
    """One city and what was answered at its door."""

    name: str
    city: City
    broker: int | None
    slowest_s: float = 0.0


@contextlib.contextmanager
def doors() -> Iterator[list[Door]]:
    """The fast lane and the plain door, each a city of its own on nothing."""
    with tempfile.TemporaryDirectory(prefix="pintu-bent-") as name, contextlib.ExitStack() as open_:
        made = []
        for door, words in (("fast lane", ()), ("plain", ("--plain",))):
            folder = Path(name) / door.replace(" ", "-")
            folder.mkdir()
            city = City(folder / "data", "--open", "--no-pieces", *words)
            open_.callback(city.stop)
            made.append(Door(door, city, broker_of(city)))
        yield made


def requests(seed: int, many: int) -> Iterator[Bend]:
    """Every bend, every cut, every mix; then mutants until there are so many."""
    chance, numbers = random.Random(seed), count(MUTANTS)
    sent = 0
    for made in (*bends(1), *partial(900), *mixes(950)):
        sent += 1
        yield made
    while sent < many:
        sent += 1
        yield mutant(next(numbers), chance)


def measure(_way: str, many: int) -> Seen:
    """Half of so many requests at each door."""
    seed = random.SystemRandom().randrange(10**6)
    seen = Seen(tries=0, acknowledged=0)
    with doors() as both, ThreadPoolExecutor(AT_ONCE) as pool:
        made: list[set[str]] = [set(), set()]

        def one(bend: Bend) -> tuple[Bend, list[Reply]]:
            return bend, [talk(door.city.port, bend) for door in both]

        for bend, replies in pool.map(one, requests(seed, many // 2)):
            seen.tries += 2
            _note(bend, replies, both, made, seen)
        for door, ids in zip(both, made, strict=True):
            line = Line(door.city.port, door.city.token)
            seen.wrong += _afterwards(door, line, ids)
        slowest = ", ".join(f"{one.name} {one.slowest_s:.1f} s" for one in both)
    seen.told = f"seed {seed}; slowest {slowest}"
    return seen


def _note(
    bend: Bend, replies: list[Reply], both: list[Door], made: list[set[str]], seen: Seen
) -> None:
    for door, reply, ids in zip(both, replies, made, strict=True):
        door.slowest_s = max(door.slowest_s, reply.took_s)
        seen.acknowledged += bool(reply.statuses)
        if wrong := judged(bend, reply):
            seen.wrong.append(f"{door.name}: {bend.name}: {wrong}")
        if bend.creates and 201 in reply.statuses:
            ids.add(bend.creates)
    if bend.name.startswith("mutant"):
        return  # what is made of it is looked at below; parsers may differ in what they forgive
    if bend.want != EACH and carried_out(replies[0]) != carried_out(replies[1]):
        told = [one.statuses for one in replies]
        seen.wrong.append(f"the doors do not agree on {bend.name}: {told[0]} and {told[1]}")


def _afterwards(door: Door, line: Line, created: set[str]) -> list[str]:
    wrong = []
    if smuggled := made_things(line, "Smuggled"):
        wrong.append(f"{door.name}: {len(smuggled)} requests were smuggled in")
    there = made_things(line, "Bent")
    wrong += [f"{door.name}: {id} was answered 201 and is not there" for id in created - there]
    early = {id for id in there if _EARLY.fullmatch(id)} - created
    wrong += [f"{door.name}: {id} was refused and is there" for id in sorted(early)]
    if broker_of(door.city) != door.broker:
        wrong.append(f"{door.name}: the broker did not live through it")
    return wrong
