"""`python -m claims.journey FILE`: follow one real message of a demo city, and write it down."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import aiomqtt

from bench.http_ops import City
from claims.life import ask
from pintu.kernel.intake.words import Envelope, Update
from pintu.pieces.street_lights.normalise import normalise

PORT = 9650
"""A port of its own; the demo's MQTT is one above."""


class Journey:
    """Gathers what happened to one message, in order."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.found: dict[str, Any] = {}

    async def follow(self) -> None:
        """Walk the whole way: wire, normaliser, context, history, event, quarantine, command."""
        await asyncio.to_thread(until, lambda: count(self.city) >= 5000, 90)
        events = asyncio.create_task(asyncio.to_thread(one_map_event, self.city.port))
        async with aiomqtt.Client("127.0.0.1", self.city.port + 1) as client:
            await self._wire(client)
            await asyncio.to_thread(self._context)
            await client.publish("lamps/GW001/telemetry", b'{"seq": 1, "ts": "2026-', qos=1)
        self.found["event"] = await events
        await asyncio.to_thread(self._quarantine)
        await asyncio.to_thread(self._command)

    async def _wire(self, client: aiomqtt.Client) -> None:
        await client.subscribe("lamps/GW001/telemetry", qos=1)
        async for message in client.messages:
            if message.retain:
                continue
            body = bytes(message.payload)
            topic = str(message.topic)
            told = json.loads(body)
            lamp = told["lamps"][0]["id"]
            meta = {"topic": topic, "sender": topic.rpartition("/")[0]}
            now_us = time.time_ns() // 1000
            key = f"{topic} {hashlib.blake2b(body, digest_size=16).hexdigest()}"  # as kit.mqtt does
            envelope = Envelope("street_lights/mqtt", key, now_us, body, meta)
            updates = [one for one in normalise(envelope) if isinstance(one, Update)]
            mine = next(one for one in updates if one.entity["id"].endswith(lamp))
            self.found |= {"topic": topic, "bytes": len(body), "lamps": len(told["lamps"])}
            self.found["message"] = {**told, "lamps": told["lamps"][:1]}
            self.found |= {"key": envelope.key, "update": mine.entity, "mode": mine.mode}
            return

    def _context(self) -> None:
        entity = self.found["update"]["id"]
        stamp = self.found["update"]["activePower"]["observedAt"]
        path = f"/ngsi-ld/v1/entities/{entity}?options=sysAttrs"

        def arrived() -> bool:
            told = ask(self.city, "GET", path, NGSILD_Tenant="demo")[1]
            self.found["entity"] = told
            power = (told or {}).get("activePower") or {}
            return bool(power.get("observedAt", "") >= stamp)

        until(arrived, 30)
        _, told = ask(self.city, "GET", f"/api/v1/history?id={entity}&attribute=activePower")
        self.found["history"] = told

    def _quarantine(self) -> None:
        def held() -> bool:
            _, found = ask(self.city, "GET", "/api/v1/quarantine")
            # other pieces' devices of the demo send half messages too
            mine = [one for one in found or () if one["source"] == "street_lights/mqtt"]
            self.found["quarantine"] = mine[0] if mine else None
            return bool(mine)

        until(held, 30)

    def _command(self) -> None:
        target = self.found["update"]["id"]
        body = {"name": "DimLamp", "target": target, "arguments": {"level": 40}}
        _, told = ask(self.city, "POST", "/api/v1/commands", body)
        final = ("confirmed", "failed", "timed_out", "cancelled")

        def ended() -> bool:
            self.found["command"] = ask(self.city, "GET", f"/api/v1/commands?target={target}")[1][0]
            return self.found["command"]["state"] in final

        self.found["command"] = told
        until(ended, 90)


def until(true: Any, seconds: float) -> None:
    """Wait for something to become true; TimeoutError when it does not."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError("the journey stopped half way")
        time.sleep(0.25)


def count(city: City) -> int:
    """How many lamps there are."""
    from claims.life import lamps_there

    return lamps_there(city)


def one_map_event(port: int) -> str:
    """The first `map` event that has rows, as a page gets it (shortened)."""
    address = f"http://127.0.0.1:{port}/events?topics=map&bbox=120.0,30.0,120.5,30.5"
    with urllib.request.urlopen(address, timeout=60) as stream:
        lines: list[str] = []
        for raw in stream:
            line = raw.decode().rstrip("\n")
            if line.startswith("data:") and "map" in "".join(lines[-1:]) and '"rows":[' in line:
                return "\n".join([*lines[-2:], line[:160] + (" …" if len(line) > 160 else "")])
            lines.append(line)
    raise TimeoutError("no map event came")


def shown(value: Any) -> str:
    """JSON as a block of a page."""
    return "```json\n" + json.dumps(value, ensure_ascii=False, indent=1) + "\n```"


def page(found: dict[str, Any]) -> str:
    """The page, around what was found."""
    told = ("id", "type", "createdAt", "modifiedAt", "name", "location", "activePower")
    entity = {name: value for name, value in found["entity"].items() if name in told}
    values = [one for one in found["history"]["values"] if one is not None][-5:]
    steps = "\n".join(
        f"| {one['at']} | {one['state']} | {one['who']} | {one.get('detail', '')} |"
        for one in found["command"]["steps"]
    )
    held = found["quarantine"] or {}
    kept = {name: held.get(name) for name in ("id", "source", "reason", "size", "attempts")}
    template = (Path(__file__).parent / "journey.md.txt").read_text("utf-8")
    return template.format(
        topic=found["topic"],
        bytes=found["bytes"],
        lamps=found["lamps"],
        message=shown(found["message"]),
        key=found["key"],
        mode=found["mode"],
        update=shown(found["update"]),
        entity=shown(entity),
        values=", ".join(str(one) for one in values),
        event="```\n" + found["event"] + "\n```",
        quarantine=shown(kept),
        steps=steps,
    )


def main() -> int:
    """Write the page; 0 when the message was followed to the end."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="pintu-journey-", ignore_cleanup_errors=True) as name:
        city = City.__new__(City)
        city.folder, city.port, city.extra = Path(name) / "data", free_pair(), ("--demo",)
        city.start()
        journey = Journey(city)
        try:
            asyncio.run(journey.follow())
        finally:
            city.stop()
    Path(sys.argv[1]).write_text(page(journey.found), "utf-8")
    return 0


def free_pair() -> int:
    """A port with a free one above it."""
    for port in range(PORT, PORT + 40, 2):
        try:
            for one in (port, port + 1):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", one))
            return port
        except OSError:
            continue
    raise OSError("no two free ports")


if __name__ == "__main__":
    sys.exit(main())
