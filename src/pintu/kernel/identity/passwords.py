"""Passwords: argon2id, in a thread; what may be one, and what it costs to guess."""

from __future__ import annotations

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, select

from pintu.kernel.errors import BadRequestData
from pintu.kernel.identity.people_schema import PASSWORD
from pintu.kernel.tables import put_rows

HASHER: Final = PasswordHasher(
    time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, salt_len=16, type=Type.ID
)
"""OWASP's first recommendation for argon2id (19 MiB, two passes, one lane): some 30 ms here."""

# hashed once at first need: an unknown login costs what a known one does
_NOBODY: list[str] = []
_THREADS: Final = ThreadPoolExecutor(2, thread_name_prefix="argon2")

SHORTEST: Final = 12
LONGEST: Final = 256
COMMONEST: Final = """
123456789012 1234567890123 password1234 password12345 passwordpassword qwertyuiopas qwertyuiop12
qwertyuiop123 1q2w3e4r5t6y 1qaz2wsx3edc 1qazxsw23edc zaq12wsxcde3 administrator administrator1
adminadminadmin admin1234567 welcome12345 letmein12345 iloveyou1234 woaini1314520 woaini123456
5201314520131 123123123123 111111111111 000000000000 888888888888 666666666666 abcd12345678
abcdefghijkl abcdefg12345 a1b2c3d4e5f6 qwerty123456 asdfghjkl123 zxcvbnm12345 1234qwer1234
changeme1234 trustno1trustno1 monkey123456 dragon123456 zhongguo1234 beijing2008 pintu1234567
correcthorsebatterystaple correct-horse-battery-staple password!234 p@ssw0rd1234 p@ssword1234
"""
"""Of the commonest passwords those that are long enough, and well-known examples."""
_COMMON: Final = frozenset(COMMONEST.split())


def plain_password(password: str) -> str:
    """A password as it is hashed: the same signs typed on another keyboard are the same (NFKC)."""
    return unicodedata.normalize("NFKC", password)


def check_password(password: str, *, login: str, name: str) -> None:
    """BadRequestData says what a password lacks: 12 characters or more (a sentence is best), of at
    least five different, neither the login nor the name, not among the commonest."""
    plain = plain_password(password)
    small = plain.casefold()
    if len(plain) < SHORTEST:
        raise BadRequestData(f"A password needs {SHORTEST} characters or more; a sentence is best")
    if len(plain) > LONGEST:
        raise BadRequestData(f"A password has at most {LONGEST} characters")
    if len(set(small)) < 5 or small in _COMMON or "".join(small.split()) in _COMMON:
        raise BadRequestData("This password is one of those that are tried first")
    rest = small
    for known in (login.casefold(), login.partition("@")[0].casefold(), name.casefold()):
        if len(known) > 1:
            rest = rest.replace(known, "")
    if len(rest) < SHORTEST // 2:
        raise BadRequestData("A password may not be made of the login or the name")


async def hashed_password(password: str) -> str:
    """What is kept of a password; computed in a thread."""
    plain = plain_password(password)
    return await asyncio.get_running_loop().run_in_executor(_THREADS, HASHER.hash, plain)


async def matches(password: str, kept: str | None) -> bool:
    """Whether a password is the one kept; takes the same time when there is none."""
    plain = plain_password(password[: LONGEST + 1])
    return await asyncio.get_running_loop().run_in_executor(_THREADS, _matches, plain, kept)


def _matches(plain: str, kept: str | None) -> bool:
    if not _NOBODY:
        _NOBODY.append(HASHER.hash("nobody has this password"))
    try:
        HASHER.verify(kept or _NOBODY[0], plain)
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None


def put_password(connection: Connection, person: str, kept: str, now_us: int) -> None:
    """Keep the hash of somebody's password instead of the one before."""
    put_rows(connection, PASSWORD, [{"person": person, "hash": kept, "changed_us": now_us}])


def kept_password(connection: Connection, person: str) -> str | None:
    """The hash of somebody's password; None without one."""
    return connection.execute(select(PASSWORD.c.hash).where(PASSWORD.c.person == person)).scalar()
