"""From the tables into memory: all at the start, then what changed; what was altered behind our
back is not in force."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.exchange.agreements import signing
from pintu.kernel.exchange.agreements.schema import RECALL, VERSION
from pintu.kernel.exchange.agreements.signing import Signatures
from pintu.kernel.exchange.agreements.words import CLOSED, Agreement, Recall

log = logging.getLogger("pintu.agreements")

ALTERED: Final = "The stored agreement is not as this node wrote it"
UNSIGNED: Final = "A signature of this agreement does not verify"

_AGREEMENT: Final = msgspec.json.Decoder(Agreement)
_RECALL: Final = msgspec.json.Decoder(Recall)


def changed(
    connection: Connection, since: int, take: Callable[[Any], None], hear: Callable[[Recall], None]
) -> int:
    """Give every version and recall that changed since, oldest change first; since 0: those that
    are open. The newest change."""
    newest = since
    for table in (VERSION, RECALL):
        newest = max(
            newest, connection.execute(sa.select(sa.func.max(table.c.change))).scalar() or 0
        )
    names = (VERSION.c.id, VERSION.c.version, VERSION.c.body, VERSION.c.seal)
    versions, recalls = sa.select(*names), sa.select(RECALL.c.body)
    if since:
        versions = versions.where(VERSION.c.change > since)
        recalls = recalls.where(RECALL.c.change > since)
    else:
        versions = versions.where(VERSION.c.state.not_in(sorted(CLOSED)))
        recalls = recalls.where(RECALL.c.open.is_(True))
    # a page at a time: 100,000 rows at once would weigh more than the agreements in them
    paged = connection.execution_options(yield_per=1_000) if not since else connection
    for row in paged.execute(versions.order_by(VERSION.c.change)):
        take(row)
    for row in paged.execute(recalls.order_by(RECALL.c.change)):
        hear(_RECALL.decode(row.body))
    return newest


def read(
    signatures: Signatures, row: Any, doubt: Callable[[Agreement, str], None]
) -> Agreement | None:
    """One stored version; suspended, and told to `doubt`, when it is not as this node wrote it."""
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
    doubt(one, ALTERED)
    return doubtful(one, ALTERED)


def page(connection: Connection, after: tuple[str, int], limit: int) -> list[Agreement]:
    """Versions in force by id, some at a time."""
    id, version = after
    later = sa.or_(VERSION.c.id > id, sa.and_(VERSION.c.id == id, VERSION.c.version > version))
    query = sa.select(VERSION.c.body).where(VERSION.c.state == "active", later)
    rows = connection.execute(query.order_by(VERSION.c.id, VERSION.c.version).limit(limit))
    return [_AGREEMENT.decode(body) for (body,) in rows]


def doubtful(one: Agreement, why: str) -> Agreement:
    """An agreement that nothing may pass under until its owner resumes or ends it."""
    if one.state != "active":
        return one
    return msgspec.structs.replace(one, state="suspended", decision=why)


def unsigned(one: Agreement, signatures: Signatures, known_key: Callable[[str], str]) -> str:
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
