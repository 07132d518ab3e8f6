"""A golden record: of each attribute the authority's word, and where everything comes from."""

from __future__ import annotations

import pytest

from pintu.kernel.errors import Forbidden
from pintu.kernel.linkage.words import Ref
from tests.kernel.linkage.conftest import HEALTH, SCHOOL, Scene, hand

BOTH = hand("health", "owner")


async def linked(scene: Scene) -> str:
    await scene.load(HEALTH, {"h1": {"xm": "赵 演示", "csrq": "2018-03-05", "zz": "听澜路12号"}})
    scene.clock.us += 60_000_000
    told = {"xm": "赵演示", "csrq": "2018年3月6日", "zz": "望潮路1号", "sfzh": ""}
    await scene.load(SCHOOL, {"s1": told}, source="school/1")
    joined = await scene.linkage.merge(
        "children", [Ref("patients", "h1"), Ref("pupils", "s1")], hand()
    )
    assert joined is not None
    return joined.after[0].id


async def test_authority_holds_never_the_latest(scene: Scene) -> None:
    """The birthday is health's though the school's came later; the values keep data set, source and
    time; what another department cannot see is not told, and the look is in the log."""
    id = await linked(scene)
    mine = {one.name: one for one in (await scene.linkage.golden(id, hand())).attributes}
    assert ("2018-03-05", "authority") == (mine["birth"].holds.value, mine["birth"].settled)
    assert ("patients", "hospital/1") == (mine["birth"].holds.data_set, mine["birth"].holds.source)
    assert {"patients"} == {value.data_set for one in mine.values() for value in one.says}
    school = (await scene.linkage.golden(id, hand("education"))).attributes
    theirs = {one.name: one for one in school}
    assert "望潮路1号" == theirs["address"].holds.value
    assert scene.clock.us == theirs["address"].holds.at_us
    assert ["merge", "golden", "golden"] == scene.log.deeds()
    with pytest.raises(Forbidden):
        await scene.linkage.golden(id, hand("police"))


async def test_conflicts_are_shown_and_chosen_from(scene: Scene) -> None:
    """Who sees both sees where they differ: one meaning written in two ways is no conflict; what a
    steward chose holds over the authority until it is taken back."""
    from pintu.kernel.linkage.golden import golden
    from pintu.kernel.linkage.ports import values_of
    from tests.kernel.linkage.conftest import PLAN

    id = await linked(scene)

    async def whole() -> dict[str, tuple[object, str, bool]]:
        cluster = await scene.linkage.get_cluster(id)
        values = {
            name: await values_of(
                scene.rows, cluster.members,
                {s.data_set: s.columns[name] for s in PLAN.sources if name in s.columns},
            )
            for name in PLAN.attributes
        }  # fmt: skip
        found = golden(PLAN, cluster, values).attributes
        return {
            one.name: (one.holds.value if one.holds else None, one.settled, one.conflict)
            for one in found
        }

    now = await whole()
    assert ("2018-03-05", "authority", True) == now["birth"]
    assert ("望潮路1号", "authority", True) == now["address"]
    assert ("赵演示", "authority", False) == now["name"]
    assert (None, "", False) == now["id_number"]
    await scene.linkage.pick(id, "birth", Ref("pupils", "s1"), hand())
    assert ("2018年3月6日", "pick", True) == (await whole())["birth"]
    await scene.linkage.pick(id, "birth", None, hand())
    assert ("2018-03-05", "authority", True) == (await whole())["birth"]
