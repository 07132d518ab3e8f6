"""Identity: from the headers of a request to an Actor, in memory; tokens and sessions behind it in
a table.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from pintu.kernel.access import Actor
from pintu.kernel.clock import CityClock, Clock
from pintu.kernel.errors import (
    BadRequestData,
    ConfigurationError,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from pintu.kernel.identity import sessions, tokens
from pintu.kernel.identity.attempts import FailedAttempts
from pintu.kernel.identity.browsers import Browsers, Proof
from pintu.kernel.identity.gate import ThinGate
from pintu.kernel.identity.peer import TrustedProxies, is_local
from pintu.kernel.identity.people import People
from pintu.kernel.identity.schema import LINK, TABLES, TOKEN
from pintu.kernel.identity.sessions import LINK_US, Opened, Session
from pintu.kernel.identity.tokens import HOUR_US, Token, hashed
from pintu.kernel.tables import CityTables

log = logging.getLogger("pintu.identity")

ANONYMOUS = Actor(id="anonymous", kind="anonymous")
ANONYMOUS_LOCAL = Actor(id="anonymous", kind="anonymous", local=True)
LOOK_US = 200_000  # how often we look whether another process (the command line) changed the table
REMEMBERED = 4096


def _no_brokers(name: str) -> bool:
    return False


class Identity:
    """Knows every token and session in memory; `actor` never waits for a disk."""

    def __init__(
        self,
        tables: CityTables,
        clock: Clock,
        *,
        open_access: bool = False,
        demo_tenant: str | None = "demo",
        trusted_proxies: tuple[str, ...] = (),
        public_url: str = "",
        people: People | None = None,
    ) -> None:
        """Raises ConfigurationError for a trusted proxy that is no address or network."""
        self._clock = CityClock() if getattr(clock, "rate", 1.0) != 1.0 else clock
        self._file = tables.register(TABLES)
        self.gate = ThinGate(open_access=open_access, demo_tenant=demo_tenant)
        try:
            self._proxies = TrustedProxies(trusted_proxies)
        except ValueError as error:
            raise ConfigurationError([f"trusted_proxies: {error}"]) from error
        self.people = people or People(tables, clock)
        self.browsers = Browsers(self._file, self._clock, public_url)
        self._failures = FailedAttempts()
        self._tokens: dict[bytes, Token] = {}
        self._by_id: dict[str, Token] = {}
        # raw Authorization header → (until, its token, actor elsewhere, actor on this machine)
        self._known: dict[bytes, tuple[int, Token, Actor, Actor]] = {}
        self.brokers: Callable[[str], bool] = _no_brokers
        """Names in a Via header of sources that are registered here."""
        self._version = -1
        self._look_at_us = 0
        now_us = self._clock.now_us()
        self._file.run_now(lambda connection: sessions.drop_ended(connection, now_us))
        self._look(now_us)

    # --- at every door --------------------------------------------------------------------------
    def actor(self, headers: dict[bytes, bytes], peer: str, *, asks: bool = True) -> Actor:
        """Who asks: a bearer token, else a session cookie, else nobody in particular.

        Header names are lower case. Raises Unauthorized for a token nobody knows, that was revoked
        or is
        past its end, TooManyRequests (with `retryAfter`) when one address keeps showing such. An
        ended
        session is nobody in particular: its browser must be able to see the page to sign in.
        """
        now_us = self._clock.now_us()
        if now_us >= self._look_at_us:
            self._look(now_us)
        raw = headers.get(b"authorization")
        if raw is not None:
            known = self._known.get(raw)
            if known is None or now_us >= known[0]:
                known = self._recognise(raw, now_us, self._proxies.caller(headers, peer))
            local = is_local(headers, peer, self.brokers)
            return known[3] if local else known[2]
        if b"cookie" in headers:
            session = self.browsers.find(headers, asks=asks)
            local = is_local(headers, peer, self.brokers)
            found = None if session is None else self._of(session, local, now_us)
            if found is not None:
                return found
        return ANONYMOUS_LOCAL if is_local(headers, peer, self.brokers) else ANONYMOUS

    def _of(self, session: Session, local: bool, now_us: int) -> Actor | None:
        if session.person:
            return self.people.actor(session.person, session.acting, local)
        token = self._by_id.get(session.token_id or "")
        return token.actor(local) if token is not None and token.valid(now_us) else None

    def standing(self, actor: Actor) -> Actor | None:
        """Who somebody that asked for something lasting is today, with the grants and roles of
        today; None when their token ended, their account is closed, or they left the organisation
        they asked for.
        """
        now_us = self._clock.now_us()
        if now_us >= self._look_at_us:
            self._look(now_us)
        if actor.person:
            found = self.people.actor(actor.person, actor.organisation, actor.local)
            return found if found and found.organisation == actor.organisation else None
        if actor.kind == "anonymous":
            return actor
        token = self._by_id.get(actor.id.removeprefix("token:"))
        return token.actor(actor.local) if token is not None and token.valid(now_us) else None

    def caller(self, headers: dict[bytes, bytes], peer: str) -> str:
        """The address that asks, as trusted proxies tell."""
        return self._proxies.caller(headers, peer)

    def recall(self, raw: bytes | None, local: bool) -> Actor | None:
        """`actor` again, for an Authorization header it recognised before (None: there was none)
        and no cookie; `local` as `is_local` said. None when it has to be recognised anew.
        """
        if raw is None:
            return ANONYMOUS_LOCAL if local else ANONYMOUS
        now_us = self._clock.now_us()
        if now_us >= self._look_at_us:
            self._look(now_us)
        known = self._known.get(raw)
        if known is None or now_us >= known[0]:
            return None
        return known[3] if local else known[2]

    def _recognise(self, raw: bytes, now_us: int, caller: str) -> tuple[int, Token, Actor, Actor]:
        scheme, _, secret = raw.strip().partition(b" ")
        if scheme.lower() != b"bearer" or not secret or len(secret) > 512:
            raise Unauthorized("Authorization is not of the form 'Bearer TOKEN'")
        token_hash = hashed(secret.strip())
        token = self._tokens.get(token_hash)
        if token is None:
            self._look(now_us)  # made a moment ago on the command line, perhaps
            token = self._tokens.get(token_hash)
        if token is None or not token.valid(now_us) or not token.takes(token_hash, now_us):
            wait_s = self._failures.record(caller, now_us)
            if wait_s:
                raise TooManyRequests(
                    f"Too many unknown tokens from {caller}", retryAfter=max(1, round(wait_s))
                )
            ended = token is not None and token.revoked_us is None
            raise Unauthorized("This token has expired" if ended else "Nobody knows this token")
        self._used(token, now_us)
        until_us = min(token.expires_us or now_us + HOUR_US, now_us - now_us % HOUR_US + HOUR_US)
        if token_hash != token.hash:
            until_us = min(until_us, token.old_until_us or 0)
        known = (until_us, token, token.actor(False), token.actor(True))
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[raw] = known
        return known

    def _used(self, token: Token, now_us: int) -> None:
        hour_us = now_us - now_us % HOUR_US
        if (token.last_used_us or 0) < hour_us:
            change = TOKEN.update().where(TOKEN.c.id == token.id).values(last_used_us=hour_us)
            self._file.later(lambda connection: connection.execute(change))

    def _look(self, now_us: int, *, always: bool = False) -> None:
        """Read the tables again if anybody changed them; costs microseconds when nobody did.

        While a server is away what was read last holds: nobody can be revoked meanwhile.
        """
        self._look_at_us = now_us + LOOK_US
        self.people.look()
        version = self._file.data_version()
        if version == self._version and not always:
            return
        try:
            known, opened = self._file.read_now(lambda c: (tokens.load(c), sessions.load(c)))
        except Unavailable:
            if self._version == -1:  # nothing was ever read
                raise
            return
        self._version = version
        self._tokens = known
        self._by_id = {token.id: token for token in self._tokens.values()}
        self.browsers.read(opened)
        self._known.clear()

    # --- tokens ---------------------------------------------------------------------------------
    async def create_token(
        self,
        name: str,
        grants: Iterable[str],
        *,
        kind: str = "service",
        expires_us: int | None = None,
        organisation: str = "",
    ) -> tuple[str, Token]:
        """Make a token, of a service of an organisation when that is told; its text is in the
        answer and nowhere else. BadRequestData names what is wrong.
        """
        secret, token = self._new(name, frozenset(grants), kind, expires_us, tokens.new_secret())
        if organisation:
            if self.people.find_organisation(organisation) is None:
                raise BadRequestData(f"Organisation {organisation[:80]!r} does not exist")
            token = replace(token, organisation=organisation)
        await self._file.run(lambda connection: tokens.insert(connection, token))
        self._look(self._clock.now_us(), always=True)
        return secret, token

    async def rotate_token(self, id: str, *, keep_hours: float = 24) -> str:
        """Another text for a token, told once; the one before stays good for `keep_hours` (up to
        30 days, 0: not at all). ResourceNotFound for one that has ended.
        """
        if not 0 <= keep_hours <= 720:
            raise BadRequestData("The text before a rotation stays good for 0 to 720 hours")
        now_us, secret = self._clock.now_us(), tokens.new_secret()
        times = (now_us, now_us + int(keep_hours * HOUR_US))
        await self._file.run(lambda c: tokens.rotate(c, id, hashed(secret.encode()), times))
        self._look(now_us, always=True)
        return secret

    def list_tokens(self) -> list[Token]:
        """Every token, revoked ones too, oldest first."""
        self._look(self._clock.now_us())
        return sorted(self._by_id.values(), key=lambda token: (token.created_us, token.id))

    async def revoke_token(self, id: str) -> None:
        """End a token and its sessions: here at once, in another process of the city within 0.2
        s.
        """
        now_us = self._clock.now_us()
        await self._file.run(lambda connection: tokens.revoke(connection, id, now_us))
        self._look(now_us, always=True)

    def name_of(self, actor_id: str) -> str:
        """What to call `token:ID` or `person:ID` on a page; other actors by their id."""
        token = self._by_id.get(actor_id.removeprefix("token:"))
        return self.people.name_of(actor_id) if token is None else token.name

    def ensure_admin(self, path: Path) -> str | None:
        """Make the administrator's token on the first start.

        Writes it to `path` (0600, whole or not at all) and returns it to be printed once; None when
        there
        is an administrator already. A token an operator put into `path` beforehand is taken over
        instead.
        """
        now_us = self._clock.now_us()
        given = tokens.read_private(path)
        if given is not None and hashed(given.encode()) not in self._tokens:
            _, token = self._new("administrator", frozenset({"admin"}), "person", None, given)
            self._file.run_now(lambda connection: tokens.insert(connection, token))
            self._look(now_us, always=True)
            return None
        if any("admin" in token.grants and token.valid(now_us) for token in self._by_id.values()):
            return None
        secret, token = self._new(
            "administrator", frozenset({"admin"}), "person", None, tokens.new_secret()
        )
        # The file first: a token in the table that nobody ever saw would lock everybody out.
        tokens.write_private(path, secret)
        self._file.run_now(lambda connection: tokens.insert(connection, token))
        self._look(now_us, always=True)
        return secret

    def _new(
        self, name: str, grants: frozenset[str], kind: str, expires_us: int | None, secret: str
    ) -> tuple[str, Token]:
        tokens.checked(name, grants, kind)
        token = Token(
            id=secrets.token_hex(6),
            name=name,
            kind=kind,
            grants=grants,
            created_us=self._clock.now_us(),
            expires_us=expires_us,
            hash=hashed(secret.encode()),
        )
        return secret, token

    # --- sessions -------------------------------------------------------------------------------
    async def open_session(self, secret: str, *, peer: str = "") -> Opened:
        """Open a browser session with a token; Unauthorized or TooManyRequests as in `actor`."""
        now_us = self._clock.now_us()
        _, token, _, _ = self._recognise(b"Bearer " + secret.strip().encode(), now_us, peer)
        return await self.browsers.open_for_token(token.id, token.expires_us)

    async def create_sign_in_link(self, token_id: str) -> str:
        """A code that opens one session as that token, once, within a quarter of an hour."""
        code = secrets.token_urlsafe(32)
        expires_us = self._clock.now_us() + LINK_US
        row = LINK.insert().values(
            hash=hashed(code.encode()), token_id=token_id, expires_us=expires_us
        )
        await self._file.run(lambda connection: connection.execute(row))
        return code

    async def open_session_by_link(self, code: str, *, peer: str = "") -> Opened:
        """Use up a sign-in link; Unauthorized when it is unknown, used or too old."""
        now_us = self._clock.now_us()
        link_hash = hashed(code.encode()[:512])
        token_id = await self._file.run(
            lambda connection: sessions.take_link(connection, link_hash, now_us)
        )
        token = self._by_id.get(token_id or "")
        if token is None or not token.valid(now_us):
            wait_s = self._failures.record(peer, now_us)
            if wait_s:
                raise TooManyRequests(
                    f"Too many unknown links from {peer}", retryAfter=max(1, round(wait_s))
                )
            raise Unauthorized("This sign-in link is unknown, used or older than 15 minutes")
        return await self.browsers.open_for_token(token.id, token.expires_us)

    async def open_for_person(self, proof: Proof, headers: dict[bytes, bytes]) -> Opened:
        """Open a session of a person whom `SignIn` recognised, with a new cookie; the session the
        browser had before ends, so that a cookie planted beforehand opens nothing. Unauthorized
        for an account that is disabled.
        """
        person = self.people.find_person(proof.person)
        if person is None or person.disabled:
            raise Unauthorized("This account cannot be used")
        return await self.browsers.open_for_person(proof, instead=self.find_session(headers))

    def find_session(self, headers: dict[bytes, bytes]) -> Session | None:
        """The living session of a request's cookie, or None; being asked keeps it from idling
        out.
        """
        return self.browsers.find(headers)

    async def close_session(self, headers: dict[bytes, bytes]) -> None:
        """Sign out: the cookie opens nothing from now on. No session: nothing happens."""
        await self.browsers.close(self.find_session(headers))

    def check_csrf(self, headers: dict[bytes, bytes], sent: str | None = None) -> None:
        """Before an unsafe method: make sure one of our own pages sent it; Forbidden says what is
        missing.

        A request with an Authorization header needs nothing (no browser adds one by itself). With a
        session the Origin (or Referer) must be ours, and the CSRF token must come in
        `X-CSRF-Token` or as `sent` (a form field). Without either, only the origin is checked.
        """
        self.browsers.check_csrf(headers, sent)
