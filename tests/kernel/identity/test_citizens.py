"""Names and numbers as they are written in China."""

from __future__ import annotations

import datetime as dt
import random

import pytest
from stdnum.cn import ric, uscc

from pintu.kernel.errors import BadRequestData
from pintu.kernel.identity.citizens import (
    CREDIT_SIGNS,
    PROVINCES,
    check_sign,
    is_placeholder_phone,
    masked_id,
    read_credit_code,
    read_id_number,
    read_name,
    read_phone,
)

TODAY = dt.date(2026, 11, 23)


def made_up(chance: random.Random) -> str:
    """An identity number that holds; of nobody."""
    born = dt.date(1930, 1, 1) + dt.timedelta(days=chance.randrange(34_000))
    rest = f"{chance.choice(sorted(PROVINCES))}0101{born:%Y%m%d}{chance.randrange(1, 1000):03}"
    return rest + check_sign(rest)


def test_ten_thousand_numbers_are_read_as_another_program_reads_them() -> None:
    """The check digit and the date decide; one changed digit is always found."""
    chance = random.Random(20261123)
    for _ in range(10_000):
        number = made_up(chance)
        if number[:6] == "110101":  # the other program knows which divisions there are
            assert ric.is_valid(number)
        assert number[-1] == ric.calc_check_digit(number)
        found = read_id_number(number, today=TODAY)
        assert found is not None
        assert f"{found.born:%Y%m%d}" == number[6:14]
        assert ("male" if int(number[16]) % 2 else "female") == found.sex
        place = chance.randrange(17)
        other = chance.choice([one for one in "0123456789" if one != number[place]])
        assert read_id_number(number[:place] + other + number[place + 1 :]) is None


@pytest.mark.parametrize(
    "written",
    ["11010519491231002X", "11010519491231002x", "１１０１０５１９４９１２３１００２Ｘ",
     " 110105 19491231 002X ", "110105-19491231-002x", "110105491231002"],
)  # fmt: skip
def test_a_number_is_one_however_it_is_typed(written: str) -> None:
    """Small and full-width letters, spaces, hyphens, the fifteen digits of before."""
    found = read_id_number(written, today=TODAY)
    assert found is not None
    assert "11010519491231002X" == found.number
    assert ("fifteen digits",) * (len(written) == 15) == found.warnings


@pytest.mark.parametrize(
    "written",
    ["", "110105194912310021", "11010519490231002X", "110101203001010015", "1101051949123100",
     "110101178001010012", "abcdefghijklmnopqr", "11010519491231002Y", "1101054912310O2"],
)  # fmt: skip
def test_what_does_not_hold_is_no_number(written: str) -> None:
    """A wrong check digit, a day there is not, a birth to come or too long ago, a letter."""
    assert read_id_number(written, today=TODAY) is None


def test_a_birthplace_only_warns() -> None:
    """Division codes come and go: 99 is no province, and the number may still be somebody's."""
    rest = "99010119900101123"
    found = read_id_number(rest + check_sign(rest), today=TODAY)
    assert found is not None
    assert ("birthplace",) == found.warnings


def test_a_number_on_a_screen_is_masked() -> None:
    """Three signs, stars, four signs; what is none shows nothing at all."""
    assert "330***********1234" == masked_id("330106199001011234")
    assert "110********1002" == masked_id("110105491231002")
    assert "*****" == masked_id("12345")


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("阿依古丽•买买提", "阿依古丽·买买提"),
        ("阿依古丽 ・ 买买提", "阿依古丽·买买提"),
        ("阿依古丽‧买买提", "阿依古丽·买买提"),
        ("Ｔｏｍ　Ｌｉ", "Tom Li"),
        ("  王　小明 ", "王 小明"),
        ("𠮷野𬜬", "𠮷野𬜬"),
        ("㐂乐", "㐂乐"),
        ("O'Neill-Müller", "O'Neill-Müller"),
    ],
)
def test_a_name_is_kept_in_one_form(typed: str, kept: str) -> None:
    """One middle dot for many, full-width letters as usual ones, rare characters as they are."""
    assert kept == read_name(typed)


@pytest.mark.parametrize(
    "typed",
    ["", "  ", "123", "···", "王\u202e小明", "王\u0000", "王\u200b小", "王\n小", "\ud842",
     "a" * 101,
     "王\u2066小", "王\ue000"],
)  # fmt: skip
def test_a_name_hides_nothing(typed: str) -> None:
    """Empty, without a letter, too long, or with signs nobody sees."""
    with pytest.raises(BadRequestData, match="name"):
        read_name(typed)


def test_credit_codes_are_read_as_another_program_reads_them() -> None:
    """GB 32100: every single changed sign is found."""
    chance = random.Random(7)
    for _ in range(2_000):
        rest = "91110105" + "".join(chance.choice(CREDIT_SIGNS) for _ in range(9))
        code = rest + uscc.calc_check_digit(rest)
        assert uscc.is_valid(code)
        assert code == read_credit_code(code.lower())
        place = chance.randrange(18)
        other = chance.choice([one for one in CREDIT_SIGNS if one != code[place]])
        assert read_credit_code(code[:place] + other + code[place + 1 :]) is None
    assert read_credit_code("91110105MA01ABCIO5") is None


@pytest.mark.parametrize(
    ("typed", "number", "placeholder"),
    [
        ("138 1234 8765", "13812348765", False),
        ("+86 13812348765", "13812348765", False),
        ("(0571) 8765 1203", "057187651203", False),
        ("13800138000", "13800138000", True),
        ("13000000000", "13000000000", True),
        ("１３９１２３４５６７８", "13912345678", True),
        ("12345678901", None, True),
        ("", None, True),
        ("无", None, True),
    ],
)
def test_a_telephone_number_may_be_a_placeholder(
    typed: str, number: str | None, placeholder: bool
) -> None:
    """What everybody types where a number is demanded says nothing of anybody."""
    assert (number, placeholder) == (read_phone(typed), is_placeholder_phone(typed))
