"""What a time of the log costs beside one of the clock: `python -m bench.clock`."""

from __future__ import annotations

import time
import timeit

from pintu.kernel.clock import CityClock, Onward

N = 200_000


def best_ns(clock: CityClock | Onward) -> float:
    """Nanoseconds a call, the best of nine."""
    return min(timeit.repeat(clock.now_us, timer=time.process_time, number=N, repeat=9)) / N * 1e9


def main() -> None:
    """Print both."""
    clock = CityClock()
    plain, onward = best_ns(clock), best_ns(Onward(clock))
    print(f"the clock {plain:.0f} ns, a time of the log {onward:.0f} ns")


if __name__ == "__main__":
    main()
