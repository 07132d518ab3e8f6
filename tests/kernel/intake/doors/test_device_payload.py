"""Messages of devices as records, and records through mappings: what is read, held, read again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from pintu.kernel.errors import BadInput, ConfigurationError
from pintu.kernel.intake.doors.mapped import Mapped, compile_source, matches
from pintu.kernel.intake.doors.payload import Payload, numbered
from pintu.kernel.intake.doors.words import SourceFile
from pintu.kernel.intake.words import Envelope, Unreadable, Update
from pintu.vocabulary.mapping_words import mapping_words

AT_US = 1_790_000_000_000_000
AIR: dict[str, Any] = {
    "type": "AirQualityObserved",
    "id": "{id}",
    "records": "readings",
    "observed_at": "$.ts",
    "fields": [
        {"from": "pm", "to": "pm25", "kind": "number"},
        {"from": "$topic[1]", "to": "name", "kind": "text"},
    ],
}


def source(**more: Any) -> SourceFile:
    return SourceFile(name="yard", door="mqtt", mappings=["air"], **more)


def mapped(content: dict[str, Any] | None = None, **more: Any) -> Mapped:
    return compile_source(source(**more), Payload(), {"air": content or AIR}, mapping_words())


def envelope(body: Any, **meta: str) -> Envelope:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return Envelope("doors/yard", "k", AT_US, raw, {"topic": "city/GW7/air", **meta})


def updates(found: Sequence[object]) -> list[dict[str, Any]]:
    return [one.entity for one in found if isinstance(one, Update)]


def held(found: Sequence[object]) -> list[Unreadable]:
    return [one for one in found if isinstance(one, Unreadable)]


MESSAGE = {
    "ts": "2026-09-21T10:00:00Z",
    "readings": [{"id": "A1", "pm": 12.5}, {"id": "A2", "pm": "34"}],
}


def test_one_message_is_many_readings() -> None:
    """The list inside is the records; the time beside it and the topic's levels are columns."""
    first, second = updates(mapped().normalise(envelope(MESSAGE)))
    assert (
        "urn:ngsi-ld:AirQualityObserved:yard:A1",
        12.5,
        "GW7",
        "urn:ngsi-ld:AirQualityObserved:yard:A2",
        34,
    ) == (
        first["id"],
        first["pm25"]["value"],
        first["name"]["value"],
        second["id"],
        second["pm25"]["value"],
    )
    assert first["pm25"]["observedAt"].startswith("2026-09-21T10:00:00")


def test_a_bad_record_waits_alone_and_is_read_again() -> None:
    """What one record holds spoils no other; the record is held with its line and reason, and a
    mapping that is mended reads it, though the message itself is gone."""
    body = {**MESSAGE, "readings": [{"id": "A1", "pm": 1}, {"id": "A2", "pm": "wet"}]}
    found = mapped().normalise(envelope(body))
    (bad,) = held(found)
    kept = orjson.loads(bad.envelope.body)
    assert (1, 2, "A2") == (len(updates(found)), kept["line"], kept["record"]["id"])
    assert "wet" in bad.reason
    mended = {**AIR, "fields": [{**AIR["fields"][0], "missing": ["wet"]}, AIR["fields"][1]]}
    (later,) = updates(mapped(mended).normalise(bad.envelope))
    assert ("urn:ngsi-ld:AirQualityObserved:yard:A2", "GW7") == (
        later["id"],
        later["name"]["value"],
    )


def test_a_record_still_bad_is_held_under_its_own_name() -> None:
    """Read again in vain it is the same thing in quarantine, not another one."""
    body = {**MESSAGE, "readings": [{"id": "A2", "pm": "wet"}]}
    (bad,) = held(mapped().normalise(envelope(body)))
    (still,) = held(mapped().normalise(bad.envelope))
    assert bad.envelope.key == still.envelope.key


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[1, 2]", "no records"),
        (b'{"ts": 1}', "no records"),
        (b"[" * 5000, "not JSON"),
    ],
)
def test_what_is_no_record_is_refused_in_words(body: bytes, said: str) -> None:
    """A message that cannot be read says why; nothing of it is guessed."""
    with pytest.raises(BadInput, match=said):
        mapped().normalise(envelope(body))


def test_a_cut_message_is_refused() -> None:
    """What was too large was cut, and half a message is none."""
    with pytest.raises(BadInput, match="too large"):
        mapped().normalise(envelope(MESSAGE, cut="2000000 bytes cut to 1000000"))


@pytest.mark.parametrize(
    ("payload", "body", "expected"),
    [
        (Payload(form="number"), b" 21.5\n", [{"value": 21.5}]),
        (Payload(form="number"), b"21,5", [{"value": 21.5}]),
        (Payload(form="text"), "开".encode("gb18030"), [{"value": "开"}]),
        (Payload(form="csv", columns=("id", "v")), b"a,1\nb,2\n", [{"id": "a", "v": "1"},
                                                                  {"id": "b", "v": "2"}]),
        (Payload(form="csv", separator=";"), b"id;v\na;1", [{"id": "a", "v": "1"}]),
        (Payload(form="lines"), b'{"a": 1}\n\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        (Payload(), '{"名": "站"}'.encode("gb18030"), [{"名": "站"}]),
    ],
)  # fmt: skip
def test_other_forms(payload: Payload, body: bytes, expected: list[dict[str, Any]]) -> None:
    """Plain numbers, texts, CSV and lines of JSON are records too, in UTF-8 or GB 18030."""
    content = payload.decode(body)
    found = [one for _, one in numbered(Envelope("s", "k", AT_US, body), content, "")]
    assert expected == [{k: v for k, v in one.items() if k[0] != "$"} for one in found]


@pytest.mark.parametrize("body", [b"nan", b"inf", b"", b"warm"])
def test_what_is_no_number_is_refused(body: bytes) -> None:
    """A sensor's nan is not a value."""
    with pytest.raises(BadInput):
        Payload(form="number").decode(body)


def test_too_many_values_in_a_line_are_refused() -> None:
    """A line that does not fit its columns is not shifted into others."""
    with pytest.raises(BadInput, match="3 values for 2 columns"):
        Payload(form="csv", columns=("a", "b")).decode(b"1,2,3")


@pytest.mark.parametrize(
    ("pattern", "topic", "expected"),
    [
        ("a/+/c", "a/b/c", True), ("a/+/c", "a/b/d", False), ("a/#", "a/b/c", True),
        ("a/+", "a", False), ("#", "x/y", True), ("a/b", "a/b/c", False), ("a/b", "a/b", True),
    ],
)  # fmt: skip
def test_topics_match_patterns(pattern: str, topic: str, expected: bool) -> None:
    """`+` is one level, a last `#` is all that is below."""
    assert expected == matches(pattern, topic)


def test_a_topic_goes_to_its_own_mapping() -> None:
    """With `tables` told, a mapping reads the messages of its topics alone."""
    other = mapped(settings={"tables": ["city/+/noise = air"]})
    assert [] == other.normalise(envelope(MESSAGE))


def test_every_mistake_of_a_source_is_told_at_once() -> None:
    """A missing mapping, a wrong line and a wrong word are three sentences."""
    wrong = SourceFile(
        name="yard", door="mqtt", mappings=["air", "gone"], settings={"tables": ["nonsense"]}
    )
    with pytest.raises(ConfigurationError) as caught:
        compile_source(wrong, Payload(), {"air": {**AIR, "type": "Nothing"}}, mapping_words())
    text = "; ".join(caught.value.mistakes)
    assert all(one in text for one in ("gone", "nonsense", "Nothing"))
