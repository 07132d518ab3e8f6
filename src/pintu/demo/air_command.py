"""What `python -m pintu.demo` is told about its air stations, and how it starts them."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from pintu.demo.air_series import find_folder, make_series
from pintu.demo.air_stations import (
    PLACES,
    AirSite,
    AirStation,
    make_air_sites,
    plan_air_faults,
    write_list,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the air stations; all begin with --air."""
    parser.add_argument("--air-stations", type=int, default=len(PLACES), help="0 to 12 (12)")
    parser.add_argument("--air-port", type=int, help="of the HJ 212 platform (--port + 1)")
    parser.add_argument(
        "--air-interval", type=float, default=60.0, help="real seconds between readings (60)"
    )
    parser.add_argument(
        "--air-fault-rate", type=float, default=0.1, help="share of the time a station is wrong"
    )
    parser.add_argument(
        "--air-past", type=int, default=0, help="hours of memory told slowly, a forecast needs 900"
    )
    parser.add_argument("--air-list", type=Path, help="write the list of stations to this file")
    parser.add_argument("--air-truth", type=Path, help="write what is really wrong to this file")


def mistakes(told: argparse.Namespace) -> list[str]:
    """What is wrong with them, in words."""
    port = told.air_port if told.air_port is not None else told.port + 1
    return [
        text
        for wrong, text in (
            (not 0 <= told.air_stations <= len(PLACES), "--air-stations is not between 0 and 12"),
            (not 1 <= port <= 65_535, "--air-port is not between 1 and 65535"),
            (not 0.2 <= told.air_interval <= 3600, "--air-interval is not between 0.2 and 3600"),
            (not 0 <= told.air_past <= 20_000, "--air-past is not between 0 and 20000"),
            (not 0 <= told.air_fault_rate <= 0.5, "--air-fault-rate is not between 0 and 0.5"),
        )
        if wrong
    ]


def prepare(told: argparse.Namespace) -> list[AirStation]:
    """The stations, with the files asked for written; ValueError when real hours cannot be read."""
    sites = make_air_sites(make_series(told.air_stations, told.seed, find_folder()))
    plan = plan_air_faults(
        sites, rate=told.air_fault_rate, seed=told.seed, from_s=told.clock.now_s()
    )
    if told.air_list:
        write_list(sites, told.air_list)
    if told.air_truth:
        plan.write_truth(told.air_truth)
    return [
        AirStation(site, plan, told.clock, seed=told.seed, past_h=told.air_past) for site in sites
    ]


def start(told: argparse.Namespace, stations: list[AirStation], group: asyncio.TaskGroup) -> str:
    """Let every station talk; gives a line that says what they tell."""
    port = told.air_port if told.air_port is not None else told.port + 1
    for number, station in enumerate(stations):
        begins_in_s = told.air_interval * number / max(1, len(stations)) / 10
        group.create_task(
            station.run(
                told.host, port, interval_s=told.air_interval, begins_in_s=1.0 + begins_in_s
            )
        )
    return _line([station.site for station in stations], f"{told.host}:{port}")


def _line(sites: list[AirSite], where: str) -> str:
    if not sites:
        return "演示 / demo: no air stations"
    return f"演示 / demo: {len(sites)} air stations to HJ 212 {where}: {sites[0].series.label} …"
