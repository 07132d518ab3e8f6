"""The matching itself: what is linked, what waits for a person, what never happens."""

from __future__ import annotations

from typing import Any

import pytest

from pintu.kernel.errors import TooComplex
from pintu.kernel.identity.citizens import check_sign
from pintu.kernel.linkage.matching.joining import Joining, join_all
from pintu.kernel.linkage.matching.words import Order, Outcome, Record, packed, unpacked
from pintu.kernel.linkage.words import LARGEST_CLUSTER, LINK_AT, MOST_PAIRS, REVIEW_AT

pytest.importorskip("splink", reason="the extra linkage is not installed")

HOME = "杭州市拱墅区朝晖路12号3幢2单元501室"
ORDER = Order(
    unique=(False, False), key=b"test", link_at=LINK_AT, review_at=REVIEW_AT, pairs=MOST_PAIRS,
    largest=LARGEST_CLUSTER, memory_mb=1_500, threads=1,
)  # fmt: skip


def number(birth: str, last: int) -> str:
    text = f"330105{birth.replace('-', '')}{last:03d}"
    return text + check_sign(text)


def old(text: str) -> str:
    return text[:6] + text[8:17]


def run(*rows: dict[str, Any], **more: Any) -> Outcome:
    """Match rows in turn of two sources, beside some who are nobody's."""
    from pintu.kernel.linkage.matching.job import match

    signs = "伟芳娜敏静丽强磊军洋勇艳"
    others = [
        {"name": f"{'赵钱孙李周吴'[n % 6]}{signs[n % 12]}{signs[n // 12]}",
         "birth": f"19{50 + n % 45}-{n % 12 + 1:02d}-{n % 27 + 1:02d}",
         "address": f"杭州市滨江区江{signs[n % 12]}路{n}号"}
        for n in range(60)
    ]  # fmt: skip
    records = [Record(n % 2, one) for n, one in enumerate((*rows, *others))]
    import msgspec

    order, parts = unpacked(packed(msgspec.structs.replace(ORDER, **more), records))
    return match(order, parts)


def of(outcome: Outcome, *places: int) -> bool:
    """Whether these records are in one cluster."""
    return any(set(places) <= set(one) for one in outcome.clusters)


def why(outcome: Outcome, left: int, right: int) -> str:
    found = [one.why for one in outcome.doubts if {one.left, one.right} == {left, right}]
    return found[0] if found else ""


def test_one_person_in_two_registers() -> None:
    """The old number and the new, a misread surname, an abolished district, a placeholder: one."""
    id = number("1966-03-05", 123)
    found = run(
        {"name": "单雄信", "id_number": id, "birth": "1966-03-05", "phone": "13800000000"},
        {"name": "Dan Xiongxin", "id_number": old(id), "birth": "19660305"},
        {"name": "曾丽华", "birth": "1971-02-03", "phone": "13957102345",
         "address": "杭州市下城区朝晖路12号3幢2单元501室"},
        {"name": "CENG Lihua", "birth": "1971年2月3日", "phone": "+86 13957102345",
         "address": "拱墅区朝晖路12号3-2-501"},
        {"name": "阿卜杜拉·买买提", "birth": "1980-05-06", "address": HOME},
        {"name": "阿卜杜拉买买提", "birth": "1980-05-06", "address": HOME},
        {"name": "𬭎娜", "birth": "1981-06-07", "address": HOME},
        {"name": "𬭎娜", "birth": "１９８１－０６－０７", "address": HOME},
    )  # fmt: skip
    assert [True] * 4 == [of(found, n, n + 1) for n in (0, 2, 4, 6)]
    assert not of(found, 0, 2) and not of(found, 4, 6)


def test_twins_wait_for_a_person() -> None:
    """One birthday, one home, one surname, names that share a character: nobody joins them alone,
    whether or not one has an id number; with two valid ones they are not even asked about."""
    born = "2015-04-05"
    found = run(
        {"name": "杨浩子", "birth": born, "address": HOME, "phone": "13957102345"},
        {"name": "杨人子", "birth": born, "address": HOME, "phone": "13957102345"},
        {"name": "吕南丽", "birth": born, "address": HOME, "id_number": number(born, 11)},
        {"name": "吕强丽", "birth": born, "address": HOME, "id_number": number(born, 12)},
    )
    assert not of(found, 0, 1) and "twins" == why(found, 0, 1)
    assert not of(found, 2, 3) and "" == why(found, 2, 3)


def test_same_name_and_birthday_is_not_one_person() -> None:
    """Two valid numbers that differ are never in one cluster, not through a third record either."""
    born = "1988-11-09"
    common = {"name": "韩西琪", "birth": born}
    found = run(
        {**common, "id_number": number(born, 101), "address": HOME},
        {**common, "id_number": number(born, 204), "address": "杭州市滨江区江一路9号"},
        {**common, "phone": "13957102345"},
        {**common, "phone": "13957102345", "address": HOME},
    )
    assert not any({0, 1} <= set(one) for one in found.clusters)
    marks = [{found.id_marks[n] for n in one} - {""} for one in found.clusters]
    assert all(len(one) <= 1 for one in marks)


def test_the_same_number_under_two_names_is_asked() -> None:
    """A parent's number typed for a child joins nobody."""
    id = number("1985-01-02", 77)
    found = run(
        {"name": "陈芳娜", "id_number": id, "birth": "1985-01-02"},
        {"name": "陈信俊", "id_number": id, "birth": "2015-06-07"},
    )
    assert not of(found, 0, 1) and "number" == why(found, 0, 1)


def test_a_household_is_not_a_person() -> None:
    """One surname, one home, one telephone and two birthdays are a family."""
    found = run(
        {"name": "邹平福", "birth": "1951-08-15", "address": HOME, "phone": "13957102345"},
        {"name": "邹健勇", "birth": "2017-08-18", "address": HOME, "phone": "13957102345"},
    )
    assert not of(found, 0, 1) and "" == why(found, 0, 1)


def test_a_harvest_joins_nobody_and_is_told() -> None:
    """A telephone that hundreds share is a shop's: no evidence, and the run says so."""
    rows = [{"name": f"吴{a}{b}", "phone": "13957102345"} for a in "伟芳娜敏静丽强磊军洋勇艳杰娟涛"
            for b in "明超秀霞平刚桂英华玉兰红建文"]  # fmt: skip
    found = run(*rows, *rows[:3])
    assert any("phone" in one["en"] and "no evidence" in one["en"] for one in found.messages)
    assert max((len(one) for one in found.clusters), default=0) <= 2


def test_harvest_cycles_do_not_grow_a_cluster() -> None:
    """Registers that copy each other again and again make many records of one: beyond the cap they
    wait for a person; the same run again joins nothing more."""
    rows = [{"name": "沈从文远", "birth": "1977-07-08", "address": HOME}] * 30
    found = run(*rows)
    assert LARGEST_CLUSTER == max(len(one) for one in found.clusters)
    assert any("size" == one.why for one in found.doubts)
    again = run(*rows, together=tuple(tuple(one) for one in found.clusters))
    assert found.clusters == again.clusters


def test_what_people_decided_holds() -> None:
    """Parted records stay apart, also when everything says that they are one; clusters of old with
    two valid numbers by now are cut and told."""
    row = {"name": "曾丽华", "birth": "1971-02-03", "phone": "13957102345", "address": HOME}
    assert of(run(row, row), 0, 1)
    assert not of(run(row, row, apart=((0, 1),)), 0, 1)
    ids = [number("1971-02-03", n) for n in (5, 7)]
    cut = run({**row, "id_number": ids[0]}, {**row, "id_number": ids[1]}, together=((0, 1),))
    assert [[0, 1]] == cut.cut and not of(cut, 0, 1)


def test_blocking_by_surname_alone_is_refused() -> None:
    """Pairs are counted before they are made: a rule over its budget is refused in a sentence that
    says by how much."""
    import duckdb

    from pintu.kernel.linkage.matching.blocking import count_pairs
    from pintu.kernel.linkage.matching.rules import PEOPLE, SURNAME_ONLY

    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE features AS SELECT n AS record, 0 AS source, "
        "['wang', 'li', 'zhang'][n % 3 + 1] AS family, n::VARCHAR AS given, "
        "(n % 20000)::VARCHAR AS birth FROM range(100000) AS t(n)"
    )
    with pytest.raises(
        TooComplex, match=r"makes 1,666,616,667 pairs, over its budget of 2,000,000"
    ):
        count_pairs(connection, SURNAME_ONLY, 100_000)
    named = next(one for one in PEOPLE.blocking if one.name == "name and birthday")
    assert (0, 0, 0) == count_pairs(connection, named, 100_000)
    connection.close()


def test_hostile_rows_are_rows() -> None:
    """NaN, infinities, endless texts, half characters and quotes are values that say nothing."""
    bad = float("nan"), float("inf"), "'; DROP TABLE features; --", "\udc00".encode(
        "utf-8", "replace").decode(), "9" * 5_000, "", True  # fmt: skip
    roles = ("name", "id_number", "birth", "sex", "phone", "address")
    found = run(*[dict.fromkeys(roles, one) for one in bad], {}, {})
    assert 69 == len(found.marks)
    assert not any(n < 9 for one in found.clusters for n in one)


def test_a_run_is_the_same_again() -> None:
    """Seeds are fixed and ties are broken by the rows' order."""
    rows = [{"name": "曾丽华", "birth": "1971-02-03", "address": HOME}] * 5
    assert run(*rows) == run(*rows)


def test_links_in_turn() -> None:
    """The most certain first; ids never meet, nobody is twice in a source where nobody is, and a
    cluster does not outgrow its cap."""
    joining = Joining(ids=[1, -1, 2, -1, -1, -1], alone=[0, 1, 0, 1, -1, -1], largest=3)
    linked, doubts = join_all(
        joining, [(0, 1, 0.99), (1, 2, 0.98), (1, 3, 0.97), (0, 4, 0.96), (4, 5, 0.95)]
    )
    assert 2 == linked
    assert [("ids", 1, 2), ("size", 4, 5)] == [(one.why, one.left, one.right) for one in doubts]
    assert [[0, 1, 4]] == joining.clusters()
