"""What a run found is laid down on what people decided while it ran."""

from __future__ import annotations

from sqlalchemy import Connection

from pintu.kernel.linkage import keeping, settling
from pintu.kernel.linkage.desk import keep_apart
from pintu.kernel.linkage.keeping import Doing
from pintu.kernel.linkage.matching.words import Outcome
from pintu.kernel.linkage.words import Ref
from tests.kernel.linkage.conftest import PLAN, Scene

REFS = [Ref("patients", "a"), Ref("patients", "b"), Ref("pupils", "a"), Ref("pupils", "b")]
NOW = Doing(plan="children", at_us=1_000_000, by="s", reason="r")
LATER = Doing(plan="children", at_us=2_000_000, by="s", reason="r")


def found(id_marks: list[str]) -> Outcome:
    """The run takes each patient for the pupil of the same letter."""
    return Outcome(clusters=[[0, 2], [1, 3]], id_marks=id_marks, marks=[""] * 4)


def clusters(connection: Connection) -> list[tuple[str, ...]]:
    """For every record the keys of the cluster it says that it is in."""
    told = []
    for ref in REFS:
        one = keeping.cluster_of(connection, "children", ref)
        assert one is None or ref in one.members
        told.append(tuple(map(str, one.members)) if one else ())
    return told


async def test_two_findings_that_reach_into_one_cluster_make_one(scene: Scene) -> None:
    """Somebody joined the two patients while the run took each for another pupil: all four are
    one, and every record is a member of the cluster it says it is in."""
    opened = scene.linkage._opened
    await opened.run(lambda c: keeping.join(c, REFS[:2], NOW))
    await opened.run(lambda c: settling.settle(c, (PLAN, REFS, found([""] * 4)), LATER))
    assert [tuple(map(str, REFS))] * 4 == await opened.read(clusters)


async def test_a_run_joins_no_two_numbers_through_what_somebody_joined(scene: Scene) -> None:
    """The two pupils have different valid numbers: the patients that somebody joined go to one of
    them only."""
    opened = scene.linkage._opened
    await opened.run(lambda c: keeping.join(c, REFS[:2], NOW))
    outcome = found(["", "", "1" * 24, "2" * 24])
    await opened.run(lambda c: settling.settle(c, (PLAN, REFS, outcome), LATER))
    three = tuple(map(str, REFS[:3]))
    assert [three, three, three, ()] == await opened.read(clusters)


async def test_a_run_joins_none_that_were_parted_through_what_somebody_joined(scene: Scene) -> None:
    """Somebody said that the two pupils are different: that holds too for what reaches them."""
    opened = scene.linkage._opened
    await opened.run(lambda c: keeping.join(c, REFS[:2], NOW))
    await opened.run(lambda c: keep_apart(c, [(REFS[2],), (REFS[3],)], NOW))
    await opened.run(lambda c: settling.settle(c, (PLAN, REFS, found([""] * 4)), LATER))
    three = tuple(map(str, REFS[:3]))
    assert [three, three, three, ()] == await opened.read(clusters)


async def test_a_cluster_that_is_cut_leaves_nothing_of_it_behind(scene: Scene) -> None:
    """A cluster that does not hold is cut with the record that somebody added meanwhile."""
    opened = scene.linkage._opened
    await opened.run(lambda c: keeping.join(c, REFS[:3], NOW))
    outcome = Outcome(clusters=[[2, 3]], cut=[[0, 1]], id_marks=[""] * 4, marks=[""] * 4)
    await opened.run(lambda c: settling.settle(c, (PLAN, REFS, outcome), LATER))
    two = tuple(map(str, REFS[2:]))
    assert [(), (), two, two] == await opened.read(clusters)
