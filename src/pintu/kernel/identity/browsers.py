"""Browsers that are signed in: their sessions in memory, and whether one of our pages asks."""

from __future__ import annotations

import secrets

import msgspec
from sqlalchemy import Connection

from pintu.kernel.clock import Clock
from pintu.kernel.errors import Forbidden, ResourceNotFound
from pintu.kernel.identity import sessions
from pintu.kernel.identity.peer import same_origin
from pintu.kernel.identity.schema import SESSION
from pintu.kernel.identity.sessions import SEEN_STEP_US, Opened, Session, find_cookie
from pintu.kernel.identity.tokens import hashed
from pintu.kernel.tables import OpenTables

STRONG_US = 5 * 60_000_000
"""How long a sign-in counts as proof of who sits there, for what asks for it again."""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """Who was recognised and how: what a session is opened with."""

    person: str
    method: str  # password, passkey, oidc, link
    label: str = ""  # which browser
    acting: str = ""  # the organisation chosen


class Browsers:
    """Every session by the hash of its cookie."""

    def __init__(self, tables: OpenTables, clock: Clock, public_url: str = "") -> None:
        self._file, self._clock = tables, clock
        self._public_host = public_url.partition("://")[2].partition("/")[0].encode()
        self._sessions: dict[bytes, Session] = {}

    def read(self, opened: dict[bytes, Session]) -> None:
        """Take over what is in the table now."""
        seen, self._sessions = self._sessions, opened
        for key in opened.keys() & seen.keys():
            opened[key].seen_us = max(opened[key].seen_us, seen[key].seen_us)

    async def open_for_token(self, token_id: str, end_us: int | None) -> Opened:
        """A new session that acts with a token."""
        return await self._open(end_us, token_id=token_id)

    async def open_for_person(
        self, proof: Proof, *, instead: Session | None = None, proved_us: int | None = None
    ) -> Opened:
        """A new session of a person, with a cookie nobody saw before; the one it takes the place
        of ends with it. `proved_us`: when they proved who they are, where that was not now."""
        return await self._open(
            None,
            instead,
            proved_us,
            person=proof.person,
            method=proof.method,
            label=proof.label[:120],
            acting=proof.acting,
        )

    async def _open(
        self,
        end_us: int | None,
        instead: Session | None = None,
        proved_us: int | None = None,
        **of: str | None,
    ) -> Opened:
        now_us = self._clock.now_us()
        cookie = secrets.token_urlsafe(32)
        session = sessions.new_session(hashed(cookie.encode()), now_us, end_us, **of)
        session.strong_us = now_us if proved_us is None else proved_us
        gone = None if instead is None else instead.hash

        def work(connection: Connection) -> None:
            if gone is not None:
                connection.execute(SESSION.delete().where(SESSION.c.hash == gone))
            sessions.insert(connection, session)

        await self._file.run(work)
        if gone is not None:
            self._sessions.pop(gone, None)
        self._sessions[session.hash] = session
        age_s = (session.expires_us - now_us) // 1_000_000
        return Opened(cookie=cookie, csrf=session.csrf, max_age_s=age_s)

    def find(self, headers: dict[bytes, bytes], *, asks: bool = True) -> Session | None:
        """The living session of a request's cookie, or None; being asked keeps it from idling
        out, but for a stream (`asks` False) that nobody may be looking at.
        """
        value = find_cookie(headers.get(b"cookie", b""))
        session = None if value is None else self._sessions.get(hashed(value))
        now_us = self._clock.now_us()
        if session is None or not session.valid(now_us):
            return None
        if asks and now_us - session.seen_us >= SEEN_STEP_US:
            session.seen_us = now_us
            change = SESSION.update().where(SESSION.c.hash == session.hash).values(seen_us=now_us)
            self._file.later(lambda connection: connection.execute(change))
        return session

    def is_strong(self, session: Session | None) -> bool:
        """Whether it was proved within the last minutes who sits there."""
        return session is not None and self._clock.now_us() - session.strong_us < STRONG_US

    async def close(self, session: Session | None) -> None:
        """The cookie opens nothing from now on."""
        if session is not None:
            self._sessions.pop(session.hash, None)
            gone = SESSION.delete().where(SESSION.c.hash == session.hash)
            await self._file.run(lambda connection: connection.execute(gone))

    def of_person(self, person: str) -> list[Session]:
        """The living sessions of somebody, the newest first."""
        now_us = self._clock.now_us()
        found = [one for one in self._sessions.values() if one.person == person]
        return sorted((one for one in found if one.valid(now_us)), key=lambda one: -one.created_us)

    async def end(self, person: str, name: str) -> None:
        """End one session of somebody, by its name in the list; ResourceNotFound."""
        found = next((one for one in self.of_person(person) if one.name == name), None)
        if found is None:
            raise ResourceNotFound("This session has ended already")
        await self.close(found)

    async def end_all(self, person: str, *, but: Session | None = None) -> None:
        """End every session of somebody, in every process; `but` stays."""
        kept = b"" if but is None else but.hash
        where = (SESSION.c.person == person) & (SESSION.c.hash != kept)
        await self._file.run(lambda connection: connection.execute(SESSION.delete().where(where)))
        self._sessions = {
            key: one for key, one in self._sessions.items() if one.person != person or key == kept
        }

    def check_csrf(self, headers: dict[bytes, bytes], sent: str | None = None) -> None:
        """As `Identity.check_csrf` promises."""
        if b"authorization" in headers:
            return
        site = headers.get(b"sec-fetch-site")
        if site not in (None, b"same-origin", b"none"):
            raise Forbidden("Another site's page sent this request")
        origin = headers.get(b"origin") or headers.get(b"referer")
        if origin == b"null" and site == b"same-origin":
            origin = (
                None  # a page with a strict referrer policy hides its name; the browser vouches
            )
        elif origin is not None and not self._ours(origin, headers):
            raise Forbidden("The Origin of this request is not this city's own address")
        session = self.find(headers)
        if session is None:
            return
        if origin is None and site != b"same-origin":
            raise Forbidden("A request with a session needs an Origin or Referer header")
        header = headers.get(b"x-csrf-token")
        if not session.matches(header.decode("latin-1") if header is not None else sent):
            raise Forbidden("The CSRF token is missing or not this session's: load the page again")

    def _ours(self, origin: bytes, headers: dict[bytes, bytes]) -> bool:
        if same_origin(origin, headers.get(b"host", b"")):
            return True
        return bool(self._public_host) and same_origin(origin, self._public_host)
