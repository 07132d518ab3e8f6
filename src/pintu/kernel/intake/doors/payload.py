"""A device's message → the records in it, as a mapping reads them; pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec
import orjson

from pintu.kernel.clock import iso
from pintu.kernel.errors import BadInput
from pintu.kernel.intake.mapping.paths import records_of
from pintu.kernel.intake.words import Envelope

Form = Literal["json", "lines", "csv", "number", "text"]
FORMS: Final[tuple[Form, ...]] = ("json", "lines", "csv", "number", "text")
"""json: an object or an array; lines: one JSON object a line; csv: values in the order of the
columns told, or under a header; number, text: the whole message is one value."""

MOST_RECORDS: Final = 10_000
MOST_COLUMNS: Final = 500
PART: Final = "part"  # of an envelope's meta: its body holds records a mapping refused before
TOPIC: Final = "$topic"
WHOLE: Final = "$"
TIME: Final = "$time"
RETAINED: Final = "$retained"

Numbered = tuple[int, dict[str, Any]]


class Bad(msgspec.Struct, frozen=True):
    """One record that could not be mapped, as it lies in quarantine: one JSON text a line."""

    line: int
    record: dict[str, Any]
    reason: str = ""


_bad = msgspec.json.Decoder(Bad)


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """How the messages of one source are written."""

    form: Form = "json"
    columns: tuple[str, ...] = ()  # of csv; empty: the first line names them
    separator: str = ","

    def decode(self, body: bytes) -> Any:
        """The message as JSON values; BadInput says what is wrong with it."""
        if self.form == "json":
            return _json(body)
        text = _text(body)
        if self.form == "number":
            return {"value": _number(text)}
        if self.form == "text":
            return {"value": text.strip()}
        if self.form == "csv":
            return self._csv(text)
        return [_json(line.encode()) for line in _lines(text)]

    def _csv(self, text: str) -> list[dict[str, Any]]:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=self.separator, strict=True)
        columns: list[str] = list(self.columns)
        found = []
        try:
            for values in lines:
                if not values:
                    continue
                if not columns:
                    columns = [one.strip() for one in values]
                    continue
                if len(values) != len(columns):
                    raise BadInput(
                        f"Line {lines.line_num} has {len(values)} values for {len(columns)} columns"
                    )
                found.append(dict(zip(columns, (one.strip() for one in values), strict=True)))
                if len(found) > MOST_RECORDS:
                    raise BadInput(f"The message has more than {MOST_RECORDS} lines")
        except csv.Error as error:
            raise BadInput(f"Line {lines.line_num} is not CSV: {error}") from error
        return found


def numbered(envelope: Envelope, payload: Any, path: str) -> Iterator[Numbered]:
    """The records of a payload with what the envelope says beside them.

    `$topic` are the levels of the topic (`$topic[1]`), `$time` is when the message came,
    `$retained` is true of one that a broker kept for newcomers (absent of all others), `$` the
    whole message, for values that stand beside the list of records (`$.ts`).
    """
    topic = envelope.meta.get("topic")
    beside: dict[str, Any] = {TIME: iso(envelope.received_us)}
    if topic is not None:
        beside[TOPIC] = topic.split("/")
    if "retained" in envelope.meta:
        beside[RETAINED] = True
    if path and isinstance(payload, dict):
        beside[WHOLE] = payload
    records = records_of(payload, path)
    if len(records) > MOST_RECORDS:
        raise BadInput(f"The message has more than {MOST_RECORDS} records")
    for number, record in enumerate(records, 1):
        if len(record) > MOST_COLUMNS:
            raise BadInput(f"Record {number} of the message has more than {MOST_COLUMNS} values")
        record.update(beside)
        yield number, record


def bad_body(bad: list[Bad]) -> bytes:
    """Records to hold, one a line, as a person reads them and `again` does."""
    return b"\n".join(
        orjson.dumps(
            {"line": one.line, "record": _bare(one.record), "reason": one.reason}, default=str
        )
        for one in bad
    )


def again(envelope: Envelope) -> list[Numbered]:
    """The records of an envelope that `bad_body` wrote; what stood beside them is kept in them."""
    try:
        found = [_bad.decode(line) for line in envelope.body.splitlines()]
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise BadInput(f"The records held cannot be read again: {error}") from error
    return [(one.line, one.record) for one in found]


def _bare(record: dict[str, Any]) -> dict[str, Any]:
    """Without the records inside of the whole message: each holds only its own."""
    whole = record.get(WHOLE)
    if not isinstance(whole, dict):
        return record
    kept = {name: one for name, one in whole.items() if not isinstance(one, list | dict)}
    return {**record, WHOLE: kept}


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        try:
            return orjson.loads(body.decode("gb18030"))
        except (UnicodeDecodeError, orjson.JSONDecodeError):
            raise BadInput(f"The message is not JSON: {error}") from error


def _text(body: bytes) -> str:
    for code in ("utf-8-sig", "gb18030"):
        try:
            return body.decode(code)
        except UnicodeDecodeError:
            continue
    raise BadInput("The message is text neither in UTF-8 nor in GB 18030")


def _number(text: str) -> float:
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        raise BadInput(f"The message {text[:40]!r} is not a number") from None
    if value != value or value in (float("inf"), float("-inf")):
        raise BadInput(f"The message {text[:40]!r} is no value: sensors say so when they are ill")
    return value


def _lines(text: str) -> list[str]:
    found = [one for one in text.splitlines() if one.strip()]
    if len(found) > MOST_RECORDS:
        raise BadInput(f"The message has more than {MOST_RECORDS} lines")
    return found
