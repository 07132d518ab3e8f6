"""`python -m claims NAME [--full] [--quick-safe]`: exits 1 when one is short, 2 when not run."""

from __future__ import annotations

import argparse
import importlib
import sys
import time

from claims.words import Claim, Finding, NotRun


def main() -> int:
    """Measure the claims of one capability and print a line each as it is known."""
    parser = argparse.ArgumentParser(prog="claims", description=__doc__)
    parser.add_argument("name", help="the capability, for instance city")
    parser.add_argument("--full", action="store_true", help="also what takes minutes")
    quick_safe = "nothing that hangs on speed, or that a suite asks too"
    parser.add_argument("--quick-safe", action="store_true", help=quick_safe)
    parser.add_argument("--only", default="", help="only claims whose name contains this")
    asked = parser.parse_args()
    try:
        module = importlib.import_module(f"claims.{asked.name.replace('-', '_')}")
        claims: list[Claim] = module.CLAIMS
    except (ModuleNotFoundError, AttributeError) as error:
        print(f"There are no claims called {asked.name}: {error}", file=sys.stderr)
        return 2
    named = [one for one in claims if asked.only in one.name and (asked.full or not one.full)]
    elsewhere = [one for one in named if asked.quick_safe and one.also]
    for one in elsewhere:
        print(f"  ({one.name}: asked by {one.also})")
    chosen = [
        one
        for one in named
        if one not in elsewhere and not (asked.quick_safe and (one.speed or one.full))
    ]
    if not chosen and not elsewhere:
        print(f"No claim of {asked.name} is called like {asked.only!r}", file=sys.stderr)
        return 2
    return _exit_code([_measured(one) for one in chosen])


def _measured(claim: Claim) -> list[Finding]:
    began = time.monotonic()
    try:
        found = claim.measure()
    except NotRun as reason:
        found = [_not_run(claim, str(reason))]
    except (ImportError, OSError, TimeoutError, ValueError, KeyError, RuntimeError) as error:
        found = [_not_run(claim, f"{type(error).__name__}: {error}")]
    for one in found:
        print(one.line(), flush=True)
    print(f"  ({claim.name}: {time.monotonic() - began:.1f} s)", flush=True)
    return found


def _not_run(claim: Claim, reason: str) -> Finding:
    return Finding(claim=claim.name, figure="-", bar="-", verdict="not run", reason=reason)


def _exit_code(found: list[list[Finding]]) -> int:
    verdicts = {one.verdict for some in found for one in some}
    return 1 if "short" in verdicts else 2 if "not run" in verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
