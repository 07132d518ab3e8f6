"""Two sources of one data set that contradict each other are told of, until they agree."""

from __future__ import annotations

from typing import Any

from pintu.kernel.exchange import Question
from pintu.kernel.exchange.landing import TableLanding, open_landing
from pintu.kernel.intake.mapping.words import Row
from tests.kernel.exchange.conftest import CLERK, LOOK, Scene

WARDS: dict[str, Any] = {
    "provider": "table",
    "owner": "health",
    "columns": [
        {"name": "id", "key": True},
        {"name": "beds", "kind": "number", "title": {"zh": "床位", "en": "Beds"}},
        {"name": "open", "kind": "yes_no"},
        {"name": "place", "kind": "point"},
        {"name": "head", "person": "name"},
    ],
}


def landing(scene: Scene, source: str) -> TableLanding:
    scene.save("wards", WARDS)
    return open_landing(scene.tables, scene.clock, scene.exchange.get("wards"), source=source)


def ward(number: int, **more: Any) -> Row:
    usual = {"id": f"W{number}", "beds": 9, "open": True, "place": [120.0, 30.0], "head": None}
    return Row(f"W{number}", {**usual, **more})


async def land(scene: Scene, source: str, *rows: Row) -> None:
    scene.clock.us += 1_000_000
    await landing(scene, source).land(f"c{scene.clock.us}", "p", rows, [])


async def said(scene: Scene, source: str) -> list[tuple[str, str, Any]]:
    count, found = await scene.exchange.disagreements("wards", [source])
    assert count == len(found)
    return [(one.key, one.name, one.says) for one in found]


async def test_both_sides_are_told_the_last_one_holds(scene: Scene) -> None:
    """The same key with another value is a contradiction of both sources, with what each says and
    since when; the same value in another form is none, and who says nothing contradicts nobody."""
    await land(scene, "a/wards", ward(1, beds=12), ward(2), ward(3))
    await land(scene, "b/wards", ward(1, beds=15), ward(2, beds=9.0, open=1), ward(3, beds=None))
    says = [("***", "beds", (("a/wards", "12"), ("b/wards", "15")))]
    assert [one[1:] for one in says] == [one[1:] for one in await said(scene, "a/wards")]
    assert (("b/wards", "15"), ("a/wards", "12")) == (await said(scene, "b/wards"))[0][2]
    _, (first,) = await scene.exchange.disagreements("wards", ["a/wards"])
    assert scene.clock.us == first.since_us
    found = await scene.exchange.ask(CLERK, "wards", Question(columns=("beds",), limit=1), LOOK)
    assert [{"beds": 15}] == found.rows


async def test_it_lasts_until_both_agree(scene: Scene) -> None:
    """Said again it is the same contradiction since the same time; another value is told; when one
    says what the other does, it is over."""
    await land(scene, "a/wards", ward(1, beds=12))
    await land(scene, "b/wards", ward(1, beds=15))
    _, (first,) = await scene.exchange.disagreements("wards", ["a/wards"])
    await land(scene, "a/wards", ward(1, beds=13))
    _, (again,) = await scene.exchange.disagreements("wards", ["a/wards"])
    assert (first.since_us, "13") == (again.since_us, again.says[0][1])
    await land(scene, "a/wards", ward(1, beds=15))
    assert [] == await said(scene, "b/wards")


async def test_who_withdraws_contradicts_nobody(scene: Scene) -> None:
    """A row that its source deleted says nothing any more."""
    await land(scene, "a/wards", ward(1, beds=12))
    await land(scene, "b/wards", ward(1, beds=15))
    await landing(scene, "b/wards").remove(["W1"])
    assert [] == await said(scene, "a/wards")


async def test_persons_are_masked(scene: Scene) -> None:
    """A name is told by its first sign, and the key of a person not at all."""
    await land(scene, "a/wards", ward(1, head="王演示"))
    await land(scene, "b/wards", ward(1, head="李演示"))
    ((key, name, says),) = await said(scene, "a/wards")
    assert ("**", "head", ("王**", "李**")) == (key, name, (says[0][1], says[1][1]))


async def test_one_source_alone_is_not_compared(scene: Scene) -> None:
    """A register that changes its mind is news, not a contradiction; three sources are told two by
    two."""
    await land(scene, "a/wards", ward(1, beds=1))
    await land(scene, "a/wards", ward(1, beds=2))
    assert [] == await said(scene, "a/wards")
    await land(scene, "b/wards", ward(1, beds=3))
    await land(scene, "c/wards", ward(1, beds=4))
    assert 2 == len(await said(scene, "b/wards"))
