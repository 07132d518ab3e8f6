"""Asking context sources: one door for every forwarded request, with its loop guard, time-out, rest
after failures, kept answers and health.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from pintu.kernel.calling import Ask, Caller, Reply, kind_of
from pintu.kernel.clock import Clock
from pintu.kernel.errors import Forbidden, PintuError, TooLarge, Unavailable
from pintu.kernel.federation.forwarding import (
    Answer,
    Came,
    Failed,
    Pairs,
    Question,
    looped,
    onward_headers,
    url_of,
)
from pintu.kernel.federation.health import Health, Healths
from pintu.kernel.federation.kept_answers import KeptAnswers, Key

if TYPE_CHECKING:
    from pintu.kernel.federation.words import Registration

TIMEOUT_S: Final = 5.0
MOST_TIMEOUT_S: Final = 60.0
SLOW: Final = 3
MOST_REST_S: Final = 10.0
"""A source that failed is asked again at once, unless its registration says otherwise; one that let
us wait in vain this often in a row rests a second, then twice as long each time, up to this."""
MOST_BODY: Final = 16 * 1024 * 1024
AT_ONCE: Final = 64
"""Requests to one source under way; more wait their turn within their time."""

_MOST_TURNS: Final = 1000

Sign = Callable[["Registration", str, str, Pairs, bytes], Awaitable[Pairs]]
"""(registration, method, url, headers, body) → headers to add for a joined node."""


class Sources:
    """Every context source this broker forwards to."""

    def __init__(self, caller: Caller, clock: Clock, *, sign: Sign | None = None) -> None:
        self._caller, self._clock, self.sign = caller, clock, sign
        self.healths = Healths()
        self.kept = KeptAnswers()
        self._turns: dict[str, asyncio.Semaphore] = {}

    async def ask(
        self, registration: Registration, question: Question, came: Came
    ) -> Answer | Failed:
        """Ask one source. Never raises: what goes wrong is a `Failed`.

        An `Answer` is 2xx or 404; every other status is `Failed("refused")` with its words.
        """
        if looped(registration, came):
            return Failed("loop", f"{registration.id} leads back to where the request has been")
        headers = onward_headers(registration, question, came)
        key: Key | None = None
        now_us = self._clock.now_us()
        health = self.healths.of(registration.tenant, registration.id)
        cache_s = registration.management.cache_s
        if cache_s and _reads(question):
            key = _key(registration, question, headers)
            kept = self.kept.fresh(key, now_us)
            if kept is not None:
                health.from_cache += 1
                return kept
        if health.rests_until_us > now_us:
            failed = Failed("cooling", f"{registration.id} is left alone after it failed")
        else:
            found = await self._asked(registration, question, headers, health)
            if isinstance(found, Answer):
                if key is not None and cache_s and found.status == 200:
                    until = self._clock.now_us() + int(cache_s * 1e6)
                    self.kept.keep(key, found, until)
                elif not _reads(question):
                    self.kept.forget(registration.tenant, registration.id)
                return found
            failed = found
            if _said_no(failed):
                return failed  # what it told before is not told against its will
        stale = self.kept.stale(key, now_us) if key is not None else None
        return stale or failed

    def forget(self, tenant: str, id: str) -> None:
        """A registration is gone or changed: nothing is remembered of its source."""
        self.healths.forget(tenant, id)
        self.kept.forget(tenant, id)

    def health(self, tenant: str, id: str) -> Health | None:
        """How a source is doing; None when it was never asked."""
        return self.healths.find(tenant, id)

    async def _asked(
        self, registration: Registration, question: Question, headers: Pairs, health: Health
    ) -> Answer | Failed:
        health.asked += 1
        health.last_question = f"{question.method} {question.path.partition('/')[0]}"
        timeout_s = min(registration.management.timeout_s or TIMEOUT_S, MOST_TIMEOUT_S)
        began = time.perf_counter()
        try:
            reply = await self._call(registration, question, headers, timeout_s)
        except PintuError as error:
            failed = _failure(registration, error)
            waited = kind_of(error) == "timeout"
        else:
            answer = _answer(registration, reply)
            if isinstance(answer, Answer) or answer.kind == "loop":
                took_ms = (time.perf_counter() - began) * 1000
                health.worked(self._clock.now_us(), took_ms)
                return answer
            if _said_no(answer):
                health.broke(self._clock.now_us(), answer.detail, 0)
                return answer
            failed, waited = answer, False
        rest_s = registration.management.cooldown_s
        if rest_s is None:
            again = health.in_a_row + 1 - SLOW
            rest_s = min(2.0 ** min(again, 10), MOST_REST_S) if waited and again >= 0 else 0.0
        health.broke(self._clock.now_us(), failed.detail, int(rest_s * 1e6))
        return failed

    async def _call(
        self, registration: Registration, question: Question, headers: Pairs, timeout_s: float
    ) -> Reply:
        url = url_of(registration, question)
        turns = self._turns_of(registration.endpoint)
        try:
            async with asyncio.timeout(timeout_s):
                async with turns:
                    if self.sign is not None and registration.node:
                        method, body = question.method, question.body
                        headers += await self.sign(registration, method, url, headers, body)
                    return await self._caller.call(
                        Ask(
                            method=question.method,
                            url=url,
                            headers=tuple((_text(key), _text(value)) for key, value in headers),
                            body=question.body,
                            timeout_s=timeout_s,
                            limit=MOST_BODY,
                        )
                    )
        except TimeoutError as error:
            raise Unavailable(f"no answer within {timeout_s:g} s", kind="timeout") from error

    def _turns_of(self, endpoint: str) -> asyncio.Semaphore:
        found = self._turns.get(endpoint)
        if found is None:
            if len(self._turns) > _MOST_TURNS:
                self._turns = {key: one for key, one in self._turns.items() if one.locked()}
            found = self._turns[endpoint] = asyncio.Semaphore(AT_ONCE)
        return found


_BUSY: Final = frozenset((408, 425, 429))


def _said_no(failed: Failed) -> bool:
    """Whether a source is well and refuses this one request: the mistake of one caller starts no
    rest for all others (5.2.34 speaks of requests that failed, not of answers)."""
    return failed.kind == "refused" and 400 <= failed.status < 500 and failed.status not in _BUSY


def _text(part: bytes) -> str:
    return part.decode("latin-1")


def _reads(question: Question) -> bool:
    return question.method == "GET" or question.path.startswith("entityOperations/query")


def _key(registration: Registration, question: Question, headers: Pairs) -> Key:
    """What must be the same for an answer to be the same; the way a request came is not."""
    told = tuple(pair for pair in headers if pair[0] != b"Via")
    return (
        registration.tenant, registration.id, registration.modified_us, question.method,
        question.path, question.query, question.body, told,
    )  # fmt: skip


def _answer(registration: Registration, reply: Reply) -> Answer | Failed:
    told = reply.headers.get("ngsild-tenant")
    if told is not None and told != registration.source_tenant:
        # it answers of somebody else's things: a proxy that mixes connections up, or worse
        return Failed("invalid", f"{registration.id} answered for tenant {told[:100]!r}")
    if 200 <= reply.status < 300 or reply.status == 404:
        return Answer(reply.status, reply.headers, reply.body)
    if reply.status == 508:
        return Failed("loop", f"{registration.id} found a loop", 508, reply.body)
    detail = f"{registration.id} answered {reply.status}"
    return Failed("refused", detail, reply.status, reply.body)


def _failure(registration: Registration, error: PintuError) -> Failed:
    said = f"{registration.id}: {error.detail or error.title}"
    if isinstance(error, TooLarge):
        return Failed("invalid", said)
    if isinstance(error, Forbidden):
        return Failed("refused", said)
    if kind_of(error) == "garbage":
        return Failed("invalid", said)
    return Failed("away", said)
