"""The finder: what departments hold twice, what nobody uses, and what only looks fresh."""

from pintu.kernel.exchange.finding.finder import Finder
from pintu.kernel.exchange.finding.opening import open_finder
from pintu.kernel.exchange.finding.systems import Systems
from pintu.kernel.exchange.finding.uses import Uses
from pintu.kernel.exchange.finding.words import Day, FieldTwin, Finding, Sketch, Twin, Use

__all__ = [
    "Day",
    "FieldTwin",
    "Finder",
    "Finding",
    "Sketch",
    "Systems",
    "Twin",
    "Use",
    "Uses",
    "open_finder",
]
