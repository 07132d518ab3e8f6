"""One request in 256 goes a way on which every step is timed; all others go theirs untouched.

That way is a second broker over the same rooms, whose doors to identity, gate and store measure how
long they were open. What is measured is this process's own time; what a request waits for (the
group it is in, a disk, another source) is told apart as `wait`. Reads on the short way of repeated
requests are not sampled: they are one step.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from pintu.web.ngsi_ld.answers import Deferred
from pintu.web.ngsi_ld.broker import Broker
from pintu.web.ngsi_ld.message import Answer, Request, Response

if TYPE_CHECKING:
    from pintu.kernel.access import Actor
    from pintu.web.ngsi_ld.operation import Call, Result

STEPS: Final = ("parse", "who", "gate", "check", "store", "wait")
"""parse: route, header lines, JSON, @context; check: validation, names, the change to be made, the
answer; store: handing over a write, or a read on the loop; wait: until it was durable."""


class Steps:
    """Seconds by step of every sampled request, and how many there were."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys(STEPS, 0.0)
        self.requests = 0

    def shares(self) -> list[tuple[str, float, float]]:
        """(step, µs a request, share of the time that is this process's own; 0 for wait)."""
        own = sum(value for name, value in self.spent.items() if name != "wait")
        many = max(self.requests, 1)
        return [
            (name, value * 1e6 / many, value / own if own and name != "wait" else 0.0)
            for name, value in self.spent.items()
        ]


class Timed:
    """Stands before a room; `methods` are timed, everything else is the room's own."""

    def __init__(self, inner: Any, methods: tuple[str, ...], spend: Callable[[float], None]):
        self._inner, self._spend = inner, spend
        self._timed = {name: self._timing(name) for name in methods}

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """Whoever asks what it is hears what it stands for."""
        return type(self._inner)

    def __getattr__(self, name: str) -> Any:
        return self._timed.get(name) or getattr(self._inner, name)

    def _timing(self, name: str) -> Any:
        inner = self._inner

        def timed(*values: Any, **more: Any) -> Any:
            began = perf_counter()
            try:
                # asked for at each call: a store that is paused refuses by another method
                return getattr(inner, name)(*values, **more)
            finally:
                self._spend(perf_counter() - began)

        return timed


class Sampled(Broker):
    """A broker that times itself; made of another one by `sampled`, never opened by itself."""

    steps: Steps
    _inside: float

    def handle(self, request: Request, actor: Actor | None = None) -> Answer:
        """Answer as the other does, and say where the time went."""
        spent = self.steps.spent
        before = spent["who"] + spent["gate"] + spent["store"] + spent["check"]
        began = perf_counter()
        answer = super().handle(request, actor)
        ended = perf_counter()
        rooms = spent["who"] + spent["gate"] + spent["store"] + spent["check"] - before
        spent["parse"] += max(0.0, ended - began - rooms)
        self.steps.requests += 1
        if isinstance(answer, Deferred):
            answer.future.add_done_callback(lambda _: self._waited(ended))
        elif not isinstance(answer, Response):
            return self._awaiting(answer, ended)
        return answer

    def _handled(self, call: Call) -> Result:
        store = self.steps.spent["store"]
        began = perf_counter()
        try:
            return super()._handled(call)
        finally:
            stored = self.steps.spent["store"] - store
            self.steps.spent["check"] += max(0.0, perf_counter() - began - stored)

    async def _awaiting(self, answer: Any, since: float) -> Response:
        found: Response = await answer
        self._waited(since)
        return found

    def _waited(self, since: float) -> None:
        self.steps.spent["wait"] += perf_counter() - since


def sampled(broker: Broker) -> Sampled:
    """A second broker over the same rooms, which times its steps."""
    made: Any = copy.copy(broker)
    made.__class__ = Sampled
    made.steps = steps = Steps()

    def into(name: str) -> Callable[[float], None]:
        def spend(seconds: float) -> None:
            steps.spent[name] += seconds

        return spend

    rooms = broker.rooms
    timed: dict[str, Any] = {
        "identity": Timed(rooms.identity, ("actor",), into("who")),
        "gate": Timed(rooms.gate, ("decide",), into("gate")),
        "store": Timed(rooms.store, ("submit", "retrieve", "select"), into("store")),
    }
    made.rooms = replace(rooms, **timed)
    found: Sampled = made
    return found
