"""Schemas as versions: what is a change, what it breaks, who hears of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pintu.kernel.errors import ResourceNotFound, Unavailable
from pintu.kernel.exchange.schemas import Broken, Schemas
from pintu.kernel.exchange.schemas.comparing import broken_by
from pintu.kernel.exchange.schemas.json_schema import json_schema
from pintu.kernel.exchange.schemas.telling import Telling
from pintu.kernel.exchange.words import Column, DataSet
from pintu.kernel.tables import open_tables


class HandClock:
    rate = 1.0

    def __init__(self) -> None:
        self.us = 1_790_000_000_000_000

    def now_us(self) -> int:
        self.us += 1
        return self.us


def flow(**changes: Any) -> DataSet:
    columns = [
        Column(name="id", key=True),
        Column(name="flow", **{"kind": "number", "unit": "m3/h", **changes}),
        Column(name="state", kind="code", codes={"0": "正常", "1": "故障"}),
    ]
    return DataSet(
        name="flows", provider="table", title={"zh": "流量"}, columns=columns, owner="water"
    )


@pytest.fixture
def schemas(tmp_path: Path, stores: str) -> Any:
    tables = open_tables(tmp_path, stores)
    yield Schemas(tables, HandClock())
    tables.close()


async def test_a_change_is_a_version_and_a_look_is_none(schemas: Schemas) -> None:
    """The number comes from memory; the same description again is the same version."""
    assert 0 == schemas.version("flows")
    await schemas.note([flow()])
    await schemas.note([flow()])
    assert 1 == schemas.version("flows")
    (second,) = await schemas.note([flow(unit="L/s")])
    assert (2, "none") == (schemas.version("flows"), second.compatibility)
    assert [("flow", "unit", "m3/h", "L/s")] == [
        (one.field, one.what, one.before, one.after) for one in second.changes
    ]
    assert [2, 1] == [one.version for one in await schemas.versions("flows")]
    assert "m3/h" == (await schemas.get("flows", 1)).fields[1].unit
    with pytest.raises(ResourceNotFound):
        await schemas.get("flows", 3)


async def test_what_could_not_be_written_is_noted_the_next_time(
    schemas: Schemas, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the tables are away; also when two look at once each change is a version."""
    await schemas.note([flow()])
    changed = flow(unit="L/s")
    run = schemas._file.run

    async def away(work: Any) -> Any:
        raise Unavailable("The tables are away")

    monkeypatch.setattr(schemas._file, "run", away)
    with pytest.raises(Unavailable):
        await schemas.note([changed])
    monkeypatch.setattr(schemas._file, "run", run)
    await asyncio.gather(schemas.note([changed]), schemas.note([flow(unit="L/min")]))
    assert 3 == schemas.version("flows")
    assert ["L/min", "L/s", "m3/h"] == [
        one.fields[1].unit for one in await schemas.versions("flows")
    ]


async def test_versions_are_there_after_a_restart(tmp_path: Path, stores: str) -> None:
    """With when each began."""
    tables = open_tables(tmp_path, stores)
    first = Schemas(tables, HandClock())
    await first.note([flow()])
    await first.note([flow(kind="text")])
    again = Schemas(tables, HandClock())
    assert (2, first.first_us("flows")) == (again.version("flows"), again.first_us("flows"))
    await again.note([flow(kind="text")])
    assert 2 == again.version("flows")
    tables.close()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda one: one.columns.append(Column(name="new")), "full"),
        (lambda one: one.columns.pop(), "backward"),
        (lambda one: one.columns.__setitem__(1, Column(name="flow", kind="text", unit="m3/h")),
         "backward"),
        (lambda one: one.columns.__setitem__(0, Column(name="id")), "none"),
        (lambda one: one.columns[2].codes.update({"2": "停用"}), "backward"),
        (lambda one: one.columns[2].codes.pop("1"), "forward"),
        (lambda one: one.columns.__setitem__(
            1, Column(name="flow", kind="number", unit="m3/h", person="account")), "none"),
        (lambda one: one.columns.reverse(), "same"),
    ],
)  # fmt: skip
async def test_the_rules_of_compatibility(schemas: Schemas, change: Any, expected: str) -> None:
    """A new column breaks nobody, one that is gone breaks who reads it, and so on."""
    await schemas.note([flow()])
    after = flow()
    change(after)
    found = await schemas.note([after])
    if expected == "same":
        assert [] == found
    else:
        assert expected == found[0].compatibility


async def test_who_is_broken_follows_from_the_fields(schemas: Schemas) -> None:
    """Only agreements that name the field; a change of the key breaks all."""
    users = [
        Broken(kind="agreement", id="ag-1", consumer="education", fields=("flow",)),
        Broken(kind="agreement", id="ag-2", consumer="traffic", fields=("state",)),
        Broken(kind="page", id="wall", consumer="", fields=()),
    ]
    await schemas.note([flow()])
    (second,) = await schemas.note([flow(unit="L/s")])
    assert ["ag-1", "wall"] == [one.id for one in broken_by(second.changes, users)]
    other = flow(unit="L/s")
    other.columns[0] = Column(name="id", kind="whole", key=False)
    (third,) = await schemas.note([other])
    assert 3 == len(broken_by(third.changes, users, ["id"]))


async def test_consumers_hear_of_what_breaks_them(schemas: Schemas) -> None:
    """Once a version, in zh and en; the owner hears of what its source did not tell."""
    heard: list[tuple[str, str, str]] = []

    class Room:
        async def tell(
            self, to: str, kind: str, text: dict[str, str], *, link: str = "", key: str = ""
        ) -> None:
            assert {"zh", "en"} == set(text)
            heard.append((to, link, key))

    users = [Broken(kind="agreement", id="ag-1", consumer="education", fields=("flow",))]
    telling = Telling(notices=Room, users=lambda name: users, find=lambda name: flow())
    schemas.listen(telling.changed)
    await schemas.note([flow()])
    assert [] == heard
    await schemas.note([flow(unit="L/s")])
    assert {"officer@education", "owner@education"} == {one[0] for one in heard}
    assert "schema:flows:v2:ag-1:officer" == heard[0][2]
    (change,) = (await schemas.versions("flows"))[0].changes
    assert 1 == await schemas.drifted("flows", [change])
    assert "officer@water" == heard[-1][0]
    assert 0 == await schemas.drifted("flows", [change])


async def test_a_version_is_served_as_json_schema(schemas: Schemas) -> None:
    """Rows of the data set hold to it, others do not."""
    await schemas.note([flow()])
    current = schemas.current("flows")
    assert current is not None
    made = json_schema(current, "http://city.test/api/v1/schemas/flows?version=1")
    jsonschema.Draft202012Validator.check_schema(made)
    valid = jsonschema.Draft202012Validator(made).is_valid
    assert valid({"id": "a", "flow": 1.5, "state": "0"})
    assert valid({"id": "a", "flow": None, "state": None})
    assert not valid({"id": None, "flow": 1, "state": "0"})
    assert not valid({"id": "a", "flow": "1", "state": "0"})
    assert not valid({"id": "a", "flow": 1, "state": "9"})
