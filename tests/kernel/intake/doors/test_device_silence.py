"""A door's source that dies becomes an alert after its own interval; one that somebody stops does
not."""

from __future__ import annotations

from typing import Any

import msgspec

from pintu.kernel.intake.sources import Sources
from pintu.kernel.intake.words import SourceReport

AT_US = 1_790_000_000_000_000


class Machine:
    """The machine's time in the test's hand, and the sources that watch it."""

    def __init__(self) -> None:
        self.s = 1000.0
        self.sources = Sources(lambda: self.s)

    def told(self, **more: Any) -> None:
        report = SourceReport("doors/yard", "doors", 1, 0, 0, AT_US, 0, "up", "", 60.0, "")
        self.sources.report(msgspec.structs.replace(report, **more))
        source = self.sources.list_all()[0]
        source.alerted = bool(source.alerted)

    def states(self) -> list[str]:
        found = []
        for source, update in self.sources.due(AT_US):
            status = update.entity["status"]["value"]
            source.alerted = status == "open"
            found.append(status)
        return found


def test_each_source_has_its_own_interval() -> None:
    """Heard every minute, it is an alert after three of them, and none before."""
    machine = Machine()
    machine.told()
    machine.s += 170
    assert [] == machine.states()
    machine.s += 20
    assert ["open"] == machine.states()
    machine.told(messages=2)
    assert ["cleared"] == machine.states()


def test_a_broken_source_is_an_alert_and_a_stopped_one_is_not() -> None:
    """A wrong configuration is raised after ten seconds; stopping the source clears it, and it may
    be silent for ever then, also when its process ends."""
    machine = Machine()
    machine.told(state="down", detail="qos is none of 0, 1, 2")
    machine.states()
    machine.s += 11
    assert ["open"] == machine.states()
    machine.told(state="stopped")
    assert ["cleared"] == machine.states()
    machine.sources.lost({"doors/yard"}, "the process is not connected")
    machine.s += 1_000_000
    assert ([], "stopped") == (machine.states(), machine.sources.list_all()[0].health)
