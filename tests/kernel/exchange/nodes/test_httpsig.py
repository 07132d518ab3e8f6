"""HTTP Message Signatures as RFC 9421 has them: its own example to the byte; what is refused."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pintu.kernel.errors import Unauthorized
from pintu.kernel.exchange.nodes import httpsig
from pintu.kernel.identity.keys import verified

RFC_KEY = "n4Ni+HpISpVObnQMW0wOhCKROaIKqKtW/2ZYb2p9KcU="  # RFC 9421 B.1.4, seed
RFC_PUBLIC = "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="
RFC_PARAMS = (
    '("date" "@method" "@path" "@authority" "content-type" "content-length")'
    ';created=1618884473;keyid="test-key-ed25519"'
)
RFC_VALUES = {
    '"date"': "Tue, 20 Apr 2021 02:07:55 GMT",
    '"@method"': "POST",
    '"@path"': "/foo",
    '"@authority"': "example.com",
    '"content-type"': "application/json",
    '"content-length"': "18",
}
RFC_SIGNATURE = (
    "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
)
BODY = b'{"hello": "world"}'


def rfc_covered() -> tuple[str, ...]:
    return tuple(RFC_VALUES)


def test_the_example_of_the_standard() -> None:
    """RFC 9421 B.2.6: the same signature base, the same 64 bytes, with its Ed25519 key."""
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(RFC_KEY))
    base = httpsig.base_of(RFC_VALUES, rfc_covered(), RFC_PARAMS)
    assert RFC_SIGNATURE == base64.b64encode(key.sign(base)).decode()
    assert verified(RFC_PUBLIC, base64.b64decode(RFC_SIGNATURE), base)


def test_the_digest_of_the_standard() -> None:
    """RFC 9530: the sha-256 of the example body of RFC 9421."""
    assert "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:" == httpsig.content_digest(BODY)


def text(**more: Any) -> str:
    told = {"created": 1_790_000_000, "nonce": "n" * 24, "keyid": "0123456789abcdef"}
    return httpsig.params_text(httpsig.REQUEST, **{**told, **more})


def test_what_is_written_is_read() -> None:
    """Parameters come back as they were written, to the byte that is signed."""
    found = httpsig.read_params(f"pintu={text()}", httpsig.REQUEST)
    assert (text(), httpsig.REQUEST, 1_790_000_000) == (found.text, found.covered, found.created)


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("", "not signed"),
        ("pintu=" + "(" * 3_000, "not signed"),
        (f"sig1={text()}", "one signature called"),
        (f"pintu={text()}, other={text()}", "one signature called"),
        (f"pintu={text()}".replace("ed25519", "rsa-v1_5-sha256"), "not with 'rsa-v1_5-sha256'"),
        (f"pintu={text()}".replace("ed25519", "hmac-sha256"), "not with 'hmac-sha256'"),
        (f"pintu={text()}".replace("ed25519", "none"), "not with 'none'"),
        (f"pintu={text()}".replace(';alg="ed25519"', ""), "no alg"),
        (f"pintu={text()}".replace(';alg="ed25519"', ';alg="ed25519";alg="none"'), "parameters"),
        (f"pintu={text()}".replace('"content-digest"', '"date"'), "does not cover"),
        (f"pintu={text()}".replace('"@target-uri" ', ""), "does not cover"),
        (f"pintu={text()}".replace('"@method" ', '"@method" "@method" '), "components"),
        (f"pintu={text()}".replace("pintu-exchange", "other"), "not one of the exchange"),
        (f"pintu={text(nonce='')}", "no nonce"),
    ],
)
def test_what_is_not_understood_is_refused(header: str, why: str) -> None:
    """Another algorithm, another label, fewer components, twice the same: refused in words."""
    with pytest.raises(Unauthorized, match=why):
        httpsig.read_params(header, httpsig.REQUEST)


def test_the_default_port_is_no_part_of_the_authority() -> None:
    """@authority is in small letters, without the port that the scheme has by itself."""
    found = httpsig.request_values("POST", "https://Data.City.example:443/a?b=c", "")
    assert "data.city.example" == found['"@authority"']
    assert "https://Data.City.example:443/a?b=c" == found['"@target-uri"']


def test_an_answer_is_one_to_its_call() -> None:
    """The signature of the call is part of what an answer signs: it is one to no other call."""
    one = httpsig.answer_values(200, "d", f"pintu=:{RFC_SIGNATURE}:")
    other = httpsig.answer_values(200, "d", f"pintu=:{'A' * 86}==:")
    covered, params = httpsig.ANSWER, "()"
    assert httpsig.base_of(one, covered, params) != httpsig.base_of(other, covered, params)
