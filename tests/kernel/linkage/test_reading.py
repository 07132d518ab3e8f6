"""What departments write of a person is read into the same thing, however it is written."""

from __future__ import annotations

import pytest

from pintu.kernel.linkage.evidence import differing, distance, evidence
from pintu.kernel.linkage.reading import (
    read_address,
    read_birth,
    read_features,
    read_name,
    read_number,
    read_phone,
)

VALID = "11010519491231002X"  # the example of GB 11643 itself


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("张伟", "张 伟"),
        ("张伟", "張偉"),
        ("张伟", "张伟（大）"),
        ("阿卜杜拉·买买提", "阿卜杜拉•买买提"),
        ("阿卜杜拉·买买提", "阿卜杜拉・买买提"),
        ("阿卜杜拉·买买提", "阿卜杜拉.买买提"),
        ("阿卜杜拉·买买提", "阿卜杜拉买买提"),
        ("ZENG WEI", "Zeng Wei"),
        ("Zeng Wei", "Wei ZENG"),
        ("Zeng, Xiao-Ming", "ZENG XIAOMING"),
        ("ＺＨＡＮＧ　Ｗｅｉ", "Zhang Wei"),
        ("LYU Li", "Lv Li"),
    ],
)
def test_one_name_in_two_forms(one: str, two: str) -> None:
    """Spaces, full-width letters, dots, traditional signs, notes and the order of pinyin."""
    assert read_name(one) == read_name(two)


@pytest.mark.parametrize(
    ("surname", "right", "wrong"),
    [
        ("曾", "zeng", "ceng"), ("仇", "qiu", "chou"), ("解", "xie", "jie"), ("翟", "zhai", "di"),
        ("区", "ou", "qu"), ("单", "shan", "dan"), ("朴", "piao", "pu"), ("查", "zha", "cha"),
        ("盖", "ge", "gai"), ("尉迟", "yuchi", "weichi"), ("万俟", "moqi", "wansi"),
    ],
)  # fmt: skip
def test_surnames_that_libraries_misread(surname: str, right: str, wrong: str) -> None:
    """The characters are read as a surname is; whoever wrote the other reading is still found under
    the same class, and a reading of another surname is not."""
    name = read_name(f"{surname}晓明")
    assert (right, "xiaoming") == (name.surname, name.given)
    for reading in (right, wrong):
        written = read_name(f"{reading.title()} Xiaoming")
        assert (name.family, name.given) == (written.family, written.given)
    assert name.family != read_name("Zhang Xiaoming").family


def test_rare_characters_and_unreadable_ones() -> None:
    """Characters beyond the basic plane are characters; signs nobody could read are told apart from
    every character and stand for any one."""
    assert "𬭎娜" == read_name("𬭎娜").text
    assert "hong" == read_name("𬭎娜").surname
    for unreadable in ("王?明", "王？明", "王□明", "王\ue123明"):
        assert "王\ufffd明" == read_name(unreadable).text
    assert "" == read_name("\ud800").text.replace("\ufffd", "")


@pytest.mark.parametrize(
    "nobody", ["", "无", "不详", "测试", "null", "N/A", "nan", None, 7, "x" * 200]
)
def test_names_of_nobody(nobody: object) -> None:
    """What stands for no name is none."""
    assert "" == read_name(nobody).reading


def test_numbers_of_18_and_15_digits() -> None:
    """Full-width digits, spaces and a small x are one number; the old form is lengthened; check
    digit and date decide, an unknown birthplace only warns."""
    wide = "".join(chr(ord(one) + 0xFEE0) for one in VALID)
    for written in (VALID, VALID.lower(), wide, "110105 19491231 002x", "110105-19491231-002X"):
        assert (VALID, True) == (read_number(written).text, read_number(written).valid)
    old = read_number("110105491231002")
    assert (VALID, True, True) == (old.text, old.valid, old.old)
    assert ("1949-12-31", "f") == (old.birth, old.sex)
    for wrong in ("110105194912310021", "110105194902310029", "11010519491231002A", "999"):
        assert not read_number(wrong).valid
    assert "" == read_number("99999999999999").text
    assert not read_number("111111111111111111").valid
    strange = read_number("990105194912310026")
    assert strange.strange


@pytest.mark.parametrize(
    "nobodys",
    ["13800000000", "00000000000", "11111111111", "13888888888", "13800138000", "123", "无",
     float("nan"), float("inf"), None],
)  # fmt: skip
def test_telephones_that_stand_for_none(nobodys: object) -> None:
    """Placeholders and repeated digits are no evidence."""
    assert "" == read_phone(nobodys)


def test_telephones() -> None:
    """A number in its forms; of several the first that can be used."""
    for written in ("+86 139-5710-2345", "１３９５７１０２３４５", "8613957102345", 13957102345.0,
                    "00000000000、13957102345"):  # fmt: skip
        assert "13957102345" == read_phone(written)
    assert "057187654321" == read_phone("0571-87654321")


@pytest.mark.parametrize(
    "written",
    ["1990-03-07", "19900307", "1990/3/7", "1990.03.07", "1990年3月7日", "１９９０年３月７日",
     "1990-03-07T00:00:00", "19900307000000", "一九九〇年三月七日", 19900307, 19900307.0],
)  # fmt: skip
def test_one_birthday_in_its_forms(written: object) -> None:
    """Digits, characters, with and without a time."""
    assert "1990-03-07" == read_birth(written)


@pytest.mark.parametrize(
    "none",
    ["1990-02-30", "07/03/1990", "农历1990-03-07", "1900-01-01", "1970-01-01", "1790-01-01", "",
     float("nan"), float("inf"), None, True, "9" * 50],
)  # fmt: skip
def test_what_is_no_birthday(none: object) -> None:
    """Days that do not exist, days that could be months, the lunar calendar, machines' zeros."""
    assert "" == read_birth(none)


def test_districts_that_are_no_more() -> None:
    """The Hangzhou change of 2021 and others: a street says which part; the day of writing says
    whether 余杭区 is the old one; without either both are possible."""
    now = {
        "杭州市下城区朝晖路12号": ("拱墅区",),
        "浙江省杭州市江干区凯旋街道秋涛北路88号": ("上城区",),
        "杭州市江干区下沙街道2号大街100号": ("钱塘区",),
        "杭州市余杭区临平街道藕花洲大街333号": ("临平区",),
        "杭州市余杭区五常街道西溪路1号": ("余杭区",),
        "杭州市余杭区文一西路969号": ("余杭区", "临平区"),
        "上海市闸北区共和新路1200弄5号301室": ("静安区",),
        "北京市宣武区南新华街10号": ("西城区",),
    }
    for written, districts in now.items():
        assert districts == read_address(written).districts, written
    assert ("余杭区",) == read_address("杭州市余杭区文一西路969号", "2023-01-01").districts


@pytest.mark.parametrize(
    "written",
    [
        "浙江省杭州市拱墅区朝晖路12号3幢2单元501室",
        "杭州市下城区朝晖路12号3-2-501",
        "拱墅区朝晖路１２号３栋２单元５０１",
        "杭州市拱墅区 朝晖路 十二号 三幢 二单元 五〇一室",
    ],
)
def test_one_home_in_its_forms(written: str) -> None:
    """Road, number, building, unit and room, however they are written."""
    found = read_address(written)
    assert ("拱墅区", "朝晖路12", "3-2-501") == (found.district, found.place, found.home)


def test_a_record_as_features() -> None:
    """A valid number tells birthday and sex where nothing else does; a told birthday stands."""
    found = read_features({"name": "张伟", "id_number": VALID})
    assert ("1949-12-31", "f", True) == (found.birth, found.sex, found.proved)
    told = read_features({"birth": "1950-01-02", "id_number": VALID, "sex": "男"})
    assert ("1950-01-02", "m") == (told.birth, told.sex)
    assert None is read_features({"phone": "13800000000", "name": float("nan")}).phone


def test_evidence_in_words() -> None:
    """The sentence names what is nearly the same, and where."""
    one = {"id_number": "330102199003076170", "birth": "1990-03-07", "name": "单晓明",
           "phone": "13957102345", "address": "下城区朝晖路12号3幢2单元501室"}  # fmt: skip
    two = {"id_number": "330102199003076171", "birth": "1990-07-03", "name": "Dan Xiaoming",
           "phone": "13957102346", "address": "拱墅区朝晖路12号3-2-501"}  # fmt: skip
    said = {one.attribute: (one.how, one.en) for one in evidence(tuple(one), one, two)}
    assert ("near", "the same number but for one digit, the 18th") == said["id_number"]
    assert ("near", "day and month are swapped") == said["birth"]
    assert ("near", "the surname is read in two ways") == said["name"]
    assert ("near", "the telephone differs in one digit") == said["phone"]
    assert ("same", "the same home, written in another way") == said["address"]
    (two_persons,) = evidence(
        ("id_number",), {"id_number": VALID}, {"id_number": "330102199003076170"}
    )
    assert two_persons.strong and "两个人" in two_persons.zh


def test_how_far_two_texts_are_apart() -> None:
    """One change, one left out, two neighbours swapped; what differs is found for the eye."""
    assert [0, 1, 1, 1, 4] == [
        distance("abcd", two) for two in ("abcd", "abxd", "acd", "abdc", "zzzzzzzzz")
    ]
    left, right = differing("1990-03-07", "1990-07-03")
    assert "1990-03-07" == "".join(text for text, _ in left)
    assert any(other for _, other in right)
