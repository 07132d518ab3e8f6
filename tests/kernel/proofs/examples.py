"""How many examples a property is tried with: few where everybody runs them, many as a claim."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("PINTU_EXAMPLES", "40"))

tried = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
"""For a property of pure code."""

tried_less = settings(tried, max_examples=max(5, EXAMPLES // 10))
"""For a property whose single example is a whole program of writes."""
