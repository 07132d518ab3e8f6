"""One broken detector: noticed by how much it says that nothing else explains. Pure.

Counts are kept in a few buckets of time a detector, so that ten thousand alarms cost as little
memory as ten.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final

MINUTE_US: Final = 60 * 1_000_000
BUCKETS: Final = 20
MOST_DETECTORS: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one detector may say within `window_us` before it is not believed.

    `most` alarms that no other source confirms, or `scattered` single alarms that nothing explains
    at one moment.
    """

    window_us: int = 10 * MINUTE_US
    most: int = 2_500
    scattered: int = 120


class Counted:
    """The last minutes of one detector: [bucket, alarms, those that nothing explains]."""

    __slots__ = ("buckets", "flooding", "scattering")

    def __init__(self) -> None:
        self.buckets: deque[list[int]] = deque(maxlen=BUCKETS + 1)
        self.flooding = self.scattering = False


class Guard:
    """Who is flooding, by detector."""

    def __init__(self, limits: Limits = Limits()) -> None:
        self.limits = limits
        self._known: OrderedDict[str, Counted] = OrderedDict()

    def heard(self, detector: str, at_us: int) -> bool:
        """One more alarm; whether its detector says too much (now)."""
        known = self._of(detector)
        self._bucket(known, at_us)[1] += 1
        alarms, _ = self._sums(known, at_us)
        # It is believed again when it has become quiet.
        known.flooding = alarms * (2 if known.flooding else 1) > self.limits.most
        return known.flooding or known.scattering

    def alone(self, detector: str, at_us: int) -> bool:
        """Its alarm is explained by nothing; whether there may be too many such to believe."""
        known = self._of(detector)
        self._bucket(known, at_us)[2] += 1
        _, alone = self._sums(known, at_us)
        known.scattering = known.scattering and alone * 2 > self.limits.scattered
        return alone > self.limits.scattered

    def scatters(self, detector: str) -> None:
        """There are too many."""
        self._of(detector).scattering = True

    def began_us(self, detector: str, at_us: int) -> int:
        """When what it says now began: its first bucket that is not small beside the fullest."""
        known = self._of(detector)
        self._sums(known, at_us)
        fullest = max((one[1] for one in known.buckets), default=0)
        first = next((one[0] for one in known.buckets if one[1] * 10 >= fullest), 0)
        return first * (self.limits.window_us // BUCKETS)

    def goes_on(self, detector: str, heard: dict[int, int], alone: int, *, flooding: bool) -> None:
        """As an earlier life left it: alarms by their bucket, how many of them nothing explains,
        and whether it was not believed."""
        known = self._of(detector)
        known.buckets.extend([number, count, 0] for number, count in sorted(heard.items()))
        if known.buckets:
            known.buckets[-1][2] = alone
        known.flooding = sum(heard.values()) * (2 if flooding else 1) > self.limits.most
        known.scattering = flooding and alone * 2 > self.limits.scattered

    def bucket_us(self) -> int:
        """How long one bucket is."""
        return self.limits.window_us // BUCKETS

    def flooding(self, detector: str) -> bool:
        """As last heard."""
        known = self._known.get(detector)
        return known is not None and (known.flooding or known.scattering)

    def _of(self, detector: str) -> Counted:
        known = self._known.get(detector)
        if known is None:
            known = self._known[detector] = Counted()
            if len(self._known) > MOST_DETECTORS:
                self._known.popitem(last=False)
        self._known.move_to_end(detector)
        return known

    def _bucket(self, known: Counted, at_us: int) -> list[int]:
        number = at_us // self.bucket_us()
        if not known.buckets or known.buckets[-1][0] < number:
            known.buckets.append([number, 0, 0])
        return known.buckets[-1]

    def _sums(self, known: Counted, at_us: int) -> tuple[int, int]:
        oldest = at_us // (self.limits.window_us // BUCKETS) - BUCKETS
        while known.buckets and known.buckets[0][0] <= oldest:
            known.buckets.popleft()
        return sum(one[1] for one in known.buckets), sum(one[2] for one in known.buckets)
