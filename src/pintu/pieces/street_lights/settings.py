"""What the piece needs to be told: where the broker is, and where the lamps are for the sun."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pintu.kit import ConfigurationError
from pintu.kit.mqtt import MqttAddress, read_address


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Checked once at start; every mistake shown together."""

    broker: MqttAddress | None
    client_id: str
    tenant: str
    interval_s: float
    lat: float
    lon: float


def read_settings(told: Mapping[str, Any]) -> Settings:
    """Settings from what the city says; ConfigurationError lists every mistake."""
    mistakes: list[str] = []
    password = _password(str(told["password_file"]), mistakes)
    broker = None
    if told["broker"]:
        try:
            broker = read_address(
                str(told["broker"]), password=password, ca_file=str(told["ca_file"])
            )
        except ConfigurationError as error:
            mistakes.extend(error.mistakes)
    if told["ca_file"] and not Path(str(told["ca_file"])).is_file():
        mistakes.append(f"ca_file {told['ca_file']} is not a file that can be read")
    for name, low, high in (("lat", -90, 90), ("lon", -180, 180), ("interval_s", 1, 86_400)):
        if not low <= float(told[name]) <= high:
            mistakes.append(f"{name} = {told[name]} is not between {low} and {high}")
    if mistakes:
        raise ConfigurationError([f"street_lights: {one}" for one in mistakes])
    return Settings(
        broker=broker,
        client_id=str(told["client_id"]),
        tenant=str(told["tenant"]),
        interval_s=float(told["interval_s"]),
        lat=float(told["lat"]),
        lon=float(told["lon"]),
    )


def _password(path: str, mistakes: list[str]) -> str | None:
    if not path:
        return None
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        mistakes.append(f"password_file {path} cannot be read: {error}")
        return None
