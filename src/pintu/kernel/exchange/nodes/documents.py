"""A node's document: made, signed, checked, followed from key to key; its fingerprint. Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

import msgspec
import rfc8785

from pintu.kernel.errors import BadRequestData, Forbidden, StateConflict
from pintu.kernel.exchange.nodes.words import NAME, ORGANISATION, Document, Endorsement, Party
from pintu.kernel.identity.keys import SigningKey, key_id, verified

MOST_BYTES: Final = 256_000
MOST_PARTIES: Final = 500
MOST_KEYS: Final = 50
LONGEST_URL: Final = 300
_READ = msgspec.json.Decoder(Document)


def made(
    key: SigningKey,
    *,
    name: str,
    url: str,
    log: tuple[str, str] = ("", ""),
    parties: Iterable[Party] = (),
    chain: tuple[Endorsement, ...] = (),
    at_us: int = 0,
) -> Document:
    """A node's own document, signed. `log` is the name and the public key of its log."""
    found = Document(
        name=name,
        url=url,
        public=key.public,
        log=log[0],
        log_public=log[1],
        organisations=tuple(parties),
        chain=chain,
        at_us=at_us,
    )
    signature = base64.b64encode(key.sign(_message(found))).decode()
    return msgspec.structs.replace(found, signature=signature)


def _message(document: Document) -> bytes:
    told = msgspec.to_builtins(msgspec.structs.replace(document, signature=""))
    return b"pintu-node/1\n" + rfc8785.dumps(told)


def read(body: bytes) -> Document:
    """A document that is what it says and signed by itself; BadRequestData, Forbidden."""
    if len(body) > MOST_BYTES:
        raise BadRequestData("A node's document is longer than a node needs")
    try:
        found = _READ.decode(body)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadRequestData(f"This is no document of a node: {error}") from error
    check(found)
    return found


def check(document: Document) -> None:
    """Raises BadRequestData for what cannot be, Forbidden for a signature that does not hold."""
    parties = [one.id for one in document.organisations]
    if not NAME.fullmatch(document.name):
        raise BadRequestData(f"{document.name[:40]!r} is no name of a node")
    if not _is_address(document.url):
        raise BadRequestData("A node's address is http or https, with no path and no user name")
    if len(parties) > MOST_PARTIES or len(set(parties)) != len(parties):
        raise BadRequestData("A node names each of its organisations once")
    if not all(ORGANISATION.fullmatch(one) for one in parties):
        raise BadRequestData("A node's document names an organisation that cannot be")
    if len(document.chain) > MOST_KEYS:
        raise BadRequestData("A node's document has more keys than a node needs")
    keys = [document.public, *(one.public for one in document.organisations)]
    keys += [document.log_public] if document.log_public else []
    if not all(_is_key(one) for one in keys):
        raise BadRequestData("A node's document has a key that is none")
    try:
        raw = base64.b64decode(document.signature, validate=True)
        message = _message(document)
    except (ValueError, rfc8785.CanonicalizationError) as error:
        raise BadRequestData("The signature of a node's document cannot be read") from error
    if not verified(document.public, raw, message):
        raise Forbidden(f"The document of node {document.name!r} is not signed with its own key")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    plain = not (parts.path or parts.query or parts.fragment or parts.username)
    return (
        len(url) <= LONGEST_URL
        and parts.scheme in ("http", "https")
        and bool(parts.hostname and plain)
    )


def _is_key(public: str) -> bool:
    try:
        return len(base64.b64decode(public, validate=True)) == 32
    except ValueError:
        return False


def id_of(public: str) -> str:
    """How a public key (base64) is called."""
    return key_id(base64.b64decode(public))


def fingerprint(public: str) -> str:
    """What two operators compare over the telephone: eight groups of four signs (128 bits)."""
    told = hashlib.sha256(base64.b64decode(public)).hexdigest()[:32]
    return " ".join(told[start : start + 4] for start in range(0, 32, 4))


def endorsed(old: SigningKey, new: SigningKey, at_us: int) -> Endorsement:
    """The older key says which one follows it."""
    found = Endorsement(public=old.public, next=new.public, at_us=at_us, signature="")
    raw = old.sign(_step(found))
    return msgspec.structs.replace(found, signature=base64.b64encode(raw).decode())


def _step(one: Endorsement) -> bytes:
    return f"pintu-node-key/1\n{one.public}\n{one.next}\n{one.at_us}".encode()


def follow(known: Document, told: Document) -> tuple[str, ...]:
    """The keys between the one we know a node by and the one it tells now, oldest first; none when
    it is the same key. StateConflict when nothing leads from one to the other."""
    if told.public == known.public:
        if told.at_us < known.at_us:
            raise StateConflict(f"Node {known.name!r} tells an older document than before")
        return ()
    steps = {one.public: one for one in told.chain}
    key, passed = known.public, []
    while key != told.public:
        step = steps.pop(key, None)
        if step is None or not _holds(step):
            raise StateConflict(
                f"Node {known.name!r} has another key than the one we know, and the old key does "
                f"not vouch for it: compare fingerprints ({fingerprint(told.public)})"
            )
        passed.append(key)
        key = step.next
    return tuple(passed)


def _holds(step: Endorsement) -> bool:
    try:
        raw = base64.b64decode(step.signature, validate=True)
    except ValueError:
        return False
    return verified(step.public, raw, _step(step))
