"""Subscriptions at other sources on behalf of ours (5.8.1.4), and what they tell told on (5.8.6).

Whenever a subscription or a registration comes, changes or goes, what is asked of the sources
follows: each keeps a reduced copy that tells this broker, never the subscriber. What a source tells
is cut to what it is registered for, held against the subscription again, kept until the subscriber
has it, and told under the subscriber's own rights.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson

from pintu.kernel.access import Actor
from pintu.kernel.context.record import Record
from pintu.kernel.errors import PintuError, Refused
from pintu.kernel.federation import Happened, Registration
from pintu.kernel.federation.forwarding import Answer, Came, Question
from pintu.kernel.federation.relays import Key, Relay, Relays
from pintu.kernel.federation.watching import read_watcher
from pintu.kernel.jsonld import CORE
from pintu.kernel.store.port import Change
from pintu.kernel.subscriptions import states
from pintu.kernel.subscriptions.channel import NOTHING, Paused, Told
from pintu.kernel.subscriptions.words import Asker, Hit, Subscription, Trigger
from pintu.web.ngsi_ld.answers import JSON, LD_JSON, link_header
from pintu.web.ngsi_ld.distributed_write_parts import segment
from pintu.web.ngsi_ld.info import alias
from pintu.web.ngsi_ld.relayed import GONE, NOTIFIED, reduced, shares_of
from pintu.web.ngsi_ld.subscribed_via import VIA

if TYPE_CHECKING:
    from pintu.kernel.subscriptions.delivering import Delivery
    from pintu.web.rooms import Rooms

log = logging.getLogger("pintu.federation")

FIRST_PAUSE_S: Final = 2.0
LONGEST_PAUSE_S: Final = 300.0
AT_ONCE: Final = 16
"""Subscriptions whose sources are asked at the same time."""
_GIVEN_UP: Final = 12
"""Attempts after which a source that is away keeps a copy nobody wants: it is not believed."""


class Relaying:
    """One task that makes what is asked of sources follow, one a subscriber that is told."""

    def __init__(self, rooms: Rooms, relays: Relays) -> None:
        self.rooms, self.relays = rooms, relays
        self._due: dict[Key, float] = {}
        self._failed: dict[Key, int] = {}
        self._via: dict[Key, str] = {}
        self._shown: dict[Key, str] = {}
        self._wake = asyncio.Event()
        self._follower: asyncio.Task[None] | None = None
        self._tellers: dict[Key, asyncio.Task[None]] = {}
        assert rooms.subscriptions is not None
        assert rooms.federation is not None
        self._subscriptions, self._registry = rooms.subscriptions, rooms.federation.registry
        self._subscriptions.listen(self._subscribed)
        self._registry.listen(self._registered)

    # --- life -----------------------------------------------------------------------------------
    def start(self) -> None:
        """Go on where the city stopped."""
        for key in self.relays.known():
            self._via[key] = next(iter(self.relays.of(key).values())).via
            self._follow(key)
        for key in self.relays.waiting():
            self.tell(key)

    async def stop(self) -> None:
        """Stop; what waits is told after the next start."""
        tasks = [*self._tellers.values(), *([self._follower] if self._follower else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._follower = None

    # --- what happens ---------------------------------------------------------------------------
    def _subscribed(self, deed: str, subscription: Subscription) -> None:
        key = subscription.tenant_name, subscription.id
        if deed == "added":
            told = VIA.get("")
            if subscription.endpoint.uri.endswith(NOTIFIED) and not told:
                return  # another broker's, of whose way here nothing is known
            self._via[key] = told
        if deed == "removed":
            self._hide(key)
            self._via.pop(key, None)
            teller = self._tellers.pop(key, None)
            if teller is not None:  # nothing is sent after unsubscribing, also what is under way
                teller.cancel()
                self.tell(key)  # lets go of what waits
        if self.relays.of(key) or self._registry.any(key[0]):
            self._follow(key)

    def _registered(self, happened: Happened) -> None:
        tenant = happened.registration.tenant
        number = self.rooms.store.tenant(tenant)
        if number is None:
            return
        for subscription in self._subscriptions.of(number):
            self._follow((tenant, subscription.id))

    def _follow(self, key: Key, after_s: float = 0.0) -> None:
        if not after_s:
            self._failed.pop(key, None)
        self._due[key] = asyncio.get_running_loop().time() + after_s
        self._wake.set()
        if self._follower is None or self._follower.done():
            self._follower = asyncio.create_task(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._due:
            self._wake.clear()
            now = loop.time()
            ready = [key for key, at in self._due.items() if at <= now][:AT_ONCE]
            if ready:
                for key in ready:
                    del self._due[key]
                await asyncio.gather(*(self._one(key) for key in ready))
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(self._due.values()) - now):
                    await self._wake.wait()

    async def _one(self, key: Key) -> None:
        """Make what is asked of sources follow for one subscription; later again when it failed."""
        try:
            done = await self._synced(key)
        except PintuError as error:
            log.warning("Sources cannot be asked to tell %s: %s", key[1], error.detail)
            done = False
        failed = 0 if done else self._failed.get(key, 0) + 1
        self._failed[key] = failed
        if done or failed > _GIVEN_UP:
            del self._failed[key]
        else:
            self._follow(key, min(FIRST_PAUSE_S * 2 ** (failed - 1), LONGEST_PAUSE_S))

    # --- at sources -----------------------------------------------------------------------------
    def subscription(self, key: Key) -> Subscription | None:
        """The subscription of a key, if it is there."""
        number = self.rooms.store.tenant(key[0])
        return None if number is None else self._subscriptions.find(number, key[1])

    async def _synced(self, key: Key) -> bool:
        """Make the sources keep what is wanted now; False when one has to be asked again."""
        subscription = self.subscription(key)
        wanted = {} if subscription is None else self._wanted(subscription)
        there = self.relays.of(key)
        if subscription is not None and wanted:
            self._show(key, subscription)
        else:
            self._hide(key)
        good = True
        for id, relay in there.items():
            if id not in wanted:
                good = await self._unsubscribed(relay) and good
        for id, shares in wanted.items():
            assert subscription is not None
            good = await self._sent(subscription, there.get(id), shares) and good
        return good

    def _wanted(self, subscription: Subscription) -> dict[str, list[Any]]:
        if subscription.local_only or not self._whole(subscription):
            return {}
        key = subscription.tenant_name, subscription.id
        if subscription.endpoint.uri.endswith(NOTIFIED) and not self._via.get(key):
            return {}
        shares = shares_of(subscription, self._registry)
        way = self._came(subscription.tenant_name, self._via.get(key, ""))
        return {
            id: some
            for id, some in shares.items()
            if not way.returned and some[0].registration.alias not in way.seen
        }

    def _whole(self, subscription: Subscription) -> bool:
        """Whether who subscribed may see all of the tenant now: other brokers know no parts of
        it."""
        asker = subscription.asker
        actor = self.standing(asker)
        try:
            act = asker.act(subscription.tenant_name)
            return actor is not None and self.rooms.gate.decide(actor, act).whole
        except Refused:
            return False

    def standing(self, asker: Asker) -> Actor | None:
        """What somebody who subscribed may be taken for now; None: their account has ended."""
        return self._subscriptions.standing(asker)

    def _came(self, tenant: str, via: str) -> Came:
        headers = {b"via": via.encode("latin-1")} if via else {}
        return Came(alias(self.rooms, tenant), headers)

    async def _sent(
        self, subscription: Subscription, relay: Relay | None, shares: list[Any]
    ) -> bool:
        registration: Registration = shares[0].registration
        terms = CORE
        if subscription.context is not None:
            terms = await self.rooms.library.terms(subscription.context)
        remote = f"urn:ngsi-ld:Subscription:{uuid.uuid4()}" if relay is None else relay.remote
        document = reduced(subscription, shares, terms, (remote, self._address()))
        digest = blake2b(orjson.dumps(document), digest_size=16).hexdigest()
        if relay is not None and relay.state == "there" and relay.sent == digest:
            return True
        if relay is None:
            relay = Relay(
                tenant=subscription.tenant_name, subscription=subscription.id,
                registration=registration.id, remote=remote,
                via=self._via.get((subscription.tenant_name, subscription.id), ""),
            )  # fmt: skip
            await self.relays.keep(relay)
        if relay.state == "there":
            changed = {name: value for name, value in document.items() if name != "id"}
            method, path, body = "PATCH", f"subscriptions/{segment(remote)}", changed
        else:
            method, path, body = "POST", "subscriptions", document
        found = await self._ask(registration, relay, method, path, (body, terms.source))
        status = found.status
        if (isinstance(found, Answer) and status < 300) or (method == "POST" and status == 409):
            await self.relays.keep(msgspec.structs.replace(relay, state="there", sent=digest))
            return True
        if status == 404 and method == "PATCH":  # it was forgotten there: it is made anew
            await self.relays.keep(msgspec.structs.replace(relay, state="wanted"))
        if status in (400, 403, 405, 422, 501, 508):
            log.warning("%s keeps no copy of %s: %s", registration.id, relay.subscription, status)
            await self.relays.forget(relay)
            return True
        return False

    async def _unsubscribed(self, relay: Relay) -> bool:
        registration = self._registry.find(relay.tenant, relay.registration)
        if relay.state == "there":
            await self.relays.keep(msgspec.structs.replace(relay, state="unwanted"))
        if registration is not None:
            path = f"subscriptions/{segment(relay.remote)}"
            found = await self._ask(registration, relay, "DELETE", path, None)
            gone = isinstance(found, Answer) or found.status in (404, 410)
            key = relay.tenant, relay.subscription
            if not gone and self._failed.get(key, 0) < _GIVEN_UP:
                return False
        await self.relays.forget(relay)
        return True

    async def _ask(
        self,
        registration: Registration,
        relay: Relay,
        method: str,
        path: str,
        body: tuple[Any, Any] | None,
    ) -> Any:
        headers: list[tuple[bytes, bytes]] = [(b"accept", JSON)]
        data = b""
        if body is not None:
            document, source = body
            if source is None or isinstance(source, str):
                headers.append((b"content-type", JSON))
                headers += [(b"link", link_header(source))] if source else []
            else:
                headers.append((b"content-type", LD_JSON))
                document = {**document, "@context": source}
            data = orjson.dumps(document)
        federation = self.rooms.federation
        assert federation is not None
        assert federation.sources is not None
        sent = Question(method, path, "", tuple(headers), data)
        return await federation.sources.ask(registration, sent, self._came(relay.tenant, relay.via))

    def _address(self) -> str:
        settings = self.rooms.settings
        base = settings.public_url.rstrip("/") or f"http://{settings.host}:{settings.port}"
        return base + NOTIFIED

    # --- seen -----------------------------------------------------------------------------------
    def _show(self, key: Key, subscription: Subscription) -> None:
        """The subscription to registrations that goes with it (5.8.1.4), among the others."""
        watchers = self.rooms.federation.watchers if self.rooms.federation else None
        if watchers is None or key in self._shown:
            return
        id = f"urn:ngsi-ld:Subscription:{uuid.uuid4()}"
        document = {
            "id": id, "type": "Subscription",
            "entities": subscription.document.get("entities") or [{"type": "*"}],
            "notification": {"endpoint": {"uri": self._address(), "accept": "application/json"}},
        }  # fmt: skip
        watchers.show(read_watcher(document, CORE, tenant=key[0], now_us=None))
        self._shown[key] = id

    def _hide(self, key: Key) -> None:
        id = self._shown.pop(key, None)
        watchers = self.rooms.federation.watchers if self.rooms.federation else None
        if id is not None and watchers is not None:
            watchers.hide(key[0], id)

    # --- told on --------------------------------------------------------------------------------
    def tell(self, key: Key) -> None:
        """Tell a subscriber what waits."""
        if key not in self._tellers:
            task = asyncio.create_task(self._telling(key))
            self._tellers[key] = task
            task.add_done_callback(lambda done: self._told_all(key, done))

    def _told_all(self, key: Key, task: asyncio.Task[None]) -> None:
        if self._tellers.get(key) is task:
            del self._tellers[key]

    async def _telling(self, key: Key) -> None:
        delivery = self.rooms.delivery
        while (waiting := self.relays.first(key)) is not None:
            subscription = self.subscription(key)
            if subscription is None or delivery is None:
                await self.relays.done(key)
                return
            number, records = waiting
            try:
                pause_s = await self._told(subscription, delivery, records)
                if not pause_s:
                    await self.relays.done(key, number)
            except PintuError as error:
                log.warning("A notification for %s waits: %s", key[1], error.detail)
                pause_s = FIRST_PAUSE_S
            if pause_s:
                await asyncio.sleep(pause_s / self.rooms.clock.rate)

    async def _told(
        self, subscription: Subscription, delivery: Delivery, records: list[Record]
    ) -> float:
        """Tell it once; city seconds after which to try again, 0 when it is done with."""
        state = self._subscriptions.state(subscription)
        if not subscription.live(self.rooms.clock.now_us()):
            return 0
        if state.parked or state.paused:
            return LONGEST_PAUSE_S
        gone = [_deletion(subscription, one) for one in records if one.body == GONE]
        there = [one for one in records if one.body != GONE]
        told: Told = NOTHING
        if there:
            told = await delivery.teller.entities(subscription, there)
        if gone and (told is NOTHING or (not isinstance(told, Paused) and told.taken)):
            told = await delivery.teller.changes(subscription, gone)
        if isinstance(told, Paused):
            state.paused = told.why
            return LONGEST_PAUSE_S
        if told is NOTHING:
            return 0
        if told.why != "held":
            states.answered(state, told, self.rooms.clock.now_us())
        if told.taken:
            return 0
        if states.parks(state.attempts, told):
            state.parked = told.detail or "It failed too often"
        return states.pause_s(state.attempts, subscription.endpoint, told, 0.5)


def _deletion(subscription: Subscription, gone: Record) -> Hit:
    """An entity that a source says was deleted, as a change; of what it was nothing is known."""
    before = orjson.dumps({"id": gone.id, "type": gone.types[0] if gone.types else ""})
    change = Change(
        position=0, tenant=subscription.tenant, id=gone.id, types=gone.types, verb="deleted",
        at_us=gone.modified_us, source="", changed=None, payload=b"", previous=0,
        before=before,
    )  # fmt: skip
    return Hit(subscription, change, (), frozenset({Trigger.ENTITY_DELETED}))


def open_relaying(rooms: Rooms) -> Relaying | None:
    """Relaying over rooms that have subscriptions and sources; it starts when the sources do."""
    federation = getattr(rooms, "federation", None)
    subscriptions = getattr(rooms, "subscriptions", None)
    if federation is None or federation.sources is None or subscriptions is None:
        return None
    if federation.relaying is None:
        assert rooms.tables is not None
        relaying = Relaying(rooms, Relays(rooms.tables))
        federation.relaying = relaying
        with contextlib.suppress(RuntimeError):  # nobody runs yet: the sources start it
            asyncio.get_running_loop().call_soon(relaying.start)
    found: Relaying = federation.relaying
    return found
