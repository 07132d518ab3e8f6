"""How another department writes the same things down, and what only looks like a copy."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from claims.exchange_finder_city import DISTRICTS, THEMES, City, Made, day, id_number
from pintu.kernel.exchange.words import Column, DataSet

Rows = list[dict[str, Any]]
Things = list[list[Any]]
"""Things with their raw values, in the order of the theme's fields."""

OFFICES = ("health", "education", "housing", "water", "traffic", "parks", "police", "civil")


def made_things(theme: tuple[Made, ...], count: int, chance: random.Random) -> Things:
    """Things nobody else has."""
    months, days = chance.randrange(1, 12), chance.randrange(1, 28)
    began = datetime.fromisoformat(f"2024-{months:02}-{days:02}T00:00")
    things = []
    for n in range(count):
        things.append([
            (began + timedelta(hours=n // 12)).isoformat() if one.kind == "time"
            else one.make(chance, n)
            for one in theme
        ])  # fmt: skip
    return things


def written(
    name: str, theme: tuple[Made, ...], things: Things, chance: random.Random, *,
    fields: list[int] | None = None, as_copy: bool = False, serial: bool = False,
) -> tuple[DataSet, Rows]:  # fmt: skip
    """A data set of these things as one office writes it; a copy renames, recodes and rescales."""
    chosen = fields if fields is not None else list(range(len(theme)))
    columns: list[Column] = []
    ways = []
    style = chance.randrange(4) if as_copy else chance.choice((0, 0, 1, 2))
    for n in chosen:
        made = theme[n]
        way = _way(made, chance, as_copy=as_copy)
        title, plain = _named(made, n, style, chance)
        columns.append(Column(
            name=plain, title=title, kind=way["kind"], unit=way["unit"],
            person=made.person if chance.random() < 0.9 else "", key=made.key,
        ))  # fmt: skip
        ways.append((n, plain, way))
    rows: Rows = []
    for number, thing in enumerate(things, 1):
        row = {plain: _said(theme[n], thing[n], way, chance) for n, plain, way in ways}
        if serial:
            row["serial"] = number
        rows.append(row)
    if serial:
        columns.insert(0, Column(name="serial", title={"zh": "序号"}, kind="whole"))
    office = chance.choice(OFFICES)
    return DataSet(
        name=name, provider="table", title={"zh": name}, owner=office, columns=columns,
        source=f"{office}_{name}",
    ), rows  # fmt: skip


def _named(made: Made, n: int, style: int, chance: random.Random) -> tuple[dict[str, str], str]:
    chinese, english, letters = made.names[:3]
    if style == 0:
        return {"zh": chinese}, english
    if style == 1:
        return {}, letters
    if style == 2:
        return {"en": english.replace("_", " ").title()}, english
    return {"zh": chance.choice((chinese, f"{chinese}（填报）", f"登记{chinese}"))}, f"field_{n}"


def _way(made: Made, chance: random.Random, *, as_copy: bool) -> dict[str, Any]:
    """How one field is written down: unit, code list, form of dates and codes."""
    way: dict[str, Any] = {"kind": made.kind, "unit": made.unit, "factor": 1.0, "offset": 0.0}
    way["codes"] = made.codes[0] if made.codes else ()
    way["form"], way["noise"], way["empty"] = 0, 0.0, chance.uniform(0, 0.05)
    if not as_copy:
        return way
    way["noise"] = chance.choice((0.0, 0.02, 0.05, 0.1, 0.15))
    way["form"] = chance.randrange(3)
    if made.units and chance.random() < 0.6:
        way["unit"], way["factor"], way["offset"] = chance.choice(made.units)
    if made.codes and chance.random() < 0.7:
        way["codes"] = chance.choice(made.codes)
    if made.kind == "number" and chance.random() < 0.1:
        way["kind"] = "text"  # a spreadsheet kept it as a text
    return way


def _said(made: Made, value: Any, way: dict[str, Any], chance: random.Random) -> Any:
    if chance.random() < way["empty"] and not made.key:
        return None
    if way["noise"] and not made.key and chance.random() < way["noise"]:
        value = value if made.kind == "time" else made.make(chance, chance.randrange(10**6))
    if made.codes:
        return way["codes"][value]
    if made.kind == "number":
        told = float(f"{value * way['factor'] + way['offset']:.5g}") if way["factor"] != 1.0 or way[
            "offset"] else value  # fmt: skip
        return str(told) if way["kind"] == "text" else told
    if made.kind == "date":
        return (value, value.replace("-", "/"), value.replace("-", ""))[way["form"]]
    if made.kind == "time":
        return (value, value.replace("T", " "), value + "Z")[way["form"]]
    if made.kind == "text" and made.key and "-" in str(value):
        return (value, value.lower().replace("-", ""), value.replace("-", "_"))[way["form"]]
    if made.person == "address" or "号" in str(value):
        return (value, f"杭州市{value}", f"浙江省杭州市{value}")[way["form"]]
    return value


def plant(city: City, chance: random.Random, number: int) -> None:
    """One original and its copy, by another office."""
    name = chance.choice(list(THEMES))
    theme = THEMES[name]
    things = made_things(theme, chance.choice((80, 150, 300, 600, 1200)), chance)
    left = written(f"p{number}a", theme, things, chance, serial=chance.random() < 0.3)
    kept = [n for n, one in enumerate(theme) if one.key]
    others = [n for n, one in enumerate(theme) if not one.key]
    kept += chance.sample(others, chance.randint(max(2, len(others) // 2), len(others)))
    share = chance.choice((0.35, 0.5, 0.7, 0.9, 1.0))
    copied = chance.sample(things, max(30, int(len(things) * share)))
    if chance.random() < 0.5:  # things of its own beside the copied ones
        copied += made_things(theme, int(len(things) * chance.uniform(0.1, 0.6)), chance)
    chance.shuffle(copied)
    right = written(
        f"p{number}b", theme, copied, chance, fields=kept, as_copy=True,
        serial=chance.random() < 0.4,
    )  # fmt: skip
    if chance.random() < 0.5:
        _own_fields(right, chance)
    city.sets += [left, right]
    city.planted.add(frozenset((left[0].name, right[0].name)))


def _own_fields(made: tuple[DataSet, Rows], chance: random.Random) -> None:
    """A field or two that only this office keeps."""
    for n in range(chance.choice((1, 2))):
        name = f"own_{n}"
        made[0].columns.append(Column(name=name, title={"zh": f"本部门字段{n}"}, kind="number"))
        for row in made[1]:
            row[name] = chance.randrange(1000)


def decoy(city: City, chance: random.Random, number: int) -> int:
    """What shares only what unrelated data share; how many data sets it made."""
    kinds = ("alike", "alike", "alike", "serial", "people", "dates", "stations")
    kind = chance.choice(kinds)
    city.decoys[kind] = city.decoys.get(kind, 0) + 1
    name = chance.choice(list(THEMES))
    if kind == "people":
        return _same_people(city, chance, number)
    if kind in ("dates", "serial"):
        city.sets.append(_common_only(f"d{number}", chance, serial=kind == "serial"))
        return 1
    if kind == "stations":  # one network, other things measured at the same hours
        name = "监测小时值"
    theme = THEMES[name]
    things = made_things(theme, chance.choice((60, 120, 300, 700)), chance)
    city.sets.append(written(f"d{number}", theme, things, chance, serial=chance.random() < 0.4))
    return 1


def _common_only(name: str, chance: random.Random, *, serial: bool) -> tuple[DataSet, Rows]:
    """Serial numbers, dates, sexes, districts, small counts: values everybody has."""
    columns = [
        Column(name="xh", title={"zh": "序号"}, kind="whole", key=serial),
        Column(name="rq", title={"zh": "日期"}, kind="date", key=not serial),
        Column(name="qx", title={"zh": "区县"}, key=not serial),
        Column(name="xb", title={"zh": "性别"}, kind="code"),
        Column(name="sl", title={"zh": "数量"}, kind="whole"),
        Column(name="je", title={"zh": "金额"}, kind="number"),
    ]
    rows = [
        {
            "xh": n, "rq": day(chance, 2025, 2026), "qx": chance.choice(DISTRICTS),
            "xb": chance.choice("男女"), "sl": chance.randrange(20),
            "je": round(chance.uniform(0, 500), 1),
        }
        for n in range(1, chance.choice((200, 365, 1000)))
    ]  # fmt: skip
    return DataSet(
        name=name, provider="table", title={"zh": f"{name} 统计"}, owner=chance.choice(OFFICES),
        columns=columns, source=name,
    ), rows  # fmt: skip


def _same_people(city: City, chance: random.Random, number: int) -> int:
    """Two offices that keep different things of the same people: joined, and no copy."""
    ids = [id_number(chance, n) for n in range(chance.choice((150, 400)))]
    for side in "ab":
        own = [f"{side}{n}" for n in range(chance.randint(4, 7))]
        columns = [Column(name="sfzh", title={"zh": "身份证号"}, person="id_number", key=True)]
        columns += [
            Column(name=one, title={"zh": f"指标{one}"}, kind=chance.choice(("number", "code")))
            for one in own
        ]
        rows = [
            {"sfzh": one, **{name: chance.randrange(3 if n % 2 else 900)
                             for n, name in enumerate(own)}}
            for one in ids
        ]  # fmt: skip
        city.sets.append((
            DataSet(name=f"d{number}{side}", provider="table", title={"zh": f"指标 {side}"},
                    owner=chance.choice(OFFICES), columns=columns, source=f"{number}{side}"),
            rows,
        ))  # fmt: skip
    return 2


def made_city(seed: int, *, planted: int = 200, sets: int = 2_000) -> City:
    """The whole city of a seed."""
    chance = random.Random(seed)
    city = City()
    for number in range(planted):
        plant(city, chance, number)
    number = 0
    while len(city.sets) < sets:
        decoy(city, chance, number)
        number += 1
    chance.shuffle(city.sets)
    return city
