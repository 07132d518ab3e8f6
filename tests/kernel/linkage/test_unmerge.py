"""What was joined comes apart exactly as it was."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pintu.kernel.errors import ResourceNotFound, StateConflict
from pintu.kernel.linkage import keeping
from pintu.kernel.linkage.keeping import Doing
from pintu.kernel.linkage.schema import RECORD, TABLES
from pintu.kernel.linkage.words import Ref
from pintu.kernel.tables import add_rows, open_tables
from tests.kernel.linkage.conftest import Scene, hand

RECORDS = [Ref(one, str(n)) for one in ("patients", "pupils", "orphans") for n in range(6)]
ATTRIBUTES = ("name", "birth", "address")


def doing(n: int) -> Doing:
    return Doing(plan="children", at_us=1_000_000 + n, by="s", reason="r")


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_random_merges_edits_and_unmerges_against_snapshots(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever was joined, chosen and parted: undoing an event whose clusters nobody joined or
    parted since puts the clusters it touched back byte by byte, leaves every other as it is, and
    undoing the undoing puts back what was there before that, choices included."""
    chance = random.Random(seed)
    tables = open_tables(tmp_path_factory.mktemp("linkage"))
    opened = tables.register(TABLES)
    before: dict[int, bytes] = {}
    done: list[int] = []

    def now() -> bytes:
        return opened.read_now(lambda c: keeping.snapshot(c, "children"))

    for step in range(30):
        snapshot = now()
        act = chance.random()
        if act < 0.5:
            refs = chance.sample(RECORDS, chance.randint(2, 3))
            event = opened.run_now(lambda c, n=step, r=refs: keeping.join(c, r, doing(n)))
            if event is not None:
                before[event.number] = snapshot
                done.append(event.number)
        elif act < 0.7:
            _edit(opened, chance, step)
        elif done:
            number = chance.choice(done)
            _undo_and_compare(opened, number, step)
    # all that is left, newest first: in the end everybody is alone again, as in the beginning
    for number in reversed(done):
        if not opened.read_now(lambda c, n=number: keeping.get_event(c, n)).undone:
            opened.run_now(lambda c, n=number: keeping.undo(c, n, doing(99)))
    assert b"[]" == now()
    tables.close()


def _edit(opened, chance, step):  # type: ignore[no-untyped-def]
    ref = chance.choice(RECORDS)
    found = opened.read_now(lambda c: keeping.cluster_of(c, "children", ref))
    if found is not None:
        chosen = chance.choice((*found.members, None))
        name = chance.choice(ATTRIBUTES)
        opened.run_now(lambda c: keeping.pick(c, found.id, (name, chosen), doing(step)))


def _undo_and_compare(opened, number, step):  # type: ignore[no-untyped-def]
    event = opened.read_now(lambda c: keeping.get_event(c, number))
    touched = {ref for one in (*event.before, *event.after) for ref in one.members}
    here = opened.read_now(lambda c: keeping.snapshot(c, "children"))
    others = _states(opened, [one for one in RECORDS if one not in touched])
    try:
        undoing = opened.run_now(lambda c: keeping.undo(c, number, doing(step)))
    except StateConflict:
        assert here == opened.read_now(lambda c: keeping.snapshot(c, "children"))
        return
    expected = {ref: one.state() for one in event.before for ref in one.members}
    assert {ref: expected.get(ref) for ref in touched} == _states(opened, touched)
    assert others == _states(opened, others)
    opened.run_now(lambda c: keeping.undo(c, undoing.number, doing(step)))
    assert here == opened.read_now(lambda c: keeping.snapshot(c, "children"))


def _states(opened, refs):  # type: ignore[no-untyped-def]
    def work(connection):  # type: ignore[no-untyped-def]
        found = {}
        for ref in refs:
            one = keeping.cluster_of(connection, "children", ref)
            found[ref] = None if one is None else one.state()
        return found

    return opened.read_now(work)


async def test_what_was_chosen_meanwhile_is_set_aside_and_comes_back(scene: Scene) -> None:
    """Two clusters are joined, a word is chosen, they are parted: both are as they were, to the
    byte; undoing that brings the joined one back with its choice."""
    room = scene.linkage
    await room.merge("children", [Ref("patients", "1"), Ref("pupils", "1")], hand())
    await room.merge("children", [Ref("patients", "2"), Ref("pupils", "2")], hand())
    before = scene.snapshot()
    joined = await room.merge("children", [Ref("patients", "1"), Ref("patients", "2")], hand())
    assert joined is not None
    (cluster,) = joined.after
    assert 4 == len(cluster.members)
    await room.pick(cluster.id, "birth", Ref("pupils", "2"), hand())
    chosen = scene.snapshot()
    undone = await room.unmerge(joined.number, hand(), apart=False)
    assert before == scene.snapshot()
    await room.unmerge(undone.number, hand(), apart=False)
    assert chosen == scene.snapshot()
    assert ["merge", "merge", "merge", "pick", "unmerge", "unmerge"] == scene.log.deeds()


async def test_what_was_joined_again_is_undone_first(scene: Scene) -> None:
    """An event under another one cannot be pulled out: the answer names what has to go first, and
    nothing is changed."""
    room = scene.linkage
    first = await room.merge("children", [Ref("patients", "1"), Ref("pupils", "1")], hand())
    second = await room.merge("children", [Ref("patients", "1"), Ref("pupils", "2")], hand())
    assert first is not None and second is not None
    here = scene.snapshot()
    with pytest.raises(StateConflict, match=f"undo event {second.number} first"):
        await room.unmerge(first.number, hand())
    assert here == scene.snapshot()
    await room.unmerge(second.number, hand())
    await room.unmerge(first.number, hand())
    with pytest.raises(StateConflict, match="undone already"):
        await room.unmerge(first.number, hand())


async def test_parted_stays_parted(scene: Scene) -> None:
    """What somebody parted for good is said to be different: no verdict at the desk and no run of
    the matching joins it again."""
    room = scene.linkage
    joined = await room.merge("children", [Ref("patients", "1"), Ref("pupils", "1")], hand())
    assert joined is not None
    await room.unmerge(joined.number, hand())
    (pair,) = await room.desk.list_pairs("children", "different")
    assert (Ref("patients", "1"), Ref("pupils", "1")) == (pair.left, pair.right)


async def test_two_valid_numbers_never_join(scene: Scene) -> None:
    """Nobody joins records of two valid id numbers, not by way of a third record either."""
    room = scene.linkage
    told = [("patients", "1", "aa"), ("pupils", "1", ""), ("pupils", "2", "bb")]
    rows = [
        {"plan": "children", "data_set": data_set, "key": key, "id_mark": mark}
        | {"mark": "", "cluster": ""}
        for data_set, key, mark in told
    ]
    await room._opened.run(lambda c: add_rows(c, RECORD, rows))
    with pytest.raises(StateConflict, match="two persons"):
        await room.merge("children", [Ref("patients", "1"), Ref("pupils", "2")], hand())
    await room.merge("children", [Ref("patients", "1"), Ref("pupils", "1")], hand())
    here = scene.snapshot()
    with pytest.raises(StateConflict, match="two persons"):
        await room.merge("children", [Ref("pupils", "1"), Ref("pupils", "2")], hand("education"))
    assert here == scene.snapshot()


async def test_a_choice_is_of_the_cluster(scene: Scene) -> None:
    """Only a member's word can be chosen, and only for an attribute of the plan."""
    joined = await scene.linkage.merge(
        "children", [Ref("patients", "1"), Ref("pupils", "1")], hand()
    )
    assert joined is not None
    with pytest.raises(ResourceNotFound, match="is not in cluster"):
        await scene.linkage.pick(joined.after[0].id, "birth", Ref("pupils", "9"), hand())


async def test_the_same_file_knows_everything_after_a_restart(tmp_path: Path) -> None:
    """Clusters, events and plans are on the disk when a call returns."""
    from tests.kernel.linkage.conftest import PLAN, open_scene

    first = await open_scene(tmp_path / "data")
    await first.linkage.save_plan(PLAN, hand())
    joined = await first.linkage.merge(
        "children", [Ref("patients", "1"), Ref("pupils", "1")], hand()
    )
    here = first.snapshot()
    first.tables.close()
    again = await open_scene(tmp_path / "data")
    assert here == again.snapshot()
    assert joined is not None
    await again.linkage.unmerge(joined.number, hand())
    assert b"[]" == again.snapshot()
    again.tables.close()
