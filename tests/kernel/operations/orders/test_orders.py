"""Work orders: one for one piece of work, each deed once, closed when the sensor agrees."""

from __future__ import annotations

from .conftest import ALERT, DUTY, LAMP, Room


async def test_an_order_is_opened_once(room: Room) -> None:
    """The same key is the same order; the same work for another cause joins it."""
    await room.alarm("open")
    first = await room.open()
    again = await room.open()
    more = await room.orders.open_order(
        DUTY, "demo", "repair_lamp", LAMP, cause="incident:7", severity="high", key="k2"
    )
    assert first == again
    assert (first.number, (ALERT, "incident:7")) == (more.number, more.causes)
    assert [more] == await room.orders.list_for("incident:7")
    told = await room.entity(first.entity)
    assert told is not None
    assert "open" == told["status"]["value"]
    assert [120.2, 30.2] == told["location"]["value"]["coordinates"]
    deeds = await room.journal.list_deeds(subject=first.subject)
    assert ["opened", "joined"] == [one.verb for one in deeds]
