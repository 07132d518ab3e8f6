"""One source's messages through its mappings: updates of the context, rows of table data sets, and
what could not be read with its reason. Pure once made."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from pintu.kernel.errors import BadInput, ConfigurationError
from pintu.kernel.intake.doors.payload import PART, Bad, Numbered, again, bad_body, numbered
from pintu.kernel.intake.doors.words import SourceFile
from pintu.kernel.intake.mapping.words import BadRecord, Row, Words
from pintu.kernel.intake.mapping.words import Mapping as MappingWords
from pintu.kernel.intake.words import Envelope, Unreadable, Update

REFUSED: Final = "bad"  # of an envelope's meta: why its connector could make no value of it
MAPPING: Final = "mapping"
LONGEST_KEY: Final = 280
LONGEST_REASON: Final = 1_500
MOST_MAPPINGS: Final = 50


class Decoder(Protocol):
    """How the messages of a source are written."""

    def decode(self, body: bytes) -> Any:
        """A message as JSON values: a record, a list of them, or an object that holds one. BadInput
        says what is wrong with it."""
        ...


class Mapper(Protocol):
    """A compiled mapping."""

    def context(
        self, records: Iterable[tuple[int, dict[str, Any]]], now_us: int
    ) -> tuple[list[Update], list[BadRecord]]:
        """Updates, and the records that could not be mapped."""
        ...

    def rows(
        self, records: Iterable[tuple[int, dict[str, Any]]]
    ) -> tuple[list[Row], list[BadRecord]]:
        """Rows of a table data set, and the records that could not be mapped."""
        ...


class TableRows(msgspec.Struct, frozen=True, kw_only=True):
    """What one message says to one table data set."""

    mapping: str
    data_set: str
    rows: list[Row]
    again: bool = False  # out of quarantine


Found = Update | Unreadable | TableRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One mapping of a source, and the topics, addresses or folders whose messages it reads
    (none: all of them)."""

    words: MappingWords
    mapper: Mapper
    tables: tuple[str, ...] = ()

    def reads(self, topic: str) -> bool:
        """Whether a message of this topic is for this mapping."""
        return not self.tables or any(matches(one, topic) for one in self.tables)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """How the envelopes of one source are read."""

    payload: Decoder
    ways: tuple[Way, ...]

    def normalise(self, envelope: Envelope) -> list[Found]:
        """Updates in the message's order, rows one `TableRows` a mapping, then the records that
        could not be mapped: one `Unreadable` a mapping, which a retry reads again alone.

        Raises BadInput when the whole message cannot be read.
        """
        meta = envelope.meta
        if REFUSED in meta:
            raise BadInput(meta[REFUSED])
        if "cut" in meta:
            raise BadInput(f"The message is too large: {meta['cut']}")
        if PART in meta:
            return self._again(envelope)
        content = self.payload.decode(envelope.body)
        found: list[Found] = []
        held: list[Unreadable] = []
        topic = meta.get("topic", "")
        for way in self.ways:
            if not way.reads(topic):
                continue
            records = numbered(envelope, content, way.words.records)
            good, bad = _through(way, records, envelope)
            found += good
            if bad:
                held.append(_held(envelope, way.words.name, bad))
        return found + held

    def _again(self, envelope: Envelope) -> list[Found]:
        wanted = envelope.meta.get(MAPPING, "")
        for way in self.ways:
            if way.words.name == wanted:
                good, bad = _through(way, again(envelope), envelope)
                return good + ([_held(envelope, wanted, bad)] if bad else [])
        raise BadInput(f"Mapping {wanted!r} is not one of this source any more")


def _through(
    way: Way, records: Iterable[Numbered], envelope: Envelope
) -> tuple[list[Found], list[BadRecord]]:
    good: list[Found] = []
    if way.words.target == "context":
        updates, bad = way.mapper.context(records, envelope.received_us)
        good += updates
        return good, bad
    rows, bad = way.mapper.rows(records)
    if rows:
        name, again = way.words.name, PART in envelope.meta
        good.append(TableRows(mapping=name, data_set=way.words.data_set, rows=rows, again=again))
    return good, bad


def compile_source(
    source: SourceFile,
    payload: Decoder,
    contents: Mapping[str, dict[str, Any]],
    words: Words,
    *,
    space: str = "",
) -> Mapped:
    """Compile the mappings a source names; `contents` are their files by name, `space` is what its
    entities' ids are called by (the source's own name unless told).

    Raises ConfigurationError with every mistake of the source and its mappings.
    """
    from pintu.kernel.intake.mapping.file import read_mapping
    from pintu.kernel.intake.mapping.mapper import compile_mapping

    mistakes: list[str] = []
    ways = []
    tables = _tables(source, mistakes)
    if not source.mappings:
        mistakes.append(f"Source {source.name} has no mapping: nobody knows what its messages say")
    for name in source.mappings[:MOST_MAPPINGS]:
        content = contents.get(name)
        if content is None:
            mistakes.append(f"Source {source.name} names mapping {name!r}, which does not exist")
            continue
        try:
            mapping = read_mapping({"name": name, **content})
            mapper = compile_mapping(mapping, words, source=space or source.name)
        except ConfigurationError as error:
            mistakes += error.mistakes
            continue
        ways.append(Way(words=mapping, mapper=mapper, tables=tables.get(name, ())))
    if mistakes:
        raise ConfigurationError(mistakes)
    return Mapped(payload=payload, ways=tuple(ways))


def _tables(source: SourceFile, mistakes: list[str]) -> dict[str, tuple[str, ...]]:
    """Mapping → topics, of the setting `tables` (`TOPIC = MAPPING`, one a line)."""
    told = source.settings.get("tables") or []
    lines = told.splitlines() if isinstance(told, str) else told
    found: dict[str, tuple[str, ...]] = {}
    for line in lines if isinstance(lines, list) else []:
        topic, sign, name = str(line).rpartition("=")
        topic, name = topic.strip().partition("#")[0].rstrip("/"), name.strip()
        if "#" in str(line) and str(line).strip().startswith("#"):
            continue
        if not sign or not topic or name not in source.mappings:
            mistakes.append(
                f"Source {source.name}: tables holds {str(line)[:80]!r}, not TOPIC = MAPPING "
                f"with one of: {', '.join(source.mappings) or 'none'}"
            )
            continue
        found[name] = (*found.get(name, ()), topic)
    return found


def matches(pattern: str, topic: str) -> bool:
    """Whether a topic is of a pattern with `+` for one level and a last `#` for all below."""
    if pattern == topic:
        return True
    wanted, levels = pattern.split("/"), topic.split("/")
    for number, one in enumerate(wanted):
        if one == "#":
            return True
        if number >= len(levels) or one not in ("+", levels[number]):
            return False
    return len(wanted) == len(levels)


def _held(envelope: Envelope, mapping: str, bad: Sequence[BadRecord]) -> Unreadable:
    """Records of one message that one mapping could not read, as one thing to hold."""
    again_already = envelope.meta.get(MAPPING) == mapping and PART in envelope.meta
    key = envelope.key if again_already else f"{envelope.key} {mapping}"
    if len(key) > LONGEST_KEY:
        digest = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
        key = f"{key[: LONGEST_KEY - 40]} {digest}"
    body = bad_body([Bad(line=one.line, record=one.record, reason=one.reason) for one in bad])
    meta = {**envelope.meta, PART: "records", MAPPING: mapping}
    alone = Envelope(envelope.source, key, envelope.received_us, body, meta)
    return Unreadable(alone, _reason(bad))


def _reason(bad: Sequence[BadRecord]) -> str:
    reasons = list(dict.fromkeys(one.reason for one in bad))
    where = f"Record {bad[0].line}" if len(bad) == 1 else f"{len(bad)} records"
    return f"{where}: {'; '.join(reasons[:5])}"[:LONGEST_REASON]


def read_source(name: str, content: Mapping[str, Any]) -> SourceFile:
    """A source's file as a value; ConfigurationError says what is wrong with it."""
    try:
        return msgspec.convert({**content, "name": name}, SourceFile)
    except msgspec.ValidationError as error:
        raise ConfigurationError([f"config/sources/{name}.toml: {error}"]) from error
