"""A made-up city of two thousand data sets, some of which are held twice: what the finder is asked.

Nothing here knows how the finder works: originals come from themes, copies are written down again
as another department would, decoys share what unrelated data share.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from pintu.kernel.exchange.words import DataSet

SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹"
    "彭曾萧田董潘袁蔡蒋余于杜叶程苏魏吕丁"
)
GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰春梅建国"
    "志文斌宇浩晨雨欣子涵梓轩一诺思远嘉怡"
)
ROADS = [
    "滨江",
    "长河",
    "江虹",
    "文一",
    "文二",
    "天目山",
    "体育场",
    "凤起",
    "庆春",
    "解放",
    "西湖",
    "中河",
    "环城",
    "机场",
    "秋涛",
    "钱江",
    "富春",
    "临平",
    "望江",
    "平海",
]
DISTRICTS = [
    "上城区",
    "拱墅区",
    "西湖区",
    "滨江区",
    "萧山区",
    "余杭区",
    "临平区",
    "钱塘区",
    "富阳区",
    "临安区",
]
SPECIES = ["香樟", "桂花", "银杏", "悬铃木", "无患子", "乐昌含笑", "水杉", "垂柳"]
FIRMS = ["科技", "贸易", "建设", "餐饮", "物流", "文化", "信息", "医药", "机械", "纺织"]
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


@dataclass(frozen=True, slots=True)
class Made:
    """One field of a theme: its names and how a value of thing number n is made."""

    names: tuple[str, ...]  # Chinese first, then English, then letters of pinyin
    kind: str
    make: Callable[[random.Random, int], Any]
    unit: str = ""
    person: str = ""
    units: tuple[tuple[str, float, float], ...] = ()  # other units: (sign, factor, offset)
    codes: tuple[tuple[str, ...], ...] = ()  # code lists, each in the same order
    key: bool = False


@dataclass(slots=True)
class City:
    """Data sets with their rows, and the pairs that were planted."""

    sets: list[tuple[DataSet, list[dict[str, Any]]]] = field(default_factory=list)
    planted: set[frozenset[str]] = field(default_factory=set)
    decoys: dict[str, int] = field(default_factory=dict)


def day(chance: random.Random, first: int = 1950, last: int = 2024) -> str:
    """A day between two years."""
    return (date(first, 1, 1) + timedelta(days=chance.randrange((last - first) * 365))).isoformat()


def id_number(chance: random.Random, _: int) -> str:
    """A citizen's number that nobody has, its check digit right."""
    born = day(chance, 1940, 2019).replace("-", "")
    body = f"{chance.choice((330102, 330105, 330106, 330108, 330109, 341002))}{born}"
    body += f"{chance.randrange(1000):03}"
    rest = sum(int(one) * weight for one, weight in zip(body, WEIGHTS, strict=True)) % 11
    return body + "10X98765432"[rest]


def person(chance: random.Random, _: int) -> str:
    """A made-up name."""
    return chance.choice(SURNAMES) + "".join(chance.choices(GIVEN, k=chance.choice((1, 2, 2))))


def address(chance: random.Random, _: int) -> str:
    """A made-up address."""
    return (
        f"{chance.choice(DISTRICTS)}{chance.choice(ROADS)}路{chance.randrange(1, 900)}号"
        f"{chance.randrange(1, 30)}幢{chance.randrange(101, 2800)}室"
    )


def firm(chance: random.Random, n: int) -> str:
    """A made-up firm."""
    name = "".join(chance.choices(GIVEN, k=2))
    return f"杭州{name}{chance.choice(FIRMS)}{chance.randrange(1, 99)}有限公司"


def coded(prefix: str, width: int = 6) -> Callable[[random.Random, int], str]:
    """Codes of a prefix and digits."""
    return lambda chance, n: f"{prefix}-{chance.randrange(10**width):0{width}}"


def number(low: float, high: float, digits: int = 1) -> Callable[[random.Random, int], float]:
    """Numbers, some more frequent than others."""
    return lambda chance, n: round(chance.triangular(low, high), digits)


def whole(low: int, high: int) -> Callable[[random.Random, int], int]:
    """Whole numbers."""
    return lambda chance, n: chance.randint(low, high)


def among(count: int) -> Callable[[random.Random, int], int]:
    """The places of a code list, the first ones more often."""
    weights = [count - n for n in range(count)]
    return lambda chance, n: chance.choices(range(count), weights)[0]


SEX = (("男", "女"), ("1", "2"), ("M", "F"), ("male", "female"))
STATE = (("正常", "故障", "停用"), ("0", "1", "2"), ("ok", "failed", "off"), ("A", "B", "C"))
GRADE = (("一级", "二级", "三级", "四级"), ("1", "2", "3", "4"), ("I", "II", "III", "IV"))
METAL = (("铸铁", "钢", "混凝土", "PE"), ("01", "02", "03", "04"), ("CI", "ST", "CO", "PE"))
TRADE = (
    ("制造", "批发", "餐饮", "软件", "建筑"), ("C", "F", "H", "I", "E"),
    ("manufacturing", "trade", "catering", "software", "construction"),
)  # fmt: skip
AREA = (tuple(DISTRICTS), tuple(f"3301{n:02}" for n in range(2, 12)))


def sexes() -> Made:
    """The sex of a person, however it is coded."""
    return Made(("性别", "sex", "xb"), "code", among(2), codes=SEX)


def people(*more: Made) -> tuple[Made, ...]:
    """A register of people with fields of its own."""
    return (
        Made(("身份证号", "id_number", "sfzh"), "text", id_number, person="id_number", key=True),
        Made(("姓名", "name", "xm"), "text", person, person="name"),
        sexes(),
        Made(("出生日期", "birth_date", "csrq"), "date", lambda c, n: day(c), person="birth"),
        Made(("联系电话", "phone", "lxdh"), "text",
             lambda c, n: f"1{c.choice('3578')}{c.randrange(10**9):09}", person="phone"),
        Made(("家庭住址", "address", "jtzz"), "text", address, person="address"),
        *more,
    )  # fmt: skip


METRES = (("cm", 100.0, 0.0), ("mm", 1000.0, 0.0))
THEMES: dict[str, tuple[Made, ...]] = {
    "疫苗接种": people(
        Made(("接种日期", "vaccination_date", "jzrq"), "date", lambda c, n: day(c, 2020, 2025)),
        Made(("疫苗批号", "batch", "ymph"), "text", coded("B")),
    ),
    "在校学生": people(
        Made(("学籍号", "student_no", "xjh"), "text", coded("G", 8)),
        Made(("年级", "grade", "nj"), "whole", whole(1, 9)),
    ),
    "低保对象": people(
        Made(("补助金额", "subsidy", "bzje"), "number", number(200, 3000), "元",
             units=(("万元", 0.0001, 0.0),)),
        Made(("残疾等级", "disability_grade", "cjdj"), "code", among(4), codes=GRADE),
    ),
    "企业登记": (
        Made(("统一社会信用代码", "credit_code", "tyshxydm"), "text",
             lambda c, n: f"91330{c.randrange(10**12):012}X", key=True),
        Made(("企业名称", "company_name", "qymc"), "text", firm),
        Made(("法定代表人", "legal_person", "fddbr"), "text", person, person="name"),
        Made(("注册资本", "capital", "zczb"), "number", number(10, 9000, 0), "万元",
             units=(("元", 10_000.0, 0.0),)),
        Made(("成立日期", "founded_on", "clrq"), "date", lambda c, n: day(c, 1990, 2025)),
        Made(("行业", "industry", "hy"), "code", among(5), codes=TRADE),
        Made(("区", "district", "qx"), "code", among(10), codes=AREA),
    ),
    "路灯": (
        Made(("灯杆编号", "lamp_code", "dgbh"), "text", coded("LD"), key=True),
        Made(("道路", "road", "dl"), "text", lambda c, n: c.choice(ROADS) + "路"),
        Made(("功率", "power", "gl"), "number", number(30, 400), "W", units=(("kW", 0.001, 0.0),)),
        Made(("杆高", "pole_height", "gg"), "number", number(4, 15), "m", units=METRES),
        Made(("状态", "status", "zt"), "code", among(3), codes=STATE),
        Made(("经度", "longitude", "jd"), "number", number(119.5, 120.7, 6)),
        Made(("纬度", "latitude", "wd"), "number", number(29.9, 30.5, 6)),
    ),
    "井盖": (
        Made(("井盖编号", "manhole_code", "jgbh"), "text", coded("JG", 7), key=True),
        Made(("材质", "material", "cz"), "code", among(4), codes=METAL),
        Made(("管径", "diameter", "gj"), "number", number(0.2, 2.4, 2), "m", units=METRES),
        Made(("埋深", "depth", "ms"), "number", number(0.5, 9, 2), "m", units=METRES),
        Made(("权属单位", "owner", "qsdw"), "text", firm),
        Made(("安装日期", "installed_on", "azrq"), "date", lambda c, n: day(c, 2000, 2025)),
    ),
    "行道树": (
        Made(("树木编号", "tree_no", "smbh"), "text", coded("SM", 7), key=True),
        Made(("树种", "species", "sz"), "text", lambda c, n: c.choice(SPECIES)),
        Made(("胸径", "trunk_diameter", "xj"), "number", number(8, 90), "cm",
             units=(("mm", 10.0, 0.0), ("m", 0.01, 0.0))),
        Made(("树高", "tree_height", "sg"), "number", number(2, 25), "m", units=METRES),
        Made(("种植日期", "planted_on", "zzrq"), "date", lambda c, n: day(c, 1980, 2025)),
        Made(("所在道路", "road", "szdl"), "text", lambda c, n: c.choice(ROADS) + "路"),
    ),
    "房屋楼栋": (
        Made(("楼栋地址", "building_address", "lddz"), "text", address, key=True),
        Made(("建筑面积", "floor_area", "jzmj"), "number", number(300, 40_000, 0), "m2",
             units=(("亩", 0.0015, 0.0), ("万平方米", 0.0001, 0.0))),
        Made(("层数", "floors", "cs"), "whole", whole(1, 34)),
        Made(("建成年份", "year_built", "jcnf"), "whole", whole(1965, 2025)),
        Made(("安全等级", "safety_level", "aqdj"), "code", among(4), codes=GRADE),
    ),
    "监测小时值": (
        Made(("站点编号", "station_code", "zdbh"), "text", lambda c, n: f"S{n % 12:03}", key=True),
        Made(("监测时间", "observed_at", "jcsj"), "time", lambda c, n: "", key=True),
        Made(("温度", "temperature", "wd"), "number", number(-3, 39), "CEL",
             units=(("FAH", 1.8, 32.0), ("KEL", 1.0, 273.15))),
        Made(("细颗粒物", "pm25", "xklw"), "number", number(2, 180), "ug/m3",
             units=(("mg/m3", 0.001, 0.0),)),
        Made(("湿度", "humidity", "sd"), "number", number(20, 99), "%", units=(("", 0.01, 0.0),)),
        Made(("气压", "pressure", "qy"), "number", number(990, 1040), "hPa",
             units=(("mmHg", 0.750062, 0.0), ("Pa", 100.0, 0.0))),
    ),
    "排污口": (
        Made(("排口编号", "outfall_code", "pkbh"), "text", coded("PK", 7), key=True),
        Made(("企业名称", "company_name", "qymc"), "text", firm),
        Made(("流量", "flow", "ll"), "number", number(1, 800), "m3/h",
             units=(("L/s", 1 / 3.6, 0.0), ("m3/d", 24.0, 0.0))),
        Made(("化学需氧量", "cod", "hxxyl"), "number", number(5, 300), "mg/L"),
        Made(("氨氮", "ammonia", "ad"), "number", number(0.1, 30, 2), "mg/L"),
        Made(("区", "district", "qx"), "code", among(10), codes=AREA),
    ),
    "公交站": (
        Made(("站点名称", "stop_name", "zdmc"), "text",
             lambda c, n: f"{c.choice(ROADS)}路{c.choice(GIVEN)}{c.choice(GIVEN)}巷{n}", key=True),
        Made(("线路", "route", "xl"), "text", lambda c, n: f"{c.randrange(1, 400)}路"),
        Made(("日客流", "passengers", "rkl"), "whole", whole(5, 9000)),
        Made(("站台等级", "level", "ztdj"), "code", among(4), codes=GRADE),
        Made(("启用日期", "opened_on", "qyrq"), "date", lambda c, n: day(c, 1990, 2025)),
    ),
    "信访件": (
        Made(("受理编号", "case_no", "slbh"), "text", coded("XF", 9), key=True),
        Made(("诉求内容", "complaint", "sqnr"), "text",
             lambda c, n: f"{address(c, n)}{c.choice(('噪声', '漏水', '违停', '积水'))}问题"),
        Made(("受理日期", "received_on", "slrq"), "date", lambda c, n: day(c, 2023, 2025)),
        Made(("办理结果", "result", "bljg"), "code", among(3), codes=STATE),
        Made(("联系电话", "phone", "lxdh"), "text",
             lambda c, n: f"1{c.choice('3578')}{c.randrange(10**9):09}", person="phone"),
    ),
}  # fmt: skip
"""A dozen themes of a town, each with the fields such registers have."""
