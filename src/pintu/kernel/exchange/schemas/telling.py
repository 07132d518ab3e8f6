"""Who hears of a change: consumers whose agreements it touches, and the owner when nobody told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from pintu.kernel.exchange.schemas.comparing import broken_by
from pintu.kernel.exchange.schemas.words import Broken, Change
from pintu.kernel.exchange.words import DataSet


class Notices(Protocol):
    """Where notices are told."""

    async def tell(
        self, to: str, kind: str, text: dict[str, str], *, link: str = "", key: str = ""
    ) -> None:
        """Tell a role of an organisation something, once a key."""
        ...


CHANGED: Final = {
    "zh": "{title} 的数据结构有变化，涉及贵方协议中的字段：{fields}",
    "en": "The schema of {title} changed; it touches fields of your agreement: {fields}",
}
DRIFTED: Final = {
    "zh": "{title} 的数值发生了未告知的变化：{fields}",
    "en": "The values of {title} changed and nobody told: {fields}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Tells of changes. `users`: agreements of a data set; `notices`: the room, or None."""

    notices: Callable[[], Notices | None]
    users: Callable[[str], Iterable[Broken]]
    find: Callable[[str], DataSet | None]

    async def changed(self, data_set: str, changes: tuple[Change, ...], mark: str) -> None:
        """A new version: who reads fields that it breaks hears of it; `mark` is the version, or
        the day of a change that nobody told, which the owner hears of too."""
        room = self.notices()
        if room is None:
            return
        found = self.find(data_set)
        title = dict(found.title) if found is not None else {}
        told = mark.startswith("v")
        texts = CHANGED if told else DRIFTED
        keys = [one.name for one in found.columns if one.key] if found is not None else []
        link = f"/schemas/{data_set}"
        for one in broken_by(changes, self.users(data_set), keys):
            text = _text(texts, title, data_set, one.fields)
            for role in ("officer", "owner"):
                await room.tell(
                    f"{role}@{one.consumer}", "schema", text, link=link,
                    key=f"schema:{data_set}:{mark}:{one.id}:{role}",
                )  # fmt: skip
        if not told and found is not None and found.owner:
            text = _text(texts, title, data_set, tuple(one.field for one in changes))
            await room.tell(
                f"officer@{found.owner}", "schema", text, link=link,
                key=f"schema:{data_set}:{mark}:owner",
            )  # fmt: skip


def _text(
    texts: dict[str, str], title: dict[str, str], name: str, fields: Iterable[str]
) -> dict[str, str]:
    listed = ", ".join(fields)[:300]
    return {
        lang: text.format(title=title.get(lang) or name, fields=listed)
        for lang, text in texts.items()
    }
