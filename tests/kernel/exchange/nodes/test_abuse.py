"""What a node, a stranger or the network may try, and what comes of it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pintu.kernel.errors import (
    BadRequestData,
    Forbidden,
    PintuError,
    StateConflict,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from pintu.kernel.exchange.nodes import documents, httpsig
from pintu.kernel.exchange.nodes.joining import Wish
from pintu.kernel.exchange.nodes.receiving import Received, claim
from pintu.kernel.exchange.nodes.words import Call, Document, Node, Shown
from pintu.kernel.exchange.words import Condition, Question
from pintu.kernel.identity.keys import SigningKey
from tests.kernel.exchange.nodes.conftest import Pair, opened
from tests.kernel.exchange.nodes.town import ADMIN, PURPOSE, REASON, agreed, free_port, joined

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATH = "/api/v1/exchange/catalogue"
ONE = Question(where=(Condition("id_number", "=", "990000201501010010"),))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """Two neighbours for all of these: what is refused changes nothing."""
    found = await opened(tmp_path_factory.mktemp("abuse"))
    await joined(found.west, found.east)
    yield found
    await found.east.close()
    await found.west.close()


def sent(pair: Pair, body: bytes = b"{}", **more: Any) -> Received:
    """A call of `west` to `east` as it goes over the wire, with one thing other than it should
    be."""
    told: dict[str, Any] = {
        "key": pair.west.nodes.parts.keys.signer("node"),
        "url": pair.east.url,
        "path": PATH,
        "late_s": 0,
        "nonce": secrets.token_urlsafe(18),
        "peer": "127.0.0.1",
        **more,
    }
    digest = httpsig.content_digest(body)
    created = pair.east.nodes.parts.clock.now_us() // 1_000_000 + told["late_s"]
    text = httpsig.params_text(
        httpsig.REQUEST, created=created, nonce=told["nonce"], keyid=told["key"].key_id
    )
    values = httpsig.request_values("POST", told["url"] + told["path"], digest)
    marks = httpsig.signed(values, httpsig.REQUEST, text, told["key"].sign)
    headers = {"content-digest": digest, **marks, **told.get("headers", {})}
    return Received(method="POST", path=PATH, headers=headers, body=body, peer=told["peer"])


async def test_a_call_is_good_once_also_after_a_restart(pair: Pair) -> None:
    """A replayed call is refused, by the same process and by the next one."""
    call = sent(pair)
    assert "west" == (await pair.east.nodes.receive(call)).node.name
    with pytest.raises(Unauthorized, match="came before"):
        await pair.east.nodes.receive(call)
    await pair.east.close()
    await pair.east.open()
    with pytest.raises(Unauthorized, match="came before"):
        await pair.east.nodes.receive(call)


@pytest.mark.parametrize("late_s", [-600, -301, 301, 600])
async def test_a_clock_ten_minutes_off_is_named(pair: Pair, late_s: int) -> None:
    """Whose clock is off by more than five minutes hears by how much."""
    with pytest.raises(Unauthorized, match=f"clock of the calling node is {abs(late_s)} s"):
        await pair.east.nodes.receive(sent(pair, late_s=late_s))


async def test_another_key_address_body_or_algorithm(pair: Pair) -> None:
    """A stranger's key, another address, another path, another body, another algorithm: refused."""
    east = pair.east.nodes
    stranger = SigningKey(Ed25519PrivateKey.generate())
    with pytest.raises(Unauthorized, match="No node with key"):
        await east.receive(sent(pair, key=stranger))
    with pytest.raises(Unauthorized, match="another address"):
        await east.receive(sent(pair, url="http://127.0.0.1:1"))
    with pytest.raises(Unauthorized, match="another address"):
        await east.receive(sent(pair, path="/api/v1/exchange/leave"))
    good = sent(pair)
    other = Received(
        method="POST", path=PATH, headers=good.headers, body=b'{"roles":["owner"]}', peer="p"
    )
    with pytest.raises(Unauthorized, match="Content-Digest"):
        await east.receive(other)
    swapped = good.headers["signature-input"].replace("ed25519", "hmac-sha256")
    with pytest.raises(Unauthorized, match="not with 'hmac-sha256'"):
        await east.receive(sent(pair, headers={"signature-input": swapped}))
    with pytest.raises(Unauthorized, match="64 bytes"):
        await east.receive(sent(pair, headers={"signature": "pintu=:AAAA:"}))


async def test_who_fails_again_and_again_is_not_listened_to(pair: Pair) -> None:
    """After twenty calls that fail an address hears nothing but 429, before any signature is
    looked at; others are heard."""
    east = pair.east.nodes
    stranger = SigningKey(Ed25519PrivateKey.generate())
    for _ in range(20):
        with pytest.raises(Unauthorized):
            await east.receive(sent(pair, key=stranger, peer="203.0.113.9"))
    with pytest.raises(TooManyRequests):
        await east.receive(sent(pair, peer="203.0.113.9"))
    assert "west" == (await east.receive(sent(pair))).node.name


async def test_a_node_speaks_for_its_own(pair: Pair) -> None:
    """A node claims neither another's organisation nor a role that operates or audits."""
    node = pair.east.nodes.register.get("west")
    with pytest.raises(Forbidden, match="no organisation 'health'"):
        claim(node, msgspec.json.encode(Call(organisation="health")))
    with pytest.raises(Forbidden, match="no organisation 'education@other'"):
        claim(node, msgspec.json.encode(Call(organisation="education@other")))
    with pytest.raises(Forbidden, match="role 'admin'"):
        claim(node, msgspec.json.encode(Call(organisation="education", roles=("admin",))))
    with pytest.raises(BadRequestData, match="pseudonym"):
        claim(node, msgspec.json.encode(Call(organisation="education", person="a@east")))
    actor = (await pair.east.nodes.receive(sent(pair))).actor
    assert (frozenset(), "") == (actor.grants, actor.organisation)


async def test_a_forged_document_joins_nobody(pair: Pair) -> None:
    """A document changed by a sign is not signed; one with our name, or a neighbour's name and
    another key, is refused."""
    own = pair.west.nodes.own.document()
    body = msgspec.json.encode(msgspec.structs.replace(own, url="http://127.0.0.1:9"))
    with pytest.raises(Forbidden, match="not signed with its own key"):
        documents.read(body)
    forger = SigningKey(Ed25519PrivateKey.generate())
    for name, why in (("west", "old key does not vouch"), ("east", "our name")):
        forged = documents.made(forger, name=name, url="http://127.0.0.1:9", at_us=1)
        with pytest.raises(StateConflict, match=why):
            await pair.east.nodes.joining.asked(_wish(pair, forger, forged))
    stolen = documents.made(forger, name="third", url="http://127.0.0.1:9", at_us=1)
    with pytest.raises(Unauthorized, match="another key than its document"):
        west = pair.west.nodes.parts.keys.signer("node")
        await pair.east.nodes.joining.asked(_wish(pair, west, stolen))


def _wish(pair: Pair, key: SigningKey, document: Document) -> Received:
    body = msgspec.json.encode(Wish(document=document))
    path = "/api/v1/exchange/join"
    found = sent(pair, body, key=key, path=path, nonce=f"nonce-{document.name}-0000000")
    return Received(method="POST", path=path, headers=found.headers, body=body, peer="p")


async def test_a_name_is_kept_by_its_key(pair: Pair) -> None:
    """A key follows another only when the old one vouches for it; the chain is checked link by
    link."""
    old, new, other = (SigningKey(Ed25519PrivateKey.generate()) for _ in range(3))
    before = documents.made(old, name="third", url="http://127.0.0.1:9", at_us=1)
    step = documents.endorsed(old, new, 2)
    after = documents.made(new, name="third", url="http://127.0.0.1:9", at_us=2, chain=(step,))
    assert (old.public,) == documents.follow(before, after)
    cheat = msgspec.structs.replace(step, next=other.public)
    taken = documents.made(other, name="third", url="http://127.0.0.1:9", at_us=3, chain=(cheat,))
    with pytest.raises(StateConflict):
        documents.follow(before, taken)
    with pytest.raises(StateConflict, match="older document"):
        documents.follow(
            msgspec.structs.replace(before, at_us=9), msgspec.structs.replace(before, at_us=8)
        )


async def test_the_name_of_a_log_is_kept_by_its_node(pair: Pair) -> None:
    """A node that calls its log as a neighbour does, or we, or as a later era of one, does not
    join: its heads would say that the other log was forked."""
    east = pair.east.nodes
    logs = [east.register.get("west").document.log, east.own.document().log]
    assert all(logs)
    for log in (*logs, f"{logs[0]}#2"):
        key = SigningKey(Ed25519PrivateKey.generate())
        told = documents.made(
            key, name="mallory", url="http://127.0.0.1:9", log=(log, key.public), at_us=1
        )
        with pytest.raises(StateConflict, match="that is another's"):
            await east.joining.asked(_wish(pair, key, told))
    assert east.register.find("mallory") is None


async def test_what_waits_for_one_that_is_away_keeps_nothing_from_another(pair: Pair) -> None:
    """Six hundred things wait for a neighbour that is away: what waits for another, kept later, is
    told all the same."""
    east = pair.east.nodes
    port, egress = free_port(), east.parts.calling._egress
    object.__setattr__(egress, "allow", (*egress.allow, f"127.0.0.1:{port}"))
    gone = _node("gone", f"http://127.0.0.1:{port}", "joined")
    await east.register.put(gone)
    for number in range(600):
        await east.register.tell("gone", f"agreement/{number}", "/api/v1/exchange/told", b"{}")
    await east.register.tell("west", "keys", "/api/v1/exchange/keys", b"{}")
    assert await east.tell_all()
    assert {"gone"} == {one[0] for one in await east.register.untold()}
    assert [] == await east.register.untold({"gone"})
    await east.register.remove("gone")
    assert not await east.tell_all()
    assert [] == await east.register.untold()


async def test_an_answer_that_cannot_be_read_ends_nothing(pair: Pair) -> None:
    """A node that was invited signs nonsense: it is told as unavailable, and what is done each
    minute goes on."""
    west = pair.west.nodes
    known = west.register.get("east")
    await west.register.put(msgspec.structs.replace(known, state="invited"))
    joining = pair.east.nodes.joining
    real = joining.asked
    try:
        joining.asked = _nonsense  # type: ignore[method-assign]
        with pytest.raises(Unavailable, match="cannot be read"):
            await west.joining.knock("east")
        await west.each_minute()
        assert "cannot be read" in west.kept("east").last_failure
    finally:
        joining.asked = real  # type: ignore[method-assign]
        await west.register.put(known)


async def _nonsense(_: Received) -> Any:
    return ["nonsense"]


def _node(name: str, url: str, state: Any) -> Node:
    key = SigningKey(Ed25519PrivateKey.generate())
    return Node(document=documents.made(key, name=name, url=url, at_us=1), state=state)


async def test_a_fork_is_told_to_the_auditor(pair: Pair) -> None:
    """A neighbour shows two heads of one size: the second is not countersigned, our log keeps both
    and our auditor hears of it."""
    east, west = pair.east, pair.west
    audit = west.city.rooms.audit
    assert audit is not None
    await audit.sealer.seal()
    await west.nodes.heads.show(west.nodes.register.get("east"))
    head = audit.head()
    assert head is not None
    from pintu.kernel.audit.heads import body_of, signed
    from pintu.kernel.exchange.nodes.receiving import From

    forged = signed(
        body_of(head.origin, head.size, b"\0" * 32, head.at_us), head.origin,
        west.nodes.parts.keys.signer("log"),
    )  # fmt: skip
    asked = From(node=east.nodes.register.get("west"), call=Call())
    with pytest.raises(StateConflict, match="does not go on"):
        await east.nodes.heads.cosign(asked, Shown(head=forged))
    assert east.nodes.kept("west").forked
    log = east.city.rooms.audit
    assert log is not None
    rows = [one.row for one in await log.rows(0, 100)]
    [row] = [one for one in rows if one.deed == "head contradicted"]
    assert forged[:200] == row.detail["head"][:200]
    with pytest.raises(Forbidden, match="not the log of node west"):
        await east.nodes.heads.cosign(asked, Shown(head=forged.replace(head.origin, "other")))


async def test_a_consumer_gets_no_more_than_was_agreed(pair: Pair) -> None:
    """Another column, a list of persons, another purpose, no reason, another organisation: refused
    at home before anything is asked, and written down."""
    abroad = await agreed(pair.east, pair.owner, pair.west, pair.asker)
    name, west = f"{abroad.agreement.id}@east", pair.west.nodes
    calls = west.kept("east").calls_out
    refused: list[tuple[Question, str, str]] = [
        (Question(columns=("child",), where=ONE.where), PURPOSE, REASON),
        (Question(), PURPOSE, REASON),
        (ONE, "statistics", REASON),
        (ONE, PURPOSE, "test"),
    ]
    for question, purpose, reason in refused:
        with pytest.raises(PintuError):
            await west.ask(pair.asker, name, question, purpose=purpose, reason=reason)
    await pair.west.organisation("traffic")
    stranger = await pair.west.person("stranger", "traffic", "clerk")
    with pytest.raises(PintuError, match="not known here"):
        await west.ask(stranger, name, ONE, purpose=PURPOSE, reason=REASON)
    assert calls == west.kept("east").calls_out


async def test_a_provider_that_sends_more_is_not_believed(pair: Pair) -> None:
    """Rows with a column that is not agreed are not shown."""
    from pintu.kernel.exchange.nodes.calling import Reply

    abroad = await agreed(pair.east, pair.owner, pair.west, pair.asker)
    body = b'{"columns":[{"name":"child"}],"rows":[{"child":"x"}]}'
    consuming = pair.west.nodes.consuming
    with pytest.raises(Unavailable, match="not agreed"):
        await consuming._kept(
            pair.asker, abroad, (abroad.agreement.terms, REASON), Reply(status=200, body=body)
        )


async def test_a_neighbour_that_was_suspended_is_refused_until_resumed(pair: Pair) -> None:
    """Suspended here: its calls are refused with that word; resumed: they are answered."""
    await pair.east.nodes.joining.change(ADMIN, "west", "suspended")
    with pytest.raises(Forbidden, match="it is suspended"):
        await pair.west.nodes.consuming.catalogue(pair.asker, "east")
    await pair.east.nodes.joining.change(ADMIN, "west", "joined")
    [offer] = await pair.west.nodes.consuming.catalogue(pair.asker, "east")
    assert ("shots", True) == (offer.name, offer.persons)


async def test_large_bodies_are_refused_before_they_are_read(pair: Pair) -> None:
    """A body of two million bytes is not read to its end."""
    await joined_again(pair)
    async with httpx.AsyncClient(base_url=pair.east.url, trust_env=False) as client:
        answer = await client.post(PATH, content=b"x" * 2_000_000)
    assert 413 == answer.status_code


async def joined_again(pair: Pair) -> None:
    """The same two once more: nothing changes between neighbours."""
    await pair.west.nodes.joining.ask(
        ADMIN, pair.east.url, fingerprint=pair.east.nodes.own.fingerprint
    )
    assert "joined" == pair.east.nodes.register.get("west").state
