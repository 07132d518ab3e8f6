"""Two made-up registers (演示) that hold the same children twice: a health department's database
and an education department's spreadsheet, with overlaps and differences planted at known rates.

`python -m pintu.demo.registers FOLDER`. Nobody in here exists: names are put together from lists,
and every identity number begins with 990000, which is no place.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from openpyxl import Workbook

SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧曾仇解翟区单"
GIVEN = "一乐之云亦佳依俊倩凡嘉子安宇宏宁家尧希思怡悦文昕昱晨晴晓朗杰梓欣正永浩涵清煜琪瑞睿瑶硕"
STREETS = ("听澜路", "云栈路", "白鹭街", "秋棠路", "观潮街", "锦程路", "新岸路", "启帆街")
SCHOOLS = ("演示第一小学", "演示第二小学", "演示河东小学", "演示滨江小学")
VACCINES = ("麻腮风疫苗", "脊灰疫苗", "百白破疫苗", "乙肝疫苗")
SHARE_IN_BOTH = 0.8
SHARE_DIFFERENT = 0.07
"""Of the children in both registers, how many differ in one field."""

Row = dict[str, Any]
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643
CHECKS = "10X98765432"


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One invented child, as the health department has it."""

    number: int
    id_number: str
    name: str
    sex: str
    born: date
    address: str
    guardian: str
    phone: str
    vaccine: str
    given: date


def id_number(born: date, order: int) -> str:
    """18 digits with a right check digit, of a place that does not exist."""
    digits = f"990000{born:%Y%m%d}{order % 1000:03d}"
    return digits + check_digit(digits)


def check_digit(digits: str) -> str:
    """The eighteenth place after the seventeen before it (GB 11643)."""
    total = sum(int(one) * weight for one, weight in zip(digits, WEIGHTS, strict=True))
    return CHECKS[total % 11]


def make_children(count: int, seed: int) -> list[Child]:
    """So many invented children, the same for the same seed."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        born = date(2016, 1, 1) + timedelta(days=chance.randrange(4 * 365))
        given = born + timedelta(days=chance.randrange(240, 700))
        surname = chance.choice(SURNAMES)
        found.append(
            Child(
                number=number,
                id_number=id_number(born, number),
                name=surname + "".join(chance.sample(GIVEN, chance.choice((1, 2, 2)))),
                sex=chance.choice(("男", "女")),
                born=born,
                address=_address(chance),
                guardian=surname + chance.choice(GIVEN),
                phone=f"100{chance.randrange(10**8):08d}",  # no such prefix is given out
                vaccine=chance.choice(VACCINES),
                given=given,
            )
        )
    return found


def _address(chance: random.Random) -> str:
    street, house = chance.choice(STREETS), chance.randrange(1, 300)
    building, stair = chance.randrange(1, 30), chance.randrange(1, 4)
    return f"{street}{house}号{building}幢{stair}单元{chance.randrange(101, 1900)}室"


def pupils_of(children: list[Child], seed: int) -> tuple[list[Row], list[Row]]:
    """The education department's rows, and which of them differ from health's in what."""
    chance = random.Random(seed + 1)
    rows, planted = [], []
    for child in children:
        if chance.random() > SHARE_IN_BOTH:
            continue
        row = {
            "学号": f"Y{2022 + child.number % 4}{child.number:06d}",
            "姓名": child.name,
            "身份证号": child.id_number,
            "性别": child.sex,
            "出生日期": child.born.isoformat(),
            "家庭住址": child.address,
            "监护人": child.guardian,
            "监护人电话": child.phone,
            "学校": SCHOOLS[child.number % len(SCHOOLS)],
            "疫苗接种": "是",
            "接种日期": child.given.isoformat(),
        }
        if chance.random() < SHARE_DIFFERENT:
            field = chance.choice(("家庭住址", "监护人电话", "接种日期"))
            row[field] = {
                "家庭住址": f"{chance.choice(STREETS)}{chance.randrange(300, 400)}号",
                "监护人电话": f"100{chance.randrange(10**8):08d}",
                "接种日期": (child.given + timedelta(days=chance.randrange(1, 60))).isoformat(),
            }[field]
            planted.append({"id_number": child.id_number, "field": field})
        rows.append(row)
    return rows, planted


def write_health(path: Path, children: list[Child]) -> None:
    """The health department's own database, as it stood before anybody thought of sharing."""
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with sqlite3.connect(partial) as connection:
        connection.execute(
            "CREATE TABLE jzjl (id INTEGER PRIMARY KEY, sfzh TEXT NOT NULL, xm TEXT NOT NULL, "
            "xb TEXT, csrq TEXT, zz TEXT, jhr TEXT, lxdh TEXT, ymmc TEXT, jzrq TEXT, "
            "gxsj TEXT DEFAULT '2026-09-01 08:00:00')"
        )
        connection.executemany(
            "INSERT INTO jzjl(id, sfzh, xm, xb, csrq, zz, jhr, lxdh, ymmc, jzrq) "
            "VALUES (:number, :id_number, :name, :sex, :born, :address, :guardian, :phone, "
            ":vaccine, :given)",
            [
                {**asdict(one), "born": one.born.isoformat(), "given": one.given.isoformat()}
                for one in children
            ],
        )
    connection.close()
    partial.replace(path)


def write_education(path: Path, rows: list[Row]) -> None:
    """The education department's spreadsheet: a title row, then the headings, then the pupils."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("在籍学生")
    sheet.append(["演示数据：在籍学生名册（人名与证号均为虚构）"])
    sheet.append(list(rows[0]))
    for row in rows:
        sheet.append(list(row.values()))
    book.save(path)


def write_registers(folder: Path, *, count: int = 2_000, seed: int = 1) -> dict[str, int]:
    """Write both registers and the truth beside them; how many rows each has, and differences."""
    folder.mkdir(parents=True, exist_ok=True)
    children = make_children(count, seed)
    rows, planted = pupils_of(children, seed)
    write_health(folder / "health.db", children)
    write_education(folder / "education.xlsx", rows)
    truth = json.dumps({"both": len(rows), "differ": planted}, ensure_ascii=False, indent=1)
    (folder / "registers-truth.json").write_text(truth, "utf-8")
    return {"health": len(children), "education": len(rows), "differ": len(planted)}


def main() -> None:
    """Write the registers where the command line says."""
    parser = argparse.ArgumentParser(prog="python -m pintu.demo.registers", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=2_000, help="children (2000)")
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    if not 1 <= told.count <= 1_000_000:
        parser.error("--count is not between 1 and 1000000")
    print("演示 / demo:", write_registers(told.folder, count=told.count, seed=told.seed))


if __name__ == "__main__":
    main()
