"""The table of docs/performance.md from a run: `python -m bench.document [bench/results.json]`.

What stands between the two marks of the page is replaced by the rows of the run, with the day and
the load of the machine; the rest of the page is a person's.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bench.table import PEERS_US

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
BEGIN: Final = "<!-- figures: python -m bench.document -->"
END: Final = "<!-- end of figures -->"
HEAD: Final = (
    "| operation | figure | goal, scaled (listed) | floor of the run | ÷ floor | p50 / p99 ms "
    "| Orion-LD | |\n|---|---|---|---|---|---|---|---|"
)


def table(result: dict[str, Any], day: str) -> str:
    """The rows as a Markdown table."""
    lines = [f"Measured {day}, load {result['load'][0]:.1f} when it ended.", "", HEAD]
    return "\n".join([*lines, *(_row(one) for one in result["rows"])])


def _row(one: dict[str, Any]) -> str:
    listed = f" ({one['listed']:g})" if "listed" in one else ""
    floor = f"{one['floor']} {one['floor_us']:.1f} µs" if "floor" in one else ""
    ratio = f"{one['ratio']:.1f}" if "ratio" in one else ""
    times = f"{one['p50_ms']:.2f} / {one['p99_ms']:.2f}" if "p99_ms" in one else ""
    cells = [
        one["name"], f"{one['figure']:.2f} {one['unit']}", f"{one['goal']:.1f}{listed}", floor,
        ratio, times, PEERS_US.get(one["name"], ""), "ok" if one["reached"] else "**short**",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def placed(page: str, found: str) -> str:
    """The page with the table between its marks; ValueError when it has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"The page has no place for figures: {BEGIN} … {END}")
    return f"{before}{begin}\n{found}\n{end}{after}"


def main() -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="?", default=Path("bench/results.json"))
    asked = parser.parse_args()
    result = json.loads(asked.results.read_text())
    day = datetime.fromtimestamp(asked.results.stat().st_mtime, UTC).strftime("%Y-%m-%d")
    PAGE.write_text(placed(PAGE.read_text("utf-8"), table(result, day)), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
