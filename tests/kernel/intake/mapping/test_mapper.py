"""Records through a compiled mapping: updates, rows, and what is wrong in words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pintu.kernel.errors import BadInput, ConfigurationError
from pintu.kernel.intake.mapping import Mapper, compile_mapping, read_mapping, write_mapping
from pintu.kernel.intake.mapping.words import Words
from pintu.vocabulary import check
from pintu.vocabulary.mapping_words import mapping_words

NOW_US = 1_790_000_000_000_000  # 2026-09-21
WORDS: Words = mapping_words()

AIR: dict[str, Any] = {
    "name": "air",
    "type": "AirQualityObserved",
    "id": "{站点编号}",
    "observed_at": "时间",
    "fields": [
        {"to": "pm25", "from": "PM2.5", "kind": "number"},
        {"to": "co", "from": "CO", "unit": "µg/m3"},
        {"to": "temperature", "from": "气温"},
        {"to": "airQualityLevel", "from": "级别"},
        {"to": "stationName", "from": "站名", "required": True},
    ],
}
HOUR = {
    "站点编号": "S 1/东",
    "时间": "2026-09-20 24:00",
    "PM2.5": "35",
    "CO": "700",
    "气温": "NA",
    "级别": "优",
    "站名": "东门",
}
POINT: dict[str, Any] = {
    "name": "points",
    "type": "PointOfInterest",
    "id": "{ID}",
    "fields": [
        {"to": "name", "from": "名称"},
        {"to": "name.en", "from": "name_en"},
        {"to": "address.streetAddress", "from": "地址"},
        {"to": "address.district", "from": "区"},
        {"to": "location", "from": ["经度", "纬度"], "kind": "point"},
        {"to": "openingHours", "from": "时间"},
        {"to": "refDistrict", "from": "区"},
        {"to": "dataProvider", "constant": "演示"},
    ],
}
TABLE: dict[str, Any] = {
    "name": "beds",
    "target": "table",
    "data_set": "beds",
    "fields": [
        {"to": "院区", "from": "院区", "key": True},
        {"to": "科室", "from": "科室", "key": True},
        {"to": "床位", "from": "床位", "kind": "whole"},
        {"to": "日期", "from": "日期", "kind": "date"},
        {"to": "位置", "from": ["x", "y"], "kind": "point"},
        {"to": "姓名", "from": "负责人", "person": "name"},
    ],
}


def compiled(content: dict[str, Any], **more: Any) -> Mapper:
    """A mapping of the tests' source."""
    return compile_mapping(read_mapping({**content, **more}), WORDS, source="x")


def reasons(mapper: Mapper, *records: dict[str, Any]) -> list[str]:
    """Why records were refused."""
    numbered = list(enumerate(records, 1))
    context = mapper.mapping.target == "context"
    bad = mapper.context(numbered, NOW_US)[1] if context else mapper.rows(numbered)[1]
    assert all(one.zh for one in bad)
    return [one.reason for one in bad]


def test_a_record_becomes_one_update_the_vocabulary_accepts() -> None:
    """Units are converted, codes named, missing values left out, ids percent-encoded."""
    updates, bad = compiled(AIR).context([(7, HOUR)], NOW_US)
    at = "2026-09-20T16:00:00Z"
    expected = {
        "id": "urn:ngsi-ld:AirQualityObserved:x:S%201%2F%E4%B8%9C",
        "type": "AirQualityObserved",
        "pm25": {"type": "Property", "value": 35, "unitCode": "GQ", "observedAt": at},
        "co": {"type": "Property", "value": 0.7, "unitCode": "GP", "observedAt": at},
        "airQualityLevel": {"type": "Property", "value": "excellent", "observedAt": at},
        "stationName": {"type": "Property", "value": "东门", "observedAt": at},
    }
    assert ([expected], []) == ([one.entity for one in updates], bad)
    check(updates[0].entity)


def test_structured_values_places_links_and_constants() -> None:
    """Members of one address stand together; a link points at a thing of the same source."""
    record = {
        "ID": "17",
        "名称": "体育馆",
        "地址": "东街 1 号",
        "区": "西湖区",
        "经度": "120.15",
        "纬度": "30.27",
        "时间": "周一至周日;8:00-20:00",
    }
    updates, bad = compiled(POINT).context([(1, record)], NOW_US)
    entity = updates[0].entity
    assert [] == bad
    assert {"streetAddress": "东街 1 号", "district": "西湖区"} == entity["address"]["value"]
    assert [120.15, 30.27] == entity["location"]["value"]["coordinates"]
    assert "urn:ngsi-ld:District:x:%E8%A5%BF%E6%B9%96%E5%8C%BA" == entity["refDistrict"]["object"]
    assert "演示" == entity["dataProvider"]["value"]
    check(entity)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"PM2.5": "12a"}, "PM2.5: '12a' is not a number"),
        ({"PM2.5": "-500"}, "PM2.5: -500 is below -100"),
        ({"站点编号": ""}, "It has no id: 站点编号 is empty"),
        ({"时间": ""}, "It has no time: 时间 is empty"),
        ({"时间": "1/5/2026"}, "is not a time that can be told"),
        ({"时间": "2026-09-22 00:00"}, "is the source's clock, or its zone, wrong?"),
        ({"级别": "还行"}, "is not in the code list"),
        ({"站名": "NA"}, "站名: It is empty, and must not be"),
        ({"站名": ""}, "站名: It is empty, and must not be"),
        ({"站名": ["a"]}, "is a list, not a single value"),
    ],
)
def test_a_bad_record_says_line_column_and_reason(change: dict[str, Any], reason: str) -> None:
    """In words a data officer understands; good records beside it land."""
    mapper = compiled(AIR)
    updates, bad = mapper.context([(1, HOUR), (2, {**HOUR, **change}), (3, HOUR)], NOW_US)
    assert ([2], 2) == ([one.line for one in bad], len(updates))
    assert reason in bad[0].reason and bad[0].zh
    assert {**HOUR, **change} == bad[0].record


def test_the_context_gets_no_person() -> None:
    """A marked column, a name that says it, an id: refused with what to do instead; a number that
    hides in a text is a bad record."""
    field = {"to": "name", "from": "备注名", "person": "name"}
    for more in ({"fields": [field]}, {"fields": [{"to": "name", "from": "患者姓名"}]},
                 {"id": "{身份证号}"}):  # fmt: skip
        with pytest.raises(ConfigurationError, match="table data set instead"):
            compiled(POINT, **more)
    hidden = {"ID": "1", "名称": "11010119900307889X", "时间": "x"}
    refused = reasons(compiled(POINT), hidden, {**hidden, "ID": "11010119900307889X"})
    assert ["knows no person" in refused[0], "cannot be an id" in refused[1]] == [True, True]


def test_every_mistake_of_a_mapping_is_named() -> None:
    """Words nobody knows with the nearest one, units that cannot be converted, all at once."""
    wrong = {
        "fields": [
            {"to": "pm25", "from": "a", "unit": "kW"},
            {"to": "temprature", "from": "b"},
            {"to": "airQualityLevel", "constant": "lovely"},
        ]
    }
    with pytest.raises(ConfigurationError) as error:
        compiled(AIR, **wrong)
    told = "; ".join(error.value.mistakes)
    assert 3 == len(error.value.mistakes)
    assert "did you mean temperature" in told and "kW" in told and "lovely" in told
    with pytest.raises(ConfigurationError, match="did you mean AirQualityObserved"):
        compiled(AIR, type="AirQualityObservd")


def test_a_file_with_mistakes_names_all_of_them() -> None:
    """Unknown keys, kinds, frames, zones, units, twice the same word."""
    with pytest.raises(ConfigurationError) as error:
        read_mapping(
            {
                "name": "Bad Name",
                "type": "Device",
                "colour": "red",
                "frame": "moon",
                "zone": "Mars",
                "fields": [
                    {"to": "a", "from": "x", "kind": "colour"},
                    {"to": "a", "from": "y", "unit": "furlong"},
                    {"to": "b"},
                    {"to": "c", "from": ["x", "y", "z"], "kind": "point"},
                    {"to": "d", "from": "x", "low": 2, "high": 1, "shade": 1},
                    5,
                ],
            }
        )
    assert 13 <= len(error.value.mistakes), error.value.mistakes


@pytest.mark.parametrize("content", [AIR, POINT, TABLE])
def test_a_mapping_is_written_as_it_was_read(content: dict[str, Any]) -> None:
    """Only what differs from the usual is in the file."""
    mapping = read_mapping(content)
    written = write_mapping(mapping)
    assert mapping == read_mapping(written)
    assert "missing" not in written


def test_rows_have_every_column_and_a_key() -> None:
    """None where nobody knows; a key column must say something; persons may be in a table."""
    record = {"院区": "东|西", "科室": "儿科", "床位": "12.0", "日期": "2026年9月1日", "x": "120.1",
              "y": "30.2", "负责人": "演示"}  # fmt: skip
    mapper = compiled(TABLE)
    rows, bad = mapper.rows([(1, record), (2, {"院区": "东", "科室": "外科", "床位": "-"})])
    first = {"院区": "东|西", "科室": "儿科", "床位": 12, "日期": "2026-09-01",
             "位置": [120.1, 30.2], "姓名": "演示"}  # fmt: skip
    assert ("东%7C西|儿科", first, []) == (rows[0].key, rows[0].values, bad)
    assert [None] * 4 == [rows[1].values[one] for one in ("床位", "日期", "位置", "姓名")]
    assert ["科室: It is empty, and must not be"] == reasons(mapper, {"院区": "东"})
    assert ["东|外科"] == mapper.keys([{"院区": "东", "科室": "外科"}, {"院区": "东"}])


def test_blanks_and_nan_mean_missing_too() -> None:
    """` NA ` and a spreadsheet's NaN are not worth a refusal."""
    record = {**HOUR, "PM2.5": " NA ", "CO": float("nan"), "气温": "  "}
    updates, bad = compiled(AIR).context([(1, record)], NOW_US)
    assert ([], {"id", "type", "airQualityLevel", "stationName"}) == (bad, set(updates[0].entity))


def test_a_record_that_says_nothing_is_no_update() -> None:
    """An hour of gaps is neither landed nor bad."""
    air = {**AIR, "fields": AIR["fields"][:2]}
    assert ([], []) == compiled(air).context([(1, {**HOUR, "PM2.5": "NA", "CO": ""})], NOW_US)


def test_winds_are_named() -> None:
    """Codes may stand for numbers; numbers pass."""
    field = {"to": "windDirection", "from": "wd", "kind": "number", "codes": {"NNW": "337.5"}}
    mapper = compiled(AIR, fields=[field])
    found = mapper.context([(1, {**HOUR, "wd": "NNW"}), (2, {**HOUR, "wd": "12"})], NOW_US)[0]
    assert [337.5, 12] == [one.entity["windDirection"]["value"] for one in found]
    assert ["wd: 'calm' is not a number"] == reasons(mapper, {**HOUR, "wd": "calm"})


def test_doubts_are_said_in_both_languages() -> None:
    """mg for µg, a column that is gone, an id that comes twice."""
    hours = [(n, {**HOUR, "PM2.5": f"0.0{n}5"}) for n in range(1, 9)]
    told = compiled(AIR).doubts(hours)
    assert ["PM2.5"] == [one.column for one in told]
    assert "thousand times too small" in told[0].en and "µg/m³" in told[0].zh
    gone = [(n, {k: v for k, v in HOUR.items() if k != "CO"}) for n in range(3)]
    assert ["CO"] == [one.column for one in compiled(AIR).doubts(gone)]
    empty = dict.fromkeys(("name_en", "地址", "区", "经度", "纬度", "时间"), "")
    twice = [(n, {"ID": "1", "名称": "a", **empty}) for n in (4, 9)]
    said = compiled(POINT).doubts(twice)
    assert ["lines 4 and 9" in one.en for one in said] == [True]


VALUES = st.none() | st.text(max_size=12) | st.integers() | st.floats() | st.booleans() | st.lists(
    st.integers(), max_size=3
) | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2)  # fmt: skip


@given(st.dictionaries(st.sampled_from([*HOUR, "ID", "名称", "经度", "纬度", "区"]), VALUES))
def test_no_record_breaks_a_mapper(record: dict[str, Any]) -> None:
    """Whatever a record holds: an update that the vocabulary accepts, silence, or a bad record."""
    for content in (AIR, POINT):
        updates, bad = compiled_once(content).context([(1, record)], NOW_US)
        assert len(updates) + len(bad) <= 1
        for one in updates:
            check(one.entity)
    rows, bad = compiled_once(TABLE).rows([(1, record)])
    assert 1 == len(rows) + len(bad)


_COMPILED: dict[str, Mapper] = {}


def compiled_once(content: dict[str, Any]) -> Mapper:
    """Compiling costs more than mapping: once a mapping."""
    return _COMPILED.setdefault(content["name"], compiled(content))


def test_a_page_may_ask_for_one_value() -> None:
    """What a field would make of a value, or why nothing."""
    mapper = compiled(AIR)
    co = mapper.mapping.fields[1]
    assert 0.7 == mapper.read(co, "700")
    with pytest.raises(BadInput):
        mapper.read(co, "x")
