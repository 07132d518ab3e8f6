"""The catalogue searched in Chinese, English and pinyin, and left as files for greater ones."""

from __future__ import annotations

import io
import time
import xml.etree.ElementTree as ET
from typing import Any

import openpyxl
import pytest
from pyld import jsonld

from pintu.kernel.exchange.catalogue import read_data_set, write_data_set
from pintu.kernel.exchange.catalogue_measured import Figures, Measured, drift_of, factor_of
from pintu.kernel.exchange.catalogue_search import Search
from pintu.kernel.exchange.metadata import missing_of, sensitivity_of, sharing_of
from pintu.kernel.exchange.metadata_dcat import CONTEXT, dcat_json, turtle
from pintu.kernel.exchange.metadata_national import (
    HEADINGS,
    MANDATORY,
    as_workbook,
    as_xml,
    entries,
)
from pintu.kernel.exchange.profile import MOST_DISTINCT, Different, Measuring
from pintu.kernel.exchange.words import Column, DataSet

CITY = {"url": "https://city.test/", "title": "演示市", "day": "2026-11-23"}


def told(name: str, zh: str, **more: Any) -> DataSet:
    columns = more.pop("columns", [Column(name="id", title={"zh": "编号"}, key=True)])
    return DataSet(name=name, provider="table", title={"zh": zh}, columns=columns, **more)


SETS = [
    told("vaccinations", "疫苗接种登记", owner="health", theme="health", sharing="conditional",
         columns=[Column(name="sfzh", title={"zh": "身份证号"}, person="id_number", key=True)]),
    told("lamps", "路灯台账", owner="construction", theme="construction",
         sharing="unconditional", summary={"zh": "含灯杆、功率"}, frequency="yearly"),
    DataSet(name="air_days", provider="context", title={"en": "Air quality by day"},
            owner="environment", theme="ecology", type="AirQualityObserved"),
    told("evil", '=HYPERLINK("http://x")\x01<b>&', summary={"zh": "a\n\"b\"\\ 𠮷"}, owner="@sum"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("疫苗", "vaccinations"), ("接种疫苗", "vaccinations"), ("yimiao", "vaccinations"),
        ("ymjz", "vaccinations"), ("身份证", "vaccinations"), ("SFZH", "vaccinations"),
        ("ludeng", "lamps"), ("灯杆", "lamps"), ("air day", "air_days"), ("ＡＩＲ", "air_days"),
        ("health 登记", "vaccinations"), ("AirQuality", "air_days"),
    ],
)  # fmt: skip
def test_it_is_found_however_one_types(text: str, first: str) -> None:
    """Chinese without spaces, words turned around, whole pinyin, first letters, full width."""
    hits = Search().find(SETS, text)
    assert first == hits.data_sets[0].name


def test_facets_tell_how_many_there_are() -> None:
    """Each counts what the others leave; a choice does not narrow its own counts."""
    hits = Search().find(SETS, "", {"sharing": "conditional"})
    assert {"vaccinations", "air_days", "evil"} == {one.name for one in hits.data_sets}
    assert {"conditional": 3, "unconditional": 1} == dict(hits.facets["sharing"])
    assert 1 == hits.facets["theme"]["health"]
    assert () == Search().find(SETS, "没有这样的").data_sets


def test_two_thousand_data_sets_are_searched_at_once() -> None:
    """The index is made once, a search costs milliseconds; hostile texts too."""
    many = [told(f"set_{n}", f"第{n}号疫苗接种登记") for n in range(2_000)]
    search = Search()
    search.find(many, "疫苗")
    began = time.thread_time()
    assert 2_000 == len(search.find(many, "jiezhong").data_sets)
    for text in ("(a+)+$" * 50, "\x00" * 500, "%" * 100, "疫" * 5_000):
        search.find(many, text)
    assert time.thread_time() - began < 2


def test_old_files_stay_readable_and_new_members_are_kept() -> None:
    """What nobody told is not written; what is told comes back as it was."""
    old = {"provider": "table", "columns": [{"name": "id"}]}
    assert old == write_data_set(read_data_set("old", old))
    new = {
        "provider": "table", "theme": "health", "sharing": "none", "sharing_reason": "法定保密",
        "licence": "CC-BY-4.0", "frequency": "daily",
        "columns": [{"name": "id", "sensitivity": 3, "authority": True, "codes": {"1": "男"}}],
    }  # fmt: skip
    assert new == write_data_set(read_data_set("new", new))


def test_sensitivity_follows_from_persons() -> None:
    """Never below what a person mark means; persons are never shared without condition."""
    assert (4, 3, 2, 1) == (
        sensitivity_of(Column(name="a", person="id_number", sensitivity=1)),
        sensitivity_of(Column(name="a", person="name")),
        sensitivity_of(Column(name="a")),
        sensitivity_of(Column(name="a", sensitivity=1)),
    )
    person = [Column(name="a", person="name")]
    assert "conditional" == sharing_of(told("x", "x", sharing="unconditional", columns=person))
    assert {"summary", "owner", "theme", "sharing", "frequency"} == set(missing_of(told("x", "y")))


def test_the_national_files_hold_every_element_and_run_nothing() -> None:
    """XML that any parser reads, a workbook without formulas; control signs are left out."""
    found = entries(SETS, {}, CITY)
    read = ET.fromstring(as_xml(found))
    assert 4 == len(read.findall("metadata"))
    for one in read.findall("metadata"):
        assert set(HEADINGS) <= {child.tag for child in one}
    assert all(name in HEADINGS for name in MANDATORY)
    book = openpyxl.load_workbook(io.BytesIO(as_workbook(found)))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert not [one for one in cells if one.data_type == "f"]
    assert not [one for one in cells if str(one.value or "")[:1] in ("=", "+", "-", "@")]
    assert "2 有条件共享" in {one.value for one in cells}


def test_dcat_is_linked_data_in_both_forms() -> None:
    """The JSON expands to DCAT's own words; the Turtle has each text escaped."""
    document = dcat_json(
        SETS, {"lamps": Measured(data_set="lamps", at_us=1, newest_us=10**15)}, CITY
    )
    (expanded,) = jsonld.expand({**document, "@context": CONTEXT})
    kept = expanded["http://www.w3.org/ns/dcat#dataset"]
    assert 4 == len(kept)
    for one in kept:
        for name in ("title", "description", "publisher", "accessRights"):
            assert one[f"http://purl.org/dc/terms/{name}"]
    text = turtle(document)
    assert text.count(" a dcat:Dataset") == 4
    assert '\\"b\\"\\\\ 𠮷"@zh' in text
    assert "\x01" not in text
    assert text.count("\n<https://city.test/data-sets/lamps> ") == 1


def test_validity_is_measured_against_kind_and_code_list() -> None:
    """What does not fit is counted and shown, of persons only counted."""
    columns = [
        Column(name="n", kind="number"), Column(name="c", codes={"1": "男", "2": "女"}),
        Column(name="id", person="id_number"), Column(name="t", kind="date"),
    ]  # fmt: skip
    measuring = Measuring(columns)
    measuring.add([
        {"n": 1.5, "c": "1", "id": "11010519491231002X", "t": "2026-01-01"},
        {"n": "many", "c": "9", "id": "123", "t": "yesterday"},
        {"n": 3, "c": "2", "id": None, "t": None},
    ])  # fmt: skip
    figures = {one.name: measuring.figures(one) for one in columns}
    assert (0.6667, ["many"]) == (figures["n"]["valid"], figures["n"]["strange"])
    assert (0.6667, ["9"]) == (figures["c"]["valid"], figures["c"]["strange"])
    assert (0.5, False) == (figures["id"]["valid"], "strange" in figures["id"])
    assert 2.25 == figures["n"]["middle"]


def test_different_values_are_counted_as_a_set_would() -> None:
    """By hash, with the two numbers whose hashes are equal told apart; up to a bound."""
    values: list[str | float] = [-1, -2, -1.0, 0, False, 1, 1.0, "1", "a", "a", 1e300]
    different = Different()
    for value in values:
        different.add(value)
    assert len(set(values)) == different.count()
    for number in range(3 * MOST_DISTINCT):
        different.add(number)
    assert MOST_DISTINCT == different.count()


def test_what_the_values_show_and_nobody_told() -> None:
    """A column gone empty, codes of another list, numbers in another unit; small moves are none."""
    data_set = told("x", "x", columns=[Column(name="a"), Column(name="b", codes={"1": ""}),
                                       Column(name="c", kind="number", unit="m")])  # fmt: skip
    before = Measured(data_set="x", at_us=1, rows=100, looked_at=100, columns={
        "a": Figures(filled=0.9), "b": Figures(filled=1, valid=1.0),
        "c": Figures(filled=1, valid=1.0, low=1.0, high=20.0, middle=5.0)})  # fmt: skip
    after = Measured(data_set="x", at_us=2, rows=100, looked_at=100, columns={
        "a": Figures(filled=0.01), "b": Figures(filled=1, valid=0.2, strange=("M",)),
        "c": Figures(filled=1, valid=1.0, low=110.0, high=1990.0, middle=510.0)})  # fmt: skip
    changes = [(one.field, one.what, one.after) for one in drift_of(data_set, before, after)]
    assert [
        ("a", "removed", "1%"),
        ("b", "codes_added", "20% M"),
        ("c", "unit", "× 100"),
    ] == changes
    assert [] == drift_of(data_set, before, before)
    assert 0 == factor_of(Figures(low=1, high=9, middle=5.0), Figures(low=1, high=9, middle=5.5))
