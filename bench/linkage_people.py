"""A made-up city's registers, for measuring linkage: who is who is known, because it is invented.

Persons live in households of 1 to 4 that share an address and mostly a surname; surnames and given
names are as unevenly frequent as in China. Three registers hold each person with probability 0.75
(residents), 0.65 (health) and 0.35 (education), health some of them twice (3 %).

Error rates, each record by itself, of the values it tells at all:
- without an id number: 40 %. Of those told: one digit wrong 1.5 %, two neighbours swapped 1 %, the
  old 15 digits 5 % (born before 1999), small x or full-width digits 4 %, another's of the same
  household 0.2 %.
- name: another character of the same sound 1.5 %, a character that could not be read (?) 0.7 %, in
  pinyin only 3 % (of surnames that libraries misread, half in the wrong reading), traditional
  or a note in brackets 1.5 %; names of minorities without their dot or with another 30 %, cut 5 %.
- birth: missing 6 %, day and month swapped 0.4 %, one part wrong 1 %; in five forms.
- phone: missing 15 %, changed 15 %, a placeholder 4 %, one digit wrong 1 %, with +86 or full-width
  3 %; of children mostly a parent's.
- address: missing 8 %, moved 10 %, of districts that are no more under their old name 35 %, room or
  unit left out 10 %, in another form 25 %.
Among the persons: twins 1.2 % (one birthday, address and surname, names that share a character, ids
that differ in two or three digits), 0.4 % who have the name and the birthday of somebody else, and
5 % of all calls of a shop's telephone given by 60 people (a harvest).
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Final

from pintu.kernel.identity.citizens import check_sign
from pintu.kernel.linkage.reading.surnames import READ

SHARES: Final = (
    "王71 李70 张67 刘51 陈47 杨32 黄23 赵22 吴20 周19 徐17 孙16 马14 朱13 胡13 郭12 何12 "
    "林11 高11 罗10 郑9 梁9 谢8 宋8 唐7 许7 韩7 冯6 邓6 曹6 彭6 曾6 肖6 田5 董5 袁5 潘5 于5 "
    "蒋5 蔡5 余5 杜5 叶4 程4 苏4 魏4 吕4 丁4 任4 沈4 姚4 卢4 姜4 崔4 钟3 谭3 陆3 汪3 范3 金3 "
    "石3 廖3 贾3 夏3 韦3 付3 方3 白2 邹2 孟2 熊2 秦2 邱2 江2 尹2 薛2 闫2 段2 雷2 侯2 龙2 史2 "
    "陶2 黎2 贺2 顾2 毛2 郝2 龚2 邵2 万2 钱2 严2 覃2 武1 戴1 莫1 孔1 向1 汤1 欧阳1 上官1 "
    "司马1 诸葛1 尉迟1 解1 翟2 区1 单1 仇1 朴1 查1 乐1 盖1 缪1 冼1"
)
SIGNS: Final = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红建文国志子梓浩宇轩涵怡欣雨晨佳思睿博"
    "一诺若可嘉俊豪雅琪梦瑶婷雪颖慧莹倩琳璐晓春梅海燕波斌鹏飞峰辉宁康健振东西南北成龙凤云山林森"
    "立新永福德良善仁义信忠孝贤才学书画琴棋天地人和安泰祥瑞吉庆乐阳光亮星月辰昊然哲彦泽润清源沐"
)
SAME_SOUND: Final = {
    "伟": "玮", "芳": "方", "丽": "莉", "静": "靖", "敏": "闵", "杰": "洁", "涛": "韬", "明": "铭",
    "超": "朝", "霞": "遐", "平": "萍", "英": "瑛", "华": "骅", "兰": "岚", "红": "虹", "建": "健",
    "文": "雯", "志": "智", "子": "梓", "宇": "羽", "轩": "萱", "欣": "昕", "晨": "辰", "佳": "嘉",
    "思": "斯", "博": "勃", "雅": "娅", "琪": "琦", "婷": "庭", "颖": "影", "慧": "惠", "琳": "霖",
    "晓": "小", "梅": "玫", "波": "播", "峰": "锋", "辉": "晖", "新": "鑫", "永": "咏", "成": "诚",
}  # fmt: skip
TRADITIONAL: Final = {
    "张": "張", "陈": "陳", "刘": "劉", "杨": "楊", "黄": "黃", "赵": "趙", "吴": "吳", "孙": "孫",
    "马": "馬", "罗": "羅", "郑": "鄭", "谢": "謝", "许": "許", "韩": "韓", "冯": "馮", "邓": "鄧",
    "华": "華", "红": "紅", "丽": "麗", "伟": "偉", "军": "軍", "龙": "龍", "云": "雲", "兰": "蘭",
}  # fmt: skip
MINORITY: Final = (
    "阿依古丽·买买提 阿卜杜拉·吐尔逊 古丽娜尔·艾山 买买提江·阿不都 热依汗·图尔荪 扎西·次仁 "
    "卓玛·央金 巴特尔·苏和 努尔兰·哈力克 帕提古丽·依明"
)
ROADS: Final = "文武长朝体环解保中天凤江秋景庆机杭望清望钱飞闻潮育平安永康宁和顺兴盛"
ROAD_ENDS: Final = "三二一晖育城放俶山目起干涛芳春场海江泰潮塘虹堰声才和宁康安乐平昌隆"
DISTRICTS: Final = (
    ("上城区", "330102", "江干区", "330104"), ("拱墅区", "330105", "下城区", "330103"),
    ("西湖区", "330106", "", ""), ("滨江区", "330108", "", ""), ("萧山区", "330109", "", ""),
    ("余杭区", "330110", "", ""), ("临平区", "330113", "余杭区", "330110"),
)  # fmt: skip
LINPING: Final = ("临平街道", "南苑街道", "东湖街道", "星桥街道")


@dataclass(slots=True)
class Person:
    """Somebody who does not exist."""

    name: str
    birth: datetime.date
    sex: str
    id_number: str
    phone: str
    home: Home


@dataclass(frozen=True, slots=True)
class Home:
    """An address; `old`: what its district was called before."""

    district: str
    old: str
    street: str
    road: str
    number: int
    building: int
    unit: int
    room: int


@dataclass(frozen=True, slots=True)
class Row:
    """One record; `person` says whose it is, and only the judge reads it."""

    register: int
    person: int
    told: dict[str, str]


class People:
    """Everybody of a made-up city; the same seed makes the same people and the same mistakes."""

    def __init__(self, persons: int, seed: int) -> None:
        self._chance = random.Random(seed)
        shares = [(one.rstrip("0123456789"), one) for one in SHARES.split()]
        self._surnames = [name for name, _ in shares]
        weights = [int(one[len(name) :]) for name, one in shares]
        self._surname_weights = list(accumulate(weights))
        self._sign_weights = list(accumulate(1 / (n + 3) ** 0.7 for n in range(len(SIGNS))))
        self._minority = MINORITY.split()
        roads = max(40, min(1_500, persons // 300))
        self._roads = [self._road() for _ in range(roads)]
        self.persons: list[Person] = []
        while len(self.persons) < persons:
            self._household()
        del self.persons[persons:]
        self._doubles()
        self._shops = [self._mobile() for _ in range(max(1, persons // 1_200))]

    # --- persons ------------------------------------------------------------------------------
    def _road(self) -> tuple[str, str, str, str, str]:
        chance = self._chance
        district, code, old, old_code = chance.choice(DISTRICTS)
        name = chance.choice(ROADS) + chance.choice(ROAD_ENDS) + chance.choice("路路路街巷")
        return name, district, code, old, old_code

    def _home(self) -> tuple[Home, str]:
        chance = self._chance
        road, district, code, old, old_code = chance.choice(self._roads)
        if old and chance.random() < 0.5:
            code = old_code
        else:
            old = ""
        street = chance.choice(LINPING) if district == "临平区" else ""
        home = Home(
            district, old, street, road, chance.randint(1, 300), chance.randint(1, 30),
            chance.randint(1, 4), chance.randint(1, 25) * 100 + chance.randint(1, 4),
        )  # fmt: skip
        return home, code

    def _given(self) -> str:
        chance = self._chance
        size = 1 if chance.random() < 0.18 else 2
        return "".join(chance.choices(SIGNS, cum_weights=self._sign_weights, k=size))

    def _surname(self) -> str:
        return self._chance.choices(self._surnames, cum_weights=self._surname_weights)[0]

    def _mobile(self) -> str:
        chance = self._chance
        return chance.choice(("13", "15", "17", "18", "19")) + f"{chance.randrange(10**9):09d}"

    def _birth(self, low: int, high: int) -> datetime.date:
        days = self._chance.randrange((high - low) * 365)
        return datetime.date(low, 1, 1) + datetime.timedelta(days)

    def _number(self, code: str, birth: datetime.date, sex: str) -> str:
        last = self._chance.randrange(500) * 2 + (1 if sex == "m" else 0)
        text = f"{code}{birth:%Y%m%d}{last:03d}"
        return text + check_sign(text)

    def _person(self, name: str, birth: datetime.date, home: Home, code: str, phone: str) -> None:
        sex = self._chance.choice("mf")
        number = self._number(code, birth, sex)
        self.persons.append(Person(name, birth, sex, number, phone, home))

    def _household(self) -> None:
        chance = self._chance
        home, code = self._home()
        surname, phone = self._surname(), self._mobile()
        if chance.random() < 0.01:
            self._person(chance.choice(self._minority), self._birth(1950, 2018), home, code, phone)
            return
        grown = self._birth(1945, 1996)
        self._person(surname + self._given(), grown, home, code, phone)
        if chance.random() < 0.7:
            other = self._surname() + self._given()
            self._person(other, self._birth(1945, 1996), home, code, self._mobile())
        for _ in range(chance.choice((0, 0, 1, 1, 2))):
            birth = self._birth(2000, 2021)
            own = phone if chance.random() < 0.8 else self._mobile()
            given = self._given()
            self._person(surname + given, birth, home, code, own)
            if chance.random() < 0.03:
                twin = chance.choice(SIGNS) + given[-1] if len(given) == 2 else self._given()
                if twin == given:
                    twin = given[::-1] + "儿"
                self._person(surname + twin, birth, home, code, own)

    def _doubles(self) -> None:
        """Some have the name and the birthday of somebody they have nothing to do with."""
        chance = self._chance
        for _ in range(len(self.persons) // 250):
            one, two = chance.sample(range(len(self.persons)), 2)
            first, second = self.persons[one], self.persons[two]
            second.name, second.birth = first.name, first.birth
            second.id_number = self._number(second.id_number[:6], first.birth, second.sex)

    # --- records ------------------------------------------------------------------------------
    def rows(self) -> Iterator[Row]:
        """Every record of every register, in no order."""
        chance = self._chance
        for n in range(len(self.persons)):
            for register, share in enumerate((0.75, 0.65, 0.35)):
                if chance.random() < share:
                    yield Row(register, n, self._told(n))
                    if register == 1 and chance.random() < 0.03:
                        yield Row(register, n, self._told(n))

    def _told(self, n: int) -> dict[str, str]:
        person = self.persons[n]
        told = {
            "name": self._name(person.name),
            "id_number": self._id(n),
            "birth": self._told_birth(person.birth),
            "sex": "男" if person.sex == "m" else "女",
            "phone": self._phone(person.phone),
            "address": self._address(person.home),
        }
        return {role: value for role, value in told.items() if value}

    def _name(self, name: str) -> str:
        chance = self._chance
        one = chance.random()
        if "·" in name:
            if one < 0.30:
                return name.replace("·", chance.choice(("", "•", "・", ".", " · ")))
            return name[:6] if one < 0.35 else name
        if one < 0.015:
            at = chance.randrange(1, len(name))
            return name[:at] + SAME_SOUND.get(name[at], name[at]) + name[at + 1 :]
        if one < 0.022:
            at = chance.randrange(1, len(name))
            return name[:at] + chance.choice("?□") + name[at + 1 :]
        if one < 0.052:
            return self._pinyin(name)
        if one < 0.067:
            both = "".join(TRADITIONAL.get(sign, sign) for sign in name)
            return both if chance.random() < 0.5 else f"{name}（{chance.choice('大小新')}）"
        return " ".join(name) if one < 0.09 and len(name) == 2 else name

    def _pinyin(self, name: str) -> str:
        from pintu.kernel.linkage.reading.names import sound

        chance = self._chance
        size = 2 if name[:2] in READ or name[:2] in ("欧阳", "上官", "司马", "诸葛") else 1
        readings = READ.get(name[:size]) or ("".join(map(sound, name[:size])),)
        surname = readings[1] if len(readings) > 1 and chance.random() < 0.5 else readings[0]
        given = [sound(sign) for sign in name[size:]]
        form = chance.randrange(3)
        if form == 0:
            return f"{surname} {' '.join(given)}".upper()
        if form == 1:
            return f"{surname.title()} {''.join(given).title()}"
        return f"{''.join(given).title()} {surname.upper()}"

    def _id(self, n: int) -> str:
        chance, person = self._chance, self.persons[n]
        text = person.id_number
        one = chance.random()
        if one < 0.40:
            return ""
        one = (one - 0.40) / 0.60
        if one < 0.015:
            at = chance.randrange(17)
            return text[:at] + str((int(text[at]) + chance.randint(1, 9)) % 10) + text[at + 1 :]
        if one < 0.025:
            at = chance.randrange(6, 16)
            return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
        if one < 0.075 and person.birth.year < 1999:
            return text[:6] + text[8:17]
        if one < 0.115:
            wide = "".join(chr(ord(sign) + 0xFEE0) for sign in text)
            return wide if chance.random() < 0.5 else text.lower()
        if one < 0.117:
            return self.persons[max(0, n - 1)].id_number
        return text

    def _told_birth(self, birth: datetime.date) -> str:
        chance = self._chance
        one = chance.random()
        if one < 0.06:
            return ""
        if one < 0.064 and birth.day <= 12:
            birth = birth.replace(month=birth.day, day=birth.month)
        elif one < 0.074:
            part = chance.randrange(3)
            if part == 0:
                birth = birth.replace(year=birth.year + chance.choice((-1, 1, 10)), day=1)
            elif part == 1:
                birth = birth.replace(month=birth.month % 12 + 1, day=min(birth.day, 28))
            else:
                birth = birth.replace(day=birth.day % 28 + 1)
        form = chance.randrange(5)
        if form == 0:
            return f"{birth.year}年{birth.month}月{birth.day}日"
        return birth.strftime(("", "%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%Y.%m.%d")[form])

    def _phone(self, phone: str) -> str:
        chance = self._chance
        one = chance.random()
        if one < 0.15:
            return ""
        if one < 0.30:
            return self._mobile()
        if one < 0.34:
            return chance.choice(("13800000000", "00000000000", "13888888888", "13800138000"))
        if one < 0.35:
            at = chance.randrange(2, 11)
            return phone[:at] + str((int(phone[at]) + 1) % 10) + phone[at + 1 :]
        if one < 0.40:
            return chance.choice(self._shops)
        if one < 0.43:
            wide = "".join(chr(ord(sign) + 0xFEE0) for sign in phone)
            return wide if chance.random() < 0.5 else f"+86 {phone[:3]}-{phone[3:7]}-{phone[7:]}"
        return phone

    def _address(self, home: Home) -> str:
        chance = self._chance
        one = chance.random()
        if one < 0.08:
            return ""
        if one < 0.18:
            home, _ = self._home()
        if home.old and chance.random() < 0.35 / 0.5:
            home = replace(home, district=home.old)
        head = chance.choice(("浙江省杭州市", "杭州市", "杭州市", "")) + home.district + home.street
        place = f"{home.road}{home.number}号"
        form = chance.random()
        if form < 0.10:
            inside = f"{home.building}幢" if form < 0.05 else ""
        elif form < 0.35:
            inside = f"{home.building}-{home.unit}-{home.room}"
        else:
            inside = f"{home.building}幢{home.unit}单元{home.room}室"
        return head + place + inside
