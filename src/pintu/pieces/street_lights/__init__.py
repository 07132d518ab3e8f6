"""Street lights, the reference piece: wiring only. Read piece.toml, then the files in the order of
README.md."""

from __future__ import annotations

from collections.abc import Sequence

from pintu.kit import Clock, Connector, Piece, Watcher
from pintu.pieces.street_lights.actions import dim_lamp, switch_lamp
from pintu.pieces.street_lights.connectors.mqtt import GatewayConnector
from pintu.pieces.street_lights.derive import Deriver
from pintu.pieces.street_lights.detect import Detector
from pintu.pieces.street_lights.model import DuskToDawn
from pintu.pieces.street_lights.normalise import normalise
from pintu.pieces.street_lights.service import TABLES, FaultService
from pintu.pieces.street_lights.settings import Settings, read_settings


def _connectors(settings: Settings, clock: Clock) -> Sequence[Connector]:
    return [GatewayConnector(settings, clock)] if settings.broker is not None else []


def _watchers(settings: Settings) -> Sequence[Watcher]:
    return [Detector(DuskToDawn(settings.lat, settings.lon)), Deriver()]


piece = Piece(
    name="street_lights",
    read_settings=read_settings,
    connectors=_connectors,
    normalise=normalise,
    watchers=_watchers,
    actions={"DimLamp": dim_lamp, "SwitchLamp": switch_lamp},
    tables=TABLES,
    service=FaultService,
)
