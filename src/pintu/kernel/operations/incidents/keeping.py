"""Alarms, incidents and detectors on disk: every statement of this room, inside a transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.operations.incidents.schema import ALARM, DETECTOR, INCIDENT, PLACE
from pintu.kernel.operations.incidents.words import LIVE, Alarm, Detector, Incident, Reason
from pintu.kernel.tables import put_rows

READER: Final = "alerts"
LATELY: Final = 100_000
"""So many of the newest alarms are counted at a start: more than a flood's window holds."""
_PLAIN: Final = tuple(
    one.name for one in ALARM.columns if one.name not in ("name", "causes", "reason")
)


def put_alarms(connection: Connection, alarms: Iterable[Alarm]) -> None:
    """Keep alarms as they are now, by their numbers."""
    put_rows(connection, ALARM, [_row(one) for one in alarms])


def put_incidents(connection: Connection, incidents: Iterable[Incident]) -> None:
    """Keep incidents as they are now."""
    rows = [
        {
            "id": one.id,
            "tenant": one.tenant,
            "state": one.state,
            "opened_us": one.opened_us,
            "changed_us": one.changed_us,
            "told": msgspec.json.encode(one).decode(),
        }
        for one in incidents
    ]
    put_rows(connection, INCIDENT, rows)


def live_incidents(connection: Connection) -> list[Incident]:
    """Every incident that is somebody's business, oldest first."""
    asked = sa.select(INCIDENT.c.told).where(INCIDENT.c.state.in_(sorted(LIVE)))
    rows = connection.execute(asked.order_by(INCIDENT.c.opened_us))
    return [_incident(row.told) for row in rows]


def find_incident(connection: Connection, id: str) -> Incident | None:
    """One incident, whatever its state."""
    row = connection.execute(sa.select(INCIDENT.c.told).where(INCIDENT.c.id == id)).first()
    return None if row is None else _incident(row.told)


def list_incidents(
    connection: Connection,
    tenant: str,
    states: Sequence[str],
    since_us: int,
    limit: int,
) -> list[Incident]:
    """Incidents of some states opened since then, newest first."""
    where = [INCIDENT.c.tenant == tenant, INCIDENT.c.state.in_(states)]
    where.append(INCIDENT.c.opened_us >= since_us)
    asked = sa.select(INCIDENT.c.told).where(*where)
    rows = connection.execute(asked.order_by(INCIDENT.c.opened_us.desc()).limit(limit))
    return [_incident(row.told) for row in rows]


def opened_on(connection: Connection, day: str) -> int:
    """The highest number of the incidents called DAY-NUMBER."""
    asked = sa.select(INCIDENT.c.id).where(INCIDENT.c.id.like(f"{day}-%"))
    found = [row.id.rpartition("-")[2] for row in connection.execute(asked)]
    return max((int(one) for one in found if one.isdigit()), default=0)


def alarms_where(
    connection: Connection, *where: Any, limit: int = 1_000, offset: int = 0
) -> list[Alarm]:
    """Alarms, oldest first."""
    asked = sa.select(ALARM).where(*where).order_by(ALARM.c.number)
    return [_alarm(row) for row in connection.execute(asked.limit(limit).offset(offset))]


def alarms_of(
    connection: Connection, incident: str, limit: int = 1_000, offset: int = 0
) -> list[Alarm]:
    """The alarms of one incident, oldest first."""
    return alarms_where(connection, ALARM.c.incident == incident, limit=limit, offset=offset)


def newest_of(connection: Connection, tenant: str, alerts: Sequence[str]) -> dict[str, Alarm]:
    """The newest alarm of each of some alerts."""
    found: dict[str, Alarm] = {}
    for at in range(0, len(alerts), 500):
        some = alerts[at : at + 500]
        where = (ALARM.c.tenant == tenant, ALARM.c.alert.in_(some))
        newest = sa.select(sa.func.max(ALARM.c.number)).where(*where).group_by(ALARM.c.alert)
        for row in connection.execute(sa.select(ALARM).where(ALARM.c.number.in_(newest))):
            found[row.alert] = _alarm(row)
    return found


def newest_number(connection: Connection) -> int:
    """The highest number of an alarm; 0 before the first."""
    return int(connection.execute(sa.select(sa.func.max(ALARM.c.number))).scalar() or 0)


def heard_lately(
    connection: Connection, since_us: int, bucket_us: int
) -> dict[tuple[str, str], dict[int, int]]:
    """How many alarms each detector raised since a time: by (tenant, detector), by bucket."""
    bucket = (ALARM.c.heard_us // bucket_us).label("bucket")
    asked = (
        sa.select(ALARM.c.tenant, ALARM.c.detector, bucket, sa.func.count().label("count"))
        .where(ALARM.c.number > newest_number(connection) - LATELY, ALARM.c.heard_us > since_us)
        .group_by(ALARM.c.tenant, ALARM.c.detector, bucket)
    )
    found: dict[tuple[str, str], dict[int, int]] = {}
    for row in connection.execute(asked):
        found.setdefault((row.tenant, row.detector), {})[int(row.bucket)] = int(row[3])
    return found


def detectors(connection: Connection, tenant: str | None = None) -> list[Detector]:
    """How every detector did."""
    asked = sa.select(DETECTOR)
    if tenant is not None:
        asked = asked.where(DETECTOR.c.tenant == tenant)
    rows = connection.execute(asked.order_by(DETECTOR.c.detector))
    return [Detector(**row._asdict()) for row in rows]


def put_detectors(connection: Connection, detectors: Iterable[Detector]) -> None:
    """Keep how detectors did."""
    put_rows(connection, DETECTOR, [msgspec.structs.asdict(one) for one in detectors])


def move_alarms(connection: Connection, frm: str, into: str, reason: Reason) -> int:
    """All alarms of an incident become another's; how many."""
    change = ALARM.update().where(ALARM.c.incident == frm)
    told = msgspec.json.encode(reason).decode()
    return int(connection.execute(change.values(incident=into, reason=told)).rowcount)


def position(connection: Connection) -> int | None:
    """The log's position up to which alerts were taken in; None before the first time."""
    asked = sa.select(PLACE.c.position).where(PLACE.c.name == READER)
    row = connection.execute(asked).first()
    return None if row is None else int(row.position)


def put_position(connection: Connection, position: int) -> None:
    """Alerts up to here are taken in."""
    put_rows(connection, PLACE, [{"name": READER, "position": position}])


def _row(one: Alarm) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(one, name) for name in _PLAIN}
    row["name"] = json.dumps(one.name, ensure_ascii=False)
    row["causes"] = json.dumps(one.causes, ensure_ascii=False)
    row["reason"] = msgspec.json.encode(one.reason).decode()
    return row


def _alarm(row: Any) -> Alarm:
    told = {name: getattr(row, name) for name in _PLAIN}
    return Alarm(
        name=json.loads(row.name),
        causes=json.loads(row.causes),
        reason=msgspec.json.decode(row.reason, type=Reason),
        **told,
    )


def _incident(told: str) -> Incident:
    return msgspec.json.decode(told, type=Incident)


def loose(connection: Connection, tenant: str, limit: int) -> list[Alarm]:
    """Alarms of no incident: those that hold first, then the newest."""
    where = (ALARM.c.tenant == tenant, ALARM.c.incident == "")
    asked = sa.select(ALARM).where(*where).order_by(ALARM.c.cleared_us != 0, ALARM.c.number.desc())
    return [_alarm(row) for row in connection.execute(asked.limit(limit))]
