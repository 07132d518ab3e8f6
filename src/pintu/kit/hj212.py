"""The platform's end of HJ 212: stations connect over TCP, their frames are handed out, kept, and
only then acknowledged."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from pintu.kernel.clock import Clock
from pintu.kernel.errors import ConfigurationError
from pintu.kernel.intake.words import Envelope
from pintu.kit.hj212_asking import Asking
from pintu.kit.hj212_hours import MissingHours
from pintu.kit.hj212_peer import FIRST_PACKETS, STATIONS, Peer
from pintu.kit.lanes import Bucket, Pace
from pintu.kit.piece import Received
from pintu.protocols.hj212 import BadFrame, Frame, answer, read_frame
from pintu.protocols.hj212_stream import Found
from pintu.protocols.hj212_words import UPLOADS

TIMED = frozenset({"2011", "2021", "2031", "2041", "2051", "2061"})
UNASKED = frozenset({"9011", "9012", "9015"})
"""Answers to requests that nobody waits for any more, and the heartbeat of 2025."""
WRONG_PASSWORD = "The password"
LANES = 64
SWEEP_S = 1.0
ROOM = 16_384
KEPT = 20_000
_PASSWORD = re.compile(rb"(?<=;PW=)[^;]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hj212Limits:
    """Every bound of the connector; seconds are real."""

    connections: int = 6_000
    per_address: int = 500
    data_bytes: int = 1024  # HJ 212-2017, 6.3.1; loggers with long logs need more
    in_flight: int = 2_000  # frames handed out and not kept, all connections
    in_flight_each: int = 32
    messages_a_second: float = 3_000.0
    sender_a_second: float = 15.0  # over this a station is read more slowly, nothing is refused
    sender_burst: float = 150.0
    half_frame_s: float = 15.0
    silence_s: float = 7_200.0
    slow_s: float = 30.0  # a station that takes no answers
    damaged_bytes: int = 65_536  # in a row; then whoever it is speaks something else
    answer_s: float = 10.0  # OverTime of the standard
    tries: int = 3  # ReCount of the standard
    finish_s: float = 120.0


class Hj212Connector:
    """A TCP server for stations of HJ/T 212-2005, HJ 212-2017 and unencrypted HJ 212-2025.

    Every frame of data becomes an envelope: body is the whole frame, key is `MN QN CN DataTime
    PNO`, so that what is sent again is known. What cannot be used comes too, with the reason in
    `meta["bad"]`: a normaliser raises BadInput of it, and no station hears that it was kept. A
    packet without DataTime comes behind the first packet of its answer, in one body.

    `passwords` is MN → PW; with it, other stations and wrong passwords are bad frames. Hours that
    are missing are asked for again while `ask_missing` is true; `asking` asks for anything else.
    """

    def __init__(
        self,
        name: str,
        listen: str,
        clock: Clock,
        *,
        expected_interval_s: float = 0.0,
        passwords: Mapping[str, str] | None = None,
        add_to: str = "the connector's passwords",
        limits: Hj212Limits | None = None,
        ask_missing: bool = True,
        zone_hours: float = 8.0,
    ) -> None:
        """`listen` is HOST:PORT (ConfigurationError when it is not); `add_to` says in a reason
        where an unknown station has to be written."""
        self.name, self.expected_interval_s = name, expected_interval_s
        self._listen, self._clock = read_listen(listen), clock
        self._passwords, self._add_to = passwords, add_to
        self.limits = limits or Hj212Limits()
        self._ask_missing = ask_missing
        limits = self.limits
        # a good station is never a flood: it is read slowly before it could be one
        self.pace = Pace(
            messages_s=limits.messages_a_second,
            per_sender_s=max(20.0, limits.sender_a_second * 1.5),
            burst=max(200.0, limits.sender_burst * 1.5),
            lanes=LANES,
        )
        self.room = memoryview(bytearray(ROOM))
        self.counts: Counter[str] = Counter()
        self._peers: dict[Peer, None] = {}
        self._addresses: Counter[str] = Counter()
        self._held: dict[Peer, None] = {}
        self._stations: dict[str, tuple[Peer, Frame]] = {}
        self._buckets: dict[str, Bucket] = {}
        self._kept: OrderedDict[str, int] = OrderedDict()
        self._ready: deque[Received] = deque()
        self._some = asyncio.Event()
        self._in_flight = 0
        self._life = object()
        self.missing = MissingHours()
        self.asking = Asking(
            clock,
            self._stations,
            passwords or {},
            zone_hours=zone_hours,
            answer_s=limits.answer_s,
            tries=limits.tries,
            finish_s=limits.finish_s,
        )

    # --- the kit calls ----------------------------------------------------------------------------
    @property
    def connected(self) -> bool:
        """True while a station is connected."""
        return bool(self._peers)

    @property
    def stations(self) -> list[str]:
        """MN of the stations that are connected and were heard."""
        return sorted(self._stations)

    async def receive(self) -> AsyncIterator[Received]:
        """Listen, and hand out what stations send; OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        host, port = self._listen
        longest = self.limits.data_bytes
        server = await loop.create_server(
            lambda: Peer(self, longest=longest), host, port, backlog=1024
        )
        sweeping = asyncio.create_task(self._sweep_on(), name=f"{self.name} sweeping")
        try:
            while True:
                while self._ready:
                    yield self._ready.popleft()
                self._some.clear()
                if sweeping.done():
                    sweeping.result()
                await self._some.wait()
        finally:
            server.close()
            sweeping.cancel()
            self.asking.stop()
            self._forget()

    def _forget(self) -> None:
        for peer in list(self._peers):
            peer.leave()
        self._life = object()
        self._peers.clear()
        self._addresses.clear()
        self._held.clear()
        self._stations.clear()
        self._ready.clear()
        self._in_flight = 0

    def again(self, envelope: Envelope) -> Envelope:
        """Judge anew an envelope that somebody takes out of quarantine: a station may be known by
        now."""
        if "bad" not in envelope.meta:
            return envelope
        try:
            reason = self._refusal(read_frame(envelope.body))
        except BadFrame as error:
            reason = str(error)
        meta = {name: value for name, value in envelope.meta.items() if name != "bad"}
        if reason:
            meta["bad"] = reason
        return Envelope(envelope.source, envelope.key, envelope.received_us, envelope.body, meta)

    # --- connections call -------------------------------------------------------------------------
    def admit(self, peer: Peer) -> bool:
        """Count a new connection; False when there are too many, of all or of its address."""
        many = self._addresses[peer.host] >= self.limits.per_address
        if many or len(self._peers) >= self.limits.connections:
            self.counts["refused connections"] += 1
            return False
        self._peers[peer] = None
        self._addresses[peer.host] += 1
        self.counts["connections"] += 1
        return True

    def gone(self, peer: Peer) -> None:
        """Forget a connection."""
        self._held.pop(peer, None)
        if peer not in self._peers:
            return
        del self._peers[peer]
        self._addresses[peer.host] -= 1
        if not self._addresses[peer.host]:
            del self._addresses[peer.host]
        for mn in peer.stations:
            if mn in self._stations and self._stations[mn][0] is peer:
                del self._stations[mn]

    def may_take(self, peer: Peer) -> bool:
        """False while too much is handed out and not kept; the connection is called back."""
        if peer.in_flight >= self.limits.in_flight_each:
            peer.full = True
            return False
        if self._in_flight >= self.limits.in_flight:
            self._held[peer] = None
            return False
        return True

    def take(self, peer: Peer, found: Found) -> float:
        """Deal with one find; returns for how long its sender has to wait."""
        frame = found.frame
        if frame is None:
            self._bad(peer, found.body, found.reason)
            return 0.0
        refusal = self._refusal(frame)
        if refusal:
            self._bad(peer, found.body, refusal)
            return 0.0
        mn, command = frame.fields["MN"], frame.fields["CN"]
        if mn in peer.stations or len(peer.stations) < STATIONS:
            peer.stations[mn] = None
            self._stations[mn] = peer, frame
        if command in UPLOADS:
            self._upload(peer, frame, found.body)
        elif command == "1013":
            peer.write(answer(frame, "9013"))
            self.asking.start(self.asking.set_clock(mn))
        elif not self.asking.answered(frame) and command not in UNASKED:
            self._bad(peer, found.body, f"Command {command} of station {mn} is unknown here")
        return self._pace(mn)

    # --- one frame --------------------------------------------------------------------------------
    def _refusal(self, frame: Frame) -> str:
        """Why a sound frame is not taken; "" when it is."""
        if self._passwords is None:
            return ""
        mn = frame.fields["MN"]
        wanted = self._passwords.get(mn)
        if wanted is None:
            return f"Station {mn} is unknown: add it to {self._add_to}"
        if not hmac.compare_digest(frame.fields.get("PW", "").encode(), wanted.encode()):
            return f"{WRONG_PASSWORD} of station {mn} is not the one in {self._add_to}"
        return ""

    def _upload(self, peer: Peer, frame: Frame, body: bytes) -> None:
        fields, data_time = frame.fields, frame.data_time
        mn, command = fields["MN"], fields["CN"]
        if frame.packet[1] > 1:
            body, data_time = _with_first_packet(peer, frame, body)
        if not data_time and command in TIMED:
            return self._bad(peer, body, f"Command {command} of station {mn} has no DataTime")
        # a clock that is ahead must not make all hours before it look missing
        if command == "2061" and data_time[:10] <= self.asking.local_time()[:10]:
            self.missing.heard(mn, data_time, self._now_s())
        # 2005 has uploads without QN: what is sent again is known by its bytes
        qn = fields.get("QN") or _digest(body)
        key = f"{mn} {qn} {command} {data_time} {fields.get('PNO', '')}"
        check = hash(body)
        reply = answer(frame, "9014") if frame.wants_answer else b""
        if self._kept.get(key) == check:
            self.counts["sent again"] += 1
            return peer.write(reply)
        meta = {"sender": mn, "cn": command, "st": fields["ST"], "peer": peer.address}

        def kept() -> None:
            self._kept[key] = check
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            if reply:
                peer.write(reply)

        self.counts["frames"] += 1
        self._hand_out(peer, key, (body, meta), kept)
        return None

    def _bad(self, peer: Peer, body: bytes, reason: str) -> None:
        """Into quarantine with its reason; nobody is told that it was kept."""
        self.counts["bad frames"] += 1
        if reason.startswith(WRONG_PASSWORD):
            body = _PASSWORD.sub(lambda found: b"*" * len(found[0]), body)
        meta = {"sender": peer.host, "peer": peer.address, "bad": reason}
        self._hand_out(peer, f"bad {_digest(body)}", (body, meta), lambda: None)

    def _hand_out(
        self, peer: Peer, key: str, what: tuple[bytes, dict[str, str]], kept: Callable[[], None]
    ) -> None:
        body, meta = what
        life, peer.in_flight, self._in_flight = (
            self._life,
            peer.in_flight + 1,
            self._in_flight + 1,
        )

        async def acknowledge() -> None:
            if life is self._life:
                kept()
                self._release(peer)

        envelope = Envelope(self.name, key, self._clock.now_us(), body, meta)
        self._ready.append(Received(envelope, acknowledge))
        self._some.set()

    def _release(self, peer: Peer) -> None:
        """One frame is kept: those who wait go on, in turn."""
        peer.in_flight -= 1
        self._in_flight -= 1
        if peer.full or (peer.ended and not peer.in_flight):
            peer.full = False
            self._held[peer] = None
        while self._held and self._in_flight < self.limits.in_flight:
            waiting = next(iter(self._held))
            del self._held[waiting]
            waiting.pump()

    def _pace(self, mn: str) -> float:
        bucket = self._buckets.get(mn)
        if bucket is None:
            if len(self._buckets) >= KEPT:
                self._buckets.clear()  # whoever invents names earns no memory
            limits = self.limits
            bucket = self._buckets[mn] = Bucket(limits.sender_a_second, limits.sender_burst)
        return bucket.wait_s(self._now_s())

    # --- every second -----------------------------------------------------------------------------
    async def _sweep_on(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            self._sweep(self._now_s())

    def _sweep(self, now_s: float) -> None:
        limits = self.limits
        for peer in list(self._peers):
            quiet_s = now_s - peer.heard_s
            if peer.stream.damaged > limits.damaged_bytes:
                self.counts["closed for speaking something else"] += 1
                peer.close()
            elif peer.slow_since_s and now_s - peer.slow_since_s > limits.slow_s:
                self.counts["closed for taking no answers"] += 1
                peer.close()
            elif peer.reading and quiet_s > limits.silence_s:
                self.counts["closed for silence"] += 1
                peer.close()
            elif peer.reading and quiet_s > limits.half_frame_s and peer.stream.waiting:
                peer.give_up_half()
        if self._ask_missing:
            for mn, begin, end in self.missing.due(now_s):
                if mn in self._stations:
                    self.asking.start(self._ask_hours(mn, begin, end))

    async def _ask_hours(self, mn: str, begin: str, end: str) -> None:
        self.counts["asked again"] += 1
        await self.asking.history(mn, "2061", begin, end)
        self.missing.settled(mn, begin, end, self._now_s())

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()


def _with_first_packet(peer: Peer, frame: Frame, body: bytes) -> tuple[bytes, str]:
    """A packet that does not say its time, behind the first one of its answer, which does."""
    fields = frame.fields
    name = fields["MN"], fields.get("QN", ""), fields["CN"]
    if frame.data_time:
        peer.first_packets.setdefault(name, (body, frame.data_time))
        if len(peer.first_packets) > FIRST_PACKETS:
            peer.first_packets.popitem(last=False)
        return body, frame.data_time
    first, data_time = peer.first_packets.get(name, (b"", ""))
    return first + body, data_time


def _digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def read_listen(text: str) -> tuple[str, int]:
    """HOST and PORT of HOST:PORT; ConfigurationError when it is none."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ConfigurationError([f"{text!r} is not HOST:PORT to listen on"])
    return host.strip("[]"), int(port)
