"""What a city's start loads: libraries that most cities need late or never are not among it."""

from __future__ import annotations

import subprocess
import sys

LATER = {
    "aiomqtt": "notifications over MQTT, a channel of the roster",
    "aiosmtplib": "e-mail of the roster",
    "alembic": "tables of another version",
    "babel": "a catalogue that no install compiled",
    "cedarpy": "the first agreement",
    "duckdb": "questions about history as a whole, in a process of their own",
    "httpx": "the first address outside",
    "icu": "an order by a language's rules, reading names of persons",
    "joserfc": "signing in through another house",
    "openpyxl": "workbooks",
    "psycopg": "a city on PostgreSQL",
    "pyarrow": "days of history that have become files",
    "pydantic": "Litestar's plugin for models that none of ours is",
    "pypinyin": "searching in pinyin",
    "webauthn": "passkeys",
}
"""Library → what brings it in; together more than the rest of a start."""

START = """
import sys, pintu.processes.broker
from pintu.web import app
app._routes()
print(*sorted(sys.modules))
"""


def test_a_start_loads_nothing_that_comes_later() -> None:
    """The broker's modules with every route of the screens, in a process of their own."""
    done = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "pintu.web.pages.map" in loaded
    assert set() == loaded & set(LATER)
