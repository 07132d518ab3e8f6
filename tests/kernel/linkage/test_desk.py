"""A whole run over two tables, and the desk where people decide what it left open."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pintu.kernel.errors import BadRequestData, Forbidden, ResourceNotFound, StateConflict
from pintu.kernel.identity.citizens import check_sign
from pintu.kernel.linkage import running
from pintu.kernel.linkage.linkage import checked
from pintu.kernel.linkage.words import Plan, Ref, Source
from tests.kernel.linkage.conftest import HEALTH, PLAN, SCHOOL, Scene, hand

pytest.importorskip("splink", reason="the extra linkage is not installed")

HOME = "听澜路12号3幢2单元501室"


def number(birth: str, last: int) -> str:
    text = f"330105{birth.replace('-', '')}{last:03d}"
    return text + check_sign(text)


async def registers(scene: Scene) -> None:
    """Twenty children in both tables, and two twins who are one each."""
    signs = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平"
    rows: dict[str, dict[str, Any]] = {}
    for n in range(20):
        birth = f"201{n % 6}-{n % 12 + 1:02d}-{n + 3:02d}"
        rows[str(n)] = {"xm": f"{'赵钱孙李周'[n % 5]}{signs[n]}{signs[-n - 1]}", "csrq": birth,
                        "sfzh": number(birth, n), "zz": f"望潮路{n + 1}号"}  # fmt: skip
    twin = {"csrq": "2016-04-05", "zz": HOME, "dh": "13957102345"}
    await scene.load(HEALTH, {**{f"h{n}": one for n, one in rows.items()},
                              "hx": {"xm": "吴浩子", **twin}})  # fmt: skip
    await scene.load(SCHOOL, {**{f"s{n}": {**one, "zz": ""} for n, one in rows.items()},
                              "sx": {"xm": "吴人子", **twin}}, source="school/1")  # fmt: skip


async def test_a_run_links_asks_and_changes_nothing_the_second_time(scene: Scene) -> None:
    """What is certain is joined as events, twins wait at the desk, and the same run again adds
    neither an event nor a pair; what was decided meanwhile stays decided."""
    await registers(scene)
    room = scene.linkage
    done = await room.run("children", hand())
    assert ("done", 42, 20, 1) == (done.state, done.records, done.clusters, done.review)
    assert done == await room.running.latest("children")
    (pair,) = await room.desk.list_pairs("children")
    assert ("twins", Ref("patients", "hx"), Ref("pupils", "sx")) == (
        pair.why,
        pair.left,
        pair.right,
    )
    here = scene.snapshot()
    await room.run("children", hand())
    assert here == scene.snapshot()
    (pair,) = await room.desk.list_pairs("children")
    await room.desk.decide(pair.number, "different", hand(), "双胞胎")
    await room.run("children", hand())
    assert [] == await room.desk.list_pairs("children")
    assert here == scene.snapshot()
    one = await room.find_cluster("children", Ref("patients", "h3"))
    assert one is not None
    (event,) = await room.events(one.id)
    await room.unmerge(event.number, hand())
    await room.run("children", hand())
    assert None is await room.find_cluster("children", Ref("patients", "h3"))


async def test_verdicts_and_taking_them_back(city: Scene) -> None:
    """Same joins, taken back it is parted exactly; a decided pair is not decided twice; unsure can
    still be decided; the log has a row of every deed and look, and whom it was about."""
    await registers(city)
    room = city.linkage
    await room.run("children", hand())
    (pair,) = await room.desk.list_pairs("children")
    before = city.snapshot()
    city.log.rows.clear()
    await room.desk.decide(pair.number, "unsure", hand())
    said = await room.desk.decide(pair.number, "same", hand(), "户口簿核对")
    assert ("same", "health_steward", "户口簿核对") == (said.state, said.by, said.reason)
    assert before != city.snapshot()
    with pytest.raises(StateConflict, match="decided already"):
        await room.desk.decide(pair.number, "different", hand())
    await room.desk.take_back(pair.number, hand())
    assert before == city.snapshot()
    with pytest.raises(StateConflict, match="nothing to take back"):
        await room.desk.take_back(pair.number, hand())
    assert {"open": 1, "same": 0, "different": 0, "unsure": 0} == await room.desk.progress(
        "children"
    )
    deeds = [one.deed for one in city.log.rows]
    assert ["unsure", "same", "different", "linkage different", "take back"] == deeds[:5]
    assert ["take back", "linkage take back"] == deeds[5:]  # refused, and written down as such
    assert all(len(one.subjects) == 2 for one in city.log.rows if one.what == "linkage")
    with pytest.raises(BadRequestData):
        await room.desk.decide(pair.number, "maybe", hand())  # type: ignore[arg-type]
    with pytest.raises(ResourceNotFound):
        await room.desk.get(99)


async def test_who_sees_what_at_the_desk(city: Scene) -> None:
    """Each department sees its own record and whether the other's is the same, never the other's
    values; without purpose or reason nobody sees anything; the look is in the log first."""
    await registers(city)
    room = city.linkage
    await room.run("children", hand())
    (pair,) = await room.desk.list_pairs("children")
    city.log.rows.clear()
    looked = await room.desk.look(pair, PLAN, hand())
    assert looked.left is not None and "吴浩子" == looked.left["name"].value
    assert None is looked.right
    said = {one.attribute: one.how for one in looked.evidence}
    assert {"name": "differs", "birth": "same", "phone": "same", "address": "same"} == said
    other = await room.desk.look(pair, PLAN, hand("education"))
    assert other.left is None and other.right is not None
    assert ["look", "look"] == city.log.deeds()
    for nobody in (hand(reason=""), hand(purpose=""), hand("police"), hand(reason="测试")):
        with pytest.raises(Forbidden):
            await room.desk.look(pair, PLAN, nobody)
        with pytest.raises(Forbidden):
            await room.desk.decide(pair.number, "same", nobody)
    assert "open" == (await room.desk.get(pair.number)).state


async def test_a_run_that_takes_too_long_or_fails(
    city: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is ended at its deadline; the run says so and nothing is changed."""
    await registers(city)
    monkeypatch.setattr(running, "DEADLINE_S", 0.05)
    whole = running.matched
    monkeypatch.setattr(running, "matched", lambda order, records: whole(order, records, 0.05))
    from pintu.kernel.errors import DeadlineExceeded

    with pytest.raises(DeadlineExceeded, match="was stopped"):
        await city.linkage.run("children", hand())
    latest = await city.linkage.running.latest("children")
    assert latest is not None and "failed" == latest.state
    assert "was stopped" in latest.messages[-1]["en"]
    assert b"[]" == city.snapshot()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": "Kinder!"}, "needs a name"),
        ({"sources": ()}, "needs 1 to"),
        ({"sources": (Source(data_set="patients", columns={"height": "height"}),)}, "link by"),
        ({"authority": {"birth": ("nobody",)}}, "is not in the plan"),
        ({"review_at": 0.999, "link_at": 0.5}, "review_at"),
        ({"largest": 10_000}, "2 to 100"),
    ],
)
def test_plans_that_are_wrong(change: dict[str, Any], says: str) -> None:
    """The first mistake is named."""
    with pytest.raises(BadRequestData, match=says):
        checked(msgspec.structs.replace(PLAN, **change))


async def test_a_plan_is_its_owners(city: Scene) -> None:
    """Who owns none of the data sets makes no plan of them and runs none."""
    with pytest.raises(Forbidden):
        await city.linkage.save_plan(PLAN, hand("police"))
    with pytest.raises(Forbidden):
        await city.linkage.run("children", hand("police"))
    assert isinstance((await city.linkage.list_plans())[0], Plan)
