"""Frames of HJ/T 212-2005, HJ 212-2017 and plain HJ 212-2025: how stations of pollution and air
report over TCP.

A frame is `##`, four digits (bytes of data), the data, four hex digits of CRC, CR LF. The data is
`QN=…;ST=…;CN=…;PW=…;MN=…;Flag=…;CP=&&…&&`; in CP stand `DataTime=…` and factors as
`a34004-Avg=12,a34004-Flag=N`, groups apart by `;`. `Flag` holds the edition in its upper six bits,
then D (the data is cut into packets, PNUM and PNO follow), then A (an answer is wanted).

The checksum of appendix A throws the register's low byte away at each step, so it has only 256
values and one of 256 damaged frames would pass it: the grammar is therefore read strictly.
"""

from __future__ import annotations

import calendar
import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from pintu.protocols.hj212_crc import crc16
from pintu.protocols.hj212_words import EDITIONS

HEAD, LENGTH, TAIL = b"##", 4, b"\r\n"
AROUND = len(HEAD) + LENGTH + 4 + len(TAIL)
"""Bytes of a frame that are not its data."""
LONGEST_2017 = 1024
LONGEST = 9999
FIELDS = ("QN", "ST", "CN", "PW", "MN", "Flag", "PNUM", "PNO")

_TIME = r"\d{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d[0-5]\d"
_SHAPES = {
    "QN": (_TIME + r"\d{3}", "17 digits YYYYMMDDhhmmsszzz"),
    "ST": (r"[0-9A-Z]{2}", "two characters"),
    "CN": (r"\d{4}", "four digits"),
    "PW": (r"[!-:<-~]{0,20}", "at most 20 characters"),
    "MN": (r"[0-9A-Za-z_-]{1,24}", "1 to 24 letters and digits"),
    "Flag": (r"\d{1,3}", "0 to 255"),
    "PNUM": (r"\d{1,8}", "a number"),
    "PNO": (r"\d{1,8}", "a number"),
}
_USUAL = re.compile(
    "".join(
        f"{name}=(?P<{name}>{_SHAPES[name][0]});" for name in ("QN", "ST", "CN", "PW", "MN", "Flag")
    )
    + "".join(f"(?:{name}=(?P<{name}>{_SHAPES[name][0]});)?" for name in ("PNUM", "PNO")),
    re.ASCII,
)
"""The standard's order, in which nearly every frame is."""
_DATA_TIME = re.compile(_TIME, re.ASCII)
_HEX = re.compile(rb"[0-9A-Fa-f]{4}")
_ITEM = r" *([A-Za-z0-9_]{1,32})(?:-([A-Za-z0-9_]{1,32}))?=([^;,]*)(?:[;,]+|\Z)"
_ONE_ITEM, _ITEMS = re.compile(_ITEM), re.compile(rf"[;,]*(?:{_ITEM})*")
_LETTERS = re.compile(r"[A-Za-z]{0,10}")
_HIDE = {ord(one): 0xE000 + number for number, one in enumerate(";,=")}
_SHOW = {private: plain for plain, private in _HIDE.items()}


class BadFrame(ValueError):
    """A frame that cannot be used; the text says which part is wrong."""


class BadContent(BadFrame):
    """A sound frame whose data cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame, or the packets of one answer joined.

    `fields` are those before CP (QN, ST, CN, MN, PW, Flag, PNUM, PNO; absent ones are not there),
    `data_time` is YYYYMMDDhhmmss in the station's local time or "", `parameters` the other plain
    items of CP (BeginTime, QnRtn …), `factors` are code → {Rtd, Avg, Min, Max, Cou, Flag, …}.
    """

    fields: dict[str, str]
    data_time: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    factors: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def edition(self) -> str:
        """The edition its Flag names; a frame without Flag is of 2005."""
        return EDITIONS[int(self.fields.get("Flag", "0")) >> 2]

    @property
    def wants_answer(self) -> bool:
        """Bit A of Flag: the sender waits to hear that this is kept."""
        return bool(int(self.fields.get("Flag", "0")) & 1)

    @property
    def packet(self) -> tuple[int, int]:
        """(PNO, PNUM); (1, 1) when the data is in one piece."""
        if "PNO" not in self.fields:
            return 1, 1
        return int(self.fields["PNO"]), int(self.fields["PNUM"])


def data_of(frame: bytes) -> bytes:
    """The data of exactly one frame; BadFrame when its length, CRC or end is wrong."""
    if frame[:2] != HEAD:
        raise BadFrame("Frame does not begin with ##")
    digits = frame[2:6]
    if len(digits) < LENGTH or not digits.isdigit():
        raise BadFrame("Frame has no length of four digits after ##")
    length = int(digits)
    if len(frame) != length + AROUND:
        has = max(0, len(frame) - AROUND)
        raise BadFrame(f"Frame says {length} bytes of data and has {has}")
    data, found = frame[6 : 6 + length], frame[6 + length : 10 + length]
    if not _HEX.fullmatch(found):
        raise BadFrame("Frame has no CRC of four hex digits after its data")
    expected = crc16(data)
    if found.upper() != expected.encode():
        text = f"CRC of the frame is {found.decode().upper()}, expected {expected}"
        raise BadFrame(text + _encrypted(data))
    if frame[-2:] != TAIL:
        raise BadFrame("Frame does not end with CR LF")
    return data


def _encrypted(data: bytes) -> str:
    flag = re.search(rb"Flag=(\d{1,3});", data)
    if data.isascii() or flag is None or int(flag[1]) >> 2 != 2:
        return ""
    return "; its data seems encrypted (HJ 212-2025, SM4), which is not read here"


def read_frame(body: bytes) -> Frame:
    """One frame, or the packets of one answer one after another, as a Frame.

    BadFrame says what is wrong: length, CRC with expected and found, a field that is missing or
    has another form. A password is never part of the text.
    """
    whole: Frame | None = None
    for one in _frames(body):
        frame = read_one(one)
        whole = frame if whole is None else _joined(whole, frame)
    if whole is None:
        raise BadFrame("Frame is empty")
    return whole


@lru_cache(maxsize=2048)
def read_one(frame: bytes) -> Frame:
    """Exactly one frame; BadContent when length, CRC and end hold and what is in it does not.

    Who takes frames off the wire and who reads them afterwards ask for the same bytes: the last
    two thousand are remembered. So nobody may change a Frame.
    """
    data = data_of(frame)
    try:
        return read_data(data)
    except BadFrame as error:
        raise BadContent(str(error)) from error


def _frames(body: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(body):
        digits = body[at + 2 : at + 6]
        end = at + AROUND + int(digits) if digits.isdigit() else len(body)
        if body[end : end + 2] != HEAD:
            end = len(body)  # what is too long or too short is said of the whole
        yield body[at:end]
        at = end


def _joined(first: Frame, then: Frame) -> Frame:
    for name in ("MN", "QN", "CN"):
        if first.fields.get(name) != then.fields.get(name):
            raise BadFrame(f"Packets of one answer differ in {name}")
    factors = {code: dict(parts) for code, parts in first.factors.items()}
    for code, parts in then.factors.items():
        factors.setdefault(code, {}).update(parts)
    return Frame(
        fields=then.fields,
        data_time=first.data_time or then.data_time,
        parameters={**first.parameters, **then.parameters},
        factors=factors,
    )


def read_data(data: bytes) -> Frame:
    """The data of one frame, its CRC already checked, as a Frame; BadFrame names what is wrong."""
    text = _text(data)
    head, mark, rest = text.partition("CP=&&")
    if not mark:
        raise BadFrame("Frame has no CP=&&")
    if not rest.endswith("&&"):
        raise BadFrame("CP of the frame does not end with &&")
    fields = _fields(head)
    return Frame(fields=fields, **_content(rest[:-2]))


def _text(data: bytes) -> str:
    """ASCII by the standard; logs carry Chinese in UTF-8 or GB 18030."""
    for encoding in ("ascii", "utf-8", "gb18030"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not text.isprintable() and any(one < " " or one == "\x7f" for one in text):
            raise BadFrame("Data of the frame has control characters" + _encrypted(data))
        return text
    raise BadFrame("Data of the frame is neither ASCII nor UTF-8 nor GB 18030" + _encrypted(data))


def _fields(head: str) -> dict[str, str]:
    usual = _USUAL.fullmatch(head)
    if usual is not None:
        fields = {name: value for name, value in usual.groupdict().items() if value is not None}
    else:
        fields = _other_fields(head)
    _check_flag(fields)
    return fields


def _other_fields(head: str) -> dict[str, str]:
    """Fields in another order, or the words for what is wrong with them."""
    fields: dict[str, str] = {}
    if not head.endswith(";"):
        raise BadFrame("Frame has no ; before CP")
    for item in head[:-1].split(";"):
        name, _, value = item.partition("=")
        if name not in _SHAPES:
            # no more of it than its letters: it may be a password that lost its =
            begins = _LETTERS.match(name)
            raise BadFrame(f"Frame has an unknown field {begins[0] if begins else ''!r}")
        if name in fields:
            raise BadFrame(f"Frame has field {name} twice")
        shape, words = _SHAPES[name]
        if not re.fullmatch(shape, value, re.ASCII):
            raise BadFrame(f"Field {name} of the frame is not {words}")
        fields[name] = value
    for name in ("ST", "CN", "MN"):
        if name not in fields:
            raise BadFrame(f"Frame has no field {name}")
    return fields


def _check_flag(fields: dict[str, str]) -> None:
    flag = int(fields.get("Flag", "0"))
    edition = flag >> 2
    if edition not in EDITIONS:
        raise BadFrame(f"Flag {flag} names edition {edition}, which is unknown here")
    if edition and "QN" not in fields:
        raise BadFrame("Frame has no field QN")
    numbered = "PNUM" in fields and "PNO" in fields
    if edition and flag & 2 and not numbered:
        raise BadFrame("Flag says that the data is cut into packets, PNUM or PNO is missing")
    if numbered and not 1 <= int(fields["PNO"]) <= int(fields["PNUM"]) <= LONGEST:
        raise BadFrame(f"Packet {fields['PNO']} of {fields['PNUM']} cannot be")


def _content(text: str) -> dict[str, Any]:
    data_time = ""
    parameters: dict[str, str] = {}
    factors: dict[str, dict[str, str]] = {}
    for code, part, value in _items(text):
        if part:
            parts = factors.get(code)
            if parts is None:
                factors[code] = {part: value}
                continue
            if part in parts:
                raise BadFrame(f"CP of the frame has {code}-{part} twice")
            parts[part] = value
        elif code == "DataTime":
            if data_time:
                raise BadFrame("CP of the frame has DataTime twice")
            if not is_time(value):
                raise BadFrame("DataTime of the frame is no YYYYMMDDhhmmss")
            data_time = value
        elif code in parameters and code != "PolId":
            raise BadFrame(f"CP of the frame has {code} twice")
        else:
            before = parameters.get(code)  # a request may name several PolId
            parameters[code] = value if before is None else f"{before},{value}"
    return {"data_time": data_time, "parameters": parameters, "factors": factors}


def _items(text: str) -> list[tuple[str, str, str]]:
    """(name or factor, part or "", value) of everything in CP."""
    quoted = "//" in text
    if quoted:  # i11001-Info=//a log; with = and , in it//
        parts = text.split("//")
        text = "//".join(
            one.translate(_HIDE) if number % 2 else one for number, one in enumerate(parts)
        )
    if _ITEMS.fullmatch(text) is None:
        wrong = next(
            (one for one in re.split("[;,]", text) if one and not _ONE_ITEM.fullmatch(one)), ""
        )
        name = wrong.partition("=")[0][:40]
        raise BadFrame(f"CP of the frame has {name!r}, which is no NAME=VALUE")
    found: list[tuple[str, str, str]] = _ONE_ITEM.findall(text)
    if quoted:
        found = [(code, part, value.translate(_SHOW)) for code, part, value in found]
    return found


def is_time(text: str) -> bool:
    """True for YYYYMMDDhhmmss with numbers that a calendar has."""
    if not _DATA_TIME.fullmatch(text):
        return False
    year, month, day = int(text[:4]), int(text[4:6]), int(text[6:8])
    return day < 29 or (year > 0 and day <= calendar.monthrange(year, month)[1])


def write_frame(frame: Frame, *, longest: int = LONGEST_2017) -> bytes:
    """A Frame as bytes, fields in the standard's order; BadFrame when it is over `longest` bytes of
    data or holds what cannot be read back."""
    head = "".join(f"{name}={frame.fields[name]};" for name in FIELDS if name in frame.fields)
    groups = [f"DataTime={frame.data_time}"] if frame.data_time else []
    groups += [f"{name}={value}" for name, value in frame.parameters.items()]
    groups += [
        ",".join(f"{code}-{part}={value}" for part, value in parts.items())
        for code, parts in frame.factors.items()
    ]
    text = f"{head}CP=&&{';'.join(groups)}&&"
    data = text.encode("utf-8")
    if len(data) > longest:
        raise BadFrame(f"Data of {len(data)} bytes is over {longest}")
    read_data(data)
    return framed(data)


def write_packets(frame: Frame, *, longest: int = LONGEST_2017) -> list[bytes]:
    """A Frame in as many packets as its length needs, cut between factors, each with DataTime;
    one frame without PNUM when it fits."""
    with contextlib.suppress(BadFrame):
        return [write_frame(frame, longest=longest)]
    flag = str(int(frame.fields.get("Flag", "4")) | 2)
    numbered = {**frame.fields, "Flag": flag, "PNUM": "9999", "PNO": "9999"}
    parts: list[dict[str, dict[str, str]]] = [{}]
    for code, values in frame.factors.items():
        fuller = {**parts[-1], code: values}
        if parts[-1] and not _fits(replace(frame, fields=numbered, factors=fuller), longest):
            fuller = {code: values}
            parts.append({})
        parts[-1] = fuller
    return [
        write_frame(
            replace(
                frame,
                fields={**numbered, "PNUM": str(len(parts)), "PNO": str(number)},
                factors=factors,
            ),
            longest=longest,
        )
        for number, factors in enumerate(parts, 1)
    ]


def _fits(frame: Frame, longest: int) -> bool:
    try:
        write_frame(frame, longest=longest)
    except BadFrame:
        return False
    return True


def answer(frame: Frame, command: str, content: str = "") -> bytes:
    """The platform's answer to a frame of a station: 9013 to a notice, 9014 to data.

    Since 2017 it repeats the frame's QN, PW and MN; that of 2005 names the QN in CP.
    """
    fields, flag = frame.fields, int(frame.fields.get("Flag", "0")) & ~3
    if flag:
        head = f"QN={fields['QN']};ST=91;CN={command};PW={fields.get('PW', '')}"
        text = f"{head};MN={fields['MN']};Flag={flag};CP=&&{content}&&"
    else:
        text = f"ST=91;CN={command};CP=&&QN={fields.get('QN', '')};CN={fields['CN']}&&"
    return framed(text.encode())


def framed(data: bytes) -> bytes:
    """Data with its head, length, CRC and end."""
    return b"##%04d%s%s\r\n" % (len(data), data, crc16(data).encode())
