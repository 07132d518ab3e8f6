"""A night in the operations room as people live it, in Chromium: a duty officer, the next one, a
supervisor, a foreman and a crew; each at a browser of their own."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, expect

from pintu.protocols import cap
from tests.browser.drive import ROOT
from tests.browser.operations_people import Night

SHOTS = ROOT / "screenshots" / "operations"
DESK, PHONE, WALL = (1440, 900), (390, 844), (3840, 2160)
OFFICER, NEXT, SUPERVISOR, FOREMAN, CREW = (
    f"demo_{one}" for one in ("duty", "deputy_duty", "supervisor", "foreman", "crew_1")
)
SAID = {
    "zh-CN": ("泵站已恢复抽排（演示）", "南塘一带仍需巡查（演示）"),
    "en": ("The pumps run again (demo)", "Nantang should be looked at once more (demo)"),
}
OVER = {"zh-CN": "现场已处理完毕（演示）", "en": "Dealt with on site (demo)"}
SQUARE = ((30.16, 120.14), (30.16, 120.26), (30.24, 120.26), (30.24, 120.14), (30.16, 120.14))


@dataclass(slots=True, kw_only=True)
class Scene:
    """The nine steps, in their order; what each found is kept in `found`."""

    browser: Browser
    night: Night
    lang: str
    folder: Path
    shots: bool = True
    people: dict[str, Page] = field(default_factory=dict)
    contexts: list[BrowserContext] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)

    # --- people ----------------------------------------------------------------------------------
    def person(self, login: str, size: tuple[int, int] = DESK) -> Page:
        """Somebody of the demo at their own browser."""
        if login in self.people:
            return self.people[login]
        told: Any = {"viewport": {"width": size[0], "height": size[1]}, "locale": self.lang}
        context = self.browser.new_context(**told)
        self.contexts.append(context)
        context.set_default_timeout(180_000)  # a wall drawn in software, on a busy machine
        page = self.people[login] = context.new_page()
        page.on("pageerror", lambda error: self.wrong.append(f"{page.url}: {error}"))
        page.goto(f"{self.night.served.address}/demo-people?lang={self.lang}")
        page.click(f"form:has(input[value='{login}']) button")
        page.wait_for_url(self.night.served.address + "/")
        return page

    def go(self, login: str, path: str) -> Page:
        """Somebody opens a page of the city."""
        page = self.person(login)
        page.goto(self.night.served.address + path)
        return page

    def shot(self, page: Page, name: str, *sizes: tuple[int, int]) -> None:
        """A picture at each size; as the page stands without one."""
        if not self.shots:
            return
        SHOTS.mkdir(parents=True, exist_ok=True)
        before: Any = page.viewport_size
        for width, height in sizes or (DESK,):
            page.set_viewport_size({"width": width, "height": height})
            if page.url.partition("#")[0].endswith("/wall"):
                page.keyboard.press("0")  # the whole city, at this size
            page.wait_for_timeout(1_000)
            page.screenshot(path=str(SHOTS / f"{name}-{width}-{self.lang}.png"))
        page.set_viewport_size(before)

    def close(self) -> None:
        """Every browser."""
        for one in self.contexts:
            one.close()

    def until(self, holds: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
        """Wait for something; RuntimeError says what did not come."""
        deadline = time.monotonic() + seconds
        while not (found := holds()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what} did not come within {seconds} s")
            time.sleep(0.3)
        return found

    def heard(self, kind: str) -> list[dict[str, Any]]:
        """What the officer's own endpoint was told of a kind."""
        return [one for one in self.night.ask("heard")["heard"] if one.get("kind") == kind]

    # --- 1: the phone rings ----------------------------------------------------------------------
    def ring(self) -> tuple[int, int]:
        """The page rings and the endpoint is told; nobody answers, so the next one is rung after
        three minutes. Gives how many people were rung before and after."""
        officer, second = self.go(OFFICER, "/duty"), self.go(NEXT, "/duty")
        rings = "form[action='/duty/acknowledge'] button"
        expect(officer.locator(rings)).to_have_count(0)
        self.found["told"] = self.night.ask("incident")
        officer.wait_for_timeout(8_000)  # alarms of the first seconds become one incident
        expect(officer.locator(rings)).to_have_count(1, timeout=60_000)
        self.until(lambda: self.heard("ring"), "A ring at the officer's endpoint")
        self.shot(officer, "1-rings", DESK, PHONE)
        first = self._rung(officer)
        self.night.ask("later", "185")
        self.until(lambda: self._rung(officer) > first, "The next one's ring")
        self.shot(second, "1-next")
        return first, self._rung(officer)

    def _rung(self, page: Page) -> int:
        """How many people were rung so far, as the page tells."""
        told = page.locator("main").inner_text()
        found = re.search(r"(?:Rung so far|已呼叫)[:：]([^\n·;；]*)", told)
        return len(re.findall("演示", found[1])) if found else 0

    def answer(self) -> None:
        """The officer has it: nothing rings any more, for nobody."""
        officer = self.go(OFFICER, "/duty")
        officer.click("form[action='/duty/acknowledge'] button")
        officer.wait_for_url(re.compile("done="))
        second = self.people[NEXT]
        expect(second.locator("form[action='/duty/acknowledge']")).to_have_count(0, timeout=20_000)

    # --- 2 and 3: one incident, and what lies inside ---------------------------------------------
    def incident(self) -> tuple[int, int, int]:
        """(incidents open, alarms of it, reasons it gives)."""
        page = self.go(OFFICER, "/incidents")
        links = page.locator("main a[href^='/incidents/2']").evaluate_all(
            "all => [...new Set(all.map(one => one.getAttribute('href')))]"
        )
        self.shot(page, "2-incidents")
        page = self.go(OFFICER, links[0])
        self.found["incident"] = links[0].rpartition("/")[2]
        self.shot(page, "2-incident-room", DESK, PHONE)
        told = page.locator("main").inner_text()
        many = re.search(r"(\d+) (?:alarms|条告警)", page.locator("h1").first.inner_text())
        alarms = int(many[1]) if many else 0
        reasons = len(re.findall(r"W0\d\d|P0\d\d\d|米|\d m ", told.split("99")[0]))
        return len(links), alarms, reasons

    def inside(self) -> list[str]:
        """The kinds of things that lie inside or depend on it, by their links or words."""
        page = self.go(OFFICER, f"/incidents/{self.found['incident']}")
        told = page.locator("main").inner_text()
        words = {
            "lamps": ("路灯", "Street light"), "cabinets": ("控制柜", "control cabinet"),
            "roads": ("路段", "Road segment"), "stations": ("泵站", "Pumping station"),
        }  # fmt: skip
        return [kind for kind, said in words.items() if any(one in told for one in said)]

    # --- 4: the playbook -------------------------------------------------------------------------
    def propose(self) -> int:
        """The corridor's lamps to full and a crew: proposed, a dry run looked at, a group
        approved. Gives how many lamps."""
        page = self.go(OFFICER, f"/incidents/{self.found['incident']}")
        page.locator("main a[href^='/plays?']").first.click()
        book = "form:has(input[value='corridor_lighting'])"
        page.locator(f"{book} button[value='dry']").first.click()
        page.wait_for_load_state()
        self.shot(page, "4-dry-run")
        page.locator(f"{book} button[value='propose']").first.click()
        page.wait_for_url(re.compile("/plays/[0-9a-f]+"))
        self.found["play"] = page.url.rpartition("/")[2]
        self.shot(page, "4-proposed")
        for group in ("light", "crew"):
            self.approve(OFFICER, group)
        page = self.go(OFFICER, f"/plays/{self.found['play']}")
        self.shot(page, "4-plan")
        return len(self.commands())

    def approve(self, login: str, group: str) -> None:
        """One group of steps, and wait until it is done."""
        path = f"/plays/{self.found['play']}"
        page = self.go(login, path)
        page.locator(f"form:has(input[value='{group}']) button[value='approve']").click()
        waits = f"form:has(input[value='{group}']) button[value='approve']"
        self.until(lambda: not self.go(login, path).locator(waits).count(), f"Group {group}")

    def commands(self) -> list[str]:
        """The lamps that were told something, as the ledger shows."""
        page = self.go(OFFICER, "/ledger")
        return sorted(set(re.findall(r"L\d{5}", page.locator("main").inner_text())))

    # --- 5: the crew, and the ledger -------------------------------------------------------------
    def crew(self) -> list[str]:
        """The foreman gives the order to a crew; it says so on a phone, once without a network.
        Gives what the phone showed as states."""
        order = self.until(self._first_order, "An order of the plan")
        page = self.go(FOREMAN, order)
        page.select_option("select[name='crew']", "lamps-1")
        page.locator("form:has(input[value='assign']) button").click()
        page.wait_for_load_state()
        phone = self.person(CREW, PHONE)
        phone.goto(self.night.served.address + "/my-orders")
        states = [self._tap(phone, 0)]
        self.shot(phone, "5-crew-phone", PHONE)
        phone.context.set_offline(True)
        states.append(self._tap(phone, 0))
        self.shot(phone, "5-crew-offline", PHONE)
        phone.context.set_offline(False)
        self.until(lambda: self._order_moved(order), "What was said offline")
        return states

    def _first_order(self) -> str:
        page = self.go(FOREMAN, "/orders")
        links = page.locator("main a[href^='/orders/']").evaluate_all(
            "all => all.map(one => one.getAttribute('href')).filter(one => /[0-9]$/.test(one))"
        )
        return str(links[0]) if links else ""

    def _tap(self, phone: Page, number: int) -> str:
        button = phone.locator("main button.main, main button.button.main").nth(number)
        expect(button).to_be_visible(timeout=15_000)
        said = button.inner_text().strip()
        button.click()
        phone.wait_for_timeout(1_200)
        return said

    def _order_moved(self, order: str) -> bool:
        told = self.go(FOREMAN, order).locator("main").inner_text()[:200]  # its state is there
        return "现场处理中" in told or "On site" in told

    def ledger(self, lamps: int) -> dict[str, int]:
        """Desired → sent → acknowledged → measured: how many commands reached which, once all but
        the dark lamp's were measured."""

        def many(which: str) -> int:
            page = self.go(OFFICER, f"/ledger?which={which}")
            return len(set(re.findall(r"L\d{5}", page.locator("main").inner_text())))

        self.until(lambda: many("confirmed") >= lamps - 1, "Every effect but one")
        self.shot(self.go(OFFICER, "/ledger"), "5-ledger", DESK, PHONE)
        return {which: many(which) for which in ("confirmed", "missing")}

    # --- 6: the lamp that stays dark -------------------------------------------------------------
    def dark_lamp(self) -> int:
        """The effect of one command is never measured: an order opens by itself. Gives how many."""
        self.night.ask("later", "200")
        page = self.go(FOREMAN, "/orders")

        def opened() -> int:
            told = self.go(FOREMAN, "/orders").locator("main").inner_text()
            return len(re.findall("修复路灯|Repair a lamp", told.partition("待处理")[0] or told))

        many: int = self.until(opened, "An order about the dark lamp")
        self.shot(page, "6-orders", DESK, PHONE)
        return many

    # --- 7: a warning, and its all-clear ---------------------------------------------------------
    def warn(self) -> int:
        """A CAP document that the supervisor approves; people are told by the plan's first group.
        Gives how many messages the officer's endpoint heard."""
        self._cap("W-1", "Alert")
        page = self.go(OFFICER, "/warnings")
        self.shot(page, "7-warning", DESK)
        link = self.until(self._storm_plan, "The storm's plan")
        self.found["play"] = link.rpartition("/")[2]
        before = len(self._messages())
        page = self.go(OFFICER, link)
        page.locator("form:has(input[value='tell']) button[value='approve']").click()
        return int(self.until(lambda: len(self._messages()) - before, "A message"))

    def _messages(self) -> list[dict[str, Any]]:
        told = self.night.ask("heard")["heard"]
        return [one for one in told if one.get("kind") not in ("ring", "all_clear")]

    def _storm_plan(self) -> str:
        page = self.go(OFFICER, "/plays")
        links = page.locator("main a[href^='/plays/']").evaluate_all(
            "all => all.map(one => one.getAttribute('href'))"
        )
        return next((one for one in links if self.found["play"] not in one), "")

    def all_clear(self) -> int:
        """The authority cancels: everybody who got the warning gets the all-clear. Gives how many
        the officer's endpoint heard."""
        before = len(self.heard("all_clear"))
        self._cap("W-2", "Cancel")
        self.until(lambda: len(self.heard("all_clear")) > before, "The all-clear")
        self.shot(self.go(OFFICER, "/warnings"), "7-all-clear")
        return len(self.heard("all_clear")) - before

    def _cap(self, identifier: str, kind: str) -> None:
        path = self.folder / f"{identifier}-{self.lang}.cap"
        path.write_bytes(_document(identifier, kind, self.night.ask("heard")["now_us"]))
        page = self.go(OFFICER, "/warnings")
        page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
        page.set_input_files("input[type='file']", str(path))
        page.locator("form:has(input[type='file']) button").click()
        page.wait_for_url(re.compile("done="))
        other = self.go(SUPERVISOR, "/warnings")
        other.locator("button[value='approve']").first.click()
        other.wait_for_load_state()

    # --- 8: the handover -------------------------------------------------------------------------
    def close_incident(self) -> None:
        """All alarms have cleared: the officer closes it with a reason."""
        self.night.ask("over")
        path = f"/incidents/{self.found['incident']}"
        page = self.go(OFFICER, path)
        page.wait_for_timeout(3_000)
        page = self.go(OFFICER, path)
        page.locator("details:has(input[value='close'])").evaluate_all(
            "all => all.forEach(one => { one.open = true; })"
        )
        form = page.locator("form:has(input[value='close'])")
        form.locator("select").select_option("resolved")
        form.locator("[name='reason']").fill(OVER[self.lang])
        form.locator("button").click()
        page.wait_for_load_state()

    def handover(self) -> tuple[bool, int]:
        """At 07:00 it has written itself; the officer adds two sentences. Gives whether the night's
        incident is in it, and how many sentences."""
        now_s = self.night.ask("heard")["now_us"] / 1e6
        seven_s = 1_795_978_800.0 + 4 * 3600 + 20
        self.night.ask("later", str(max(1.0, seven_s - now_s)))
        path = "/handover"
        box = "form:has(textarea[name='text'])"
        self.until(lambda: self.go(OFFICER, path).locator(box).count(), "The handover")
        for sentence in SAID[self.lang]:
            page = self.go(OFFICER, path)
            page.locator(f"{box} textarea").first.fill(sentence)
            page.locator(f"{box} button[value='add']").first.click()
            page.wait_for_load_state()
        page = self.go(OFFICER, path)
        self.shot(page, "8-handover", DESK, PHONE)
        told = page.locator("main").inner_text()
        there = sum(sentence in told for sentence in SAID[self.lang])
        return OVER[self.lang] in told, there

    # --- 9: next week ----------------------------------------------------------------------------
    def live_hash(self) -> dict[str, Any]:
        """What the wall shows now, as its hash."""
        page = self.go(SUPERVISOR, "/wall")
        page.wait_for_timeout(8_000)
        self.shot(page, "wall-day", DESK, PHONE, WALL)
        page.keyboard.press("n")
        self.shot(page, "wall-night", DESK, WALL)
        page.keyboard.press("n")
        address = f"{self.night.served.address}/api/v1/replay/now"
        told = page.context.request.get(address).json()
        self.found["live"] = told
        return dict(told)

    def replay(self) -> tuple[str, str]:
        """A week later the same moment is replayed: (hash then, hash replayed)."""
        self.night.ask("later", str(7 * 86_400))
        live = self.found["live"]
        del self.people[OFFICER]  # a session does not last a week: they sign in again
        page = self.go(OFFICER, "/roster")
        self.shot(page, "8-roster")
        told = page.context.request.post(
            f"{self.night.served.address}/api/v1/replay",
            data={"at": _iso(live["at_us"]), "speed": 60, "paused": True},
            headers={"X-CSRF-Token": page.locator("body").get_attribute("data-csrf") or ""},
        ).json()
        self.found["replayed"] = told
        page.goto(
            f"{self.night.served.address}/wall?at={_iso(live['at_us'] - 60_000_000)}&speed=10"
        )
        page.wait_for_timeout(6_000)
        self.shot(page, "9-replay", DESK)
        return str(live["hash"]), str(told.get("hash", told))


def _iso(at_us: int) -> str:
    whole, micros = divmod(at_us, 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{micros:06d}Z"


def _document(identifier: str, kind: str, now_us: int) -> bytes:
    """A CAP message of a made-up weather service."""
    first = _sent(1_795_978_800)
    info = cap.CapInfo(
        language="zh-CN", categories=("Met",), event="暴雨", urgency="Expected", severity="Severe",
        certainty="Likely", headline="演示：暴雨橙色预警", responses=("Prepare",),
        areas=(cap.CapArea(description="拼河区", polygons=(SQUARE,)),),
    )  # fmt: skip
    earlier = cap.CapReference(sender="met@demo.example", identifier="W-1", sent=first)
    return cap.write(
        cap.CapAlert(
            identifier=identifier, sender="met@demo.example",
            sent=first if kind == "Alert" else _sent(now_us // 1_000_000), status="Actual",
            msg_type=kind, scope="Public", references=() if kind == "Alert" else (earlier,),
            infos=(info,) if kind == "Alert" else (),
        )
    )  # fmt: skip


def _sent(at_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_s)) + "+00:00"
