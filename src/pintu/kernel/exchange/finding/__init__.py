"""The finder: what departments hold twice, what nobody uses, and what only looks fresh."""

from pintu.kernel.exchange.finding.finder import Finder
from pintu.kernel.exchange.finding.opening import open_finder
from pintu.kernel.exchange.finding.words import Day, FieldTwin, Finding, Sketch, Twin, Use

__all__ = ["Day", "FieldTwin", "Finder", "Finding", "Sketch", "Twin", "Use", "open_finder"]
