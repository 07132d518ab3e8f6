"""Who hears of a deed: the outbox is written with the deed and emptied afterwards, so that a notice
may come twice after a crash and never not at all."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any, Final, Protocol

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.errors import BadInput, PintuError
from pintu.kernel.exchange.agreements.ledger import Notice
from pintu.kernel.exchange.agreements.schema import OUTBOX
from pintu.kernel.tables import OpenTables

log = logging.getLogger("pintu.agreements")

AT_ONCE: Final = 100

TEXTS: Final[dict[str, str]] = {
    "request": "%(data_set)s is asked for: decide on agreement %(agreement)s",
    "approve": "Agreement %(agreement)s is approved: your signature is missing",
    "refuse": "Agreement %(agreement)s is refused",
    "escalate": "The deadline of agreement %(agreement)s passed: the deputy may decide too",
    "overdue": "Nobody decided on agreement %(agreement)s: both deadlines passed",
    "remind": "Agreement %(agreement)s waits for your organisation's signature",
    "sign": "Agreement %(agreement)s is signed and in force",
    "withdraw": "The consumer withdrew agreement %(agreement)s",
    "suspend": "Agreement %(agreement)s is suspended",
    "break": "Agreement %(agreement)s is suspended: its limits were broken",
    "resume": "Agreement %(agreement)s is in force again",
    "revoke": "Agreement %(agreement)s is revoked",
    "expire": "Agreement %(agreement)s has expired",
    "recall": "Delete what you keep of %(data_set)s and say so: agreement %(agreement)s is over",
    "recall_overdue": "Recall %(recall)s was not answered in time",
    "answer_recall": "Recall %(recall)s is answered",
}
"""What is told of each deed; the screens translate it."""


class Notices(Protocol):
    """What is asked of identity's notices."""

    async def tell(
        self,
        to: str,
        kind: str,
        text: str,
        detail: dict[str, str] | None = None,
        *,
        path: str = "",
    ) -> None:
        """Tell a role; durable when it returns."""
        ...


class Telling:
    """Empties the outbox."""

    def __init__(self, file: OpenTables, notices: Notices | None) -> None:
        self._file, self.notices = file, notices

    async def empty(self) -> int:
        """Tell what is in the outbox, oldest first; how many. What cannot be told now stays."""
        told = 0
        while rows := await self._file.read(_oldest):
            done = []
            try:
                for number, body in rows:
                    await self._tell(msgspec.json.decode(body, type=Notice))
                    done.append(number)
            except PintuError as error:
                log.warning("Notices of agreements wait: %s", error.detail)
                return told
            finally:
                if done:
                    gone = OUTBOX.delete().where(OUTBOX.c.number.in_(done))
                    await self._file.run(partial(_execute, gone))
            told += len(done)
        return told

    async def _tell(self, notice: Notice) -> None:
        if self.notices is None or "@" in notice.organisation:
            return  # another node's people are told by their own node
        detail = {
            "agreement": notice.agreement,
            "data_set": notice.data_set,
            "recall": notice.recall,
        }
        id, _, version = notice.agreement.partition("/")
        try:
            await self.notices.tell(
                f"{notice.role}@{notice.organisation}",
                "recall" if notice.recall else "agreement",
                TEXTS[notice.deed],
                detail,
                path=f"/agreements/{id}?version={version}" + ("#recalls" if notice.recall else ""),
            )
        except BadInput as error:  # it would never be taken: it must not stop the others
            log.error("A notice of agreement %s cannot be told: %s", notice.agreement, error.detail)


def _execute(statement: Any, connection: Connection) -> None:
    connection.execute(statement)


def _oldest(connection: Connection) -> list[Any]:
    query = sa.select(OUTBOX.c.number, OUTBOX.c.body).order_by(OUTBOX.c.number).limit(AT_ONCE)
    return [tuple(row) for row in connection.execute(query)]
