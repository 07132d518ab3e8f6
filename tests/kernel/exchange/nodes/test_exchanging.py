"""Two nodes exchange: joined by fingerprint or code, agreed afar, asked, revoked, recalled."""

from __future__ import annotations

import pytest

from pintu.kernel.errors import Forbidden, StateConflict, Unauthorized
from pintu.kernel.exchange.agreements.words import Deletion
from pintu.kernel.exchange.words import Condition, Question
from tests.kernel.exchange.nodes.conftest import Pair
from tests.kernel.exchange.nodes.town import ADMIN, PURPOSE, REASON, agreed, joined

ONE = Question(where=(Condition("id_number", "=", "990000201501010010"),))


async def test_two_operators_compare_fingerprints(strangers: Pair) -> None:
    """Who was asked decides: nobody is a neighbour before both operators compared fingerprints."""
    west, east = strangers.west.nodes, strangers.east.nodes
    with pytest.raises(Forbidden, match="over the telephone"):
        await west.joining.ask(ADMIN, strangers.east.url, fingerprint="0000 0000")
    asked = await west.joining.ask(ADMIN, strangers.east.url, fingerprint=east.own.fingerprint)
    assert "invited" == asked.state
    assert "asked" == east.register.get("west").state
    with pytest.raises(Forbidden, match="not the one"):
        await east.joining.accept(ADMIN, "west", fingerprint="0000")
    await east.joining.accept(ADMIN, "west", fingerprint=west.own.fingerprint)
    assert ("joined", "joined") == (
        east.register.get("west").state,
        west.register.get("east").state,
    )


async def test_a_code_joins_once(strangers: Pair) -> None:
    """A code of the other administrator joins at once, one node, and names the key it speaks to."""
    west, east = strangers.west.nodes, strangers.east.nodes
    code = await east.register.invite("token:admin", east.parts.keys.signer("node").key_id)
    wrong = code.partition("-")[0] + "-0123456789abcdef"
    with pytest.raises(Forbidden, match="another node"):
        await west.joining.ask(ADMIN, strangers.east.url, code=wrong)
    found = await west.joining.ask(ADMIN, strangers.east.url, code=code)
    assert "joined" == found.state
    with pytest.raises(Unauthorized, match="Nobody made this invitation code"):
        await west.joining.ask(ADMIN, strangers.east.url, code=code)


async def test_rows_under_an_agreement_of_two_nodes(pair: Pair) -> None:
    """Asked afar, approved, signed at both nodes; rows come masked, with a receipt in each log."""
    abroad = await agreed(pair.east, pair.owner, pair.west, pair.asker)
    name = f"{abroad.agreement.id}@east"
    assert "active" == abroad.agreement.state
    found = await pair.west.nodes.ask(pair.asker, name, ONE, purpose=PURPOSE, reason=REASON)
    assert [{"vaccinated": True}] == found.rows
    audit = pair.east.city.rooms.audit
    assert audit is not None
    row = await audit.row(int(found.receipt.partition(";")[0]))
    assert ("read", "education@west", PURPOSE, REASON) == (
        row.what, row.organisation, row.purpose, row.reason,
    )  # fmt: skip
    assert row.person.endswith("@west")
    assert pair.asker.person not in row.person
    ours = pair.west.city.rooms.audit
    assert ours is not None
    own = await ours.row(found.own)
    assert (pair.asker.person, "shots@east") == (own.person, own.data_set)
    kept = await pair.west.nodes.shelf.receipt(found.own)
    assert found.receipt == kept["receipt"]


async def test_revoked_there_is_refused_at_once(pair: Pair) -> None:
    """The next call after a revocation is refused, and the consumer's node is told why; copies are
    asked back and the holder's signed answer comes home."""
    abroad = await agreed(pair.east, pair.owner, pair.west, pair.asker)
    id = abroad.agreement.id
    west = pair.west.nodes
    await west.ask(pair.asker, f"{id}@east", ONE, purpose=PURPOSE, reason=REASON)
    await pair.east.agreements.revoke(pair.owner, id, reason="演示：用途已结束")
    with pytest.raises(Forbidden):
        await west.ask(pair.asker, f"{id}@east", ONE, purpose=PURPOSE, reason=REASON)
    for task in list(pair.east.nodes.parts.tasks):
        await task
    assert False is await pair.east.nodes.tell_all()
    known = west.consuming.find(pair.asker, f"{id}@east")
    assert "revoked" == known.agreement.state
    [(node, recall)] = west.holding.recalls(pair.asker)
    assert ("east", "education@west", 1) == (node, recall.holder, recall.rows)
    told = Deletion(recall=recall.id, what="全部删除（演示）", rows=1, person="", at_us=0)
    done = await west.holding.answer_recall(pair.asker, "east", told)
    assert done.answered is not None
    [there] = await pair.east.agreements.recalls(id)
    assert there.answer is not None
    assert "全部删除（演示）" == there.answer.what
    with pytest.raises(StateConflict):
        await west.holding.answer_recall(pair.asker, "east", told)


async def test_heads_are_countersigned(pair: Pair) -> None:
    """Each neighbour countersigns the other's head, and the next one that goes on from it."""
    east, west = pair.east.city.rooms.audit, pair.west.city.rooms.audit
    assert east is not None
    assert west is not None
    await east.sealer.seal()
    await west.sealer.seal()
    await pair.east.nodes.each_minute()
    await agreed(pair.east, pair.owner, pair.west, pair.asker)
    await east.sealer.seal()
    await pair.east.nodes.each_minute()
    head = east.head()
    assert head is not None
    [neighbour] = await east.witness.neighbours()
    assert (west.sealer.name, head.size) == (neighbour.name, neighbour.size)


async def test_a_key_is_followed_when_the_old_one_vouches(pair: Pair) -> None:
    """A neighbour follows a rotated key by itself; what was agreed before stays in force."""
    abroad = await agreed(pair.east, pair.owner, pair.west, pair.asker)
    old = pair.west.nodes.register.get("east").document.public
    await pair.east.nodes.rotate(ADMIN)
    await pair.east.nodes.tell_all()
    assert old != pair.west.nodes.register.get("east").document.public
    found = await pair.west.nodes.ask(
        pair.asker, f"{abroad.agreement.id}@east", ONE, purpose=PURPOSE, reason=REASON
    )
    assert 1 == len(found.rows)
    await pair.east.close()
    await pair.east.open()
    again = pair.east.agreements.active(abroad.agreement.id)
    assert again is not None


async def test_who_leaves_is_refused(pair: Pair) -> None:
    """A neighbour that left is answered nothing, on either side."""
    abroad = await agreed(pair.east, pair.owner, pair.west, pair.asker)
    await pair.east.nodes.joining.change(ADMIN, "west", "left", "演示：合作结束")
    await pair.east.nodes.tell_all()
    assert "left" == pair.west.nodes.register.get("east").state
    with pytest.raises(Forbidden, match="not joined"):
        await pair.west.nodes.ask(
            pair.asker, f"{abroad.agreement.id}@east", ONE, purpose=PURPOSE, reason=REASON
        )
    await joined(pair.west, pair.east)
    await pair.west.nodes.ask(
        pair.asker, f"{abroad.agreement.id}@east", ONE, purpose=PURPOSE, reason=REASON
    )
