"""The handover: written by itself from the journal at seven, completed and signed by people."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection

from pintu.kernel.errors import BadRequestData, Forbidden, StateConflict, Unauthorized
from pintu.kernel.operations.journal import Deed, enter
from pintu.kernel.operations.roster.telling import tell_watch

from .conftest import NIGHT_US, TENANT, Lives, SetClock, Watch, rota, until

HOUR_US = 3_600_000_000
SEVEN_US = NIGHT_US + 4 * HOUR_US


def deed(subject: str, verb: str, hours: float, room: str = "incidents", **more: Any) -> Deed:
    at_us = NIGHT_US + int(hours * HOUR_US)
    told = {"who": "detector", "tenant": TENANT, **more}
    return Deed(subject=subject, verb=verb, at_us=at_us, room=room, **told)


NIGHT = [
    deed("incident:old", "opened", -30, detail={"severity": "high"}),
    deed("incident:1", "opened", 0, detail={"severity": "high", "grade": 3}),
    deed("incident:1", "rung", 0, "roster"),
    deed("incident:1", "escalated", 0.05, "roster"),
    deed("incident:1", "answered", 0.1, "roster", who="person:a", detail={"waited_s": 240}),
    deed("incident:1", "acknowledged", 0.1, who="person:a"),
    deed("order:7", "opened", 0.2, "orders"),
    deed("order:7", "assigned", 0.3, "orders", who="person:a"),
    deed("incident:2", "opened", 1),
    deed("incident:2", "rung", 1, "roster"),
    deed("incident:2", "answered", 1.01, "roster", who="person:b", detail={"waited_s": 20}),
    deed("incident:2", "closed", 2, who="person:a", detail={"outcome": "false"}),
    deed("incident:1", "not_delivered", 2, "roster", detail={"to": "person:c"}),
    deed("command:9", "timed_out", 3, "ledger"),
    deed("shift:x", "planned", 3, "roster"),
    deed("incident:later", "opened", 5),
]


def test_what_a_watch_leaves() -> None:
    """Open ones however old, ended ones of the night, what wants attention, how it rang."""
    told = tell_watch(reversed(NIGHT), NIGHT_US - HOUR_US, SEVEN_US)
    assert ["incident:old", "incident:1", "order:7"] == [one["subject"] for one in told["open"]]
    assert ["incident:2"] == [one["subject"] for one in told["ended"]]
    assert told["ended"][0]["false_alarm"]
    assert ("acknowledged", "high") == (told["open"][1]["verb"], told["open"][1]["severity"])
    assert {"incident": 2, "order": 1} == told["open_count"]
    assert {"incident": 2, "order": 1, "command": 1} == told["began_count"]
    assert [("escalated", ""), ("not_delivered", "person:c"), ("timed_out", "")] == [
        (one["verb"], one["to"]) for one in told["attention"]
    ]
    assert {"count": 2, "answered": 2, "escalated": 1, "median_s": 130, "longest_s": 240} == (
        told["rings"]
    )
    assert ["person:a", "person:b"] == told["people"]
    assert {} == tell_watch([], 0, 10)["open_count"]


def test_a_thing_that_was_reopened_is_open() -> None:
    """The last deed counts, and messages about it are no news of it."""
    deeds = [
        deed("incident:1", "opened", 0),
        deed("incident:1", "closed", 1),
        deed("incident:1", "notified", 2, "roster"),
        deed("incident:2", "opened", 0),
        deed("incident:2", "closed", 1),
        deed("incident:2", "reopened", 2),
    ]
    told = tell_watch(deeds, NIGHT_US, SEVEN_US)
    assert (["incident:2"], ["incident:1"]) == (
        [one["subject"] for one in told["open"]],
        [one["subject"] for one in told["ended"]],
    )


async def filled(watch: Watch) -> None:
    """The night in the journal."""

    def work(connection: Connection) -> None:
        for one in NIGHT:
            enter(connection, one)

    await watch.room.handovers._book.opened.run(work)


async def test_at_seven_it_has_written_itself(watch: Watch) -> None:
    """Two sentences are added, one hands it over, another takes it; each a deed."""
    await filled(watch)
    await watch.later(4 * 3600 - 1)
    assert await watch.room.handovers.latest(TENANT) is None
    await watch.later(1)

    async def written() -> Any:
        return await watch.room.handovers.latest(TENANT)

    await until(written)
    made = await written()
    assert ("written", SEVEN_US) == (made.state, made.until_us)
    assert {"incident": 2, "order": 1} == made.content["open_count"]
    book, people = watch.room.handovers, watch.people
    for text in ("3 号配电箱已换保险。", "白班请复查滨江大道。"):
        made = await book.add(people["first"], made.id, text)
    assert ["3 号配电箱已换保险。", "白班请复查滨江大道。"] == [
        one["text"] for one in made.sentences
    ]
    with pytest.raises((Forbidden, Unauthorized)):
        await book.add(people["crew"], made.id, "x")
    with pytest.raises(BadRequestData):
        await book.add(people["first"], made.id, "  ")
    await book.hand_over(people["first"], made.id)
    with pytest.raises(StateConflict, match="does not take it"):
        await book.take(people["first"], made.id)
    done = await book.take(people["second"], made.id)
    assert ("taken", people["second"].id) == (done.state, done.taken_by)
    with pytest.raises(StateConflict):
        await book.hand_over(people["first"], made.id)
    verbs = [verb for verb, _ in await watch.deeds(f"shift:{made.id}")]
    assert ["written", "sentence_added", "sentence_added", "handed_over", "taken"] == verbs
    assert SEVEN_US + 24 * HOUR_US == watch.timers.due("operations.handover", TENANT)
    everything = str(await watch.room.journal.list_deeds())
    assert "保险" not in everything, "what an officer writes stays in the roster"


async def test_the_next_one_begins_where_it_ended(watch: Watch) -> None:
    """No minute is told twice or never; the same moment again is the same handover."""
    await filled(watch)
    first = await watch.room.handovers.write(TENANT, SEVEN_US)
    assert first == await watch.room.handovers.write(TENANT, SEVEN_US)
    second = await watch.room.handovers.write(TENANT, SEVEN_US + 12 * HOUR_US)
    assert (first.until_us, ["incident:old", "incident:1", "incident:later", "order:7"]) == (
        second.since_us,
        [one["subject"] for one in second.content["open"]],
    )
    assert [second.id, first.id] == [
        one.id for one in await watch.room.handovers.list_handovers(TENANT)
    ]


async def test_a_city_that_was_down_at_seven_writes_it_when_it_is_back(lives: Lives) -> None:
    """Of the moment it was due, once."""
    before = await lives()
    await before.room.roster.save_rota(before.people["third"], rota(before.people, "first"))
    await before.room.handovers.set_times(before.people["third"], TENANT, ("07:00", "19:00"))
    await before.start()
    await before.stop()
    after = await lives(clock=SetClock(SEVEN_US + HOUR_US))
    await after.start()

    async def written() -> Any:
        return await after.room.handovers.latest(TENANT)

    await until(written)
    assert SEVEN_US == (await written()).until_us
    await until(lambda: after.timers.due("operations.handover", TENANT) == SEVEN_US + 12 * HOUR_US)
    with pytest.raises(BadRequestData):
        await after.room.handovers.set_times(after.people["third"], TENANT, ("7",))
