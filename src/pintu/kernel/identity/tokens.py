"""Tokens: 256 random bits each, shown once, kept as a hash, with a name, grants and an end."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.access import Actor
from pintu.kernel.errors import BadRequestData, ConfigurationError, DiskFull, ResourceNotFound
from pintu.kernel.identity.schema import SESSION, TOKEN

HOUR_US = 3_600_000_000
PREFIX = "pintu_"
GRANT = re.compile(
    r"admin|\*|(?:read|write|command|register|operate):(?:\*|[A-Za-z0-9_.-]{1,64})"
    r"|push:[a-z][a-z0-9_]{0,63}"
)
KINDS = ("person", "device", "service", "piece")
MAX_TOKENS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What is known of a token; the token itself is not."""

    id: str
    name: str
    kind: str
    grants: frozenset[str]
    created_us: int
    expires_us: int | None = None
    last_used_us: int | None = None  # to the hour
    revoked_us: int | None = None
    hash: bytes = b""
    organisation: str = ""  # in whose name a service acts; it has no roles there
    old_hash: bytes | None = None  # of the text before a rotation, good until `old_until_us`
    old_until_us: int | None = None

    def valid(self, now_us: int) -> bool:
        """True when it is neither revoked nor past its end."""
        return self.revoked_us is None and (self.expires_us is None or now_us < self.expires_us)

    def takes(self, shown: bytes, now_us: int) -> bool:
        """Whether the text of that hash is good: the newest, or the one before for a while."""
        return shown == self.hash or now_us < (self.old_until_us or 0)

    def actor(self, local: bool) -> Actor:
        """Who acts with this token."""
        return Actor(
            id=f"token:{self.id}",
            kind=self.kind,
            grants=self.grants,
            local=local,
            organisation=self.organisation,
        )


def hashed(secret: bytes) -> bytes:
    """SHA-256: 256 random bits need no slow hash, and every request must afford it."""
    return hashlib.sha256(secret).digest()


def new_secret() -> str:
    """A token's text: prefix and 256 bits of the operating system's randomness."""
    return PREFIX + secrets.token_urlsafe(32)


def checked(name: str, grants: frozenset[str], kind: str) -> None:
    """Raise BadRequestData naming everything that is wrong with a token to be made."""
    wrong = [f"grant {grant!r}" for grant in sorted(grants) if not GRANT.fullmatch(grant)]
    if not 1 <= len(name) <= 100 or not name.isprintable():
        wrong.append("a name needs 1 to 100 printable characters")
    if kind not in KINDS:
        wrong.append(f"kind {kind!r} is not one of {', '.join(KINDS)}")
    if not grants or len(grants) > 100:
        wrong.append("a token needs 1 to 100 grants")
    if wrong:
        raise BadRequestData(
            "A token cannot be made: "
            + "; ".join(wrong)
            + " (grants are admin, read:TENANT, write:TENANT, command:TENANT, register:TENANT, "
            "operate:TENANT, push:SOURCE, or *)"
        )


def load(connection: Connection) -> dict[bytes, Token]:
    """Every token by its hash, and by the one before a rotation."""
    found = {}
    for row in connection.execute(sa.select(TOKEN)).mappings():
        token = Token(**{**row, "grants": frozenset(json.loads(row["grants"]))})
        found[token.hash] = token
        if token.old_hash is not None:
            found.setdefault(token.old_hash, token)
    return found


def insert(connection: Connection, token: Token) -> None:
    """Keep a token; raises BadRequestData when there are too many."""
    if connection.execute(sa.select(sa.func.count()).select_from(TOKEN)).scalar_one() >= MAX_TOKENS:
        raise BadRequestData(f"There are {MAX_TOKENS} tokens already: revoke and drop some")
    connection.execute(
        TOKEN.insert().values(
            id=token.id,
            hash=token.hash,
            name=token.name,
            kind=token.kind,
            grants=json.dumps(sorted(token.grants)),
            created_us=token.created_us,
            expires_us=token.expires_us,
            organisation=token.organisation,
        )
    )


def rotate(connection: Connection, id: str, new_hash: bytes, times: tuple[int, int]) -> None:
    """Another text for a token; the one before stays good until the second of `times` (now,
    then). ResourceNotFound when there is none, or it has ended."""
    now_us, until_us = times
    found = connection.execute(sa.select(TOKEN.c.hash).where(
        TOKEN.c.id == id,
        TOKEN.c.revoked_us.is_(None),
        sa.or_(TOKEN.c.expires_us.is_(None), TOKEN.c.expires_us > now_us),
    )).first()  # fmt: skip
    if found is None:
        raise ResourceNotFound(f"Token {id!r} does not exist or has ended")
    change = TOKEN.update().where(TOKEN.c.id == id)
    connection.execute(change.values(hash=new_hash, old_hash=found.hash, old_until_us=until_us))


def revoke(connection: Connection, id: str, now_us: int) -> None:
    """End a token and every session opened with it; ResourceNotFound when there is none."""
    done = connection.execute(
        TOKEN.update()
        .where(TOKEN.c.id == id, TOKEN.c.revoked_us.is_(None))
        .values(revoked_us=now_us)
    )
    if done.rowcount == 0:
        raise ResourceNotFound(f"Token {id!r} does not exist or is revoked already")
    connection.execute(SESSION.delete().where(SESSION.c.token_id == id))


def write_private(path: Path, text: str) -> None:
    """Write a file only its owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise DiskFull(f"Token file {path} cannot be written: {error.strerror}") from error


def read_private(path: Path) -> str | None:
    """The token an operator put into a file beforehand; None without a file, ConfigurationError
    when weak.
    """
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"Token file {path} cannot be read: {error}"]) from error
    if len(text) < 32 or not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigurationError(
            [f"Token file {path} must hold one token of at least 32 characters"]
        )
    return text
