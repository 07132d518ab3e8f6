"""HJ 212-2017 as a station's logger writes and reads it, put down once more beside the platform's
own: a mistake in one of the two shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

BEIJING = timedelta(hours=8)
LARGEST = 1024


def crc(data: bytes) -> int:
    """Appendix A: the register's high byte is added to the next byte, the low one is dropped."""
    register = 0xFFFF
    for byte in data:
        register = (register >> 8) ^ byte
        for _ in range(8):
            register = (register >> 1) ^ (0xA001 if register & 1 else 0)
    return register


@dataclass(frozen=True, slots=True)
class Told:
    """What the platform sent: the fields before CP, and the items in it."""

    fields: dict[str, str]
    items: dict[str, str]


@dataclass(frozen=True, slots=True)
class Logger:
    """Who speaks: a station's code, password and kind (22: ambient air)."""

    mn: str
    password: str
    kind: str = "22"

    def data(
        self, command: str, qn: str, *, time: str, factors: dict[str, dict[str, str]]
    ) -> bytes:
        """A frame of data that wants an answer (Flag 5)."""
        groups = [f"DataTime={time}"]
        for code, parts in factors.items():
            groups.append(",".join(f"{code}-{name}={value}" for name, value in parts.items()))
        return self._frame(command, qn, ";".join(groups), kind=self.kind, flag=5)

    def answer(self, command: str, qn: str, items: str) -> bytes:
        """An answer to the platform's request: 9011, 9012, or what it asked for."""
        kind = "91" if command.startswith("9") else self.kind
        return self._frame(command, qn, items, kind=kind, flag=4)

    def _frame(self, command: str, qn: str, items: str, *, kind: str, flag: int) -> bytes:
        text = (
            f"QN={qn};ST={kind};CN={command};PW={self.password};MN={self.mn};Flag={flag};"
            f"CP=&&{items}&&"
        )
        data = text.encode("ascii")
        if len(data) > LARGEST:
            raise ValueError(f"a frame of {len(data)} bytes of data")
        return b"##%04d%s%04X\r\n" % (len(data), data, crc(data))


class Ear:
    """Cuts what the platform sends into frames; what is damaged is skipped, the platform asks
    again."""

    def __init__(self) -> None:
        self._heard = b""

    def hear(self, chunk: bytes) -> list[Told]:
        """The frames that are whole by now."""
        self._heard += chunk
        found: list[Told] = []
        while True:
            at = self._heard.find(b"##")
            if at < 0 or len(self._heard) < at + 6:
                self._heard = self._heard[at:] if at >= 0 else self._heard[-1:]
                return found
            self._heard = self._heard[at:]
            digits = self._heard[2:6]
            if not digits.isdigit() or int(digits) > LARGEST:
                self._heard = self._heard[2:]
                continue
            end = 6 + int(digits)
            if len(self._heard) < end + 6:
                return found
            data, sum_found = self._heard[6:end], self._heard[end : end + 4]
            sound = sum_found == b"%04X" % crc(data)
            self._heard = self._heard[end + 6 if sound else 2 :]
            if sound:
                found.append(_read(data))


def _read(data: bytes) -> Told:
    head, _, rest = data.decode("ascii", "replace").partition("CP=&&")
    items = rest.removesuffix("&&").replace(",", ";").split(";")
    return Told(
        dict(one.split("=", 1) for one in head.split(";") if "=" in one),
        dict(one.split("=", 1) for one in items if "=" in one),
    )


def stamp(at_s: float, *, millis: bool = False) -> str:
    """City seconds as a station writes them: Beijing time, YYYYMMDDhhmmss[zzz]."""
    moment = datetime.fromtimestamp(at_s, UTC) + BEIJING
    text = moment.strftime("%Y%m%d%H%M%S")
    return text + f"{moment.microsecond // 1000:03d}" if millis else text


def seconds(text: str) -> float:
    """The other way; ValueError when it is no time."""
    moment = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return (moment - BEIJING).timestamp()
