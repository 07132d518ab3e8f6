"""Browser sessions: opened with a token, guarded against other pages, ended in time."""

from __future__ import annotations

import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.errors import (
    Forbidden,
    Unauthorized,
)
from pintu.kernel.identity import Identity, ended_header
from pintu.kernel.tables import CityTables

from .conftest import HOST, HOUR_US, HandClock, Scene


# --- sessions -------------------------------------------------------------------------------------
async def signed_in(scene: Scene) -> tuple[dict[bytes, bytes], str]:
    """Headers of a browser with a session, and its CSRF token."""
    secret, _ = await scene.identity.create_token("somebody", ["admin"], kind="person")
    cookie, csrf = await scene.identity.open_session(secret)
    return {**HOST, b"cookie": b"lang=zh; pintu_session=" + cookie.encode()}, csrf


async def test_a_session_acts_for_its_token(scene: Scene) -> None:
    """And survives a restart."""
    headers, _ = await signed_in(scene)
    assert "person" == scene.identity.actor(headers, "10.0.0.1").kind
    tables = scene.open_again()
    assert "person" == Identity(tables, scene.clock).actor(headers, "10.0.0.1").kind
    tables.close()


async def test_a_cookie_is_for_the_browser_only(scene: Scene) -> None:
    """HttpOnly, SameSite=Strict, Secure over TLS; signing out takes it away."""
    secret, _ = await scene.identity.create_token("somebody", ["admin"])
    opened = await scene.identity.open_session(secret)
    header = opened.header(secure=True).decode()
    assert all(
        part in header
        for part in ("HttpOnly", "SameSite=Strict", "Secure", "Path=/", "Max-Age=604800")
    )
    assert b"Secure" not in opened.header(secure=False)
    assert b"Max-Age=0" in ended_header(secure=False)


async def test_a_session_ends_when_idle_and_in_any_case(scene: Scene) -> None:
    """Twelve hours without a request, seven days with."""
    headers, _ = await signed_in(scene)
    for _ in range(15):
        scene.clock.us += 11 * HOUR_US
        assert "person" == scene.identity.actor(headers, "::1").kind
    scene.clock.us += 11 * HOUR_US
    assert "anonymous" == scene.identity.actor(headers, "::1").kind
    headers, _ = await signed_in(scene)
    scene.clock.us += 12 * HOUR_US
    assert "anonymous" == scene.identity.actor(headers, "::1").kind


async def test_signing_out_ends_the_session(scene: Scene) -> None:
    """At once, and on disk."""
    headers, _ = await signed_in(scene)
    await scene.identity.close_session(headers)
    assert "anonymous" == scene.identity.actor(headers, "::1").kind
    tables = scene.open_again()
    assert "anonymous" == Identity(tables, scene.clock).actor(headers, "::1").kind
    tables.close()


async def test_two_session_cookies_are_none(scene: Scene) -> None:
    """A cookie planted beside ours is not chosen."""
    headers, _ = await signed_in(scene)
    headers[b"cookie"] += b"; pintu_session=planted"
    assert "anonymous" == scene.identity.actor(headers, "::1").kind


OURS = {b"origin": b"http://127.0.0.1:8800"}


async def test_our_own_pages_may_write(scene: Scene) -> None:
    """The token in a header or a form field, from our own origin."""
    headers, csrf = await signed_in(scene)
    scene.identity.check_csrf({**headers, **OURS}, csrf)
    scene.identity.check_csrf({**headers, **OURS, b"x-csrf-token": csrf.encode()})
    scene.identity.check_csrf({**headers, b"referer": b"http://127.0.0.1:8800/map"}, csrf)
    scene.identity.check_csrf(
        {**headers, b"origin": b"null", b"sec-fetch-site": b"same-origin"}, csrf
    )
    scene.identity.check_csrf({b"authorization": b"Bearer x", b"origin": b"https://a.example"})


@pytest.mark.parametrize(
    ("extra", "sent", "why"),
    [
        (OURS, None, "CSRF token is missing"),
        (OURS, "wrong", "CSRF token is missing"),
        ({**OURS, b"x-csrf-token": b"\xff"}, None, "CSRF token is missing"),
        ({}, "right", "needs an Origin"),
        ({b"origin": b"https://evil.example"}, "right", "not this city's own"),
        ({b"origin": b"http://127.0.0.1:9999"}, "right", "not this city's own"),
        ({b"origin": b"null"}, "right", "not this city's own"),
        ({**OURS, b"sec-fetch-site": b"cross-site"}, "right", "Another site"),
    ],
)
async def test_other_pages_may_not(
    scene: Scene, extra: dict[bytes, bytes], sent: str | None, why: str
) -> None:
    """Each missing thing is named."""
    headers, csrf = await signed_in(scene)
    with pytest.raises(Forbidden, match=why):
        scene.identity.check_csrf({**headers, **extra}, csrf if sent == "right" else sent)


def test_behind_a_proxy_the_public_address_is_ours(tables: CityTables) -> None:
    """A proxy may rewrite Host; the setting says what browsers see."""
    identity = Identity(tables, HandClock(), public_url="https://city.example")
    identity.check_csrf({b"host": b"10.0.0.5:8800", b"origin": b"https://city.example"})
    with pytest.raises(Forbidden):
        identity.check_csrf({b"host": b"10.0.0.5:8800", b"origin": b"https://evil.example"})


async def test_a_sign_in_link_works_once(scene: Scene) -> None:
    """Within a quarter of an hour."""
    _, token = await scene.identity.create_token("somebody", ["admin"])
    code = await scene.identity.create_sign_in_link(token.id)
    opened = await scene.identity.open_session_by_link(code)
    assert 604_800 == opened.max_age_s
    with pytest.raises(Unauthorized, match="used"):
        await scene.identity.open_session_by_link(code)
    late = await scene.identity.create_sign_in_link(token.id)
    scene.clock.us += 16 * 60_000_000
    with pytest.raises(Unauthorized, match="older"):
        await scene.identity.open_session_by_link(late)


def test_a_scaled_clock_does_not_hurry_sessions(tables: CityTables) -> None:
    """Sessions live in the reader's time, not the made-up city's."""
    assert CityClock() == Identity(tables, CityClock(0, 0, 60.0))._clock
