"""Who hears of a deed: the outbox is written with the deed and emptied afterwards; each notice has
a key, so that after a crash nobody hears of it twice or not at all."""

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

TEXTS: Final[dict[str, dict[str, str]]] = {
    "request": {
        "zh": "有单位申请使用 {data_set}：请审批协议 {agreement}",
        "en": "{data_set} is asked for: decide on agreement {agreement}",
    },
    "approve": {
        "zh": "协议 {agreement} 已获批准，待贵方签署",
        "en": "Agreement {agreement} is approved: your signature is missing",
    },
    "refuse": {
        "zh": "协议 {agreement} 未获批准",
        "en": "Agreement {agreement} is refused",
    },
    "escalate": {
        "zh": "协议 {agreement} 审批逾期：副主管也可审批",
        "en": "The deadline of agreement {agreement} passed: the deputy may decide too",
    },
    "overdue": {
        "zh": "协议 {agreement} 两次逾期，无人审批",
        "en": "Nobody decided on agreement {agreement}: both deadlines passed",
    },
    "remind": {
        "zh": "协议 {agreement} 仍待贵单位签署",
        "en": "Agreement {agreement} waits for your organisation's signature",
    },
    "sign": {
        "zh": "协议 {agreement} 已签署生效",
        "en": "Agreement {agreement} is signed and in force",
    },
    "withdraw": {
        "zh": "使用方已撤回协议 {agreement}",
        "en": "The consumer withdrew agreement {agreement}",
    },
    "suspend": {
        "zh": "协议 {agreement} 已中止",
        "en": "Agreement {agreement} is suspended",
    },
    "break": {
        "zh": "协议 {agreement} 因超出限额已中止",
        "en": "Agreement {agreement} is suspended: its limits were broken",
    },
    "resume": {
        "zh": "协议 {agreement} 已恢复生效",
        "en": "Agreement {agreement} is in force again",
    },
    "revoke": {
        "zh": "协议 {agreement} 已撤销",
        "en": "Agreement {agreement} is revoked",
    },
    "expire": {
        "zh": "协议 {agreement} 已到期",
        "en": "Agreement {agreement} has expired",
    },
    "recall": {
        "zh": "协议 {agreement} 已终止：请删除留存的 {data_set} 数据并答复",
        "en": "Delete what you keep of {data_set} and say so: agreement {agreement} is over",
    },
    "recall_overdue": {
        "zh": "回收 {recall} 逾期未答复",
        "en": "Recall {recall} was not answered in time",
    },
    "answer_recall": {
        "zh": "回收 {recall} 已答复",
        "en": "Recall {recall} is answered",
    },
}
"""What is told of each deed."""


class Notices(Protocol):
    """What is asked of identity's notices."""

    async def tell(
        self, to: str, kind: str, text: dict[str, str], *, link: str = "", key: str = ""
    ) -> None:
        """Tell a role, once for each key; durable when it returns."""
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
        told = {"agreement": notice.agreement, "data_set": notice.data_set}
        told["recall"] = notice.recall
        id, _, version = notice.agreement.partition("/")
        try:
            await self.notices.tell(
                f"{notice.role}@{notice.organisation}",
                "recall" if notice.recall else "agreement",
                {lang: text.format_map(told) for lang, text in TEXTS[notice.deed].items()},
                link=f"/agreements/{id}?version={version}" + ("#recalls" if notice.recall else ""),
                key=f"agreements/{notice.key}",
            )
        except BadInput as error:  # it would never be taken: it must not stop the others
            log.error("A notice of agreement %s cannot be told: %s", notice.agreement, error.detail)


def _execute(statement: Any, connection: Connection) -> None:
    connection.execute(statement)


def _oldest(connection: Connection) -> list[Any]:
    query = sa.select(OUTBOX.c.number, OUTBOX.c.body).order_by(OUTBOX.c.number).limit(AT_ONCE)
    return [tuple(row) for row in connection.execute(query)]
