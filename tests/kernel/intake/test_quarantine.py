"""The quarantine and the health of sources."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from pintu.kernel.errors import ResourceNotFound, StateConflict, Unavailable
from pintu.kernel.intake import Held, Limits, intake
from pintu.kernel.intake.sources import Sources, alert_id
from pintu.kernel.intake.words import Envelope, Receipt, SourceReport, Unreadable, Update
from pintu.kernel.store.port import settled

from .conftest import NOON_US, Opener, Scene, batch, lamp

VOCABULARY = Path(__file__).parents[3] / "src" / "pintu" / "vocabulary"
SOURCE = "street_lights/mqtt"


def unreadable(key: str, body: bytes = b"?", source: str = SOURCE) -> Unreadable:
    """Something nobody can read."""
    return Unreadable(Envelope(source, key, NOON_US, body), f"{key} is not JSON")


async def test_what_is_held_survives_a_restart(open_scene: Opener) -> None:
    """With its counts."""
    before = await open_scene()
    await before.intake.accept(batch("b1", unreadable=[unreadable("m1"), unreadable("m2")]))
    await before.close()
    after = await open_scene()
    assert ["m2", "m1"] == [held.key for held in await after.intake.quarantine.list()]
    assert 2 == after.intake.quarantine.counts()[SOURCE].held


async def test_the_list_is_paged_and_by_source(scene: Scene) -> None:
    """Newest first."""
    await scene.intake.accept(batch("b1", unreadable=[unreadable(f"m{n}") for n in range(5)]))
    await scene.intake.hold("demo", Envelope("other/tcp", "x", NOON_US, b""), "empty")
    page = await scene.intake.quarantine.list(source=SOURCE, limit=2)
    assert ["m4", "m3"] == [held.key for held in page]
    page = await scene.intake.quarantine.list(source=SOURCE, before=page[-1].id, limit=2)
    assert ["m2", "m1"] == [held.key for held in page]
    assert ["x"] == [held.key for held in await scene.intake.quarantine.list(source="other/tcp")]


async def test_texts_that_no_store_keeps_are_held_all_the_same(scene: Scene) -> None:
    """NUL and half characters in a key or a reason become signs; the bytes stay as they came."""
    for _ in range(2):
        await scene.intake.hold(
            "demo", Envelope(SOURCE, "a\x00\ud800", NOON_US, b"\x00"), "no \x00"
        )
    (held,) = await scene.intake.quarantine.list()
    assert ("a␀?", "no ␀", b"\x00", 1) == (held.key, held.reason, held.body, held.attempts)
    await scene.intake.quarantine.drop_key(SOURCE, "a\x00\ud800")
    assert [] == await scene.intake.quarantine.list()


async def test_a_long_body_is_cut_and_says_so(scene: Scene) -> None:
    """What was cut can be looked at and dropped, not retried."""
    await scene.intake.accept(batch("b1", unreadable=[unreadable("m1", b"x" * 100_000)]))
    (held,) = await scene.intake.quarantine.list()
    assert (65_536, 100_000, True) == (len(held.body), held.size, held.truncated)
    with pytest.raises(StateConflict, match="cut from 100000 to 65536"):
        await scene.intake.retry(held.id)


async def test_the_cap_drops_the_oldest_and_says_how_many(open_scene: Opener) -> None:
    """By rows, by bytes, and over a restart: never silently."""
    scene = await open_scene(limits=Limits(held_rows=10, held_bytes=3_000))
    await scene.intake.accept(batch("b1", unreadable=[unreadable(f"m{n}") for n in range(25)]))
    assert ["m24", "m15"] == [h.key for h in await scene.intake.quarantine.list()][::9]
    assert (10, 15) == msgspec.structs.astuple(scene.intake.quarantine.counts()[SOURCE])
    await scene.intake.accept(
        batch("b2", unreadable=[unreadable("big1", b"x" * 2_000), unreadable("big2", b"x" * 2_000)])
    )
    assert ["big2"] == [held.key for held in await scene.intake.quarantine.list()]
    await scene.close()
    counts = (
        await open_scene(limits=Limits(held_rows=10, held_bytes=3_000))
    ).intake.quarantine.counts()
    assert (1, 26) == msgspec.structs.astuple(counts[SOURCE])


async def test_what_a_sender_repeats_does_not_pile_up(scene: Scene) -> None:
    """The same envelope is held once, and its attempts are counted."""
    for number in range(3):
        await scene.intake.accept(batch(f"b{number}", unreadable=[unreadable("m1")]))
    (held,) = await scene.intake.quarantine.list()
    assert 2 == held.attempts


async def test_dropping(scene: Scene) -> None:
    """By id or a whole source."""
    await scene.intake.accept(batch("b1", unreadable=[unreadable(f"m{n}") for n in range(5)]))
    (first, *_) = await scene.intake.quarantine.list()
    assert 1 == await scene.intake.quarantine.drop(ids=[first.id])
    with pytest.raises(ResourceNotFound):
        await scene.intake.quarantine.show(first.id)
    assert 4 == await scene.intake.quarantine.drop(source=SOURCE)
    assert {} == scene.intake.quarantine.counts()


async def test_an_update_is_retried_as_it_was(scene: Scene) -> None:
    """Its cause gone, it is accepted and leaves; before that the newest reason and the attempts
    stay.
    """
    await scene.intake.accept(batch("b1", lamp(1, at_us=NOON_US + 1_000_000_000)))
    (held,) = await scene.intake.quarantine.list()
    receipt = await scene.intake.retry(held.id)
    assert (0, 1) == (receipt.accepted, receipt.quarantined)
    assert 1 == (await scene.intake.quarantine.show(held.id)).attempts
    scene.clock.us += 1_000_000_000
    assert Receipt("b1#0", 1, 0) == await scene.intake.retry(held.id)
    assert [] == await scene.intake.quarantine.list()
    assert 1 == len(await scene.log())


async def test_an_envelope_is_retried_by_its_piece(scene: Scene) -> None:
    """The piece hands in what it reads; accepted whole, the envelope leaves; unreadable, it
    stays.
    """
    await scene.intake.accept(batch("b1", unreadable=[unreadable("m1")]))
    (held,) = await scene.intake.quarantine.list()
    with pytest.raises(Unavailable, match="No process"):
        await scene.intake.retry(held.id)
    answers = [
        batch("again1", unreadable=[Unreadable(held.envelope(), "still not JSON")], retry_of="m1"),
        batch("again2", lamp(1), retry_of="m1"),
    ]
    tasks = []

    def piece(_: Held) -> bool:
        tasks.append(asyncio.create_task(scene.intake.accept(answers.pop(0))))
        return True

    scene.intake.on_retry(piece)
    assert ["still not JSON"] == (await scene.intake.retry(held.id)).errors
    again = await scene.intake.quarantine.show(held.id)
    assert ("still not JSON", 1) == (again.reason, again.attempts)
    assert 1 == (await scene.intake.retry(held.id)).accepted
    await asyncio.gather(*tasks)
    assert [] == await scene.intake.quarantine.list()


async def test_a_piece_that_does_not_answer_leaves_it_held(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the person is told."""
    monkeypatch.setattr(intake, "RETRY_TIMEOUT_S", 0.01)
    await scene.intake.accept(batch("b1", unreadable=[unreadable("m1")]))
    (held,) = await scene.intake.quarantine.list()
    scene.intake.on_retry(lambda _: True)
    with pytest.raises(Unavailable, match="stays held"):
        await scene.intake.retry(held.id)
    assert held == await scene.intake.quarantine.show(held.id)


# --- sources --------------------------------------------------------------------------------------
def report(messages: int = 1, state: str = "up", interval_s: float = 5.0) -> SourceReport:
    """How the lamps' source is."""
    return SourceReport(
        SOURCE, "street_lights", messages, 0, 0, NOON_US, 0, state, "", interval_s, "demo"
    )  # type: ignore[arg-type]


class Scale:
    """The machine's time in the test's hand."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


def test_a_source_that_says_nothing_is_silent_after_its_interval() -> None:
    """Three intervals, measured in the machine's time; a new message makes it well."""
    time = Scale()
    sources = Sources(time)
    sources.report(report(1))
    time.s += 14
    sources.report(report(1))  # it lives, and got nothing new
    assert "up" == sources.list_all()[0].health
    time.s += 2
    assert "silent" == sources.list_all()[0].health
    sources.report(report(2))
    assert "up" == sources.list_all()[0].health


def test_a_source_without_an_interval_may_be_quiet() -> None:
    """Nothing was promised."""
    time = Scale()
    sources = Sources(time)
    sources.report(report(interval_s=0))
    time.s += 1e6
    assert ("up", []) == (sources.list_all()[0].health, sources.due(NOON_US))


def test_alerts_are_spelled_as_the_vocabulary_has_them() -> None:
    """Strict tenants take them: the schema says so."""
    schema = json.loads((VOCABULARY / "types" / "Alert.json").read_text())
    time = Scale()
    sources = Sources(time)
    sources.report(report())
    sources.list_all()[0].alerted = False
    time.s += 100
    ((source, raised),) = sources.due(NOON_US)
    source.alerted = True
    sources.report(report(2))
    ((_, cleared),) = sources.due(NOON_US)
    for entity in (raised.entity, cleared.entity):
        assert set() == entity.keys() - schema["properties"].keys() - {
            "id",
            "type",
            "name",
            "description",
        }
        for member, codes in (
            ("status", "alertStatus"),
            ("severity", "alertSeverity"),
            ("category", "alertCategory"),
        ):
            known = json.loads((VOCABULARY / "codes" / f"{codes}.json").read_text())["oneOf"]
            assert member not in entity or entity[member]["value"] in {
                one["const"] for one in known
            }


def test_a_lost_connection_is_an_alert_after_a_moment() -> None:
    """Ten seconds: a reconnect is no news."""
    time = Scale()
    sources = Sources(time)
    sources.report(report(state="down"))
    sources.list_all()[0].alerted = False
    assert [] == sources.due(NOON_US)
    time.s += 5
    sources.report(report())
    assert [] == sources.due(NOON_US)
    sources.lost({SOURCE, "unknown"}, "process field is not connected")
    assert [] == sources.due(NOON_US)
    time.s += 10
    ((_, raised),) = sources.due(NOON_US)
    assert "process field is not connected" in raised.entity["description"]["value"]


async def test_a_dead_source_is_one_alert_that_clears(scene: Scene) -> None:
    """The same entity each time, in the tenant of the source."""
    time = Scale()
    scene.intake._sources = Sources(time)
    await scene.intake.accept(batch("b1", lamp(1)))
    scene.intake.report(report())
    for _ in range(2):
        time.s += 20
        await scene.intake._watch()
        await scene.intake._watch()
        scene.clock.us += 1_000_000
        await scene.intake.accept(batch(f"b{time.s}", lamp(1, at_us=scene.clock.us)))
        await scene.intake._watch()
        scene.clock.us += 1_000_000
    tenant = scene.store.tenant("demo")
    assert tenant is not None
    states = [
        msgspec.json.decode(change.payload)["status"]["value"]
        for change in await settled(scene.store.history(tenant, alert_id(SOURCE)))
    ]
    assert ["cleared", "open", "cleared", "open"] == states


async def test_an_alert_from_before_a_restart_is_cleared(open_scene: Opener) -> None:
    """What is silent was said once; what is well again is said too, by whoever runs then."""
    before = await open_scene()
    time = Scale()
    before.intake._sources = Sources(time)
    await before.intake.accept(batch("b1", lamp(1)))
    before.intake.report(report())
    await before.intake._watch()
    time.s += 20
    await before.intake._watch()
    await before.close()
    after = await open_scene()
    after.intake.report(report())
    await after.intake._watch()
    tenant = after.store.tenant("demo")
    assert tenant is not None
    record = await settled(after.store.retrieve(tenant, alert_id(SOURCE)))
    assert "cleared" == msgspec.json.decode(record.body)["status"]["value"]  # type: ignore[union-attr]


async def test_sources_count_what_became_of_their_batches(scene: Scene) -> None:
    """Batches, accepted, quarantined, repeated."""
    await scene.intake.accept(batch("b1", lamp(1), Update({"type": "T"})))
    await scene.intake.accept(batch("b1", lamp(1)))
    (source,) = scene.intake.sources()
    assert (2, 1, 1, 1) == (source.batches, source.accepted, source.quarantined, source.repeated)
    assert ("demo", "up", NOON_US) == (source.tenant, source.health, source.last_batch_us)
