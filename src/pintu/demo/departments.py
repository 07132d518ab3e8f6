"""Two made-up departments (演示) that hold the same children twice, with their people: what the
exchange is tried with before a city trusts it with anything real.

`python -m pintu.demo.departments` prints them as JSON; with a folder it writes the database of
education, the spreadsheet of health, and the truth. Nobody in here exists: every identity number
begins with 990000, which is no place, and every telephone with 100, which nobody has.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from pintu.demo.registers import GIVEN, STREETS, SURNAMES, VACCINES, id_number

Row = dict[str, Any]
SCHOOLS: Final = ("演示第一小学", "演示第二小学", "演示河东小学")
GROUPS: Final = ("汉族", "汉族", "汉族", "汉族", "畲族", "回族", "维吾尔族")
RELATIONS: Final = ("父亲", "母亲", "祖母")
ALLERGIES: Final = ("未见过敏", "未见过敏", "未见过敏", "花生", "青霉素")
CHILDREN: Final = 120
IN_BOTH: Final = 100
DIFFERENT: Final = 98
"""Children of both registers that differ in one field: 7 % of the values of the fourteen fields."""

DRIFTED: Final = (
    "address", "phone", "household", "guardian", "relation", "grade", "allergy", "vaccinated_on",
)  # fmt: skip
"""What drifts apart when two departments ask for it again."""

FIELDS: Final = (
    # name, heading, kind, what it says of a person
    ("id_number", {"zh": "身份证号", "en": "Identity number"}, "text", "id_number"),
    ("name", {"zh": "姓名", "en": "Name"}, "text", "name"),
    ("sex", {"zh": "性别", "en": "Sex"}, "code", ""),
    ("born", {"zh": "出生日期", "en": "Date of birth"}, "date", "birth"),
    ("ethnic_group", {"zh": "民族", "en": "Ethnic group"}, "code", ""),
    ("household", {"zh": "户籍地址", "en": "Registered address"}, "text", "address"),
    ("address", {"zh": "家庭住址", "en": "Home address"}, "text", "address"),
    ("guardian", {"zh": "监护人", "en": "Guardian"}, "text", "name"),
    ("relation", {"zh": "与监护人关系", "en": "Relation"}, "code", ""),
    ("phone", {"zh": "监护人电话", "en": "Guardian's telephone"}, "text", "phone"),
    ("school", {"zh": "学校", "en": "School"}, "code", ""),
    ("grade", {"zh": "年级", "en": "Grade"}, "code", ""),
    ("allergy", {"zh": "过敏史", "en": "Allergies"}, "code", "health"),
    ("vaccinated_on", {"zh": "接种日期", "en": "Vaccinated on"}, "date", "health"),
)
"""The fourteen fields that both departments keep."""

OF_EDUCATION: Final = (("pupil_no", {"zh": "学号", "en": "Pupil number"}, "text", ""),)
OF_HEALTH: Final = (
    ("vaccine", {"zh": "疫苗", "en": "Vaccine"}, "code", "health"),
    ("clinic", {"zh": "接种单位", "en": "Clinic"}, "code", ""),
)
ORGANISATIONS: Final = (
    {"id": "city", "kind": "city", "name": {"zh": "演示市数据局", "en": "Demo Data Bureau"}},
    {
        "id": "education",
        "kind": "department",
        "name": {"zh": "演示市教育局", "en": "Demo Education Bureau"},
    },
    {
        "id": "health",
        "kind": "department",
        "name": {"zh": "演示市卫生健康委", "en": "Demo Health Commission"},
    },
    {
        "id": "school",
        "kind": "school",
        "name": {"zh": "演示第一小学", "en": "Demo No. 1 Primary School"},
        "parent": "education",
    },
    {
        "id": "operations",
        "kind": "department",
        "name": {"zh": "演示市运行管理中心", "en": "Demo Operations Centre"},
        "tenants": ["demo"],
    },
)
PEOPLE: Final = (
    # login, name, what they are
    ("demo_officer", "周演示", (("city", "admin"), ("city", "officer"))),
    ("demo_school", "吴演示", (("school", "officer"), ("school", "clerk"))),
    ("demo_head", "郑演示", (("school", "owner"),)),
    ("demo_health", "王演示", (("health", "owner"),)),
    ("demo_deputy", "冯演示", (("health", "deputy"),)),
    ("demo_steward", "陈演示", (("health", "steward"),)),
    ("demo_education", "褚演示", (("education", "owner"), ("education", "steward"))),
    ("demo_planner", "蒋演示", (("education", "officer"),)),
    ("demo_auditor", "卫演示", (("city", "auditor"),)),
    ("demo_duty", "沈演示", (("operations", "duty"),)),
    ("demo_deputy_duty", "韩演示", (("operations", "duty"),)),
    ("demo_supervisor", "杨演示", (("operations", "supervisor"),)),
    ("demo_foreman", "朱演示", (("operations", "foreman"),)),
    ("demo_crew_1", "秦演示", (("operations", "crew"),)),
    ("demo_crew_2", "许演示", (("operations", "crew"),)),
    ("demo_crew_3", "何演示", (("operations", "crew"),)),
)
ROSTER: Final = {
    "by": "demo_supervisor",
    "rota": {
        "id": "demo",
        "title": {"zh": "运行管理中心值班（演示）", "en": "Operations centre (demo)"},
        "first_day": "2020-01-06",
        "days": 1,
    },
    "turns": [
        {"day": 0, "starts": starts, "minutes": 720, "post": post, "people": people}
        for starts in ("07:30", "19:30")
        for post, people in (
            ("duty", ["demo_duty", "demo_deputy_duty"]),
            ("supervisor", ["demo_supervisor"]),
        )
    ],
}
"""Who of them is on duty: two turns a day, rung in this order."""

CREWS: Final = (
    # id, names, kinds of work, where they start from, who
    ("lamps-1", "照明一班（演示）", "Lamps 1 (demo)",
     ["repair_lamp", "restore_power", "inspect"], [120.19, 30.19], ["demo_crew_1"]),
    ("drains-1", "排水一班（演示）", "Drains 1 (demo)",
     ["pump", "secure", "inspect", "close_road"], [120.21, 30.2], ["demo_crew_2"]),
    ("roads-1", "道路一班（演示）", "Roads 1 (demo)",
     ["clear_road", "close_road", "secure", "patrol", "inspect"], [120.2, 30.21], ["demo_crew_3"]),
)  # fmt: skip
"""Who goes out together; no shifts are planned, so that they are always on call."""

AGREEMENT: Final = {
    "data_set": "demo_vaccinations",
    "consumer": "education",
    "purpose": "statistics",
    "basis": "statutory_duty",
    "fields": {"school": {"kind": "plain"}, "vaccinated_on": {"kind": "yes_no"}},
    "k": 10,
    "days": 365,
    "reason": "按学校统计接种人数，安排校内补种（演示）",
    "requested_by": "demo_planner",
    "approved_by": "demo_health",
    "signed_by": "demo_education",
}
"""What the two departments agreed on before anybody looks: how many, never who."""


SHARED: Final = ("id_number", "name", "sex", "born", "phone", "address", "vaccinated_on", "school")
PLAN: Final = {
    "name": "demo-children",
    "title": {"zh": "儿童（演示）", "en": "Children (demo)"},
    "sources": [
        {
            "data_set": name,
            "columns": {{"born": "birth"}.get(one, one): one for one in SHARED},
            "unique": True,
        }
        for name in ("demo_pupils", "demo_vaccinations")
    ],
    "authority": {"vaccinated_on": ["demo_vaccinations"], "school": ["demo_pupils"]},
}
"""Which of their fields tell the same, and whose word holds."""


def make_children(seed: int = 1) -> list[Row]:
    """The children as the health department has them, the same for the same seed."""
    chance = random.Random(seed)
    found = []
    for number in range(CHILDREN):
        born = date(2016, 9, 1) + timedelta(days=chance.randrange(4 * 365))
        given = born + timedelta(days=chance.randrange(240, 700))
        surname = chance.choice(SURNAMES)
        home = _address(chance)
        found.append(
            {
                "id_number": id_number(born, number),
                "name": surname + "".join(chance.sample(GIVEN, chance.choice((1, 2, 2)))),
                "sex": chance.choice(("男", "女")),
                "born": born.isoformat(),
                "ethnic_group": chance.choice(GROUPS),
                "household": home if chance.random() < 0.7 else _address(chance),
                "address": home,
                "guardian": surname + chance.choice(GIVEN),
                "relation": chance.choice(RELATIONS),
                "phone": f"100{chance.randrange(10**8):08d}",
                "school": SCHOOLS[number % len(SCHOOLS)],
                "grade": f"{2023 - born.year if born.month < 9 else 2022 - born.year}年级",
                "allergy": chance.choice(ALLERGIES),
                # one in ten was never vaccinated: "yes" to everybody would tell nothing
                "vaccinated_on": None if number % 10 == 9 else given.isoformat(),
                "vaccine": None if number % 10 == 9 else chance.choice(VACCINES),
                "clinic": f"演示社区卫生服务中心 {number % 4 + 1}",
            }
        )
    return found


def pupils_of(children: list[Row], seed: int = 1) -> tuple[list[Row], list[dict[str, str]]]:
    """The education department's rows, and which of them differ from health's in what."""
    chance = random.Random(seed + 1)
    names = [name for name, *_ in FIELDS]
    rows = [
        {"pupil_no": f"Y2026{number:04d}", **{name: child[name] for name in names}}
        for number, child in enumerate(children[:IN_BOTH])
    ]
    planted = []
    # never the first: the scene's own family, whose date is wrong in both places
    for number in range(1, DIFFERENT + 1):
        row, field = rows[number], DRIFTED[number % len(DRIFTED)]
        row[field] = _drifted(field, row[field], chance)
        planted.append({"id_number": row["id_number"], "field": field})
    return rows, planted


def _drifted(field: str, value: Any, chance: random.Random) -> str:
    """What the other department was told another day."""
    if field == "vaccinated_on":
        day = date.fromisoformat(value or "2020-01-01")
        return (day + timedelta(days=chance.randrange(1, 60))).isoformat()
    if field == "phone":
        return f"100{chance.randrange(10**8):08d}"
    if field == "guardian":
        return chance.choice(SURNAMES) + chance.choice(GIVEN) + chance.choice(GIVEN)
    if field in ("relation", "allergy"):
        told = RELATIONS if field == "relation" else ALLERGIES
        return chance.choice([one for one in told if one != value])
    if field == "grade":
        return f"{int(str(value)[0]) % 6 + 1}年级"
    return _address(chance)


def _address(chance: random.Random) -> str:
    street, house = chance.choice(STREETS), chance.randrange(1, 300)
    return f"{street}{house}号{chance.randrange(1, 30)}幢{chance.randrange(101, 1900)}室"


def family(children: list[Row]) -> list[dict[str, Any]]:
    """The residents with accounts: the first child's guardian, who acts for the child."""
    child = children[0]
    return [
        {
            "login": "demo_guardian",
            "name": child["guardian"],
            "id_number": id_number(date(1988, 4, 5), 501),
            "children": [{"id_number": child["id_number"], "name": child["name"]}],
        }
    ]


def told(seed: int = 1) -> dict[str, Any]:
    """Everything a city needs to be told of the two departments."""
    children = make_children(seed)
    pupils, planted = pupils_of(children, seed)
    return {
        "demo": "演示 / demo: nobody and nothing in here exists",
        "organisations": list(ORGANISATIONS),
        "people": [
            {"login": login, "name": name,
             "memberships": [{"organisation": one, "role": role} for one, role in roles]}
            for login, name, roles in PEOPLE
        ],
        "residents": family(children),
        "data_sets": [
            {
                "name": "demo_pupils", "owner": "education", "key": "id_number", "rows": pupils,
                "title": {"zh": "在籍学生名册（演示）", "en": "Pupils (demo)"},
                "columns": _columns((*OF_EDUCATION, *FIELDS)),
            },
            {
                "name": "demo_vaccinations", "owner": "health", "key": "id_number",
                "rows": children,
                "title": {"zh": "儿童接种记录（演示）", "en": "Vaccinations (demo)"},
                "columns": _columns((*FIELDS, *OF_HEALTH)),
            },
        ],
        "roster": ROSTER,
        "crews": [
            {"id": id, "name": {"zh": zh, "en": en}, "kinds": kinds, "place": place,
             "members": members}
            for id, zh, en, kinds, place, members in CREWS
        ],
        "agreements": [AGREEMENT],
        "plans": [PLAN],
        "differ": planted,
    }  # fmt: skip


def _columns(fields: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [
        {"name": name, "title": title, "kind": kind, "person": person, "key": name == "id_number"}
        for name, title, kind, person in fields
    ]


def write_files(folder: Path, seed: int = 1) -> dict[str, int]:
    """Education's database, health's spreadsheet and the truth beside them."""
    from openpyxl import Workbook

    folder.mkdir(parents=True, exist_ok=True)
    children = make_children(seed)
    pupils, planted = pupils_of(children, seed)
    path = folder / "education.db"
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as connection:
        names = list(pupils[0])
        told_columns = ", ".join(f"{one} TEXT" for one in names[1:])
        connection.execute(f"CREATE TABLE pupil (pupil_no TEXT PRIMARY KEY, {told_columns})")
        places = ", ".join("?" * len(names))
        connection.executemany(
            f"INSERT INTO pupil VALUES ({places})", [tuple(one.values()) for one in pupils]
        )
    connection.close()
    titles = {name: title["zh"] for name, title, *_ in (*FIELDS, *OF_HEALTH)}
    book = Workbook(write_only=True)
    sheet = book.create_sheet("接种记录")
    sheet.append(["演示数据：儿童接种记录（人名与证号均为虚构）"])
    sheet.append([titles[one] for one in children[0]])
    for child in children:
        sheet.append(list(child.values()))
    book.save(folder / "health.xlsx")
    truth = {"both": len(pupils), "fields": len(FIELDS), "differ": planted}
    (folder / "departments-truth.json").write_text(json.dumps(truth, ensure_ascii=False), "utf-8")
    return {"education": len(pupils), "health": len(children), "differ": len(planted)}


def main() -> None:
    """Print the departments, or write their files into a folder."""
    parser = argparse.ArgumentParser(prog="python -m pintu.demo.departments", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    if asked.folder is None:
        json.dump(told(asked.seed), sys.stdout, ensure_ascii=False)
        return
    print("演示 / demo:", write_files(asked.folder, asked.seed))


if __name__ == "__main__":
    main()
