"""What `deploy/` says holds: the layout starts with its very files, and names what there is."""

from __future__ import annotations

import configparser
import json
import re
from pathlib import Path

import pytest

from pintu.settings import READERS
from tests.layout import DEPLOY, city_layout

UNITS = DEPLOY.parent


@pytest.mark.slow
def test_the_layout_starts_and_keeps_an_entity(tmp_path: Path) -> None:
    """PostgreSQL and NATS with the files of deploy/city, roles by `pintu init --sql`, a city
    between them: it takes an entity and gives it back, and tells its figures to a token alone."""
    with city_layout(tmp_path) as city:
        lamp = b'{"id":"urn:ngsi-ld:Lamp:1","type":"Lamp","on":{"type":"Property","value":true}}'
        assert 201 == city.ask("POST", "/ngsi-ld/v1/entities", lamp)[0]
        status, body = city.ask("GET", "/ngsi-ld/v1/entities/urn:ngsi-ld:Lamp:1")
        assert (200, True) == (status, json.loads(body)["on"]["value"])
        assert 200 == city.ask("GET", "/metrics")[0]
        city.token = ""
        assert 401 == city.ask("GET", "/metrics")[0]


@pytest.mark.parametrize("name", ["pintu.service", "pintu@.service"])
def test_units_are_whole(name: str) -> None:
    """A unit has what a city needs to be stopped and reloaded in peace, and names settings there
    are."""
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNITS / name)
    service = unit["Service"]
    assert "mixed" == service["KillMode"]
    assert int(service["TimeoutStopSec"]) > 15
    assert "kill -HUP" in service["ExecReload"]
    text = (UNITS / name).read_text()
    for variable in re.findall(r"^Environment=PINTU_(\w+)=", text, re.M):
        assert variable == "DATA" or variable.lower() in READERS


def test_environments_name_settings_there_are() -> None:
    """node.env holds settings that are read."""
    for line in (DEPLOY / "node.env").read_text().splitlines():
        if line and not line.startswith("#"):
            assert line.partition("=")[0].removeprefix("PINTU_").lower() in READERS


def test_alerts_and_pictures_ask_for_figures_there_are() -> None:
    """Every pintu_… that an alert or a panel asks for is a family this city tells, or the store's
    own figure."""
    told = (Path(__file__).parents[1] / "src/pintu/web/metrics/families.py").read_text()
    store = (Path(__file__).parents[1] / "src/pintu/kernel/store/sqlite/store.py").read_text()
    asked = (DEPLOY / "alerts.yml").read_text() + (DEPLOY / "grafana.json").read_text()
    names = set(re.findall(r"\bpintu_[a-z_]+", asked))
    assert len(names) > 12
    for name in sorted(names):
        base = re.sub(r"_(total|bucket)$", "", name)
        tail = base.rpartition("pintu_store_")[2].rpartition("pintu_intake_")[2]
        assert f'"{base}"' in told or f'"{tail}"' in told + store, name
    json.loads((DEPLOY / "grafana.json").read_text())
