"""Programs learn who somebody is: a client written by others, and everything that must not work."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import KeySet

from pintu.kernel.errors import BadRequestData
from pintu.kernel.identity.oidc.issuers import challenge_of
from pintu.kernel.identity.oidc.programs import check_redirect
from pintu.kernel.identity.oidc.provider import Provider
from tests.web.identity_city import HERE, Town, csrf, open_town

BACK = "https://ledger.example/back?of=pintu"
ISSUER = "http://127.0.0.1:8800"
CONFIGURATION = "/.well-known/openid-configuration"
SCOPES = "openid profile organisation offline_access"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with open_town(tmp_path_factory.mktemp("town") / "data") as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def program(town: Town) -> tuple[str, str]:
    """A registered program: its id and its secret."""
    made, secret = await room(town).programs.register(
        "Ledger (demo)", [BACK], secret=True, by="test"
    )
    return made.id, secret


pytestmark = pytest.mark.asyncio(loop_scope="module")


def room(town: Town) -> Provider:
    found = town.city.rooms.provider
    assert found is not None
    return found


def asked(program: tuple[str, str], verifier: str, **more: str) -> dict[str, str]:
    """The parameters of a good request, changed as told."""
    told = {
        "response_type": "code", "client_id": program[0], "redirect_uri": BACK, "scope": SCOPES,
        "state": "s-1", "nonce": "n-1", "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256", **more,
    }  # fmt: skip
    return {name: value for name, value in told.items() if value != "-"}


def came_back(answer: httpx.Response) -> dict[str, str]:
    """What a program hears at its address; nobody is sent anywhere else."""
    assert 303 == answer.status_code, answer.text[:500]
    parts = urlsplit(answer.headers["location"])
    assert ("ledger.example", "/back") == (parts.netloc, parts.path)
    found = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert "pintu" == found.pop("of")
    return found


async def code_for(town: Town, program: tuple[str, str], verifier: str, **more: str) -> str:
    """A code for Olga, who agrees when she is asked."""
    client = await town.signed_in("olga")
    query = str(httpx.QueryParams(asked(program, verifier, **more)))
    answer = await client.get(f"/oidc/authorize?{query}")
    if answer.status_code == 200:
        form = {"csrf": await csrf(client), "query": query, "answer": "yes"}
        answer = await client.post("/oidc/authorize", data=form)
    return came_back(answer)["code"]


async def token(town: Town, program: tuple[str, str], **form: str) -> httpx.Response:
    """Ask the token endpoint as the program."""
    async with town.browser() as client:
        return await client.post("/oidc/token", data=form, auth=program)


async def swap(town: Town, program: tuple[str, str], code: str, verifier: str) -> httpx.Response:
    return await token(
        town, program, grant_type="authorization_code", code=code, redirect_uri=BACK,
        code_verifier=verifier,
    )  # fmt: skip


async def test_a_client_of_others_learns_who_somebody_is(
    town: Town, program: tuple[str, str]
) -> None:
    """Discovery, code with PKCE, an ID token that checks against our keys, userinfo."""
    with warnings.catch_warnings():  # it imports a room of its own that is to go
        warnings.simplefilter("ignore")
        from authlib.integrations.httpx_client import AsyncOAuth2Client
    verifier = secrets.token_urlsafe(48)
    transport = httpx.ASGITransport(app=town.app)  # type: ignore[arg-type]
    async with AsyncOAuth2Client(
        program[0], program[1], scope=SCOPES, redirect_uri=BACK, code_challenge_method="S256",
        transport=transport, base_url=HERE,
    ) as client:  # fmt: skip
        found = (await client.request("GET", CONFIGURATION, withhold_token=True)).json()
        assert (ISSUER, ["S256"]) == (found["issuer"], found["code_challenge_methods_supported"])
        url, state = client.create_authorization_url(
            f"{HERE}/oidc/authorize", code_verifier=verifier, nonce="n-7"
        )
        browser = await town.signed_in("olga")
        shown = await browser.get(url)
        assert "Ledger (demo)" in shown.text
        form = {"csrf": await csrf(browser), "query": urlsplit(url).query, "answer": "yes"}
        answer = await browser.post("/oidc/authorize", data=form)
        assert (state, ISSUER) == (came_back(answer)["state"], came_back(answer)["iss"])
        told = await client.fetch_token(
            f"{HERE}/oidc/token", authorization_response=answer.headers["location"],
            code_verifier=verifier,
        )  # fmt: skip
        keys = KeySet.import_key_set(
            (await client.request("GET", "/oidc/jwks", withhold_token=True)).json()
        )
        claims = jwt.decode(told["id_token"], keys, algorithms=["RS256"]).claims
        assert (ISSUER, program[0], "n-7", town.people["olga"].id) == tuple(
            claims[name] for name in ("iss", "aud", "nonce", "sub")
        )
        assert ("欧演示", "health", ["owner"]) == tuple(
            claims[name] for name in ("name", "organisation", "roles")
        )
        heard = (await client.get("/oidc/userinfo")).json()
        assert ("欧演示", "olga") == (heard["name"], heard["preferred_username"])
    again = await browser.get(f"/oidc/authorize?{httpx.QueryParams(asked(program, verifier))}")
    assert "code" in came_back(again)  # she is not asked twice for the same


async def test_a_code_shown_twice_ends_what_came_of_it(
    town: Town, program: tuple[str, str]
) -> None:
    """Whoever was first is shut out too: one of both has stolen it."""
    verifier = secrets.token_urlsafe(48)
    code = await code_for(town, program, verifier)
    first = (await swap(town, program, code, verifier)).json()
    replayed = await swap(town, program, code, verifier)
    assert (400, "invalid_grant") == (replayed.status_code, replayed.json()["error"])
    refreshed = await token(
        town, program, grant_type="refresh_token", refresh_token=first["refresh_token"]
    )
    assert "invalid_grant" == refreshed.json()["error"]
    async with town.browser() as client:
        bearer = {"authorization": f"Bearer {first['access_token']}"}
        assert 401 == (await client.get("/oidc/userinfo", headers=bearer)).status_code


async def test_a_refresh_token_is_good_once(town: Town, program: tuple[str, str]) -> None:
    """The next one comes with it; the old one shown again ends both; scopes only narrow."""
    verifier = secrets.token_urlsafe(48)
    first = (await swap(town, program, await code_for(town, program, verifier), verifier)).json()

    async def refresh(text: str, **more: str) -> httpx.Response:
        return await token(town, program, grant_type="refresh_token", refresh_token=text, **more)

    second = (await refresh(first["refresh_token"], scope="openid")).json()
    assert "openid" == second["scope"]
    wider = await refresh(second["refresh_token"], scope="openid profile everything")
    assert "invalid_scope" == wider.json()["error"]
    third = (await swap(town, program, await code_for(town, program, verifier), verifier)).json()
    fourth = (await refresh(third["refresh_token"])).json()
    assert "invalid_grant" == (await refresh(third["refresh_token"])).json()["error"]
    assert "invalid_grant" == (await refresh(fourth["refresh_token"])).json()["error"]


async def test_who_is_disabled_is_told_of_no_more(town: Town, program: tuple[str, str]) -> None:
    """Neither by refreshing nor by an access token that was good."""
    verifier = secrets.token_urlsafe(48)
    told = (await swap(town, program, await code_for(town, program, verifier), verifier)).json()
    people, olga = town.city.rooms.identity.people, town.people["olga"].id
    await people.disable(olga)
    try:
        answer = await token(
            town, program, grant_type="refresh_token", refresh_token=told["refresh_token"]
        )
        assert "invalid_grant" == answer.json()["error"]
        async with town.browser() as client:
            bearer = {"authorization": f"Bearer {told['access_token']}"}
            assert 401 == (await client.get("/oidc/userinfo", headers=bearer)).status_code
    finally:
        await people.enable(olga)


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "nobody"}, {"client_id": "-"}, {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": BACK + "/"}, {"redirect_uri": BACK + "&x=1"}, {"redirect_uri": "-"},
        {"redirect_uri": BACK.replace("https", "http")},
        {"redirect_uri": "https://ledger.example/back"},
    ],
)  # fmt: skip
async def test_nobody_is_sent_to_an_address_that_is_not_registered(
    town: Town, program: tuple[str, str], change: dict[str, str]
) -> None:
    """To the sign: exact addresses; the person reads what is wrong."""
    client = await town.signed_in("clara", peer="10.3.3.3")
    query = httpx.QueryParams(asked(program, "v" * 43, **change))
    answer = await client.get(f"/oidc/authorize?{query}")
    assert 400 == answer.status_code
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"code_challenge": "-"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": "-"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"prompt": "none", "scope": "openid"}, "consent_required"),
    ],
)
async def test_a_request_that_does_not_hold_goes_back_as_an_error(
    town: Town, program: tuple[str, str], change: dict[str, str], error: str
) -> None:
    """With the state it came with."""
    client = await town.signed_in("clara", peer="10.3.3.4")
    query = httpx.QueryParams(asked(program, "v" * 43, **change))
    told = came_back(await client.get(f"/oidc/authorize?{query}"))
    assert (error, "s-1") == (told["error"], told["state"])


async def test_nobody_is_told_of_without_saying_yes(town: Town, program: tuple[str, str]) -> None:
    """Not signed in: sign in first. No: the program hears no. A page of another site cannot say
    yes, and no page can be put into a frame."""
    query = str(httpx.QueryParams(asked(program, "v" * 43)))
    async with town.browser() as client:
        answer = await client.get(f"/oidc/authorize?{query}", follow_redirects=False)
        assert answer.headers["location"].startswith("/sign-in?next=%2Foidc%2Fauthorize")
        silent = await client.get(f"/oidc/authorize?{query}&prompt=none")
        assert "login_required" == came_back(silent)["error"]
    client = await town.signed_in("clara", peer="10.3.3.5")
    shown = await client.get(f"/oidc/authorize?{query}")
    assert "frame-ancestors 'none'" in shown.headers["content-security-policy"]
    form = {"csrf": await csrf(client), "query": query, "answer": "no"}
    assert "access_denied" == came_back(await client.post("/oidc/authorize", data=form))["error"]
    for wrong in ({"csrf": "wrong"}, {"csrf": ""}):
        stolen = await client.post("/oidc/authorize", data={**form, **wrong, "answer": "yes"})
        assert 403 == stolen.status_code
    twice = await client.get(f"/oidc/authorize?{query}&redirect_uri=https://evil.example")
    assert 400 == twice.status_code


async def test_a_code_is_for_who_asked(town: Town, program: tuple[str, str]) -> None:
    """Another program, address, verifier or secret gets nothing; a try uses it up."""
    other, secret = await room(town).programs.register("Other", [BACK], secret=True, by="test")
    verifier = secrets.token_urlsafe(48)

    async def tried(who: tuple[str, str], **more: str) -> tuple[int, str]:
        form = {
            "grant_type": "authorization_code", "redirect_uri": BACK, "code_verifier": verifier,
            "code": await code_for(town, program, verifier), **more,
        }  # fmt: skip
        answer = await token(town, who, **form)
        return answer.status_code, answer.json()["error"]

    assert (400, "invalid_grant") == await tried((other.id, secret))
    assert (401, "invalid_client") == await tried((program[0], "wrong"))
    assert (401, "invalid_client") == await tried((program[0], ""))
    assert (401, "invalid_client") == await tried(("nobody", "x"))
    assert (400, "invalid_grant") == await tried(program, redirect_uri="https://evil.example")
    assert (400, "invalid_grant") == await tried(program, code_verifier="w" * 43)
    assert (400, "invalid_grant") == await tried(program, code_verifier="")
    assert (400, "invalid_grant") == await tried(program, code="made-up")
    assert (400, "unsupported_grant_type") == await tried(program, grant_type="password")
    await room(town).programs.end(other.id, by="test")
    assert (401, "invalid_client") == await tried((other.id, secret))


@pytest.mark.parametrize(
    "address",
    ["http://a.example/", "https://a.example/#x", "https://*.a.example/", "javascript:alert(1)",
     "https://u:p@a.example/", "https:///x", "//a.example", "https://a.example/\\x", "",
     "https://á/"],
)  # fmt: skip
async def test_an_address_to_go_back_to_is_checked(address: str) -> None:
    """https, or http on the person's own machine."""
    with pytest.raises(BadRequestData):
        check_redirect(address)
    check_redirect("http://127.0.0.1:4711/back")


async def test_only_the_administrator_registers_programs(town: Town) -> None:
    """And the secret is shown once."""
    root, olga = await town.signed_in("root"), await town.signed_in("olga", peer="10.3.3.6")
    assert 403 == (await olga.get("/people/programs")).status_code
    form: dict[str, Any] = {"title": "Third", "redirects": BACK, "secret": "yes"}
    refused = await olga.post("/people/programs", data={**form, "csrf": await csrf(olga)})
    assert 403 == refused.status_code
    made = await root.post("/people/programs", data={**form, "csrf": await csrf(root)})
    assert "shown only now" in made.text
    assert "shown only now" not in (await root.get("/people/programs")).text
