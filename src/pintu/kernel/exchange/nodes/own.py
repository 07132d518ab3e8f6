"""This node itself: its name, its address, its keys, the document it tells everybody."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pintu.kernel.clock import Clock
from pintu.kernel.exchange.agreements.signing import SEALS, first_seal
from pintu.kernel.exchange.nodes import documents, httpsig
from pintu.kernel.exchange.nodes.register import Register
from pintu.kernel.exchange.nodes.words import NAME, ORGANISATION, Document, Party
from pintu.kernel.identity.keys import NODE, Keys

if TYPE_CHECKING:
    from pintu.kernel.identity.words import Organisation

PEOPLE: Final = "node-people"
"""The secret from which pseudonyms of our people are made: another one for each node."""


def name_of(told: str, url: str, key_id: str) -> str:
    """What a node is called: as it was told, else after its public host, else after its key."""
    if told:
        return told
    host = urlsplit(url).hostname or ""
    plain = re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-")[:31].strip("-")
    public = NAME.fullmatch(plain) and plain != "localhost"
    return plain if public else f"node-{key_id[:8]}"


class Own:
    """What only this node can say, and signs."""

    def __init__(
        self,
        keys: Keys,
        clock: Clock,
        register: Register,
        *,
        name: str,
        url: str,
        log: str = "",
        organisations: Callable[[], Iterable[Organisation]] = tuple,
    ) -> None:
        self._keys, self._clock, self._register = keys, clock, register
        self.url = url
        self.name = name_of(name, url, keys.signer(NODE).key_id)
        self._log, self._organisations = log, organisations
        self._made: tuple[Any, Document] | None = None

    @property
    def public(self) -> str:
        """The node's public key, base64."""
        return self._keys.signer(NODE).public

    @property
    def fingerprint(self) -> str:
        """What another operator compares over the telephone."""
        return documents.fingerprint(self.public)

    def document(self) -> Document:
        """What this node tells of itself; made anew when an organisation or a key changed."""
        ours = [
            one for one in self._organisations() if not one.node and ORGANISATION.fullmatch(one.id)
        ]
        mark = (self.public, tuple(ours))
        if self._made is not None and self._made[0] == mark:
            return self._made[1]
        parties = tuple(
            Party(id=one.id, public=self._keys.signer(f"org.{one.id}").public, name=one.name)
            for one in ours[: documents.MOST_PARTIES]
        )
        found = documents.made(
            self._keys.signer(NODE),
            name=self.name,
            url=self.url,
            log=(self._log, self._keys.signer("log").public if self._log else ""),
            parties=parties,
            chain=self._register.chain()[-documents.MOST_KEYS :],
            at_us=self._clock.now_us(),
        )
        self._made = (mark, found)
        return found

    async def rotate(self) -> tuple[str, str]:
        """A new key for this node, signed for by the old one, which signs nothing more; their
        fingerprints, the old one first. Neighbours follow by themselves."""
        self._keys.keep_secret(SEALS, first_seal(self._keys))  # made with the key that goes
        old = self._keys.signer(NODE)
        new = self._keys.next(NODE)
        await self._register.endorse(documents.endorsed(old, new, self._clock.now_us()))
        self._keys.take_next(NODE)
        self._made = None
        return documents.fingerprint(old.public), documents.fingerprint(new.public)

    def pseudonym(self, node: str, person: str) -> str:
        """A person of ours as one other node knows them: the same there each time, another
        elsewhere."""
        if not person:
            return ""
        key = self._keys.secret(PEOPLE) or b""
        return "p" + hmac.digest(key, f"{node}/{person}".encode(), "sha256").hex()[:24]

    def sign_answer(
        self, status: int, body: bytes, *, asked: str, receipt: str = ""
    ) -> dict[str, str]:
        """The headers of an answer to a signed call; `asked` is that call's Signature header."""
        key, digest = self._keys.signer(NODE), httpsig.content_digest(body)
        covered = (*httpsig.ANSWER, httpsig.RECEIPT) if receipt else httpsig.ANSWER
        text = httpsig.params_text(
            covered,
            created=self._clock.now_us() // 1_000_000,
            nonce=httpsig.content_digest(asked.encode())[9:33],
            keyid=key.key_id,
        )
        values = httpsig.answer_values(status, digest, asked, receipt)
        found = {"content-digest": digest, **httpsig.signed(values, covered, text, key.sign)}
        return found | ({"pintu-receipt": receipt} if receipt else {})
