"""What libraries that come late would add to a start: `python -m bench.imports`.

A process imports what the broker does and makes the routes of the screens, then one library after
the other as its first user does (`tests/test_start_imports.py` lists them). Printed: resident
memory, and how much of it is private to the process; order matters where they share parts.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Final


def resident_mb() -> tuple[float, float]:
    """(resident, anonymous) memory of this process in MB."""
    found = {}
    for line in Path("/proc/self/smaps_rollup").read_text("ascii").splitlines()[1:]:
        name, _, size = line.partition(":")
        found[name] = int(size.split()[0]) / 1024
    return found["Rss"], found["Anonymous"]


def start() -> None:
    """What every broker loads."""
    importlib.import_module("pintu.processes.broker")
    importlib.import_module("pintu.web.app")._routes()


def cedar() -> None:
    """The first agreement: the library, and our policies compiled."""
    from pintu.kernel.exchange.agreements import policy

    policy.compiled(policy.built_in())


def icu() -> None:
    """The first order by a language's rules."""
    loaded = importlib.import_module("icu")
    loaded.Collator.createInstance(loaded.Locale.forLanguageTag("zh"))


def told() -> None:
    """The first e-mail, the first notification over MQTT."""
    importlib.import_module("aiosmtplib")
    importlib.import_module("aiomqtt")


def migrating() -> None:
    """Tables of another version."""
    importlib.import_module("alembic.migration")
    importlib.import_module("alembic.operations")


def models() -> None:
    """Litestar's plugins that are left out."""
    importlib.import_module("litestar.plugins.pydantic")
    importlib.import_module("litestar.plugins.attrs")


STEPS: Final = (start, cedar, icu, told, migrating, models)


def main() -> None:
    """Print a row a step."""
    resident, own = resident_mb()
    print(f"{'the interpreter':<60}{resident:7.1f} MB resident {own:7.1f} its own")
    for step in STEPS:
        step()
        now, now_own = resident_mb()
        name = (step.__doc__ or "").rstrip(".")
        print(f"{name:<60}{now - resident:+7.1f} MB resident {now_own - own:+7.1f} its own")
        resident, own = now, now_own


if __name__ == "__main__":
    main()
