"""Three nodes and no middle: two consumers of one department, at nodes of their own; one goes down,
the others go on; what is revoked is over everywhere."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from pintu.kernel.access import Actor
from pintu.kernel.errors import Forbidden, PintuError, ResourceNotFound
from pintu.kernel.exchange.words import Condition, Question
from tests.kernel.exchange.nodes.town import (
    PURPOSE,
    REASON,
    NodeCity,
    agreed,
    free_port,
    joined,
    terms,
)

ONE = Question(where=(Condition("id_number", "=", "990000201501010010"),))


async def test_three_nodes(tmp_path: Path) -> None:
    """A call is decided where the data is, each time: no third node is asked, none can keep an
    agreement alive, and the one that is down hears of the end when it is back."""
    ports = [free_port() for _ in range(3)]
    allow = tuple(f"127.0.0.1:{one}" for one in ports)
    east, west, north = [
        await NodeCity(name, tmp_path / name, port, allow).open()
        for name, port in zip(("east", "west", "north"), ports, strict=True)
    ]
    await east.organisation("health")
    await east.shots()
    owner = await east.person("owner", "health", "owner")
    await joined(west, east)
    await joined(north, east)
    await joined(north, west)
    names, people = {}, {}
    for city, organisation in ((west, "education"), (north, "clinic")):
        await city.organisation(organisation)
        people[city.name] = await city.person("asker", organisation, "officer", "clerk")
        abroad = await agreed(east, owner, city, people[city.name])
        names[city.name] = f"{abroad.agreement.id}@east"

    async def ask(city: NodeCity) -> list[dict[str, object]]:
        found = await city.nodes.ask(
            people[city.name], names[city.name], ONE, purpose=PURPOSE, reason=REASON
        )
        return found.rows

    assert [[{"vaccinated": True}]] * 2 == [await ask(city) for city in (west, north)]
    # what one may, the other may not: neither knows of the other's agreement
    with pytest.raises(PintuError, match="not known here"):
        await west.nodes.ask(people["west"], names["north"], ONE, purpose=PURPOSE, reason=REASON)
    await nothing_is_handed_on((west, people["west"], names["west"]), (north, people["north"]))
    await north.close()
    assert [{"vaccinated": True}] == await ask(west)
    for name in names.values():
        await east.agreements.revoke(owner, name.partition("@")[0], reason="演示：用途已经结束")
    with pytest.raises(Forbidden):
        await ask(west)
    for task in list(east.nodes.parts.tasks):
        await task
    assert True is await east.nodes.tell_all()  # north is down: it is told later
    await north.open()
    east.nodes.parts.calling.wake(north.url)
    assert False is await east.nodes.tell_all()
    known = north.nodes.consuming.find(people["north"], names["north"])
    assert "revoked" == known.agreement.state
    assert [1] == [one.rows for _, one in north.nodes.holding.recalls(people["north"])]
    for city in (east, west, north):
        await city.close()


async def nothing_is_handed_on(
    holder: tuple[NodeCity, Actor, str], other: tuple[NodeCity, Actor]
) -> None:
    """No hop through a third: what a holder may see it offers to nobody, is asked for by nobody,
    and its agreement's number opens nothing to another node, neither at the holder nor where the
    data is; each attempt is written down there. What a holder lets its own people have of it can
    only be less."""
    (west, asker, name), (north, stranger) = holder, other
    out, id = north.nodes.consuming._out, name.partition("@")[0]
    assert [] == await north.nodes.consuming.catalogue(stranger, "west")
    with pytest.raises(ResourceNotFound, match="shots"):
        await north.nodes.consuming.request(stranger, "west", terms(), reason=REASON, key="hop")
    for node in ("west", "east"):
        with pytest.raises(Forbidden, match="no agreement"):
            await out.call(
                stranger, node, f"/agreements/{id}/rows", ONE, purpose=PURPOSE, reason=REASON
            )
    chief = await west.person("chief", "education", "owner")
    known = west.nodes.consuming.find(asker, name)
    more = msgspec.structs.replace(known.agreement.terms, onward=True)
    with pytest.raises(Forbidden, match=r"only narrow.*may not be passed on"):
        await west.nodes.consuming.narrow(chief, name, more)
    audit = west.city.rooms.audit
    assert audit is not None
    for task in list(west.city.rooms.gate.recorder._tasks):  # type: ignore[attr-defined]
        await task
    rows = [one.row for one in await audit.rows(0, 1000)]
    assert ["clinic@north"] == [one.organisation for one in rows if one.what == "refused"
                                and one.agreement == id]  # fmt: skip
