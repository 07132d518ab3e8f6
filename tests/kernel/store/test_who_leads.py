"""Who of several brokers leads, as one of them knows it."""

from __future__ import annotations

import time

import pytest

from pintu.kernel.store.address import parse_address
from pintu.kernel.store.postgres import leading
from pintu.kernel.store.postgres.leading import Leading, Member


async def test_a_loop_that_was_busy_asks_anew(
    city_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever kept the loop busy for longer than the lead was sure hears so when it asks, before it
    believes what was true before."""
    me = Member(name="a", session="pintu-a 1", address="127.0.0.1:1", keys=lambda: "")
    lead = Leading(parse_address(city_address), me)
    try:
        await lead.ask()  # no beats beside it
        assert lead.leads
        monkeypatch.setattr(leading, "SURE_S", 0.01)
        await lead.ask()
        term = lead.leader.term
        time.sleep(0.05)  # what opens a city does this
        assert lead.leads  # nobody could notice
        await lead.ask()
        assert lead.leads
        assert term + 1 == lead.leader.term
    finally:
        await lead.close()
