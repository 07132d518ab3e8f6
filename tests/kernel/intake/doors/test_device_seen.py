"""What devices said for a while, as tables: patterns of topics, records inside, persons masked."""

from __future__ import annotations

from typing import Any

import orjson

from pintu.kernel.intake.doors.payload import Payload
from pintu.kernel.intake.doors.seen import Heard, records_path, tables_of
from pintu.kernel.intake.words import Envelope


def heard(topic: str, body: Any) -> Heard:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return Heard(name=topic, envelope=Envelope("s", topic, 0, raw, {"topic": topic}))


def test_topics_of_one_shape_are_one_table() -> None:
    """The level that tells devices apart becomes `+`; another kind of message is another table."""
    messages = [heard(f"yard/D{one}/air", {"pm": one, "t": 20.5}) for one in range(3)]
    messages += [heard("yard/D1/state", {"battery": 3.1})]
    tables = {one.name: one for one in tables_of(messages, Payload())}
    assert {"yard/+/air", "yard/D1/state"} == set(tables)
    pm = next(one for one in tables["yard/+/air"].columns if one.name == "pm")
    assert ("whole", 1.0, 3, "0", "2") == (pm.type, pm.filled, pm.distinct, pm.low, pm.high)
    assert "$topic[1]" in {one.name for one in tables["yard/+/air"].columns}


def test_the_list_inside_is_the_table() -> None:
    """A gateway's message is many records; its own values stand beside them under `$`."""
    body = {"ts": "2026-11-22T08:00:00Z", "data": {"items": [{"id": "A", "v": 1}, {"id": "B"}]}}
    (table,) = tables_of([heard("gw/1/up", body)], Payload())
    columns = {one.name: one for one in table.columns}
    assert ("gw/1/up#data.items", 2) == (table.name, table.rows)
    assert (0.5, "time") == (columns["v"].filled, columns["$.ts"].type)


def test_where_records_lie() -> None:
    """The longest list of objects, two deep at most; a plain object is a record itself."""
    assert ("", "a", "b.c") == (
        records_path({"v": [1, 2]}),
        records_path({"a": [{}, {}], "b": {"c": [{}]}}),
        records_path({"b": {"c": [{}]}}),
    )


def test_what_cannot_be_read_is_a_warning() -> None:
    """A topic of broken messages is shown as such, with the reason and how often."""
    (table,) = tables_of([heard("x/y/z", b"{"), heard("x/y/z", b"{")], Payload())
    assert ((), True) == (table.columns, table.warnings[0].startswith("2×: The message"))


def test_persons_are_masked() -> None:
    """What says something of a person is marked, and nobody sees more of it than its shape."""
    body = {"患者姓名": "演示甲乙", "身份证号": "990000199001011234", "v": 1}
    (table,) = tables_of([heard("ward/1/bed", body)], Payload())
    name = next(one for one in table.columns if one.name == "患者姓名")
    assert ("name", True) == (name.person, "*" in name.examples[0])
    assert "990000199001011234" not in str(table)
