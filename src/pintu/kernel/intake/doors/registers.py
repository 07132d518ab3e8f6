"""A register map as lines of text: which register of a Modbus device is which value; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from pintu.kernel.errors import BadRequestData

Function = Literal["coil", "discrete", "holding", "input"]
LENGTHS: Final = {
    "bool": 1, "int16": 1, "uint16": 1, "int32": 2, "uint32": 2, "float32": 2,
    "int64": 4, "uint64": 4, "float64": 4,
}  # fmt: skip
LONGEST_BLOCK: Final = 100  # registers in one question; the standard allows 125
WIDEST_GAP: Final = 8
_NAME: Final = re.compile(r"[^\s/=]{1,60}")
_REFERENCE: Final = re.compile(r"([0134])(\d{4,5})")
_BY_REFERENCE: Final[dict[str, Function]] = {
    "0": "coil", "1": "discrete", "3": "input", "4": "holding",
}  # fmt: skip
_OF_DEVICE: Final = ("device", "time")
GRAMMAR: Final = (
    "write DEVICE/NAME = holding|input|coil|discrete ADDRESS TYPE [x0.1] [+5] [words=little] "
    "[unit=1] [none=32767], or a reference such as 40001 for function and address"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """One value: where it is kept and how it is read. `address` counts from 0, as on the wire."""

    device: str
    name: str
    function: Function
    address: int
    type: str = "uint16"
    length: int = 1  # registers or bits
    scale: float = 1.0
    offset: float = 0.0
    words: Literal["big", "little"] = "big"
    unit: int = 1
    none: float | None = None  # what the device says when it has no value
    bit: int | None = None  # of a 16-bit register

    @property
    def label(self) -> str:
        """What a person calls it: `pump1/flow (holding 20 of unit 1)`."""
        of = f"{self.device}/{self.name}" if self.device else self.name
        return f"{of} ({self.function} {self.address} of unit {self.unit})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Registers asked for together."""

    function: Function
    unit: int
    address: int
    count: int
    registers: tuple[Register, ...]


def read_register(line: str) -> Register:
    """One line of a register map; BadRequestData says what it should be."""
    left, sign, right = line.partition("=")
    device, slash, name = left.strip().rpartition("/")
    words = right.split()
    if not sign or not words or not _NAME.fullmatch(name) or (slash and not device.strip()):
        raise BadRequestData(f"Register {line[:80]!r} cannot be read: {GRAMMAR}")
    if name in _OF_DEVICE:
        raise BadRequestData(f"Register {line[:80]!r} is called {name!r}, a word of ours")
    try:
        function, address, rest = _place(words)
        told = _Told(function)
        for word in rest:
            told.take(word)
    except ValueError as error:
        raise BadRequestData(f"Register {line[:80]!r}: {error}; {GRAMMAR}") from error
    return Register(
        device=device.strip(),
        name=name,
        function=function,
        address=address,
        type=told.type,
        length=told.length,
        scale=told.scale,
        offset=told.offset,
        words=told.words,
        unit=told.unit,
        none=told.none,
        bit=told.bit,
    )


def blocks_of(registers: list[Register]) -> list[Block]:
    """Registers that lie close together, as few questions as that gives."""
    found: list[Block] = []
    order = sorted(registers, key=lambda one: (one.unit, one.function, one.address, one.length))
    for one in order:
        last = found[-1] if found else None
        same = last is not None and (last.unit, last.function) == (one.unit, one.function)
        if last is not None and same:
            end = max(last.address + last.count, one.address + one.length)
            near = one.address - (last.address + last.count) <= WIDEST_GAP
            if near and end - last.address <= LONGEST_BLOCK:
                found[-1] = Block(
                    function=last.function,
                    unit=last.unit,
                    address=last.address,
                    count=end - last.address,
                    registers=(*last.registers, one),
                )
                continue
        found.append(single(one))
    return found


def single(one: Register) -> Block:
    """A question for one register alone."""
    return Block(
        function=one.function,
        unit=one.unit,
        address=one.address,
        count=one.length,
        registers=(one,),
    )


def _place(words: list[str]) -> tuple[Function, int, list[str]]:
    reference = _REFERENCE.fullmatch(words[0])
    if reference is not None:
        return _BY_REFERENCE[reference[1]], _address(int(reference[2]) - 1), words[1:]
    if words[0] not in _BY_REFERENCE.values() or len(words) < 2:
        raise ValueError(f"{words[0]!r} is neither a function nor a reference")
    function: Function = words[0]  # type: ignore[assignment]
    return function, _address(int(words[1])), words[2:]


def _address(number: int) -> int:
    if not 0 <= number <= 65_535:
        raise ValueError("the address is not between 0 and 65535 (references count from 1)")
    return number


class _Told:
    """What the words after the address say, gathered."""

    def __init__(self, function: Function) -> None:
        self.type = "bool" if function in ("coil", "discrete") else "uint16"
        self.length, self.scale, self.offset, self.unit = 1, 1.0, 0.0, 1
        self.words: Literal["big", "little"] = "big"
        self.none: float | None = None
        self.bit: int | None = None
        self._bits = function in ("coil", "discrete")

    def take(self, word: str) -> None:
        name, sign, value = word.partition("=")
        if sign:
            self._named(name, value)
        elif word[0] == "x":
            self.scale = float(word[1:])
        elif word[0] in "+-":
            self.offset = float(word)
        elif word in LENGTHS and (word == "bool") == self._bits:
            self.type, self.length = word, LENGTHS[word]
        else:
            raise ValueError(f"{word!r} is no type of a {'bit' if self._bits else 'register'}")

    def _named(self, name: str, value: str) -> None:
        if name == "words" and value in ("big", "little"):
            self.words = "little" if value == "little" else "big"
        elif name == "unit" and 0 <= int(value) <= 255:
            self.unit = int(value)
        elif name == "none":
            self.none = float(value)
        elif name == "bit" and 0 <= int(value) <= 15 and not self._bits:
            self.bit = int(value)
        elif name == "text" and 1 <= int(value) <= 60 and not self._bits:
            self.type, self.length = "text", int(value)
        else:
            raise ValueError(f"{name}={value} is not understood")
