"""What the pages that connect a source are made of: looks, sentences, questions, places."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pintu.kernel.errors import ConfigurationError, Forbidden, Unavailable
from pintu.kernel.intake.doors.words import ColumnSeen, Door, SourceFile, TableSeen
from pintu.kernel.intake.mapping.frames import gcj02_from_wgs84
from pintu.kernel.intake.mapping.guess_asking import Question_
from pintu.kernel.intake.mapping.words import Field, Mapping
from pintu.kernel.store.port import Op
from pintu.web.pages import connect_looks
from pintu.web.pages.connect_asking import asked_of
from pintu.web.pages.connect_looks import Looks
from pintu.web.pages.connect_places import Place, judged, with_far
from pintu.web.pages.connect_said import in_language, said_each
from pintu.web.pages.connect_trial import as_masked, masked_fields
from pintu.web.words import Words
from tests.web.small_city import SmallCity, put

SOURCE = SourceFile(name="one", door="made_up")
ZH, EN = Words("zh-CN"), Words("en")
AROUND: Any = None


def door(look: Any) -> Door:
    return Door(name="made_up", kind="load", title={}, summary={}, settings=(), look=look)


async def test_a_slow_look_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page does not wait for it; whoever asks later gets what it found, and it looked once."""
    monkeypatch.setattr(connect_looks, "AT_ONCE_S", 0.01)
    looked = 0

    async def look(_source: SourceFile, _around: Any) -> list[TableSeen]:
        nonlocal looked
        looked += 1
        await asyncio.sleep(0.1)
        return [TableSeen(name="t", columns=())]

    looks = Looks()
    assert await looks.soon(door(look), SOURCE, AROUND) is None
    assert "t" == (await looks.at(door(look), SOURCE, AROUND))[0].name
    assert await looks.soon(door(look), SOURCE, AROUND) is not None
    assert 1 == looked


async def test_what_went_wrong_is_said_once_more_and_then_forgotten() -> None:
    """The page after the wait says it without asking again; told something else, it asks."""
    answers: list[Any] = [Unavailable("away"), [TableSeen(name="t", columns=())]]

    async def look(_source: SourceFile, _around: Any) -> list[TableSeen]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return list(answer)

    looks = Looks()
    for _ in range(2):
        with pytest.raises(Unavailable):
            await looks.soon(door(look), SOURCE, AROUND)
    looks.forget("one")
    assert await looks.soon(door(look), SOURCE, AROUND) is not None


async def test_a_look_of_before_is_not_kept() -> None:
    """Told something else while it looked: what the old look found counts no more."""
    go = asyncio.Event()

    async def slow(_source: SourceFile, _around: Any) -> list[TableSeen]:
        await go.wait()
        return [TableSeen(name="old", columns=())]

    async def quick(_source: SourceFile, _around: Any) -> list[TableSeen]:
        return [TableSeen(name="new", columns=())]

    looks = Looks()
    waiting = asyncio.create_task(looks.at(door(slow), SOURCE, AROUND))
    await asyncio.sleep(0)
    looks.forget("one")
    go.set()
    await waiting
    assert "new" == (await looks.at(door(quick), SOURCE, AROUND))[0].name


def test_frequent_sentences_are_chinese() -> None:
    """Those a data officer meets often; one in both languages shows the right half."""
    refused = Forbidden("10.1.2.3 leads to 10.1.2.3, which may not be reached from here")
    assert "不允许访问" in said_each(refused, ZH)[0]
    assert [refused.detail] == said_each(refused, EN)
    error = ConfigurationError(["Unit 'furlong' of height is not known", "something new"])
    assert ["“height”的单位 'furlong' 无法识别", "something new"] == said_each(error, ZH)
    assert "乱码" == in_language("乱码 / letters look wrong", "zh-CN")
    assert "letters look wrong" == in_language("乱码 / letters look wrong", "en")
    assert ["没有"] == said_each(Unavailable("none", zh="没有"), ZH)


def test_every_answer_goes_where_the_form_keeps_it() -> None:
    """Of each kind of question: which field, and what is put there."""
    yes_no = [("name", {"zh": "个人的"}), ("", {"zh": "场所的"})]

    def one(about: str, column: str = "", **more: Any) -> Question_:
        choices = more.pop("choices", [("x", {"zh": "某"})])
        return Question_(about=about, column=column, zh="?", en="?", choices=choices, **more)

    questions = [
        one("frame", "经度", chosen="WGS-84", choices=[("WGS-84", {}), ("BD-09", {})]),
        one("type"),
        one("id"),
        one("person", "电话", choices=yes_no, chosen="name", value="contactPoint"),
        one("unit", "浓度"),
        one("code", "状态", value="盘点中"),
        one("unit", "gone"),
    ]
    mapping = Mapping(name="m", type="T", id="{a}", frame="BD-09")
    asked = asked_of(questions, ["电话", "浓度", "状态"], mapping)
    assert [
        ("name", "frame"),
        ("again", "type"),
        ("fill", "id"),
        ("fill", "f.0.to"),
        ("fill", "f.1.unit"),
        ("line", "f.2.codes"),
        ("", ""),
    ] == [(one.how, one.field) for one in asked]
    assert ["BD-09"] == [choice.value for choice in asked[0].choices if choice.chosen]
    assert ["", "contactPoint"] == [choice.value for choice in asked[3].choices]
    assert "盘点中" == asked[5].value
    table = asked_of(questions[3:4], ["电话"], Mapping(name="m", target="table"))
    assert ("f.0.person", ["name", ""]) == (
        table[0].field, [choice.value for choice in table[0].choices],
    )  # fmt: skip


def test_a_point_far_from_the_others_is_named() -> None:
    """Hundreds of kilometres away; a wide but even spread names nobody."""
    near = [Place(name=str(n), at=(120 + n / 100, 30.0)) for n in range(8)]
    found = with_far([*near, Place(name="far", at=(124.0, 33.0))])
    assert ["far"] == [one.name for one in found if one.far_km]
    wide = [Place(name=str(n), at=(110.0 + n, 30.0)) for n in range(8)]
    assert [] == [one for one in with_far(wide) if one.far_km]


async def test_a_wrong_frame_is_found_by_names(city: SmallCity) -> None:
    """Points of GCJ-02 read as WGS-84, beside things of the same names: GCJ-02 is offered."""
    number = await city.rooms.store.open_tenant("demo")
    points = []
    for n in range(8):
        at = (120.1 + n / 50, 30.2 + n / 70)
        entity: dict[str, Any] = {
            "id": f"urn:ngsi-ld:PointOfInterest:known:P{n}",
            "type": "PointOfInterest",
            "name": {"type": "Property", "value": f"演示点{n}"},
            "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": at}},
        }
        await city.rooms.store.submit([Op(number, entity["id"], fresh=put(entity))], "test")
        points.append(Place(name=f"演示点{n}", at=gcj02_from_wgs84(*at)))
    wrong = Mapping(name="m", type="PointOfInterest", id="{a}")
    places = await judged(city.rooms, number, points, wrong)
    assert ("GCJ-02", 8) == (places.frame, places.compared)
    assert 300 < places.off_m < 700
    right = [Place(name=one.name, at=(120.1 + n / 50, 30.2 + n / 70)) for n, one in
             enumerate(points)]  # fmt: skip
    assert "" == (await judged(city.rooms, number, right, wrong)).frame


def test_what_a_look_masked_is_not_judged() -> None:
    """A masked birthday is no bad date; what is not masked is read as the mapping says."""
    columns = tuple(
        ColumnSeen(name=name, type="text", person=person)
        for name, person in (("id", ""), ("birth", "birth"), ("count", ""))
    )
    sample = ({"id": "1", "birth": "20********", "count": "x"},)
    table = TableSeen(name="t", columns=columns, sample=sample)
    fields = [
        Field(to="id", source="id", key=True),
        Field(to="birth", source="birth", kind="date", person="birth"),
        Field(to="count", source="count", kind="whole"),
    ]
    mapping = Mapping(name="t", target="table", data_set="t", fields=fields)
    masked = masked_fields(mapping, table)
    assert ["birth"] == masked
    assert ["text", "text", "whole"] == [one.kind for one in as_masked(mapping, masked).fields]
    assert [] == masked_fields(Mapping(name="t", type="T", fields=fields), table)
