"""A connection that writes again and again: requests with known lines are answered without parsing
them.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

from pintu.web.metrics.meter import Meter
from pintu.web.ngsi_ld.connection import IDLE, WORK
from pintu.web.ngsi_ld.message import Answer, Request
from pintu.web.ngsi_ld.reading import SLICE, Reading
from pintu.web.ngsi_ld.repeated_writes import Lines, RepeatedWrites

_MOST_LEARNED = 64
"""A connection whose lines differ each time is not learned for ever."""


class WriteLane(Reading):
    """Learns the lines of a write, and takes the short way while they stay the same."""

    writes: RepeatedWrites | None
    meter: Meter
    _lines: Lines | None = None
    _learned = 0
    _keep: bool

    def data_received(self, data: bytes) -> None:
        """A write with known lines, or what has to be parsed."""
        if self._lines is None or not self._write_again(self._lines, data):
            super().data_received(data)

    def _write_again(self, lines: Lines, data: bytes) -> bool:
        """Do the write when nothing is in its way; False: it goes the ordinary way."""
        asked = lines.split(data)
        if asked is None or self._phase != IDLE or self._busy or self.pipeline or self._deaf:
            return False
        if self._rest or not self.keeps or self.flow.write_paused or self.transport.is_closing():
            return False
        meter, began = self.meter, perf_counter()
        if meter.left <= 1:  # the one in so many that is timed step by step
            return False
        assert self.writes is not None
        found = self.writes.answer(lines, asked)
        if found is None:
            return False
        meter.left -= 1
        self._phase = WORK
        self._asked, answer = found
        self._began = began
        self._give(answer, True, False)
        return True

    def _learn_write(self, request: Request) -> None:
        """A write came as others may."""
        if self.writes is None or self._learned >= _MOST_LEARNED or not self._keep:
            return
        data = self._data
        if len(data) <= SLICE and not self.expect_100_continue:
            self._learned += 1
            self._lines = self.writes.learn(data, request) or self._lines

    def _give(self, answer: Answer, keep_alive: bool, head_only: bool) -> Any:
        raise NotImplementedError
