"""HTTP Message Signatures (RFC 9421) with Ed25519 and Content-Digest (RFC 9530), as far as nodes
use them; pure.

Written out rather than taken from a library: what is covered is fixed here, an algorithm that the
message names is never believed, and what is not understood is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from pintu.kernel.errors import Unauthorized

LABEL: Final = "pintu"
TAG: Final = "pintu-exchange"
ALGORITHM: Final = "ed25519"
REQUEST: Final = ('"@method"', '"@target-uri"', '"@authority"', '"content-digest"')
ANSWER: Final = ('"@status"', '"content-digest"', f'"signature";req;key="{LABEL}"')
RECEIPT: Final = '"pintu-receipt"'
MOST_BYTES: Final = 2_000
"""Of a Signature-Input or Signature header."""

_MEMBER = re.compile(r"([a-z*][a-z0-9_.*-]*)=\(([^()]*)\)((?:;[^,()]*)?)")
_ITEM = re.compile(r'"[a-z@][a-z0-9-]*"(?:;[a-z]+(?:="[^"\\]*")?)*')
_PARAMETER = re.compile(r';([a-z]+)=(?:"([^"\\]*)"|([0-9]{1,15}))')
_SIGNED = re.compile(r"([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/=]+):")


class Params(msgspec.Struct, frozen=True, kw_only=True):
    """What a signature says of itself, and the text of it as it was sent."""

    covered: tuple[str, ...]
    created: int  # s since 1970
    nonce: str
    keyid: str
    alg: str
    tag: str
    text: str  # what `@signature-params` stands for


def content_digest(body: bytes) -> str:
    """The value of Content-Digest."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def check_digest(header: str, body: bytes) -> None:
    """Unauthorized when a body is not the one that was signed."""
    if header != content_digest(body):
        raise Unauthorized("The body is not the one its Content-Digest tells of")


def params_text(covered: tuple[str, ...], *, created: int, nonce: str, keyid: str) -> str:
    """The inner list with its parameters, as Signature-Input carries it."""
    return (
        f'({" ".join(covered)});created={created};nonce="{nonce}";keyid="{keyid}"'
        f';alg="{ALGORITHM}";tag="{TAG}"'
    )


def base_of(values: Mapping[str, str], covered: tuple[str, ...], text: str) -> bytes:
    """The signature base (RFC 9421 2.5): one line a component, the parameters last.

    `values` are by component identifier as it is written, quotes and all.
    """
    try:
        lines = [f"{one}: {values[one]}" for one in covered]
    except KeyError as error:
        raise Unauthorized(f"The message has no {error.args[0]}, which is signed") from error
    return "\n".join((*lines, f'"@signature-params": {text}')).encode()


def request_values(method: str, uri: str, digest: str) -> dict[str, str]:
    """The components of a request; `uri` is the absolute address it goes to."""
    authority = uri.split("://", 1)[-1].split("/", 1)[0].lower()
    default = ":443" if uri.startswith("https:") else ":80"
    return {
        '"@method"': method,
        '"@target-uri"': uri,
        '"@authority"': authority.removesuffix(default),
        '"content-digest"': digest,
    }


def answer_values(status: int, digest: str, asked: str, receipt: str = "") -> dict[str, str]:
    """The components of an answer; `asked` is the Signature header of its request."""
    told = _SIGNED.fullmatch(asked)
    found = {
        ANSWER[0]: str(status),
        ANSWER[1]: digest,
        ANSWER[2]: f":{told[2]}:" if told is not None else "",
    }
    return found | ({RECEIPT: receipt} if receipt else {})


def signed(
    values: Mapping[str, str], covered: tuple[str, ...], text: str, sign: Callable[[bytes], bytes]
) -> dict[str, str]:
    """The two headers of a message."""
    signature = base64.b64encode(sign(base_of(values, covered, text))).decode()
    return {"signature-input": f"{LABEL}={text}", "signature": f"{LABEL}=:{signature}:"}


def read_params(header: str, needed: tuple[str, ...]) -> Params:
    """Signature-Input of a message, when it covers all that is `needed`; Unauthorized."""
    if not header or len(header) > MOST_BYTES:
        raise Unauthorized("The call is not signed: nodes sign every call (RFC 9421)")
    found = _MEMBER.fullmatch(header)
    if found is None or found[1] != LABEL:
        raise Unauthorized(f"Signature-Input is not one signature called {LABEL!r}")
    covered = tuple(_ITEM.findall(found[2]))
    if " ".join(covered) != found[2] or len(set(covered)) != len(covered):
        raise Unauthorized("Signature-Input names components that cannot be read")
    told = _PARAMETER.findall(found[3])
    if "".join(_written(one) for one in told) != found[3] or len({n for n, *_ in told}) != len(
        told
    ):
        raise Unauthorized("Signature-Input has parameters that cannot be read")
    params = {name: text or number for name, text, number in told}
    missing = [one for one in needed if one not in covered]
    if missing:
        raise Unauthorized(f"The signature does not cover {missing[0]}")
    for name in ("created", "nonce", "keyid", "alg"):
        if not params.get(name):
            raise Unauthorized(f"The signature has no {name}")
    if params["alg"] != ALGORITHM:
        raise Unauthorized(f"Nodes sign with {ALGORITHM}, not with {params['alg'][:40]!r}")
    if not params["created"].isdecimal() or params.get("tag") != TAG:
        raise Unauthorized(f"The signature is not one of the exchange (tag {TAG!r})")
    return Params(
        covered=covered,
        created=int(params["created"]),
        nonce=params["nonce"],
        keyid=params["keyid"],
        alg=params["alg"],
        tag=TAG,
        text=f"({found[2]}){found[3]}",
    )


def _written(parameter: tuple[str, str, str]) -> str:
    name, text, number = parameter
    return f";{name}={number}" if number else f';{name}="{text}"'


def read_signature(header: str) -> bytes:
    """The 64 bytes of a Signature header; Unauthorized."""
    found = _SIGNED.fullmatch(header) if len(header) <= MOST_BYTES else None
    if found is None or found[1] != LABEL:
        raise Unauthorized(f"Signature is not one signature called {LABEL!r}")
    try:
        raw = base64.b64decode(found[2], validate=True)
    except (ValueError, binascii.Error) as error:
        raise Unauthorized("Signature is not base64") from error
    if len(raw) != 64:
        raise Unauthorized("An Ed25519 signature has 64 bytes")
    return raw
