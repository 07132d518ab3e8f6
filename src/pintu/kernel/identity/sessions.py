"""Browser sessions: opened with a token, carried by a cookie, guarded against other sites'
requests.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.identity.schema import LINK, SESSION

COOKIE = "pintu_session"
IDLE_US = 12 * 3_600_000_000
ABSOLUTE_US = 7 * 24 * 3_600_000_000
LINK_US = 15 * 60_000_000
SEEN_STEP_US = 60_000_000  # how coarsely the idle time is written down
MAX_SESSIONS = 10_000


@dataclass(slots=True, kw_only=True)
class Session:
    """One signed-in browser; `seen_us` moves, everything else stays."""

    hash: bytes
    token_id: str | None
    csrf: str
    created_us: int
    seen_us: int
    expires_us: int
    person: str = ""
    acting: str = ""
    method: str = "token"
    strong_us: int = 0
    label: str = ""

    @property
    def name(self) -> str:
        """What it is called in a list: nobody can make a cookie from it."""
        return self.hash.hex()[:16]

    def valid(self, now_us: int) -> bool:
        """True within the idle and the absolute time."""
        return now_us < self.expires_us and now_us - self.seen_us < IDLE_US

    def matches(self, sent: str | None) -> bool:
        """Whether a form or header carries this session's CSRF token; takes the same time either
        way.
        """
        return sent is not None and hmac.compare_digest(self.csrf.encode(), sent.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A session just opened: the cookie's value (shown once) and the CSRF token of its pages."""

    cookie: str
    csrf: str
    max_age_s: int

    def __iter__(self):  # type: ignore[no-untyped-def]
        """`cookie, csrf = identity.open_session(token)`."""
        return iter((self.cookie, self.csrf))

    def header(self, *, secure: bool) -> bytes:
        """The Set-Cookie header's value: HttpOnly, SameSite=Strict, Secure over TLS."""
        return _cookie(self.cookie, self.max_age_s, secure)


def ended_header(*, secure: bool) -> bytes:
    """The Set-Cookie header's value that makes a browser forget its session."""
    return _cookie("", 0, secure)


def _cookie(value: str, max_age_s: int, secure: bool) -> bytes:
    end = "; Secure" if secure else ""
    text = f"{COOKIE}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{end}"
    return text.encode()


def find_cookie(header: bytes) -> bytes | None:
    """The value of our cookie in a Cookie header; None without one, or when it comes twice."""
    found: bytes | None = None
    for part in header.split(b";", 50):
        name, _, value = part.strip().partition(b"=")
        if name == COOKIE.encode():
            if found is not None:
                return None
            found = value
    return found or None


def new_session(secret_hash: bytes, now_us: int, end_us: int | None, **of: str | None) -> Session:
    """A session of a token (`token_id`) or a `person`; it ends with its token at the latest."""
    return Session(
        hash=secret_hash,
        csrf=secrets.token_urlsafe(32),
        created_us=now_us,
        seen_us=now_us,
        strong_us=now_us,
        expires_us=min(now_us + ABSOLUTE_US, end_us or now_us + ABSOLUTE_US),
        **{"token_id": None, **of},  # type: ignore[arg-type]
    )


def load(connection: Connection) -> dict[bytes, Session]:
    """Every session by its hash; whether one is still good, `valid` says."""
    return {
        row["hash"]: Session(**row) for row in connection.execute(sa.select(SESSION)).mappings()
    }


def drop_ended(connection: Connection, now_us: int) -> None:
    """Forget sessions and links that are over."""
    idle = SESSION.c.seen_us <= now_us - IDLE_US
    connection.execute(SESSION.delete().where(sa.or_(SESSION.c.expires_us <= now_us, idle)))
    connection.execute(LINK.delete().where(LINK.c.expires_us <= now_us))


def insert(connection: Connection, session: Session) -> None:
    """Keep a session; the oldest goes when there are too many."""
    count = connection.execute(sa.select(sa.func.count()).select_from(SESSION)).scalar_one()
    if count >= MAX_SESSIONS:
        oldest = (
            sa.select(SESSION.c.hash).order_by(SESSION.c.seen_us).limit(count - MAX_SESSIONS + 1)
        )
        connection.execute(SESSION.delete().where(SESSION.c.hash.in_(oldest)))
    connection.execute(
        SESSION.insert().values(**{c.name: getattr(session, c.name) for c in SESSION.columns})
    )


def take_link(connection: Connection, link_hash: bytes, now_us: int) -> str | None:
    """The token id of a sign-in link, which is then used up."""
    row = connection.execute(
        sa.select(LINK.c.token_id).where(LINK.c.hash == link_hash, LINK.c.expires_us > now_us)
    ).first()
    connection.execute(LINK.delete().where(LINK.c.hash == link_hash))
    return None if row is None else str(row[0])
