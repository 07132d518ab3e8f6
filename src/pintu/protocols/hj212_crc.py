"""The checksum of HJ 212, appendix A, which has only 256 values: the register's low byte is thrown
away at each step."""

from __future__ import annotations


def _tables() -> tuple[tuple[int, ...], dict[int, bytes]]:
    steps = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
        steps.append(value)
    powers = {1: bytes(one >> 8 for one in steps)}
    while max(powers) < 8192:
        most = max(powers)
        powers[most * 2] = powers[most].translate(powers[most])
    return tuple(steps), powers


_STEPS, _POWERS = _tables()
_FEW = 16


def crc16(data: bytes) -> str:
    """The CRC of appendix A (register FFFF, polynomial A001, the register's high byte alone goes
    on) as four hex digits.

    One step maps the byte x to M·x, which is linear. So the first half of a row of n bytes, mapped
    by M to the power n/2, can be added to the second half, which halves the row at C's speed; the
    last few bytes go step by step.
    """
    if not data:
        return "FFFF"
    width = max(_FEW, 1 << (len(data) - 1).bit_length())
    row = (bytes((data[0] ^ 0xFF,)) + data[1:]).rjust(width, b"\0")
    while width > _FEW:
        width >>= 1
        first = int.from_bytes(row[:width].translate(_POWERS[width]), "big")
        row = (first ^ int.from_bytes(row[width:], "big")).to_bytes(width, "big")
    step, high = _POWERS[1], 0
    for byte in row:
        high = step[high] ^ byte
    return f"{_STEPS[high]:04X}"
