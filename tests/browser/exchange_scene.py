"""The exchange as people live it, in Chromium: a data officer, a school, a health department, its
deputy, a guardian and a stranger; each in a browser of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from typing import Any

from playwright.sync_api import Page, expect

from pintu.demo.departments import make_children, write_files
from tests.browser.drive import ROOT, poll
from tests.browser.exchange_people import People

EDUCATION, HEALTH = "pupils", "vaccinations"
PURPOSE = "enrolment"
REASON = {"zh-CN": "新生入学登记，核对接种情况", "en": "Enrolment of new pupils: check vaccination"}
CHILD = make_children()[0]
RIGHT_DATE = "2020-01-15"
BOOKLET = {"zh-CN": "接种本上写的是这一天", "en": "The vaccination booklet says so"}
CHECKED = {"zh-CN": "已核对接种本，予以更正", "en": "Compared with the booklet, corrected"}
REVOKED = {"zh-CN": "登记已结束，不再需要", "en": "Enrolment is over, it is not needed any more"}
DELETED = {"zh-CN": "已删除登记系统中的副本", "en": "The copy in the enrolment system was deleted"}
ROLES = {
    "id_number": "身份证号|id_number", "name": "^姓名$|^name$", "birth": "出生日期|born",
    "phone": "监护人电话|phone", "given": "接种日期|vaccinated_on",
}  # fmt: skip


class Scene(People):
    """The eight steps, in their order."""

    # --- 1 and 2: two departments are connected ----------------------------------------------
    def connect(self) -> None:
        """The data officer connects education's database and health's spreadsheet, and says whose
        they are; nobody wrote a line of code."""
        files = self.folder / "inbox" / "departments"
        write_files(files)
        page = self.person("demo_officer")
        self._tell("database", EDUCATION, "education", {"zh": "学生名册", "en": "Pupils"},
                   system="sqlite", database="departments/education.db")  # fmt: skip
        self._map(page, EDUCATION)
        self._tell("upload", HEALTH, "health", {"zh": "接种记录", "en": "Vaccinations"})
        page.goto(f"{self.served.address}/connect/{HEALTH}")
        page.set_input_files("#file", str(files / "health.xlsx"))
        page.click("#upload button")
        page.wait_for_url("**/look", timeout=30_000)
        self._map(page, HEALTH)
        self.shot(page, "1-connected")

    def _tell(
        self, door: str, name: str, owner: str, title: dict[str, str], **settings: str
    ) -> None:
        page = self.go("demo_officer", f"/connect/new/{door}")
        page.fill("#title-zh", title["zh"] + "（演示）")
        page.fill("#title-en", title["en"] + " (demo)")
        page.fill("#name", name)
        page.fill("#owner", owner)
        for folded in page.query_selector_all("main details:not([open]) > summary"):
            folded.click()
        for setting, value in settings.items():
            place = page.locator(f"#s-{setting}")
            if place.evaluate("one => one.tagName") == "SELECT":
                place.select_option(value)
            else:
                place.fill(value)
        page.click("main form button.main")
        page.wait_for_url("**/look", timeout=30_000)

    def _map(self, page: Page, name: str) -> None:
        """A table with persons, mapped as guessed; loaded."""
        page.goto(f"{self.served.address}/connect/{name}/mapping?target=table")
        poll(page, "location.pathname.endsWith('/mapping')", 40)
        for row in page.query_selector_all("tr.one"):
            told = row.get_attribute("data-name") or ""
            if told in ("身份证号", "id_number"):
                row.query_selector("summary").click()  # type: ignore[union-attr]
                row.query_selector("input[name$='.key']").check()  # type: ignore[union-attr]
        page.fill("#data-set", name)
        page.click("form.stack button.main")
        page.wait_for_url(re.compile("/try"), timeout=30_000)
        page.click("form[action$='/start'] button")
        page.wait_for_load_state()

    # --- 2: what is held twice ----------------------------------------------------------------
    def islands(self) -> tuple[int, float]:
        """She has the city measure what is held twice: how many fields, and how much differs (%);
        the picture of it, and the records."""
        page = self.go("demo_officer", "/islands")
        deadline = time.monotonic() + 90
        while not page.locator("#held-twice table").count():  # rows are still being loaded
            if time.monotonic() > deadline:
                raise RuntimeError("nothing was found to be held twice")
            page.wait_for_timeout(1_000)
            page.click("form[action='/islands/look'] button")
            page.wait_for_load_state()
        self.shot(page, "2-islands")
        row = page.locator("#held-twice tbody tr").first
        cells = row.locator("td").all_inner_texts()
        row.locator("th a").click()
        page.wait_for_load_state()
        self.shot(page, "2-held-twice")
        fields = int(re.sub(r"\D", "", cells[1]) or 0)
        differ = float(re.sub(r"[^\d.]", "", cells[2]) or "nan")
        return fields, differ

    # --- 3: the school asks -------------------------------------------------------------------
    def request(self) -> str:
        """The school's office asks for yes or no, of its own pupils, one at a time; the form says
        as it is filled what it asks for and what would be refused."""
        page = self.go("demo_school", f"/agreements/new?data_set={HEALTH}")
        row = page.locator("tr", has_text=re.compile("接种日期|Vaccinated on")).first
        row.locator("input[name=field]").check()
        row.locator("select").select_option("yes_no")
        expect(page.locator("#verdict .seen li")).to_have_count(1)
        self.shot(page, "3-unfinished")
        page.locator("[name='where.0.column']").select_option(
            label="学校" if page.locator("option:text-is('学校')").count() else "School"
        )
        page.fill("[name='where.0.value']", "演示第一小学")
        page.select_option("#purpose", PURPOSE)
        page.select_option("#basis", "statutory_duty")
        page.fill("#reason", REASON[self.lang])
        page.fill("#retention", "30")
        expect(page.locator("#verdict .calm")).to_be_visible()
        self.shot(page, "3-request")
        page.click("#request button.main")
        page.wait_for_url(re.compile("/agreements/ag-"))
        found = re.search(r"ag-\w+", page.url)
        assert found is not None
        self.found["agreement"] = found[0]
        return found[0]

    # --- 4: the owner decides, the deputy is told -----------------------------------------------
    def decide(self) -> None:
        """Health's owner sees a deadline; it passes, the deputy is told; the owner approves, and
        the school's head signs. Who asked may not."""
        id = self.found["agreement"]
        page = self.go("demo_health", "/agreements")
        expect(page.locator(".todo .due").first).to_be_visible()
        self.shot(page, "4-to-approve")
        asker = self.go("demo_school", f"/agreements/{id}")
        assert asker.locator("form[action$='/approve']").count() == 0
        self.told("demo_deputy", f"/agreements/{id}")
        self.shot(self.people["demo_deputy"], "4-deputy-told")
        deputy = self.go("demo_deputy", "/agreements")
        expect(deputy.locator(f".todo a[href^='/agreements/{id}']").first).to_be_visible()
        page = self.go("demo_health", f"/agreements/{id}")
        self.shot(page, "4-decide")
        page.click("form[action$='/approve'] button")
        page.wait_for_load_state()
        head = self.go("demo_head", f"/agreements/{id}")
        head.click("form[action$='/sign'] button")
        head.wait_for_load_state()
        expect(head.locator("[data-word=active]").first).to_be_visible()
        self.shot(head, "4-in-force")

    # --- 5: the form fills itself ---------------------------------------------------------------
    def fill(self) -> int:
        """One pupil at a time, with who told it, when, under which agreement; several at once are
        refused by the gate. The number of the receipt."""
        page = self.go("demo_school", "/look-up/form")
        page.fill("#id", CHILD["id_number"])
        page.fill("#reason", REASON[self.lang])
        page.click("form.pupil button.main")
        row = page.locator(".filled tbody tr").first
        expect(row).to_be_visible()
        assert ("是" if self.lang == "zh-CN" else "yes") in row.inner_text()
        number = int(row.locator("td").last.inner_text())
        self.shot(page, "5-form")
        self.found["receipt"] = number
        return number

    def pull(self) -> str:
        """A whole class at once: refused, in words."""
        page = self.go("demo_school", "/look-up/form")
        page.fill("#id", "\n".join(one["id_number"] for one in make_children()[:30]))
        page.fill("#reason", REASON[self.lang])
        page.click("form.pupil button.main")
        refused = page.locator("#filled [role=alert]")
        expect(refused).to_be_visible()
        assert page.locator(".filled").count() == 0
        self.shot(page, "5-bulk-refused")
        return refused.inner_text()

    def look(self) -> None:
        """The same by hand: one person, a reason, an answer with its receipt."""
        page = self.go("demo_school", f"/look-up?agreement={self.found['agreement']}")
        page.fill("#id", CHILD["id_number"])
        page.fill("#reason", REASON[self.lang])
        page.click("main form button.main")
        expect(page.locator("section[aria-labelledby=answer]")).to_be_visible()
        self.shot(page, "5-look-up")

    # --- 6: a guardian objects ------------------------------------------------------------------
    def link(self) -> None:
        """Health's steward has the two departments' records joined: by the number, with Splink."""
        page = self.go("demo_steward", "/linkage")
        sources = []
        for name in (EDUCATION, HEALTH):
            columns = page.evaluate(
                "async name => (await window.pintu.send('GET', '/api/v1/data-sets'))"
                ".find(one => one.name === name).columns", name,
            )  # fmt: skip
            sources.append({"data_set": name, "columns": _roles(columns), "unique": True})
        plan = {
            "name": "children",
            "title": {"zh": "儿童（演示）", "en": "Children (demo)"},
            "sources": sources,
            "authority": {"given": [HEALTH]},
        }
        why = "?purpose=correction&reason=" + REASON[self.lang]
        send = "async told => await window.pintu.send(told[0], told[1], told[2])"
        page.evaluate(send, ["PUT", f"/api/v1/linkage/plans/children{why}", plan])
        page.evaluate(send, ["POST", f"/api/v1/linkage/plans/children/run{why}"])
        page.goto(self.served.address + "/linkage")
        self.shot(page, "6-linked")

    def object(self) -> None:
        """A guardian sees who looked, and objects to the child's date of vaccination."""
        page = self.person("demo_guardian")
        page.goto(self.served.address + "/my-records")
        page.locator("nav.whose a").last.click()
        page.wait_for_load_state()
        self.shot(page, "6-who-looked")
        page.fill("main #id", CHILD["id_number"])
        page.click("main form.form button.main")
        row = page.locator(f".held-by tr:has(input[name=data_set][value={HEALTH}])").filter(
            has_text=re.compile("接种日期|Vaccinated on")
        )
        row.locator("summary").click()
        row.locator("[name=wished]").fill(RIGHT_DATE)
        row.locator("[name=reason]").fill(BOOKLET[self.lang])
        self.shot(page, "6-object")
        row.locator("button.main").click()
        page.wait_for_load_state()
        expect(page.locator("section[aria-labelledby=objections]")).to_be_visible()

    def correct(self) -> list[str]:
        """The owner's steward corrects it; it says the same in both departments now."""
        page = self.go("demo_steward", "/linkage-objections")
        self.shot(page, "6-answer")
        form = page.locator("form.deed-form").first
        form.locator("select[name=purpose]").select_option("correction")
        form.locator("[name=answer]").fill(CHECKED[self.lang])
        form.locator("button[value=accept]").click()
        page.wait_for_load_state()
        guardian = self.person("demo_guardian")
        guardian.goto(self.served.address + "/my-records")
        guardian.locator("nav.whose a").last.click()
        guardian.wait_for_load_state()
        guardian.fill("main #id", CHILD["id_number"])
        guardian.click("main form.form button.main")
        rows = guardian.locator(".held-by tr").filter(has_text=re.compile("接种日期|vaccinated_on"))
        expect(rows.first).to_be_visible()
        self.shot(guardian, "6-corrected")
        return rows.locator("td:nth-child(2) > span:first-child").all_inner_texts()

    # --- 7: health revokes ----------------------------------------------------------------------
    def revoke(self) -> float:
        """Seconds from the owner's click to the first refusal of the school."""
        id = self.found["agreement"]
        page = self.go("demo_health", f"/agreements/{id}")
        page.on("dialog", lambda dialog: dialog.accept())
        page.fill("#why-revoke", REVOKED[self.lang])
        school = self.go("demo_school", "/look-up/form")
        school.fill("#id", CHILD["id_number"])
        school.fill("#reason", REASON[self.lang])
        began = time.monotonic()
        page.click("form[action$='/revoke'] button", no_wait_after=True)
        while True:
            school.click("form.pupil button.main")
            school.wait_for_timeout(50)
            if not school.locator(".filled, .htmx-request").count():
                break
            if time.monotonic() - began > 10:
                raise RuntimeError("it is still answered ten seconds after it was revoked")
        took = time.monotonic() - began
        page.wait_for_load_state()
        self.shot(page, "7-revoked")
        return took

    def recall(self) -> None:
        """The school is asked, with a deadline, to delete what it kept, and answers."""
        self.told("demo_school", f"/agreements/{self.found['agreement']}")
        page = self.go("demo_school", "/agreements")
        expect(page.locator(".todo a[href$='#recalls']").first).to_be_visible()
        self.shot(page, "7-recall")
        page.goto(f"{self.served.address}/agreements/{self.found['agreement']}")
        page.fill("#recalls textarea", DELETED[self.lang])
        page.click("#recalls form button.main")
        page.wait_for_load_state()
        expect(page.locator("#recalls .said")).to_contain_text(DELETED[self.lang])
        self.shot(page, "7-answered")

    # --- 8: a stranger verifies -----------------------------------------------------------------
    def prove(self) -> subprocess.CompletedProcess[str]:
        """The school's office prints the proof of its look; a program that has nothing of the city
        but its public key checks the file."""
        number = self.found["receipt"]
        page = self.go("demo_school", f"/audit/proof/{number}")
        self.shot(page, "8-proof")
        page.pdf(path=str(self.folder / "proof.pdf"))
        file = self.folder / f"proof-{number}.json"
        with page.expect_download() as download:
            page.locator(f"a[href^='/api/v1/audit/proof/{number}']").first.click()
        download.value.save_as(file)
        key = page.request.get(f"{self.served.address}/api/v1/audit/key").text()
        return subprocess.run(
            [sys.executable, "-m", "pintu_verify", str(file), "--key", key.strip()],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def audit(self) -> None:
        """The auditor's page after all that."""
        page = self.go("demo_auditor", "/auditing")
        self.shot(page, "8-auditing")


def _roles(columns: list[dict[str, Any]]) -> dict[str, str]:
    """Role → the column of a data set that tells it, by its name or title."""
    found = {}
    for role, wanted in ROLES.items():
        for one in columns:
            told = (one["name"], *(one.get("title") or {}).values())
            if any(re.search(wanted, text) for text in told):
                found[role] = one["name"]
                break
    return found
