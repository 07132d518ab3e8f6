"""Major-event mode, for when a summit comes to town: a plan with zones, a raised watch, doubled
checks, its own roster, and a report afterwards.

A plan is written by one person and approved by another; timers begin it, ask for its checks and
end it. `MajorEvents.steps_at` tells others how seriously to take a place.
"""

from pintu.kernel.operations.events.events import MajorEvents
from pintu.kernel.operations.events.words import Check, EventPlan, Post, Round, Zone

__all__ = ["Check", "EventPlan", "MajorEvents", "Post", "Round", "Zone"]
