"""Air quality: wiring only. Read piece.toml, then the files in the order of README.md."""

from __future__ import annotations

from collections.abc import Sequence

from pintu.kit import Clock, Connector, Piece, Watcher
from pintu.pieces.environment.connectors.hj212 import StationConnector
from pintu.pieces.environment.connectors.stations import StationFile
from pintu.pieces.environment.connectors.units import StationUnits
from pintu.pieces.environment.derive import Deriver
from pintu.pieces.environment.detect import Detector
from pintu.pieces.environment.model.outlook import Forecaster
from pintu.pieces.environment.model.past import daily_indices
from pintu.pieces.environment.normalise import normalise
from pintu.pieces.environment.service import TABLES, CaseService
from pintu.pieces.environment.settings import Settings, read_settings


def _connectors(settings: Settings, clock: Clock) -> Sequence[Connector]:
    found: list[Connector] = []
    units = StationUnits(settings.unit)
    if settings.station_file is not None:
        found.append(StationFile(settings.station_file, clock, units))
    if settings.listen:
        found.append(StationConnector(settings, clock, units))
    return found


def _watchers(settings: Settings) -> Sequence[Watcher]:
    deriver = Deriver(
        settings.editions,
        settings.limits,
        area_class=settings.area_class,
        forecaster=Forecaster() if settings.forecast else None,
    )
    return [Detector(settings.limits, area_class=settings.area_class), deriver]


piece = Piece(
    name="environment",
    read_settings=read_settings,
    connectors=_connectors,
    normalise=normalise,
    watchers=_watchers,
    tables=TABLES,
    service=CaseService,
    finish={"daily_indices": daily_indices},
)
