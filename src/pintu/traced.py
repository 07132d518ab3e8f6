"""Follows messages through the rooms and tells of them by OTLP; imported only when settings name
where to.

What is followed: a message of a connector (its normaliser, the hand-in) or an NGSI-LD request, the
intake, the commit, and each notification of it, which carries a traceparent on. A commit belongs to
a trace by the entity it changed: two writes of one entity within a moment may share it.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from pintu.kernel.access import Deed
from pintu.kernel.intake.words import Batch, Envelope, Receipt
from pintu.kernel.store.port import Change
from pintu.kernel.tracing import FOLLOWED, HEADER, Choice, Parent, read_parent
from pintu.settings import Settings
from pintu.web.ngsi_ld.answers import Deferred
from pintu.web.ngsi_ld.broker import Broker
from pintu.web.ngsi_ld.message import Answer, Request, Response
from pintu.web.ngsi_ld.operation import Call, Result

MOST_IDS: Final = 20  # entities of one message that are looked for among commits
LONGEST_ID: Final = 2_000
MOST_WAITING: Final = 2_000
WAITS_S: Final = 10.0
QUEUE: Final = 2_048

Take = Callable[[Envelope], Awaitable[None]]


class Follower:
    """Makes spans, hands them to the exporter, knows which entities are being followed."""

    def __init__(self, settings: Settings, process: str) -> None:
        told = Resource.create({"service.name": f"pintu-{process}"})
        self._provider = TracerProvider(resource=told, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=settings.traces_endpoint, timeout=5)
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=QUEUE, schedule_delay_millis=500)
        )
        self._tracer = self._provider.get_tracer("pintu")
        self.choice = Choice(settings.traces_one_in)
        self._waiting: OrderedDict[tuple[int, str], tuple[float, Parent]] = OrderedDict()

    def close(self) -> None:
        """Hand over what is left, within some seconds."""
        self._provider.force_flush(3_000)
        self._provider.shutdown()

    def begin(
        self,
        name: str,
        parent: Parent | None,
        *,
        at_us: int = 0,
        kind: SpanKind | None = None,
        **told: Any,
    ) -> Any:
        """A span that has begun; `told` names no person and no value of an entity."""  # fmt: skip
        context = None
        if parent is not None:
            above = SpanContext(parent.trace, parent.span, True, TraceFlags(TraceFlags.SAMPLED))
            context = set_span_in_context(NonRecordingSpan(above))
        return self._tracer.start_span(
            name, context, kind or SpanKind.INTERNAL, told, start_time=at_us * 1000 or None
        )

    # --- entities -----------------------------------------------------------------------------
    def expect(self, tenant: int, ids: list[str], parent: Parent) -> None:
        """Changes of these entities belong to a trace for a while."""
        until = time.monotonic() + WAITS_S
        for id in [one for one in ids if len(one) <= LONGEST_ID][:MOST_IDS]:
            self._waiting[tenant, id] = (until, parent)
            self._waiting.move_to_end((tenant, id))
        while len(self._waiting) > MOST_WAITING:
            self._waiting.popitem(last=False)

    def find(self, tenant: int, id: str) -> Parent | None:
        """The trace a change of this entity belongs to now."""
        found = self._waiting.get((tenant, id))
        if found is None or found[0] < time.monotonic():
            return None
        return found[1]

    def committed(self, changes: list[Change]) -> None:
        """Tell of commits of what is followed; a listener of the store."""
        for one in changes if self._waiting else ():
            parent = self.find(one.tenant, one.id)
            if parent is not None:
                span = self.begin("commit", parent, at_us=one.at_us)
                span.set_attributes({"pintu.position": one.position, "pintu.verb": one.verb})
                span.end()
                self.expect(one.tenant, [one.id], parent_of(span))


def parent_of(span: Any) -> Parent:
    """A span as what stands below it names it."""
    told = span.get_span_context()
    return Parent(told.trace_id, told.span_id)


# --- the broker -------------------------------------------------------------------------------
class TracedBroker(Broker):
    """A broker that follows some of its requests."""

    follower: Follower

    def handle(self, request: Request, actor: Any = None) -> Answer:
        """Answer; follow when it is chosen."""
        told = request.headers.get(HEADER)
        parent = None if told is None else read_parent(told)
        if not self.follower.choice.follows(parent, time.monotonic()):
            return super().handle(request, actor)
        span = self.follower.begin("request", parent, kind=SpanKind.SERVER)
        before = FOLLOWED.set(parent_of(span))
        try:
            answer = super().handle(request, actor)
        finally:
            FOLLOWED.reset(before)
        if isinstance(answer, Response):
            return _answered(span, request, answer)
        if isinstance(answer, Deferred):
            return _deferred(span, request, answer)
        return _awaited(span, request, answer)

    def _handled(self, call: Call) -> Result:
        """The gate let the call through: what it names is followed from here on, and nothing that
        a refused one named."""
        parent = FOLLOWED.get()
        if parent is not None and call.operation.deed is not Deed.READ:
            told = call.document if isinstance(call.document, list) else [call.document]
            named = [one.get("id") if isinstance(one, dict) else one for one in told]
            ids = [one for one in (*call.parts, *named) if isinstance(one, str) and ":" in one]
            self.follower.expect(call.tenant, ids, parent)
        return super()._handled(call)


def _answered(span: Any, request: Request, response: Response) -> Response:
    span.update_name(request.operation or "request")
    span.set_attribute("http.response.status_code", response.status)
    if response.status >= 500:
        span.set_status(Status(StatusCode.ERROR))
    span.end()
    return response


async def _awaited(span: Any, request: Request, answer: Any) -> Response:
    before = FOLLOWED.set(parent_of(span))
    try:
        return _answered(span, request, await answer)
    finally:
        FOLLOWED.reset(before)


def _deferred(span: Any, request: Request, answer: Deferred) -> Deferred:
    """The same answer, which ends the span when it is made."""
    return Deferred(
        answer.future,
        lambda found: _answered(span, request, answer.finish(found)),
        lambda error: _answered(span, request, answer.failed(error)),
    )


def follow_city(settings: Settings, rooms: Any) -> tuple[Follower, TracedBroker]:
    """Follow what passes through the rooms of a broker process."""
    follower = Follower(settings, "broker")
    broker = TracedBroker(rooms)
    broker.follower = follower
    rooms.store.on_commit(follower.committed)
    accept = rooms.intake.accept

    async def accepted(batch: Batch) -> Receipt:
        parent = read_parent(batch.trace) if batch.trace else None
        if parent is None:
            found: Receipt = await accept(batch)
            return found
        span = follower.begin("intake", parent)
        span.set_attributes({"pintu.source": batch.source, "pintu.updates": len(batch.updates)})
        number = rooms.store.tenant(batch.tenant)
        if number is not None:
            ids = [str(one.entity.get("id")) for one in batch.updates]
            follower.expect(number, ids, parent_of(span))
        try:
            receipt: Receipt = await accept(batch)
            span.set_attribute("pintu.quarantined", receipt.quarantined)
            return receipt
        finally:
            span.end()

    rooms.intake.accept = accepted
    if rooms.delivery is not None:
        _follow_telling(follower, rooms.delivery.teller.ways)
    return follower, broker


def _follow_telling(follower: Follower, ways: Any) -> None:
    """Notifications of what is followed are spans, and carry the trace on."""
    compose, compose_now = ways.compose, ways.compose_now

    def told(hits: Any, message: Any) -> Any:
        if message is None or not follower._waiting:
            return message
        for hit in hits:
            parent = follower.find(hit.change.tenant, hit.change.id)
            if parent is not None:
                span = follower.begin("notify", parent, kind=SpanKind.PRODUCER)
                span.set_attribute("pintu.entities", message.entities)
                line = (HEADER.decode(), parent_of(span).text())
                span.end()
                pairs = _as_pairs(message.headers, line)
                return msgspec.structs.replace(message, headers=pairs)
        return message

    async def composed(subscription: Any, hits: Any, projection: Any) -> Any:
        return told(hits, await compose(subscription, hits, projection))

    def composed_now(subscription: Any, hits: Any, projection: Any) -> Any:
        return told(hits, compose_now(subscription, hits, projection))

    ways.compose, ways.compose_now = composed, composed_now


def _as_pairs(headers: Any, line: tuple[str, str]) -> Any:
    sample = headers[0][0] if headers else ""
    name, value = line
    if isinstance(sample, bytes):
        return (*headers, (name.encode(), value.encode()))
    return (*headers, (name, value))


# --- the field --------------------------------------------------------------------------------
class FieldFollower:
    """Follows messages of connectors until the city has them."""

    def __init__(self, settings: Settings) -> None:
        self._follower = Follower(settings, "field")

    async def take(self, source: str, envelope: Envelope, take: Take) -> None:
        """Take a message in, followed when it is chosen; it began when it was received."""
        if not self._follower.choice.follows(None, time.monotonic()):
            await take(envelope)
            return
        span = self._follower.begin("connector", None, at_us=envelope.received_us,
                                    kind=SpanKind.CONSUMER)  # fmt: skip
        span.set_attributes({"pintu.source": source, "pintu.bytes": len(envelope.body)})
        before = FOLLOWED.set(parent_of(span))
        try:
            await take(envelope)
        finally:
            FOLLOWED.reset(before)
            span.end()

    def normalising(self, began_us: int, updates: int) -> None:
        """A normaliser is through with a message that is followed."""
        span = self._follower.begin("normalise", FOLLOWED.get(), at_us=began_us)
        span.set_attribute("pintu.updates", updates)
        span.end()

    def close(self) -> None:
        """Hand over what is left."""
        self._follower.close()
