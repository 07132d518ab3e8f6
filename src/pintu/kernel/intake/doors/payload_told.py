"""How messages are written, as three settings that doors of messages share."""

from __future__ import annotations

from typing import Final

from pintu.kernel.intake.doors.payload import FORMS, Payload
from pintu.kernel.intake.doors.told import Told
from pintu.kernel.intake.doors.words import DoorSetting

FORM_SETTINGS: Final = (
    DoorSetting(
        name="form",
        title={"zh": "消息格式", "en": "Form of a message"},
        kind="choice",
        choices=FORMS,
        default="json",
        help={
            "zh": "json：对象或数组；lines：每行一个 JSON 对象（NDJSON）；"
            "number、text：整条消息是一个值",
            "en": "json: an object or an array; lines: one JSON object a line (NDJSON); "
            "number, text: the whole message is one value",
        },
    ),
    DoorSetting(
        name="columns",
        title={"zh": "CSV 各列名称", "en": "Columns of CSV"},
        kind="lines",
        help={
            "zh": "仅用于 csv：首行没有列名时写在这里，每行一个",
            "en": "For csv alone, when its first line does not name them: one a line",
        },
    ),
    DoorSetting(
        name="separator", title={"zh": "CSV 分隔符", "en": "Separator of CSV"}, default=","
    ),
)


def told_payload(told: Told) -> Payload:
    """How the messages of a source are written; ConfigurationError with every mistake of it."""
    form = told.choice("form", FORMS)
    columns = tuple(told.lines("columns"))
    separator = told.text("separator") or ","
    if len(separator) != 1:
        told.mistake("separator", "is not one sign")
    told.done()
    return Payload(form=form, columns=columns, separator=separator)  # type: ignore[arg-type]
