"""From the tables into memory: all at the start, then what changed; what was altered behind our
back is not in force."""

from __future__ import annotations

import logging
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.exchange.agreements import signing
from pintu.kernel.exchange.agreements.memory import Memory
from pintu.kernel.exchange.agreements.schema import RECALL, VERSION
from pintu.kernel.exchange.agreements.signing import Signatures
from pintu.kernel.exchange.agreements.words import CLOSED, Agreement, Recall

log = logging.getLogger("pintu.agreements")

ALTERED: Final = "The stored agreement is not as this node wrote it"
UNSIGNED: Final = "A signature of this agreement does not verify"

_AGREEMENT: Final = msgspec.json.Decoder(Agreement)
_RECALL: Final = msgspec.json.Decoder(Recall)


def changed(connection: Connection, since: int) -> tuple[int, list[Any], list[Any]]:
    """(newest change, rows of versions, rows of recalls) that changed since; since 0: all that are
    open."""
    versions = sa.select(
        VERSION.c.change, VERSION.c.id, VERSION.c.version, VERSION.c.body, VERSION.c.seal
    )
    recalls = sa.select(RECALL.c.change, RECALL.c.body)
    if since:
        versions = versions.where(VERSION.c.change > since)
        recalls = recalls.where(RECALL.c.change > since)
    else:
        versions = versions.where(VERSION.c.state.not_in(sorted(CLOSED)))
        recalls = recalls.where(RECALL.c.open.is_(True))
    told = connection.execute(versions.order_by(VERSION.c.change)).all()
    asked = connection.execute(recalls.order_by(RECALL.c.change)).all()
    newest = [since]
    for table in (VERSION, RECALL):
        newest.append(connection.execute(sa.select(sa.func.max(table.c.change))).scalar() or 0)
    return max(newest), list(told), list(asked)


def take(
    memory: Memory, signatures: Signatures, rows: list[Any], recalls: list[Any]
) -> list[Agreement]:
    """Put rows into memory; the agreements as they are now, those that are over too."""
    found = []
    for row in rows:
        one = read(signatures, row)
        if one is not None:
            memory.put(one)
            found.append(one)
        else:
            memory.forget(row.id, row.version)
    for row in recalls:
        memory.put_recall(_RECALL.decode(row.body))
    return found


def read(signatures: Signatures, row: Any) -> Agreement | None:
    """One stored version; suspended, and said so, when it is not as this node wrote it."""
    try:
        one = _AGREEMENT.decode(row.body)
    except msgspec.MsgspecError as error:
        log.error("Agreement %s/%s cannot be read: %s", row.id, row.version, error)
        return None
    if (one.id, one.version) != (row.id, row.version):
        log.error("Agreement %s/%s is stored as another: not in force", row.id, row.version)
        return None
    if signatures.sealed(row.body, row.seal):
        return one
    log.error("Agreement %s: %s; it is not in force", one.name, ALTERED)
    return doubtful(one, ALTERED)


def doubtful(one: Agreement, why: str) -> Agreement:
    """An agreement that nothing may pass under until its owner resumes or ends it."""
    if one.state != "active":
        return one
    return msgspec.structs.replace(one, state="suspended", decision=why)


def unsigned(one: Agreement, signatures: Signatures, known_key: Any) -> str:
    """Whose signature does not verify, or is missing; "" when both are as they should be.

    `known_key(organisation)` is the public key (base64) the organisation is known by, "" when
    nobody knows it: then the signature alone is looked at.
    """
    message = signing.canonical(one)
    by = {signature.organisation: signature for signature in one.signatures}
    for organisation in (one.terms.provider, one.terms.consumer):
        found = by.get(organisation)
        if found is None or not signing.holds(found, message):
            return organisation
        key = signatures.own_key(organisation) or known_key(organisation)
        if key and key != found.public:
            return organisation
    return ""
