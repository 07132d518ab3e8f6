"""My work: who may read and act, what a row shows, filters in the address, files, failure."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from pintu.kernel.errors import DiskFull
from pintu.kit import Changed
from pintu.kit.tables import open_tables
from pintu.pieces.street_lights.model import Fault, alert_id
from pintu.pieces.street_lights.service import TABLES, FaultService
from tests.web.conftest import HERE, browser, sign_in
from tests.web.small_city import SmallCity

LIST = "/work/lamp_faults"


async def note(city: SmallCity, *lamps: str, kind: Fault = Fault.FAILED, place: str = "") -> None:
    """Faults as the field process notes them: through a connection of its own to the file."""
    settings = city.rooms.settings
    tables = open_tables(Path(settings.data), settings.store)
    service = FaultService(tables.register(TABLES), city.rooms.clock)
    for lamp in lamps:
        entity: dict[str, Any] = {
            "id": alert_id(kind, lamp), "type": "Alert",
            "status": {"value": "open"},
            "name": {"languageMap": {"zh": f"不亮：{place or '青榆路'}", "en": "Failed lamp"}},
            "alertSource": {"object": f"urn:ngsi-ld:Streetlight:street_lights:{lamp}"},
        }  # fmt: skip
        change = Changed(alert_id(kind, lamp), ("Alert",), "updated", 0, "", entity)
        await service.changed(change, city.rooms.clock.now_us() - 90_000_000)
    tables.close()


async def test_an_empty_list_says_what_will_be_here(page: httpx.AsyncClient) -> None:
    """The rail's page leads to the list; nothing in it is good news in the piece's words."""
    answer = await page.get("/work")
    assert 200 == answer.status_code
    assert f'href="{LIST}"' in answer.text
    shown = await page.get(LIST)
    assert 200 == shown.status_code
    assert "No faults now" in shown.text


async def test_a_row_says_what_where_and_how_long(city: SmallCity, page: httpx.AsyncClient) -> None:
    """What the field noted is here: the fault, the lamp with its page and map, age and state."""
    await note(city, "L00003")
    text = (await page.get(LIST)).text
    lamp = "urn:ngsi-ld:Streetlight:street_lights:L00003".replace(":", "%3A")
    for part in ("Failed lamp", "青榆路", "1 minute ago", "still faulty", f"/?thing={lamp}"):
        assert part in text
    assert "不亮" in (await page.get(LIST + "?lang=zh-CN")).text


async def test_a_visitor_reads_and_does_not_act(city: SmallCity, page: httpx.AsyncClient) -> None:
    """No button without a session, and the door behind it is shut."""
    await note(city, "L00003")
    assert '<form class="row deed"' not in (await page.get(LIST)).text
    told = {"row": alert_id(Fault.FAILED, "L00003"), "action": "assign", "note": "A"}
    answer = await page.post(LIST, data=told, headers={"origin": HERE})
    assert 401 == answer.status_code
    async with browser(city, peer="198.51.100.7") as stranger:
        assert 401 == (await stranger.get(LIST)).status_code


async def test_a_foreman_works_a_row_through(city: SmallCity, page: httpx.AsyncClient) -> None:
    """Assign with a crew, report the repair; what the state does not allow is said, not done."""
    await note(city, "L00003")
    csrf = await sign_in(page, city)
    row = alert_id(Fault.FAILED, "L00003")
    told = {"row": row, "action": "assign", "note": "三班", "csrf": csrf, "next": LIST + "?q=L"}
    unsigned = await page.post(LIST, data={**told, "csrf": ""}, headers={"origin": HERE})
    assert 403 == unsigned.status_code
    done = await page.post(LIST, data=told, headers={"origin": HERE})
    assert (303, LIST + "?q=L") == (done.status_code, done.headers["location"])
    text = (await page.get(LIST)).text
    assert "三班" in text
    assert "Report repaired" in text
    verify = await page.post(LIST, data={**told, "action": "verify"}, headers={"origin": HERE})
    assert 409 == verify.status_code
    assert "cannot verify" in verify.text
    unknown = await page.post(LIST, data={**told, "action": "raised"}, headers={"origin": HERE})
    assert 400 == unknown.status_code


async def test_filters_sort_and_pages_live_in_the_address(
    city: SmallCity, page: httpx.AsyncClient
) -> None:
    """Filter by state and text, sort either way, fifty rows a page."""
    await note(city, *[f"L{n:05d}" for n in range(60)])
    await note(city, "L00070", kind=Fault.FLICKER)
    assert 50 == (await page.get(LIST)).text.count("data-row=")
    assert 11 == (await page.get(LIST + "?page=2")).text.count("data-row=")
    assert 1 == (await page.get(LIST + "?kind=flicker")).text.count("data-row=")
    assert 10 == (await page.get(LIST + "?q=l0005")).text.count("data-row=")
    down = (await page.get(LIST + "?sort=-target")).text
    assert down.index("L00070") < down.index("L00059")
    assert "Nothing fits" in (await page.get(LIST + "?q=nowhere")).text
    assert 400 == (await page.get(LIST + "?q=" + "x" * 300)).status_code


async def test_the_file_is_the_filtered_list_and_safe(
    city: SmallCity, page: httpx.AsyncClient
) -> None:
    """UTF-8 with its mark; a place that looks like a formula stays a text."""
    await note(city, "L00001", place='=HYPERLINK("x")')
    await note(city, "L00002")
    answer = await page.get(LIST + "?format=csv&q=hyper")
    assert answer.headers["content-type"].startswith("text/csv")
    assert b"\xef\xbb\xbf" == answer.content[:3]
    lines = answer.content.decode("utf-8-sig").splitlines()
    assert 2 == len(lines)
    assert "'=HYPERLINK" in lines[1]
    assert "urn:ngsi-ld:Streetlight:street_lights:L00001" in lines[1]


async def test_a_piece_that_cannot_be_read_is_said_plainly(
    city: SmallCity, page: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with what is kept and a way to try again; the other pages stand."""

    async def away(*_: object, **__: object) -> list[dict[str, Any]]:
        raise DiskFull("Folder pieces cannot be made")

    monkeypatch.setattr(city.rooms.work, "rows", away)
    answer = await page.get(LIST)
    assert 503 == answer.status_code
    assert "cannot be read now" in answer.text
    assert 404 == (await page.get("/work/nothing")).status_code


async def test_two_processes_work_on_one_list(city: SmallCity) -> None:
    """The field notes faults and people act at once, on a file both found missing: none is lost."""
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from pintu.kit import Changed\n"
        "from pintu.kit.tables import open_tables\n"
        "from pintu.kit.testing import FakeClock\n"
        "from pintu.pieces.street_lights.service import TABLES, FaultService\n"
        "async def main():\n"
        "    tables = open_tables(Path(sys.argv[1]), sys.argv[3])\n"
        "    service = FaultService(tables.register(TABLES), FakeClock())\n"
        "    for n in range(40):\n"
        "        id = f'urn:ngsi-ld:Alert:street_lights:failed:{sys.argv[2]}{n:03d}'\n"
        "        entity = {'id': id, 'type': 'Alert', 'status': {'value': 'open'}}\n"
        "        change = Changed(id, ('Alert',), 'updated', 0, '', entity)\n"
        "        await service.changed(change, 1 + n)\n"
        "        await service.do('lamp_faults', id, action='assign', actor='a', note='1')\n"
        "    tables.close()\n"
        "asyncio.run(main())\n"
    )
    folder, store = str(city.rooms.settings.data), city.rooms.settings.store
    both = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", script, folder, name, store)
        for name in ("A", "B")
    ]
    assert [0, 0] == [await one.wait() for one in both]
    assert city.rooms.work is not None
    rows = await city.rooms.work.rows("lamp_faults")
    assert [("assigned", "1")] * 80 == [(row["state"], row["crew"]) for row in rows]
