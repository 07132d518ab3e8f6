"""Passkeys in a real browser, and the pages of people at two widths, in two languages."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.conftest import noted
from tests.browser.drive import ROOT, free_port, poll, wait_for
from tests.web.identity_city import PASSWORD

AUTHENTICATOR = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True,
    "hasUserVerification": True, "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def people_city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a city with accounts, by a name: a number has no passkeys."""
    port, folder = free_port(), tmp_path_factory.mktemp("people") / "data"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.browser.serve_people", str(port), str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/readyz", process)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()


def authenticator(page: Page) -> tuple[Any, str]:
    """A virtual authenticator in the browser (Chrome DevTools Protocol), and its name."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    made = session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    return session, made["authenticatorId"]


def sign_in(page: Page, address: str, login: str) -> None:
    page.goto(address + "/sign-in?next=/account")
    page.fill("#login", login)
    page.fill("#password", PASSWORD)
    page.click("form:has(#password) button")
    page.wait_for_url(address + "/account")


def test_a_passkey_is_made_shown_and_removed(people_city: str, screen: Page) -> None:
    """Made while signed in, it opens the account without a login or a password; removed, nothing;
    an answer recorded and sent again opens nothing."""
    session, name = authenticator(screen)
    sign_in(screen, people_city, "clara")
    screen.fill("#passkey", "我的钥匙")
    screen.click("form[data-passkey-new] button")
    screen.wait_for_url(people_city + "/account?done=passkey")
    assert screen.get_by_text("我的钥匙").is_visible()
    screen.click("header.head form button")  # sign out
    screen.goto(people_city + "/sign-in?next=/account")
    sent: list[str] = []
    screen.on(
        "request",
        lambda one: sent.append(one.post_data or "") if one.url.endswith("/sign-in") else None,
    )
    screen.click("[data-passkey-in]")
    screen.wait_for_url(people_city + "/account")
    assert screen.get_by_role("heading", name="柯演示").is_visible()
    assert screen.get_by_text("with a passkey").first.is_visible()
    credentials = session.send("WebAuthn.getCredentials", {"authenticatorId": name})["credentials"]
    assert [2] == [one["signCount"] for one in credentials]
    replayed = screen.request.post(
        people_city + "/api/v1/identity/passkeys/sign-in",
        data=sent[-1],
        headers={"content-type": "application/json", "origin": people_city,
                 "x-csrf-token": screen.evaluate("document.body.dataset.csrf")},
    )  # fmt: skip
    assert 401 == replayed.status
    screen.click("form[action^='/account/passkeys/'] button")
    screen.wait_for_url(people_city + "/account?done=removed")
    screen.click("header.head form button")
    screen.goto(people_city + "/sign-in")
    screen.click("[data-passkey-in]")
    poll(screen, "document.querySelector('[data-passkey-said]').textContent !== ''")
    assert "opened nothing" in screen.inner_text("[data-passkey-said]")


def test_a_passkey_of_another_account_is_another_account(people_city: str, screen: Page) -> None:
    """The passkey says whose it is; nobody chooses."""
    authenticator(screen)
    for login in ("stew", "olga"):
        sign_in(screen, people_city, login)
        screen.fill("#passkey", login)
        screen.click("form[data-passkey-new] button")
        screen.wait_for_url(people_city + "/account?done=passkey")
        screen.click("header.head form button")
    screen.goto(people_city + "/sign-in?next=/account")
    screen.click("[data-passkey-in]")
    screen.wait_for_url(people_city + "/account")
    assert screen.inner_text("h1") in ("司徒·演示", "欧演示")


PAGES = {
    "": ("/sign-in", "/sign-in/link?code=gone"),
    "olga": ("/account", "/people", "/glass"),
    "root": ("/people", "/people/programs"),
}


@pytest.mark.parametrize("lang", ["zh-CN", "en"])
@pytest.mark.parametrize("width", [390, 1440])
def test_the_pages_of_people_fit_and_can_be_used(
    people_city: str, chromium: Browser, tmp_path: Path, width: int, lang: str
) -> None:
    """No page is wider than its screen; axe finds nothing wrong (WCAG 2.2 AA)."""
    folder = Path(os.environ.get("PINTU_SHOTS", tmp_path))
    for login, paths in PAGES.items():
        context = chromium.new_context(viewport={"width": width, "height": 900}, locale=lang)
        for page in noted(context):
            if login:
                sign_in(page, people_city, login)
            for path in paths:
                page.goto(people_city + path)
                one = path
                if path == "/people" and login == "root":
                    page.screenshot(path=folder / f"people-{width}-{lang}.png", full_page=True)
                    page.click("tbody th a >> nth=0")
                    page.wait_for_url(people_city + "/people/*")
                    one = "/people/one"
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, (one, wide)
                found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag22aa"]})
                assert 0 == found.violations_count, (one, found.generate_report())
                name = one.partition("?")[0].strip("/").replace("/", "-")
                shot = f"{name}-{login}-{width}-{lang}.png"
                page.screenshot(path=folder / shot, full_page=True)
