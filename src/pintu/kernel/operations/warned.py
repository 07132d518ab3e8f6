"""Who is told of a warning, or by a playbook, and told that it is over: by the notifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.operations.roster.words import Message

if TYPE_CHECKING:
    from pintu.kernel.configuration import Configuration
    from pintu.kernel.operations.opening import OperationsRoom
    from pintu.kernel.operations.playbooks.words import Play
    from pintu.kernel.operations.warnings.words import PublicWarning

TO: Final = ("on_duty", "post:foreman")
"""Who is told where the town says nothing else in `config/warnings/people.toml`: `to = [...]`, with
names as the notifier knows them (`on_duty`, `post:ROLE`, `channel:NAME`, `person:ID`)."""
LONGEST: Final = 500


class People:
    """Tells people of warnings. Both deeds happen once for each key."""

    def __init__(self, room: OperationsRoom, configuration: Configuration | None) -> None:
        self._room, self._configuration = room, configuration

    async def tell(self, warning: PublicWarning, key: str) -> None:
        """What the warning says now, in the languages it was told in."""
        notifier = self._room.notifier
        if notifier is None:
            return
        message = Message(
            subject=warning.cause,
            title=said(warning, "headline") or said(warning, "event"),
            text=said(warning, "instruction") or said(warning, "description") or {"zh": "–"},
            severity=warning.message.severity,  # type: ignore[arg-type]
            link=f"/warnings/{warning.id}",
            kind="warning",
        )
        await notifier.send(warning.tenant, message, self.to(), key)

    async def clear(self, warning: PublicWarning, key: str) -> None:
        """Everybody who got it hears that it is over."""
        notifier = self._room.notifier
        if notifier is None:
            return
        head = said(warning, "headline") or said(warning, "event")
        zh, en = head.get("zh", ""), head.get("en", "")
        ended = "解除" if warning.state == "cancelled" else "到期"
        over = {"zh": f"预警已{ended}：{zh}", "en": f"The warning is over: {en}"}
        await notifier.all_clear(warning.cause, tenant=warning.tenant, text=over, key=key)

    def to(self) -> tuple[str, ...]:
        """Whom the town wants told."""
        saved = self._configuration.find("warnings", "people") if self._configuration else None
        told: Any = saved.content.get("to") if saved is not None else None
        if isinstance(told, list) and told and all(isinstance(one, str) for one in told):
            return tuple(told)
        return TO


class MessageHand:
    """A playbook's step that tells people: `given` has `to`, `zh` and `en`. Undone, everybody who
    got it hears that it is over."""

    def __init__(self, room: OperationsRoom) -> None:
        self._room = room

    async def do(self, play: Play, given: dict[str, Any], *, key: str, targets: list[str]) -> str:
        """Send it, once for each key; what the message is about, as the all-clear asks for it."""
        notifier = self._room.notifier
        subject = f"play:{play.id}"
        if notifier is not None:
            text = {lang: str(given[lang]) for lang in ("zh", "en") if given.get(lang)}
            message = Message(
                subject=subject,
                title=dict(play.title),
                text=text or dict(play.title),
                severity=given.get("severity", "high"),
                link=f"/plays/{play.id}",
                kind="plan",
            )
            await notifier.send(play.tenant, message, given.get("to", TO), key)
        return subject

    async def undo(self, play: Play, ref: str, *, key: str, reason: str) -> None:
        """Tell the same people that it is over, by the ways they got it."""
        notifier = self._room.notifier
        if notifier is not None:
            title = {lang: f"{OVER[lang]}{said}" for lang, said in play.title.items()}
            await notifier.all_clear(ref, tenant=play.tenant, text=title, key=key)


OVER: Final = {"zh": "预案已撤回：", "en": "The plan was taken back: "}


def said(warning: PublicWarning, field: str) -> dict[str, str]:
    """A text of the warning as the notifier has them: by `zh` and `en`; the first language stands
    for one that nobody told."""
    found: dict[str, str] = {}
    for info in warning.message.infos:
        text = str(getattr(info, field)).strip()[:LONGEST]
        lang = "en" if info.language.lower().startswith("en") else "zh"
        if text:
            found.setdefault(lang, text)
    if found:
        first = next(iter(found.values()))
        return {"zh": found.get("zh", first), "en": found.get("en", first)}
    return {}
