"""Times and dates as sources write them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pintu.kernel.errors import BadInput, ConfigurationError
from pintu.kernel.intake.mapping.times import date_reader, parts_reader, time_reader, zone_of

ZONE = "Asia/Shanghai"
read = time_reader("", ZONE)


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("2026-01-01 08:00:00", "2026-01-01T00:00:00Z"),
        ("2026-01-01T08:00:00+08:00", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026/1/5 8:05", "2026-01-05T00:05:00Z"),
        ("2026.1.5", "2026-01-04T16:00:00Z"),
        ("2026年1月5日 8时5分3秒", "2026-01-05T00:05:03Z"),
        ("2026年1月5日8点", "2026-01-05T00:00:00Z"),
        ("２０２６年１月５日", "2026-01-04T16:00:00Z"),
        ("2026-01-05 下午3:20", "2026-01-05T07:20:00Z"),
        ("2026-01-05 12:30 am", "2026-01-04T16:30:00Z"),
        ("2026-01-01 24:00", "2026-01-01T16:00:00Z"),
        ("2026-12-31 24:00:00", "2026-12-31T16:00:00Z"),
        ("20260101", "2025-12-31T16:00:00Z"),
        ("2026010108", "2026-01-01T00:00:00Z"),
        ("20260101083000", "2026-01-01T00:30:00Z"),
        ("20260101083000123", "2026-01-01T00:30:00.123Z"),
        ("1767225600", "2026-01-01T00:00:00Z"),
        ("1767225600000", "2026-01-01T00:00:00Z"),
        (1767225600, "2026-01-01T00:00:00Z"),
        (1767225600000, "2026-01-01T00:00:00Z"),
        (46023, "2025-12-31T16:00:00Z"),
        (46023.5, "2026-01-01T04:00:00Z"),
        ("46023.5", "2026-01-01T04:00:00Z"),
        (datetime(2026, 1, 1, 8), "2026-01-01T00:00:00Z"),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00Z"),
        (date(2026, 1, 1), "2025-12-31T16:00:00Z"),
    ],
)
def test_the_usual_forms_are_read(told: Any, meant: str) -> None:
    """ISO, 年月日, 24:00, digits in a row, epochs, a spreadsheet's days; no zone means the told."""
    assert meant == read(told)


@pytest.mark.parametrize(
    "told", ["1/5/2026", "12a", "2026-13-01", "2026-02-30", "", "25:00", "0001-01-01", 7, True, []]
)
def test_what_cannot_be_told_is_refused(told: Any) -> None:
    """A day and month that may be exchanged, an impossible day: refused, never guessed."""
    with pytest.raises(BadInput):
        read(told)


def test_shanghai_has_no_summer_time_since_1992_and_had_it_before() -> None:
    """The offset is 8 hours all year now; in the summer of 1988 it was 9."""
    summers = ["2026-07-01 00:00", "1992-07-01 00:00", "1988-07-01 00:00"]
    ends = [read(one)[11:16] for one in summers]
    assert ["16:00", "16:00", "15:00"] == ends


@given(st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1)), st.integers(-14, 14))
def test_every_zone_comes_to_the_same_moment(moment: datetime, hours: int) -> None:
    """A time with an offset is that moment in UTC, whatever the source's own zone."""
    told = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
    back = datetime.fromisoformat(read(told.isoformat()))
    assert told == back
    assert back == datetime.fromisoformat(time_reader("", "America/New_York")(told))


@given(st.datetimes(datetime(1993, 1, 1), datetime(2100, 1, 1)))
def test_local_forms_agree_with_each_other(moment: datetime) -> None:
    """One minute, written in five ways, is one minute."""
    moment = moment.replace(second=0, microsecond=0)
    forms = [
        "%Y-%m-%d %H:%M",
        "%Y/%m/%d %H:%M:%S",
        "%Y年%m月%d日 %H时%M分",
        "%Y%m%d%H%M",
        "%Y.%m.%d %H:%M",
    ]
    assert {moment.replace(tzinfo=timezone(timedelta(hours=8)))} == {
        datetime.fromisoformat(read(moment.strftime(form))) for form in forms
    }


@given(st.text(max_size=40))
def test_no_text_breaks_it(text: str) -> None:
    """Any text is read or refused."""
    try:
        assert read(text).endswith("Z")
    except BadInput as error:
        assert error.extra["zh"]


def test_a_told_form_goes_before_all_others() -> None:
    """Day first, because the mapping says so; 24:00 even then."""
    told = time_reader("%d/%m/%Y %H:%M", ZONE)
    assert ["2026-05-01T00:00:00Z", "2026-05-01T16:00:00Z"] == [
        told("01/05/2026 08:00"),
        told("01/05/2026 24:00"),
    ]
    with pytest.raises(BadInput, match="of the form"):
        told("2026-05-01")


def test_a_time_of_several_columns() -> None:
    """Year, month, day and hour; hour 24; date and clock; what is none is refused."""
    four, two = parts_reader(4, "", ZONE), parts_reader(2, "", ZONE)
    assert "2013-02-28T16:00:00Z" == four(["2013", "3", "1", "0"])
    assert "2013-03-01T16:00:00Z" == four([2013, 3.0, 1, "24"])
    assert "2026-01-04T23:30:00Z" == two(["2026/1/5", "7:30"])
    assert "2026-01-04T23:00:00Z" == two(["20260105", "7"])
    assert "2026-01-04T16:15:00Z" == two([46027, 0.0104166667])
    for values in (["2013", "13", "1", "0"], ["2013", "x", "1", "0"], ["2013", "3", "1", "25"]):
        with pytest.raises(BadInput):
            four(values)


def test_a_date_is_the_day_where_the_source_is() -> None:
    """Not the day in UTC."""
    day = date_reader("", ZONE)
    assert ["2026-01-05"] * 3 == [
        day("2026年1月5日"),
        day(datetime(2026, 1, 4, 20, tzinfo=UTC)),
        day(date(2026, 1, 5)),
    ]


def test_a_zone_nobody_knows_is_a_mistake_of_the_mapping() -> None:
    """It is said when the mapping is read, not at its first record."""
    with pytest.raises(ConfigurationError, match="Asia/Shanghai"):
        zone_of("Asia/Nowhere")
