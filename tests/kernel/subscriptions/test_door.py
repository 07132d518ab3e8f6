"""Messages of other rooms: in order a key, tried again, bounded, told about."""

from __future__ import annotations

import asyncio

from pintu.kernel.subscriptions import door as door_module
from pintu.kernel.subscriptions.door import Door
from pintu.kernel.subscriptions.states import TAKEN, Outcome
from pintu.kernel.subscriptions.words import Endpoint, Message
from tests.kernel.subscriptions.town import fast, until

AT = Endpoint(uri="http://h.example/")
FAILED = Outcome(why="answered", detail="The endpoint answered 500")


class Sender:
    """Takes what it is told to, in memory."""

    def __init__(self, *failures: int) -> None:
        self.left, self.taken, self.asked = list(failures), list[str](), 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def send(self, endpoint: Endpoint, message: Message) -> Outcome:
        """Fail as often as was said for the message under way."""
        await self.gate.wait()
        self.asked += 1
        if self.left and self.left[0] > 0:
            self.left[0] -= 1
            return FAILED
        self.left = self.left[1:]
        self.taken.append(message.id)
        return TAKEN


def message(id: str) -> Message:
    """A message of nothing."""
    return Message(id=id, content_type="application/json", headers=(), body=b"{}", entities=0)


async def test_one_after_the_other_and_again_until_taken() -> None:
    """The second waits for the first, however often that fails; each attempt is told."""
    sender, told = Sender(3, 0), list[str]()
    door = Door(lambda _: sender, fast())
    for id in ("a", "b"):
        door.deliver("k", AT, message(id), lambda outcome: told.append(outcome.why))
    await until(lambda: sender.taken == ["a", "b"])
    await asyncio.sleep(0)
    assert (["answered"] * 3 + ["", ""], {}) == (told, door._tasks)


async def test_what_is_too_much_gives_way_and_is_told() -> None:
    """The oldest that waits is dropped, the newest is kept."""
    sender, lost = Sender(), list[str]()
    sender.gate.clear()
    door = Door(lambda _: sender, fast())
    for number in range(door_module.MOST_WAITING + 2):
        told = lost.append if number else (lambda _: None)
        door.deliver(
            "k", AT, message(str(number)),
            lambda outcome, told=told: told(outcome.why),  # type: ignore[misc]
        )  # fmt: skip
    sender.gate.set()
    await until(lambda: len(sender.taken) == door_module.MOST_WAITING)
    assert ["held", "held"] == [one for one in lost if one]
    assert ("0", "3") == (sender.taken[0], sender.taken[1])


async def test_a_dropped_key_is_sent_nothing_more() -> None:
    """What waited is forgotten."""
    sender = Sender()
    sender.gate.clear()
    door = Door(lambda _: sender, fast())
    door.deliver("k", AT, message("a"), lambda _: None)
    await asyncio.sleep(0)
    door.drop("k")
    sender.gate.set()
    await asyncio.sleep(0.01)
    assert 0 == sender.asked
    await door.close()
