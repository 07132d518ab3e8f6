"""`python -m pintu.demo`: a made-up district (演示) that speaks MQTT and HJ 212, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path

from pintu.demo import air_command, device_command, things_command
from pintu.demo.broker import DemoBroker
from pintu.demo.city_time import read_clock
from pintu.demo.connecting import Broker, read_broker
from pintu.demo.district import Site, base_map, build_roads, make_sites, place_lamps
from pintu.demo.faults import HOUR, FaultPlan, counted_plan, standing_plan
from pintu.demo.gateways import Gateway
from pintu.demo.lamps import SiteState


def read_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """What the command was told; ends the process with code 2 when it cannot be."""
    parser = argparse.ArgumentParser(prog="python -m pintu.demo", description=__doc__)
    parser.add_argument("--port", type=int, default=8801, help="of the MQTT broker in here (8801)")
    parser.add_argument("--host", default="127.0.0.1", help="it listens on (127.0.0.1)")
    parser.add_argument(
        "--broker", type=read_broker, help="mqtt://HOST:PORT of another broker instead"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--clock", type=read_clock, default="real", help="real, or 'TIME xRATE[ @REAL]'"
    )
    parser.add_argument("--lamps", type=int, default=5000)
    parser.add_argument("--gateways", type=int, default=50)
    parser.add_argument(
        "--interval", type=float, default=10.0, help="real seconds between readings (10)"
    )
    parser.add_argument(
        "--fault-rate", type=float, default=0.02, help="share of lamps broken at a time"
    )
    parser.add_argument(
        "--faults", type=int, help="exactly so many faults, begun within 12 hours, that stay"
    )
    parser.add_argument(
        "--truth", type=Path, help="write what is really broken to this file, for a scorer"
    )
    parser.add_argument("--base-map", type=Path, help="write the district as GeoJSON to this file")
    parser.add_argument("--only-files", action="store_true", help="write the files, then end")
    parser.add_argument(
        "--registers", type=Path, help="write two departments' made-up registers to this folder"
    )
    air_command.add_arguments(parser)
    device_command.add_arguments(parser)
    things_command.add_arguments(parser)
    told = parser.parse_args(arguments)
    mistakes = air_command.mistakes(told) + device_command.mistakes(told) + lamp_mistakes(told)
    mistakes += things_command.mistakes(told)
    if mistakes:
        parser.error("; ".join(mistakes))
    return told


def lamp_mistakes(told: argparse.Namespace) -> list[str]:
    """What cannot be of what was told about the lamps."""
    checks = (
        (1 <= told.port <= 65_535, "--port is not between 1 and 65535"),
        (1 <= told.lamps <= 100_000, "--lamps is not between 1 and 100000"),
        (1 <= told.gateways <= told.lamps, "--gateways is not between 1 and the lamps"),
        (0.2 <= told.interval <= 3600, "--interval is not between 0.2 and 3600"),
        (told.faults is None or told.faults * 4 <= told.lamps, "--faults: over a quarter"),
        (0 <= told.fault_rate <= 0.5, "--fault-rate is not between 0 and 0.5"),
    )
    return [text for right, text in checks if not right]


async def run(told: argparse.Namespace) -> None:
    """Build the district, write the files asked for, and let every gateway talk until cancelled."""
    roads = build_roads()
    sites = make_sites(place_lamps(roads, told.lamps, told.seed), told.gateways)
    plan = _plan(told, sites)
    if told.truth:
        plan.write_truth(told.truth)
    if told.base_map:
        _write(told.base_map, json.dumps(base_map(roads), ensure_ascii=False))
    if told.registers and not (told.registers / "education.xlsx").exists():
        # in a process of its own: what writes a workbook should not stay in memory
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pintu.demo.registers", told.registers, stdout=sys.stderr
        )
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pintu.demo.departments",
            told.registers.parent / "departments", stdout=sys.stderr,
        )  # fmt: skip
    stations = air_command.prepare(told)
    world = things_command.prepare(told, roads, sites)
    if told.only_files:
        return
    server = DemoBroker()
    if not told.broker:
        await server.start(told.host, told.port)
    devices = await device_command.start(told, roads)
    broker = told.broker or Broker(told.host, told.port)
    print(f"演示 / demo: {told.lamps} lamps behind mqtt://{broker.host}:{broker.port}", flush=True)
    try:
        async with asyncio.TaskGroup() as group:
            print(air_command.start(told, stations, group), flush=True)
            if world is not None:
                print(things_command.start(told, world, broker, group), flush=True)
            for number, site in enumerate(sites):
                gateway = Gateway(
                    SiteState(site, plan, told.seed),
                    told.clock,
                    interval_s=told.interval,
                    seed=told.seed,
                )
                # One after another: all lamps are there within the first interval, none at once.
                group.create_task(gateway.run(broker, told.interval * number / len(sites)))
    finally:
        await devices.stop()
        await server.stop()


def _plan(told: argparse.Namespace, sites: list[Site]) -> FaultPlan:
    now_s = told.clock.now_s()
    if told.faults is None:
        return standing_plan(sites, rate=told.fault_rate, seed=told.seed, from_s=now_s)
    window = (now_s + HOUR, now_s + 13 * HOUR)
    return counted_plan(
        sites, count=told.faults, seed=told.seed, window=window, until_s=now_s + 1_000 * HOUR
    )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(text, "utf-8")
    partial.replace(path)


async def _until_told_to_stop(told: argparse.Namespace) -> None:
    task = asyncio.create_task(run(told))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def main() -> int:
    """Run the command; 0 when it was stopped, 1 when it could not start."""
    told = read_arguments()
    try:
        asyncio.run(_until_told_to_stop(told))
    except (OSError, ValueError) as error:
        print(f"The demo cannot start: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
