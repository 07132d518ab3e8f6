"""Pages of plans and of the ledger: who may approve, what a second person is, the stop."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
import pytest_asyncio

from pintu.kernel.errors import StateConflict
from pintu.kernel.identity.words import Membership
from pintu.kernel.intake.words import Command, CommandReport
from pintu.kernel.operations import Commands
from pintu.kernel.operations.playbooks.plays import Plays
from tests.web.identity_city import PASSWORD, send
from tests.web.orders_city import OrdersTown, open_orders_town
from tests.web.small_city import LAMP

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> Any:
    async with open_orders_town(tmp_path_factory.mktemp("plays")) as opened:
        member = [Membership(organisation="operations", role="supervisor")]
        people = opened.city.rooms.identity.people
        opened.people["sup"] = await people.create_person("sup", "何演示", PASSWORD, member)
        commands = opened.city.rooms.commands
        tasks = set()

        def answer(command: Command) -> None:
            tasks.add(asyncio.create_task(answered(commands, command)))

        commands.on_dispatch(answer)
        yield opened
        await asyncio.gather(*tasks, return_exceptions=True)


async def answered(commands: Commands, command: Command) -> None:
    """A device that does what it is told."""
    for state in ("sent", "acknowledged", "confirmed"):
        await commands.report(CommandReport(command.id, state), "process:field")  # type: ignore[arg-type]


def plays_of(town: OrdersTown) -> Plays:
    """The room of plays."""
    assert town.city.rooms.operations is not None
    found = town.city.rooms.operations.plays
    assert found is not None
    return found


async def proposed(town: OrdersTown, client: Any, cause: str) -> str:
    """The address of a plan that somebody proposed for a lamp."""
    made = await send(client, "/plays", playbook="corridor_lighting", cause=cause, deed="propose")
    assert 303 == made.status_code
    return str(made.headers["location"])


async def test_from_a_proposal_to_lamps_and_back(town: OrdersTown) -> None:
    """A dry run keeps nothing; the approved group lights lamps, the ledger shows the way of each,
    and everything is taken back with a reason."""
    cause = LAMP.format(1)
    async with aclosing(await town.signed_in("duc")) as duty:
        dry = await send(duty, "/plays", playbook="corridor_lighting", cause=cause, deed="dry")
        assert "dry run: nothing was kept or sent" in dry.text
        assert [] == await plays_of(town).list_for(cause)
        address = await proposed(town, duty, cause)
        page = (await duty.get(address)).text
        assert "Approve these steps" in page
        again = await send(duty, address, deed="approve", group="light")
        assert 303 == again.status_code
        twice = await send(duty, address, deed="approve", group="light")
        assert 409 == twice.status_code
        assert "approved already" in twice.text
        await until(town, cause, "done")
        ledger = (await duty.get("/ledger")).text
        assert "DimLamp" in ledger
        assert "effect measured" in ledger
        back = await send(duty, address, deed="undo", reason="all clear")
        assert 303 == back.status_code
        await until(town, cause, "undone")
        told = (await duty.get(address)).text
        assert "Everything is taken back" in told
        assert "all clear" in told


async def until(town: OrdersTown, cause: str, state: str) -> None:
    """Wait until the step that lights lamps is that far."""
    async with asyncio.timeout(10):
        while True:
            (play,) = await plays_of(town).list_for(cause)
            if state == (play.state if state == "undone" else play.steps[0].state):
                return
            await asyncio.sleep(0.02)


async def test_who_may_not_command_sees_and_cannot_approve(town: OrdersTown) -> None:
    """A foreman works in the room and commands no device; a crew does not come in."""
    async with (
        aclosing(await town.signed_in("fan")) as foreman,
        aclosing(await town.signed_in("cui")) as crew,
    ):
        address = await proposed(town, foreman, LAMP.format(2))
        page = (await foreman.get(address)).text
        assert 1 == page.count("Approve these steps")  # the crew's order, not the lamps
        refused = await send(foreman, address, deed="approve", group="light")
        assert 403 == refused.status_code
        assert [403, 403, 403] == [
            (await crew.get(path)).status_code for path in ("/plays", address, "/ledger")
        ]


async def test_one_stops_everything_and_two_release_it(town: OrdersTown) -> None:
    """Nothing is sent meanwhile, and the same person twice is one person."""
    async with (
        aclosing(await town.signed_in("duc")) as duty,
        aclosing(await town.signed_in("sup")) as supervisor,
    ):
        needs = await send(duty, "/ledger", deed="stop", reason="")
        assert 400 == needs.status_code
        stopped = await send(duty, "/ledger", deed="stop", reason="people on the line")
        assert 303 == stopped.status_code
        assert "people on the line" in (await duty.get("/plays")).text
        with pytest.raises(StateConflict, match="stopped"):
            await town.city.rooms.commands.enact([], "x", basis="", tenant="demo")
        await send(duty, "/ledger", deed="release")
        again = await send(duty, "/ledger", deed="release")
        assert (409, True) == (again.status_code, "second person" in again.text)
        done = await send(supervisor, "/ledger", deed="release")
        assert 303 == done.status_code
        assert "Commands are stopped" not in (await duty.get("/ledger")).text


async def test_lists_say_which_cause_they_are_of(town: OrdersTown) -> None:
    """In both languages, and parts of pages are parts."""
    async with aclosing(await town.signed_in("duc")) as duty:
        page = (await duty.get("/plays?cause=incident:17")).text
        assert "Of incident 17." in page
        chinese = (await duty.get("/ledger?lang=zh-CN&which=missing")).text
        assert "指令台账" in chinese
        part = (await duty.get("/plays?part=rows&lang=en")).text
        assert "<html" not in part
        assert 404 == (await duty.get("/plays/nothing")).status_code
        assert 404 == (await duty.get("/ledger?command=nothing")).status_code
