"""A small city with its screens on a port, changing at a given rate, for browser tests.

`python -m tests.browser.serve PORT LAMPS CHANGES_A_SECOND [FOLDER]`; prints the admin's token.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

import uvicorn

from pintu.kernel.calling import Caller
from pintu.kernel.intake.words import CommandReport
from pintu.kernel.jsonld import CORE
from pintu.kernel.operations.ledger import Entry, Step
from pintu.kernel.store.port import Op
from pintu.kernel.subscriptions.opening import open_subscriptions
from pintu.kernel.subscriptions.reading import Filed, build, read_document
from pintu.kernel.subscriptions.ways import open_delivery
from pintu.kernel.subscriptions.words import Asker
from pintu.kit import Changed
from pintu.pieces.street_lights.model import Fault, alert_id
from pintu.pieces.street_lights.service import TABLES, FaultService
from pintu.web.app import build_app
from tests.web.small_city import FAULTY, LAMP, SOURCE, SmallCity, changed, open_small_city


async def churn(city: SmallCity, lamps: int, rate: float) -> None:
    """Change that many lamps a second, evenly, in commits of a fiftieth of a second."""
    tenant = city.rooms.store.tenant("demo") or 0
    chance = random.Random(1)
    began, done = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - began) * rate) - done
        if due > 0:
            ops = [one_change(tenant, chance, lamps) for _ in range(min(due, 500))]
            await city.rooms.store.submit(ops, SOURCE)
            done += len(ops)
        await asyncio.sleep(0.02)


def one_change(tenant: int, chance: random.Random, lamps: int) -> Op:
    """Another state and level of some lamp."""
    level = chance.choice((0.0, 0.2, 0.4, 0.6, 0.8, 1.0))
    power = "off" if level == 0 else "on" if level == 1 else "low"
    number = chance.randrange(lamps)
    return Op(tenant, LAMP.format(number), changed(powerState=power, illuminanceLevel=level))


def obey(city: SmallCity) -> None:
    """Behave like a piece with a device: take each command, acknowledge it, confirm it."""

    async def act(id: str) -> None:
        for state in ("sent", "acknowledged", "confirmed"):
            await asyncio.sleep(0.4)
            await city.rooms.commands.report(CommandReport(id, state), "street_lights")  # type: ignore[arg-type]

    tasks: set[asyncio.Task[None]] = set()

    def heard(entry: Entry, step: Step) -> None:
        if step.event == "request":
            task = asyncio.create_task(act(entry.command.id))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    city.rooms.commands.listen(heard)


async def note_faults(city: SmallCity) -> None:
    """Put the faulty lamps on the foreman's list, as the field process would."""
    service = FaultService(city.tables.register(TABLES), city.rooms.clock)
    for number in FAULTY:
        id = alert_id(Fault.FAILED, f"L{number:05d}")
        entity = {
            "id": id, "type": "Alert",
            "status": {"value": "open"},
            "name": {"languageMap": {"zh": f"不亮：滨江大道{number}号杆", "en": "Failed lamp"}},
            "alertSource": {"object": LAMP.format(number)},
        }  # fmt: skip
        told = Changed(id, ("Alert",), "updated", 0, "", entity)
        await service.changed(told, city.rooms.clock.now_us())


async def tell(city: SmallCity) -> None:
    """Three subscriptions: one is well, one fails, one is parked; all made up."""
    rooms = city.rooms
    rooms.caller = Caller(rooms.egress)
    rooms.subscriptions = register = open_subscriptions(city.tables, rooms.store, rooms.clock)
    rooms.delivery = open_delivery(register, rooms)
    await rooms.delivery.start()
    number = rooms.store.tenant("demo") or 0
    for id, name, why in (
        ("a", "路灯状态 → 演示热线 / lamps → demo hotline", ""),
        ("b", "告警 → 演示看板 / alerts → demo board", "The endpoint answered 503"),
        ("c", "演示接收端 / demo endpoint", "The endpoint answered 410: it wants no more"),
    ):
        sent = {"type": "Subscription", "entities": [{"type": "Demo"}], "subscriptionName": name}
        sent["notification"] = {"endpoint": {"uri": f"http://h.example/{id}?key=1"}}
        document = read_document(sent, CORE, rooms.clock.now_us())
        known = Asker(id="token:demo")
        filed = Filed(id=f"urn:s:{id}", tenant=number, tenant_name="demo", asker=known)
        one = build(document, filed)
        if register.find(number, one.id) is None:
            await register.add(one)
        state = register.state(one)
        state.times_sent, state.last_success_us = 12, rooms.clock.now_us() - 90_000_000
        if why:
            state.times_failed, state.attempts, state.last_error = 3, 3, why
            state.last_failure_us = rooms.clock.now_us() - 4_000_000
        if "410" in why:
            rooms.delivery.park(one, why)


async def serve(port: int, lamps: int, rate: float, folder: Path) -> None:
    """Until a signal comes."""
    city = await open_small_city(folder, lamps=lamps)
    obey(city)
    await note_faults(city)
    await tell(city)
    app = build_app(city.rooms)
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1
    )
    print(city.admin, flush=True)
    changing = asyncio.create_task(churn(city, lamps, rate)) if lamps and rate else None
    await uvicorn.Server(config).serve()
    if changing is not None:
        changing.cancel()
    if city.rooms.delivery is not None:
        await city.rooms.delivery.stop()
    await city.close()


def main() -> None:
    """Read the arguments and serve."""
    port, lamps, rate = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    folder = Path(sys.argv[4]) if len(sys.argv) > 4 else Path(tempfile.mkdtemp(prefix="pintu-"))
    asyncio.run(serve(port, lamps, rate, folder))


if __name__ == "__main__":
    main()
