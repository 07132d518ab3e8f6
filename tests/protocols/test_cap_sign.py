"""Signatures of warnings: good, of another, over another message, with another's message beside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pintu.protocols import cap, cap_sign

pytest.importorskip("signxml", reason="the extra `signatures` is not installed")
NOW = datetime(2026, 9, 8, 8, tzinfo=UTC)
NOW_US = int(NOW.timestamp() * 1e6)


@cache
def pair(name: str) -> tuple[bytes, str]:
    """A key and its certificate (both PEM), made up."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    return private, made.public_bytes(pem).decode()


def document(identifier: str = "S-1", headline: str = "台风") -> bytes:
    """A warning of a made-up bureau."""
    info = cap.CapInfo(categories=("Met",), event="e", urgency="Expected", severity="Severe",
                       certainty="Likely", headline=headline)  # fmt: skip
    return cap.write(
        cap.CapAlert(identifier=identifier, sender="met@example.cn", scope="Public", infos=(info,),
                     sent="2026-09-08T16:00:00+08:00", status="Actual", msg_type="Alert")
    )  # fmt: skip


def signed(name: str = "met") -> bytes:
    """The same with a signature."""
    from lxml import etree
    from signxml.algorithms import SignatureMethod
    from signxml.signer import XMLSigner

    key, certificate = pair(name)
    signer = XMLSigner(signature_algorithm=SignatureMethod.ECDSA_SHA256)
    made = signer.sign(etree.fromstring(document()), key=key, cert=certificate)
    return bytes(etree.tostring(made))


def said(body: bytes, name: str = "met", at_us: int = NOW_US) -> str:
    """Why a document is not good for a certificate."""
    return cap_sign.check(body, cap.read(body), pair(name)[1], at_us)


def test_a_signature_is_good_for_its_own_certificate_alone() -> None:
    """Not for another's, not after its end, not for a document without one."""
    body = signed()
    assert "" == said(body)
    assert "not good" in said(body, "other")
    assert "not good" in said(body, at_us=NOW_US + 10 * 86_400_000_000)
    assert "not signed" in said(document())


def test_a_signature_covers_the_message_and_nothing_hides_beside_it() -> None:
    """A changed word, or another alert wrapped around the signed one, is found."""
    changed = signed().replace("台风".encode(), "晴天".encode()).replace(b"&#21488;&#39118;", b"x")
    assert "not good" in said(changed)
    good = signed()
    inner = good[good.index(b"<alert") :]
    mark = inner[inner.index(b"<ds:Signature") : inner.index(b"</ds:Signature>") + 15]
    forged = document("S-2").replace(b"</alert>", mark + b"</alert>")
    assert said(forged)
