"""Accounts of other houses: an independent provider, and tokens that somebody forged."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from pintu.kernel.clock import CityClock
from pintu.kernel.egress import Egress
from pintu.kernel.errors import Forbidden, Unauthorized
from pintu.kernel.identity import People
from pintu.kernel.identity.notices import Notices
from pintu.kernel.identity.oidc.checking import Expected, hash_of, verified
from pintu.kernel.identity.oidc.houses import Houses
from pintu.kernel.identity.oidc.issuers import Begun, Issuers
from pintu.kernel.identity.oidc.words import Issuer, read_issuers
from pintu.kernel.identity.signing_in import SignIn
from pintu.kernel.identity.words import Membership
from pintu.kernel.tables import CityTables

PORT = 9330
REDIRECT = "http://localhost:9331/sign-in/back"
SECRET = "a secret:only+the%two&houses=know"
PEER = Path(__file__).parent / "oidc_peer" / "issuer.mjs"


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """An issuer written by others, installed once into the folder for temporary files."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed")
    folder = Path(tempfile.gettempdir()) / "pintu-oidc-provider"
    folder.mkdir(exist_ok=True)
    (folder / "package.json").write_text("{}", "utf-8")
    if not (folder / "node_modules" / "oidc-provider").is_dir():
        command = [npm, "install", "oidc-provider@9", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=300)
        if done.returncode:
            pytest.skip("oidc-provider cannot be installed from the npm registry")
    process = subprocess.Popen(
        [node, str(PEER), str(PORT), str(folder), REDIRECT, SECRET],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert any(line.strip() == "ready" for line in lines), "oidc-provider did not start"
        yield f"http://127.0.0.1:{PORT}"
    finally:
        process.terminate()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


def house(tables: CityTables, tmp_path: Path, **more: Any) -> tuple[Issuers, People]:
    """Our side of it."""
    secret = tmp_path / "issuer.secret"
    secret.write_text(SECRET + "\n", "utf-8")
    told = {
        "name": "province", "issuer": f"http://127.0.0.1:{PORT}", "client_id": "pintu",
        "client_secret_file": str(secret), **more,
    }  # fmt: skip
    found, mistakes = read_issuers([told])
    assert [] == mistakes
    people = People(tables, CityClock())
    room = SignIn(tables, people, Notices(tables, CityClock(), people))
    return Issuers(found, people, room.once, Egress(allow=("127.0.0.1",))), people


async def through(begun: Begun, login: str) -> dict[str, str]:
    """What a browser brings back after somebody signed in there and agreed."""
    async with httpx.AsyncClient(follow_redirects=False) as client:
        url = begun.url
        for _ in range(12):
            answer = await client.get(url)
            if answer.is_redirect:
                url = str(answer.url.join(answer.headers["location"]))
            else:
                prompt = "consent" if 'value="consent"' in answer.text else "login"
                form = {"prompt": prompt, "login": login, "password": "x"}
                action = re.search(r'action="([^"]+)"', answer.text)
                assert action, answer.text
                answer = await client.post(answer.url.join(action[1]), data=form)
                url = str(answer.url.join(answer.headers["location"]))
            if url.startswith(REDIRECT):
                return {name: found[0] for name, found in parse_qs(urlsplit(url).query).items()}
    raise AssertionError(f"never came back: {url}")


@pytest.mark.slow
async def test_an_account_elsewhere_opens_the_one_it_was_joined_to(
    provider: str, tables: CityTables, tmp_path: Path
) -> None:
    """Nobody comes in before it is joined, whatever e-mail address it tells; afterwards they do,
    and an answer is good once and in the browser that asked."""
    room, people = house(tables, tmp_path)
    mine = await people.create_person(
        "root", "管演示", None, [Membership(organisation="city", role="admin")]
    )
    begun = await room.begin("province", REDIRECT, "/")
    with pytest.raises(Unauthorized, match="No account here is joined"):
        await room.finish(await through(begun, "root@city.example"), begun.browser, "")
    joining = await room.begin("province", REDIRECT, "/account", person=mine.id)
    came = await room.finish(await through(joining, "zhou"), joining.browser, "Chrome")
    assert (mine.id, "oidc", "/account") == (came.proof.person, came.proof.method, came.go_on)
    again = await room.begin("province", REDIRECT, "/")
    told = await through(again, "zhou")
    with pytest.raises(Unauthorized, match="not begun in this browser"):
        await room.finish(told, "another browser", "")
    with pytest.raises(Unauthorized, match="not begun in this browser"):
        await room.finish(told, again.browser, "")  # it was used by the attempt before
    last = await room.begin("province", REDIRECT, "/")
    assert (
        mine.id == (await room.finish(await through(last, "zhou"), last.browser, "")).proof.person
    )
    assert ["zhou"] == [one.subject for one in await room.joined(mine.id)]


@pytest.mark.slow
async def test_who_signs_up_is_nobody_yet(
    provider: str, tables: CityTables, tmp_path: Path
) -> None:
    """Where it is configured, an account without any role appears, the same the next time."""
    room, people = house(tables, tmp_path, sign_up=True)
    found = set()
    for _ in range(2):
        begun = await room.begin("province", REDIRECT, "/")
        came = await room.finish(await through(begun, "li"), begun.browser, "")
        found.add(came.proof.person)
    assert 1 == len(found)
    person = people.get_person(found.pop())
    assert ((), True) == (person.memberships, person.login.startswith("province."))
    await people.disable(person.id)
    begun = await room.begin("province", REDIRECT, "/")
    with pytest.raises(Unauthorized, match="cannot be used"):
        await room.finish(await through(begun, "li"), begun.browser, "")


@pytest.mark.slow
async def test_an_answer_of_another_house_is_not_taken(
    provider: str, tables: CityTables, tmp_path: Path
) -> None:
    """Mixed-up issuers (RFC 9207), refusals, and answers without a code."""
    room, _ = house(tables, tmp_path)
    for told, why in (
        ({"code": "x", "iss": "https://evil.example"}, "another house"),
        ({"code": "x"}, "another house"),
        ({"iss": f"http://127.0.0.1:{PORT}", "error": "access_denied"}, "let nobody in"),
        ({"iss": f"http://127.0.0.1:{PORT}"}, "let nobody in"),
        ({"iss": f"http://127.0.0.1:{PORT}", "code": "made-up"}, "refused"),
    ):
        begun = await room.begin("province", REDIRECT, "/")
        state = parse_qs(urlsplit(begun.url).query)["state"][0]
        with pytest.raises(Unauthorized, match=why):
            await room.finish({**told, "state": state}, begun.browser, "")


@pytest.mark.slow
async def test_keys_are_asked_for_again_once_a_minute_at_most(provider: str) -> None:
    """An unknown key makes us look again, made-up ones do not make us ask without end."""
    asked: list[str] = []

    class Counting(Houses):
        async def _fetch(self, url: str) -> dict[str, Any]:
            asked.append(urlsplit(url).path)
            return await super()._fetch(url)

    houses = Counting(Egress(allow=("127.0.0.1",)), CityClock())
    issuer = Issuer(name="province", issuer=provider, client_id="pintu")
    token = jwt.encode({"alg": "RS256", "kid": "made-up"}, {"a": 1}, RSAKey.generate_key(2048))
    expected = Expected(issuer=provider, audience="pintu", nonce="n", now_s=0)
    for _ in range(20):
        with pytest.raises(Unauthorized):
            await houses.check(issuer, token, expected)
    assert ["/.well-known/openid-configuration", "/jwks"] == asked


async def test_inner_addresses_are_not_asked(tables: CityTables, tmp_path: Path) -> None:
    """An issuer is reached through the same guard as everything outside."""
    room, people = house(tables, tmp_path)
    closed = Issuers(room.offered(), people, room._once, Egress())
    with pytest.raises(Forbidden):
        await closed.begin("province", REDIRECT, "/")


# --- forged tokens ------------------------------------------------------------------------------
ISSUER, NOW = "https://issuer.example", 1_790_000_000
OURS = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
CURVE = ECKey.generate_key("P-256", {"kid": "two", "use": "sig"})
EDWARDS = OKPKey.generate_key("Ed25519", {"kid": "three", "use": "sig"})
KEYS = [one.as_dict(private=False) for one in (OURS, CURVE, EDWARDS)]
EXPECTED = Expected(issuer=ISSUER, audience="pintu", nonce="n-1", now_s=NOW, access_token="at")
GOOD = {
    "iss": ISSUER, "aud": "pintu", "sub": "248", "nonce": "n-1", "iat": NOW - 1, "exp": NOW + 300,
    "at_hash": hash_of("at", "RS256"),
}  # fmt: skip


def encoded(raw: bytes) -> str:
    """As tokens write bytes."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(claims: dict[str, Any], header: dict[str, Any] | None = None, key: Any = OURS) -> str:
    """A token as somebody else would make it."""
    told = {"alg": "RS256", "kid": "one", **(header or {})}
    return jwt.encode(told, claims, key, algorithms=[told["alg"]])


@pytest.mark.filterwarnings("ignore:EdDSA")
def test_a_token_that_holds_is_taken() -> None:
    """Signed with any kind of key that we take."""
    assert "248" == verified(signed(GOOD), KEYS, EXPECTED)["sub"]
    for alg, kid, key in (("ES256", "two", CURVE), ("EdDSA", "three", EDWARDS)):
        claims = {**GOOD, "at_hash": hash_of("at", alg)}
        with_it = signed(claims, {"alg": alg, "kid": kid}, key)
        assert "248" == verified(with_it, KEYS, EXPECTED)["sub"]


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://evil.example"}, {"iss": ISSUER + "/"}, {"iss": None},
        {"aud": "another"}, {"aud": []}, {"aud": ["pintu", "another"]}, {"aud": None},
        {"aud": ["pintu", "x"], "azp": "x"}, {"azp": "x"},
        {"exp": NOW}, {"exp": NOW - 1}, {"exp": None}, {"exp": "never"}, {"exp": True},
        {"iat": NOW + 600}, {"iat": NOW - 600}, {"iat": None}, {"nbf": NOW + 600}, {"nbf": "soon"},
        {"nonce": "n-2"}, {"nonce": None}, {"nonce": ""},
        {"sub": ""}, {"sub": 7}, {"sub": None}, {"sub": "x" * 256},
        {"at_hash": "wrong"}, {"at_hash": None},
    ],
)  # fmt: skip
def test_a_claim_that_is_wrong_opens_nothing(change: dict[str, Any]) -> None:
    """Another issuer or audience, expired by a second, a clock ten minutes wrong, a replayed
    nonce, nobody in particular, another access token."""
    with pytest.raises(Unauthorized):
        verified(signed({**GOOD, **change}), KEYS, EXPECTED)


def test_swapped_algorithms_open_nothing() -> None:
    """None, a shared secret made of our public key, another key's name, no name among many."""
    body = signed(GOOD).split(".")
    for alg in ("none", "None", "NONE", "nOnE", "HS256", ""):
        head = encoded(f'{{"alg":"{alg}","kid":"one"}}'.encode())
        for tail in ("", body[2]):
            with pytest.raises(Unauthorized):
                verified(f"{head}.{body[1]}.{tail}", KEYS, EXPECTED)
    text = encoded(b'{"alg":"HS256","kid":"one"}') + "." + body[1]
    mac = hmac.new(OURS.as_pem(private=False), text.encode(), hashlib.sha256).digest()
    shared = f"{text}.{encoded(mac)}"
    stranger = RSAKey.generate_key(2048)
    for token in (
        shared,
        signed(GOOD, key=stranger),
        signed(GOOD, {"kid": "nobody"}, stranger),
        signed(GOOD, {"kid": "two"}),
        signed(GOOD, {"alg": "PS256"}, RSAKey.import_key(OURS.as_pem(private=True))),
        signed(GOOD, {"jwk": stranger.as_dict(private=False)}, stranger),
        signed(GOOD)[:-6] + "AAAAAA",
        "a.b.c", "", "..", "a.b", "x" * 30_000,
    ):  # fmt: skip
        with pytest.raises(Unauthorized):
            verified(token, KEYS, EXPECTED)
    with pytest.raises(Unauthorized, match="not among"):
        verified(signed(GOOD), [*KEYS, {**KEYS[0]}], EXPECTED)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"issuer": "http://issuer.example"}, "https"),
        ({"issuer": "https://a.example?x=1"}, "query"),
        ({"client_id": ""}, "client_id"),
        ({"scopes": ["profile"]}, "openid"),
        ({"secret": "x"}, "unknown"),
        ({"name": "../x"}, "name"),
        ({"sign_up": "yes"}, "sign_up"),
    ],
)
def test_a_configuration_is_checked(change: dict[str, Any], why: str) -> None:
    """Before anything starts, in one sentence each."""
    told = {"name": "province", "issuer": "https://a.example", "client_id": "x", **change}
    assert any(why in one for one in read_issuers([told])[1])
    assert read_issuers("no list")[1]
