"""The fast lane: NGSI-LD requests answered inside uvicorn's HTTP protocol; all else goes its
usual way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pintu.web.metrics.meter import Meter
from pintu.web.ngsi_ld.answers import Deferred, from_error
from pintu.web.ngsi_ld.connection import BODY, IDLE, LARGE_BODY, WORK
from pintu.web.ngsi_ld.crowd import Crowd
from pintu.web.ngsi_ld.entering import Entered
from pintu.web.ngsi_ld.headers import gather
from pintu.web.ngsi_ld.message import Answer, Prepared, Request, Response, as_response
from pintu.web.ngsi_ld.repeated import LONGEST, Repeat, Repeats
from pintu.web.ngsi_ld.turn import TOO_LARGE, TOO_MANY_BODIES, Occupied, Turn
from pintu.web.ngsi_ld.wire import CONTINUE, LIMITS, Heads, Limits, Outbox
from pintu.web.ngsi_ld.write_lane import WriteLane

if TYPE_CHECKING:
    from pintu.web.ngsi_ld.broker import Broker

_log = logging.getLogger("pintu.web")
_PREFIX = b"/ngsi-ld/"


def fast_lane(broker: Broker, limits: Limits = LIMITS) -> type[HttpToolsProtocol]:
    """The protocol class for uvicorn's `http=`, bound to one broker."""
    members = {"broker": broker, "limits": limits, "heads": Heads(), "outbox": Outbox()}
    members["crowd"] = Crowd(limits)
    members["repeats"] = getattr(broker, "repeats", None)  # a floor or a test goes without
    members["writes"] = getattr(broker, "writes", None)
    members["meter"] = getattr(broker, "meter", None) or Meter()
    return type("FastLane", (Lane,), members)


class Lane(WriteLane):
    """One connection. Answers leave in the order requests came, whoever answers them."""

    broker: Broker
    repeats: Repeats | None
    meter: Meter

    # --- reading --------------------------------------------------------------------------------
    def connection_made(self, transport: Any) -> None:
        """A connection of somebody who was here before: most bring the lines of then."""
        super().connection_made(transport)
        if self.repeats is not None:
            self._repeat = self.repeats.newest.get(self._peer)

    def on_headers_complete(self) -> None:
        """Decide who answers: the lane or uvicorn."""
        if self._deaf:
            return
        self._again = self.headers == self._last_pairs  # looked at when they came first
        version = self.parser.get_http_version()
        odd = not self._again or version != "1.1" or not self.url.startswith(b"/")
        if odd and self._refused(version):
            return
        url = self.url
        if not url.startswith(_PREFIX):
            self._hand_to_uvicorn()
            return
        self._in_lane = True
        path, _, query = url.partition(b"?")
        if not self._again:  # most requests of a connection carry the same ones
            self._last_pairs = self.headers
            self._last_headers = gather(self.headers)
        headers = self._last_headers
        method = self.parser.get_method().decode("ascii")
        self._parsed = Request(method, path, query, headers, b"", self._peer)
        kept = self.keeps and self.parser.should_keep_alive()
        self._keep = kept and version != "1.0"
        self._phase = BODY
        self.headers = []  # what comes now are trailers: they join no request, this or the next
        length = headers.get(b"content-length")
        if length is not None and int(length) > self.limits.body_bytes:
            self._refuse_body()
        elif self.expect_100_continue:
            if not self._busy and not self.pipeline:
                self._send(CONTINUE, now=True)
            else:
                self._owes_continue = True

    def _hand_to_uvicorn(self) -> None:
        self.scope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,  # type: ignore[typeddict-item]
            "root_path": self.root_path,
            "headers": self.headers,
            "state": self.app_state.copy(),
        }
        self._phase = BODY
        self.headers = []  # trailers are no headers of it
        if self._busy or self.pipeline or self.flow.write_paused:
            self.cycle = Occupied()  # type: ignore[assignment]
        super().on_headers_complete()
        if not self.keeps:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Gather the body up to its limit; beyond it, answer 413 and throw the rest away."""
        if not self._in_lane:
            if not self._deaf:
                self._body_bytes += len(body)
                self._since = self.loop.time()  # as long as something comes
                super().on_body(body)
            return
        if self._discard:
            self._discard -= len(body)
            if self._discard <= 0:
                self._deaf = True
                self._close()
            return
        self._body_bytes += len(body)
        if self._body_bytes > self.limits.body_bytes:
            self._refuse_body()
            return
        self._body.append(body)
        if self._body_bytes > LARGE_BODY and not self._count(len(body)):
            self._refuse_body(TOO_MANY_BODIES)

    def on_message_complete(self) -> None:
        """The request is whole: answer it, or queue it behind what is in flight."""
        if not self._in_lane:
            self._body_bytes = 0
            if not self._deaf:
                self._phase = IDLE if self.cycle.response_complete else WORK
                super().on_message_complete()
            return
        if self._discard:
            self._discard = 0
            self._deaf = True
            if not self._busy and not self.pipeline:
                self._close()
            return
        if self._deaf:
            return
        request = self._parsed
        assert request is not None
        if self._body_bytes:
            body = self._body
            request.body = body[0] if len(body) == 1 else b"".join(body)
            self._body = []
            self._body_bytes = 0
            if self._counted:
                self._uncount()
        self._owes_continue = False
        self._phase = WORK
        if request.method == "HEAD":
            request.method = "GET"
            self._take(Turn(request, self._keep, True))
        elif self._busy or self.pipeline or self.flow.write_paused:
            self._take(Turn(request, self._keep))
        else:
            if request.body:
                self._learn_write(request)
            elif self._again:
                self._learn(request)
            self._answer(request, self._keep, False)

    def _refuse_body(self, error: Response | None = None) -> None:
        """Answer 413 (or what is told) in its turn; unless the client waits for a go-ahead, read on
        so that it can see it.
        """
        self._body = []
        self._body_bytes = 0
        self._uncount()
        assert self._parsed is not None
        if error is None:
            error = from_error(413, (TOO_LARGE % self.limits.body_bytes).decode())
        waits = self.expect_100_continue
        self._deaf = waits
        self._discard = 0 if waits else self.limits.discard_bytes
        self._take(Turn(self._parsed, False, False, error, linger=not waits))

    # --- the same again -------------------------------------------------------------------------
    def _learn(self, request: Request) -> None:
        """The second GET with the same headers: the third need not be parsed."""
        self._again = False
        data, repeats = self._data, self.repeats
        if repeats is None or request.method != "GET" or not self._keep or request.body:
            return
        if data[4 : 4 + len(self.url)] != self.url or self.expect_100_continue:
            return
        if len(data) + LONGEST <= self.limits.header_bytes:
            self._repeat = repeats.learn(data, request) or self._repeat

    def _answer_again(self, repeat: Repeat, data: bytes) -> bool:
        """Answer when `data` is one more GET with known header lines and nothing is in its way."""
        target = repeat.target(data)
        if target is None or self._phase != IDLE or self._busy or self.pipeline:
            return False
        began = perf_counter()
        assert self.repeats is not None
        if not self.keeps or self.flow.write_paused or self.transport.is_closing():
            return False
        answer = self.repeats.answer(repeat.standing, target)
        if answer is None:
            return False
        if not isinstance(answer, Prepared):
            self._phase = WORK
            self._asked, self._began = repeat.asked(target), began
            if isinstance(answer, Entered):
                self._busy = True
                answer.send = self._entered
            else:
                self._give(answer, True, False)
            return True
        self.server_state.total_requests += 1
        self._since = self.loop.time()
        self._write_prepared(answer)
        self.meter.count(repeat.asked(target), 200, perf_counter() - began)
        return True

    def _entered(self, answer: Prepared | Response) -> None:
        """The row of an answer is durable: send it."""
        if not isinstance(answer, Prepared) or self._deaf or self.transport.is_closing():
            self._settle(as_response(answer), True, False)
            return
        self._busy, self._phase = False, IDLE
        self._since = self.loop.time()
        self.server_state.total_requests += 1
        self._write_prepared(answer)
        if self._asked is not None:
            self.meter.count(self._asked, 200, perf_counter() - self._began)
            self._asked = None
        if self.pipeline or self._rest or self._owes_continue:
            self._next()

    # --- turns ----------------------------------------------------------------------------------
    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._busy = True
        super()._start_asgi_task(cycle, app)

    def _take(self, turn: Turn) -> None:
        if self.pipeline or self.flow.write_paused or self._busy:
            self.pipeline.appendleft((turn, None))  # type: ignore[arg-type]
            self.flow.pause_reading()
        else:
            self._run(turn)

    def _run(self, turn: Turn) -> None:
        if turn.linger and turn.ready is not None:
            self._write(turn.ready, keep_alive=False, head_only=False)
            if not self._discard:
                self._close()
        elif turn.ready is not None:
            self._finish(turn.ready, turn.keep_alive, turn.head_only)
        else:
            self._answer(turn.request, turn.keep_alive, turn.head_only)

    def _answer(self, request: Request, keep_alive: bool, head_only: bool) -> None:
        meter = self.meter
        meter.left -= 1
        broker = self.broker if meter.left else meter.next(self.broker)
        self._asked, self._began = request, perf_counter()
        self._give(broker.handle(request), keep_alive, head_only)

    def _give(self, answer: Answer, keep_alive: bool, head_only: bool) -> None:
        """Send an answer, now or when it is there."""
        if type(answer) is Response:
            self._finish(answer, keep_alive, head_only)
            return
        self._busy = True
        if type(answer) is Deferred:
            deferred = answer

            def settled(_: object) -> None:
                self._settle(deferred.result(), keep_alive, head_only)

            deferred.future.add_done_callback(settled)
            return
        task = self.loop.create_task(_await(answer))  # type: ignore[arg-type]
        self.tasks.add(task)  # type: ignore[arg-type]

        def done(finished: asyncio.Task[Response]) -> None:
            self.tasks.discard(finished)
            response = from_error(503, "The server stops") if finished.cancelled() else None
            self._settle(response or finished.result(), keep_alive, head_only)

        task.add_done_callback(done)

    def _settle(self, response: Response, keep_alive: bool, head_only: bool) -> None:
        self._busy = False
        self._finish(response, keep_alive, head_only)
        if self.pipeline or self._rest or self._owes_continue or self.flow.read_paused:
            self._next()

    def _finish(self, response: Response, keep_alive: bool, head_only: bool) -> None:
        self.server_state.total_requests += 1
        if self._asked is not None:
            self.meter.count(self._asked, response.status, perf_counter() - self._began)
            self._asked = None
        if self.transport.is_closing():
            return
        self._write(response, keep_alive=keep_alive, head_only=head_only)
        if not keep_alive or (self._deaf and not self.pipeline):
            self._deaf = True
            self.pipeline.clear()
            self._close()
            return
        if self._phase == WORK:
            self._phase = IDLE
            self._since = self.loop.time()

    def _next(self) -> None:
        """Give the queued requests their turns until one has to be waited for."""
        while self.pipeline and not self._busy and not self.flow.write_paused:
            turn: Any
            turn, app = self.pipeline.pop()
            if type(turn) is Turn:
                self._run(turn)
            else:
                self._start_asgi_task(turn, app)
        if not self.pipeline and not self.transport.is_closing():
            if self._owes_continue and not self._busy:
                self._owes_continue = False
                self._send(CONTINUE, now=True)
            if self._rest:
                rest, self._rest = self._rest, b""
                self._feed(rest)
            if not self._rest:
                self.flow.resume_reading()

    def on_response_complete(self) -> None:
        """Uvicorn finished one of its own requests: whoever comes next has the turn."""
        self.server_state.total_requests += 1
        self._busy = False
        if self.transport.is_closing():
            return
        if self._phase == WORK:
            self._phase = IDLE
            self._since = self.loop.time()
        if self._deaf and not self.pipeline:
            self._close()
            return
        self._next()

    def resume_writing(self) -> None:
        """The client reads again: go on with what waited for it."""
        super().resume_writing()
        self.crowd.resume(self)
        if not self._busy:
            self._next()


async def _await(answer: Awaitable[Response]) -> Response:
    return await answer
