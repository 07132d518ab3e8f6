"""Columns that say something of persons: by name, by example, by company."""

from __future__ import annotations

import pytest

from pintu.kernel.intake.mapping.people import (
    is_id_number,
    masked,
    person_mark,
    person_marks,
    strong_mark,
)

# made with a right check digit; of nobody
ID = "11010119900307889X"


@pytest.mark.parametrize(
    ("name", "mark"),
    [
        ("姓名", "name"),
        ("患者姓名", "name"),
        ("监护人", "name"),
        ("full_name", "name"),
        ("身份证号", "id_number"),
        ("学生身份证号码", "id_number"),
        ("idCard", "id_number"),
        ("手机", "phone"),
        ("联系手机号", "phone"),
        ("Mobile Phone", "phone"),
        ("家庭住址", "address"),
        ("出生日期", "birth"),
        ("date_of_birth", "birth"),
        ("医保卡号", "account"),
        ("诊断", "health"),
        ("名称", ""),
        ("设备编号", ""),
        ("PM2.5", ""),
        ("地址", ""),
        ("类型", ""),
    ],
)
def test_a_name_may_say_it_alone(name: str, mark: str) -> None:
    """In Chinese and English."""
    assert mark == person_mark(name)


def test_examples_say_it_too() -> None:
    """Eighteen digits with their check digit, mobile numbers; not any digits."""
    assert "id_number" == person_mark("zj", [ID, ID])
    assert "phone" == person_mark("c7", ["13800000000", "+86 139 0000 0000"])
    assert "" == person_mark("c7", ["1234567", "56578007"])
    assert is_id_number(ID) and not is_id_number("110101199003078890")
    assert not is_id_number("110101199013078890") and not is_id_number(
        "１１０１０１１９９００３０７８８９X"
    )


def test_a_place_s_telephone_is_no_person_s() -> None:
    """Beside opening hours and a type, landline numbers are a place's."""
    place = {
        "名称": ["体育馆"],
        "类型": ["场馆"],
        "工作时间": ["8:00"],
        "联系电话": ["0571-8693725"],
    }
    assert {} == person_marks(place)
    assert "" == person_mark("联系电话", ["0571-8693725"])


def test_the_same_telephone_beside_a_birth_is_a_person_s() -> None:
    """Company decides."""
    judged = person_marks({"姓名": ["演示"], "出生日期": ["1990"], "联系电话": ["0571-8693725"]})
    assert {"姓名": "name", "出生日期": "birth", "联系电话": "phone"} == {
        name: one.mark for name, one in judged.items() if one.sure
    }


def test_a_mobile_number_of_a_place_is_asked_about() -> None:
    """Nobody can tell from outside: it may be the shopkeeper's own."""
    place = {"名称": ["小店"], "类型": ["门店"], "营业时间": ["8:00"], "联系电话": ["13800000000"]}
    judged = person_marks(place)["联系电话"]
    assert ("phone", False) == (judged.mark, judged.sure)
    assert judged.zh and judged.en


def test_masks_show_little() -> None:
    """A page sees enough to recognise the column, not the person."""
    assert ["演*", "11****************", "138********", "a"] == [
        masked("演示", "name"),
        masked(ID, "id_number"),
        masked("13800000000", "phone"),
        masked("a", ""),
    ]


def test_first_letters_of_pinyin_are_persons_beside_each_other() -> None:
    """As a department's database calls its columns: each with its mark, also masked ones."""
    register = {
        "sfzh": [ID], "xm": ["演示甲"], "xb": ["女"], "csrq": ["2016-04-01"],
        "zz": ["演示区听澜路 12 号"], "jhr": ["解演示"], "lxdh": ["10012345678"],
        "ymmc": ["麻腮风疫苗"], "jzrq": ["2017-01-01"], "gxsj": ["2026-09-01 08:00:00"],
    }  # fmt: skip
    marks = {
        "sfzh": "id_number", "xm": "name", "csrq": "birth", "zz": "address", "jhr": "name",
        "lxdh": "phone",
    }  # fmt: skip
    shown = {name: [masked(one, marks.get(name, "")) for one in told]  # type: ignore[arg-type]
             for name, told in register.items()}  # fmt: skip
    for told in (register, shown, dict.fromkeys(register, ())):
        judged = person_marks(told)
        assert marks == {name: one.mark for name, one in judged.items() if one.sure}


@pytest.mark.parametrize(
    ("name", "mark"),
    [
        ("jhrxm", "name"),
        ("JHR_SFZH", "id_number"),
        ("hz_csrq", "birth"),
        ("lxr_dh", "phone"),
        ("cbrdz", "address"),
        ("gmsfhm", "id_number"),
        ("hjdz", "address"),
        ("zz", ""),
        ("xmmc", ""),
        ("xmbh", ""),
        ("zdmc", ""),
        ("jzrq", ""),
    ],
)
def test_whose_it_is_stands_before(name: str, mark: str) -> None:
    """Composed abbreviations; those that may be anything say nothing alone."""
    assert mark == strong_mark(name)


def test_letters_that_mean_something_else_are_not_persons() -> None:
    """xm may be 项目, zz 组织 or 职责, dz 电阻, zd 站点, nl 能量, xh 序号, csrq 测试日期 of no
    birth: values speak against it, or nobody stands beside it."""
    projects = {"xm": ["2026-014", "2026-015"], "zz": ["A3"], "dz": ["12.5"], "nl": ["3.1e5"]}
    assert {} == person_marks(projects)
    stations = {"zd": ["文一路站"], "dz": ["文一路 1 号"], "lxdh": ["0571-8693725"], "类型": ["站"],
                "经度": ["120.1"], "纬度": ["30.2"]}  # fmt: skip
    assert {} == person_marks(stations)
    pupils = {"xm": ["演示甲"], "sfzh": [ID], "xh": ["1", "2", "3"], "zz": ["在读", "休学"],
              "zd": ["3", "4"]}  # fmt: skip
    assert {"xm", "sfzh"} == set(person_marks(pupils))
