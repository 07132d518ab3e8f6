"""What waits in quarantine and tells of persons is behind the gate."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson

from pintu.kernel.intake.words import Envelope, Unreadable
from tests.web.identity_city import Town, open_town
from tests.web.test_linkage import COLUMNS, ID

NAME = "赵演示"
WHY = {"purpose": "treatment", "reason": "修正未能载入的记录"}
MARKED = [{"to": one["name"], "from": one["name"], "person": one["person"]} for one in COLUMNS]
SAVED: dict[tuple[str, str], dict[str, Any]] = {
    ("datasets", "patients"): {"provider": "table", "owner": "health", "columns": COLUMNS},
    ("sources", "clinic"): {"door": "file", "owner": "health", "mappings": ["clinic"]},
    ("mappings", "clinic"): {"target": "table", "data_set": "patients", "fields": MARKED},
    ("sources", "parks"): {"door": "file", "owner": "works", "mappings": ["parks"]},
    ("mappings", "parks"): {"target": "context", "type": "Park", "id": "{no}", "fields": []},
}


def held(source: str, mapping: str, record: dict[str, Any]) -> Unreadable:
    """One record that could not be mapped, as a load hands it in."""
    body = orjson.dumps({"line": 3, "record": record, "reason": f"{NAME} is no date"}) + b"\n"
    meta = {"kind": "records", "mapping": mapping}
    envelope = Envelope(f"loads/{source}", f"{mapping} {len(body)}", 1, body, meta)
    return Unreadable(envelope, f"{NAME} no")


async def fill(town: Town) -> None:
    """Of a mapping that marks persons; of one that is gone; things with somebody's number in them;
    and things of nobody."""
    rooms = town.city.rooms
    for (kind, name), content in SAVED.items():
        rooms.configuration.save(kind, name, content, by="test")
    items = [
        held("clinic", "clinic", {"xm": NAME}),
        held("clinic", "gone", {"xm": NAME}),
        held("parks", "parks", {"no": "P1", "身份证号": ID}),
        held("parks", "parks", {"no": "P2", "trees": "many"}),
    ]
    await rooms.intake.quarantine.put("", items, 1)


async def test_raw_rows_of_persons_are_shown_to_their_owners_and_written_down(
    tmp_path: Path,
) -> None:
    """No list, file or API tells anybody what they hold, whatever marks them; the owning office
    sees one for a purpose and a reason, with a row in the log; an administrator sees none of them,
    and may let go of all."""
    async with open_town(tmp_path / "town") as town:
        await fill(town)
        audit = town.city.rooms.audit
        assert audit is not None
        async with aclosing(await town.signed_in("root")) as client:
            for path in ("/quarantine", "/quarantine?format=csv", "/api/v1/quarantine"):
                told = (await client.get(path)).text
                assert ID not in told
                assert 1 == told.count(f"{NAME} no"), path
            for number in (1, 2, 3):
                shown = await client.get(f"/quarantine/{number}", params=WHY)
                assert 403 == shown.status_code and NAME not in shown.text
                assert ID not in shown.text
            assert "many" in (await client.get("/quarantine/4")).text
        before = len(await audit.rows(0, 1000))
        async with aclosing(await town.signed_in("stew")) as client:
            asked = await client.get("/quarantine/1")
            assert 200 == asked.status_code and NAME not in asked.text
            why = {f"pintu-{name}": quote(value) for name, value in WHY.items()}
            for params, headers in ((WHY, {}), ({}, why)):
                shown = await client.get("/quarantine/1", params=params, headers=headers)
                assert 200 == shown.status_code and NAME in shown.text
                assert shown.headers["pintu-receipt"]
            for params in ({**WHY, "reason": "test"}, {**WHY, "purpose": "curiosity"}):
                assert NAME not in (await client.get("/quarantine/1", params=params)).text
        rows = [one.row for one in await audit.rows(0, 1000)][before:]
        looks = [one for one in rows if one.what == "read" and one.fields == ("quarantine",)]
        assert [("patients", "treatment", "health")] * 2 == [
            (one.data_set, one.purpose, one.owner) for one in looks
        ]
