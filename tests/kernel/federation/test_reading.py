"""Reading registrations: what 5.2.9 allows, and each mistake by its name."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pintu.kernel.errors import PintuError
from pintu.kernel.federation import operations
from pintu.kernel.federation.reading import read, shown, stored
from pintu.kernel.federation.rules import check_alone
from pintu.kernel.jsonld import CORE
from tests.kernel.federation.registering import NOW_US, document, registration


def test_groups_stand_for_their_operations() -> None:
    """No operations: federationOps; single ones and groups may stand together (4.20)."""
    assert operations.GROUPS["federationOps"] == registration("1").operations
    told = registration("1", operations=["retrieveOps", "createBatch"]).operations
    assert frozenset(("retrieveEntity", "queryEntity", "createBatch")) == told


def test_how_a_source_is_called() -> None:
    """Durations are seconds; jsonldContext, a tenant and what is the connection's own are no
    headers (4.3.6.5); the endpoint has no slash at its end.
    """
    one = registration(
        "1",
        endpoint="http://source.example/a/",
        management={"cacheDuration": "PT5M", "timeout": 1500, "cooldown": 500, "localOnly": True},
        contextSourceInfo=[
            {"key": "Authorization", "value": "Bearer x"},
            {"key": "jsonldContext", "value": "http://words.example/c.jsonld"},
            {"key": "NGSILD-Tenant", "value": "town"},
            {"key": "Host", "value": "other.example"},
        ],
    )
    management = one.management
    assert (300.0, 1.5, 0.5, True) == (
        management.cache_s, management.timeout_s, management.cooldown_s, management.local_only,
    )  # fmt: skip
    assert (("Authorization", "Bearer x"),) == one.context_source_info
    assert "http://words.example/c.jsonld" == one.context
    assert "town" == registration("1", tenant="town").source_tenant
    assert "http://source.example/a" == one.endpoint


EXPLODES = "((a{1,100}){1,100}){1,100}$"
LAMPS = {"entities": [{"type": "Lamp"}]}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"type": "Thing"}, "type of a registration"),
        ({"information": []}, "needs information"),
        ({"information": [{}]}, "neither entities nor attributes"),
        ({"information": [{"entities": [{"id": "urn:x"}]}]}, "needs a type"),
        ({"information": [{"entities": [{"type": "A", "idPattern": "("}]}]}, "does not compile"),
        ({"information": [{"entities": [{"type": "A", "idPattern": EXPLODES}]}]}, "not compile"),
        ({"information": [{"entities": [{"type": "A", "id": "x"}]}]}, "is not a URI"),
        ({"information": [{**LAMPS, "strange": 1}]}, "no member strange"),
        ({"endpoint": "ftp://x.example"}, "not an http or https address"),
        ({"endpoint": "http://u:p@x.example"}, "user name"),
        ({"endpoint": "http://x.example:99999"}, "not an address"),
        ({"mode": "greedy"}, "is none of"),
        ({"operations": ["fly"]}, "There is no operation 'fly'"),
        ({"expiresAt": "2001-01-01T00:00:00Z"}, "lies in the past"),
        ({"expiresAt": "soon"}, "not a UTC timestamp"),
        ({"location": {"type": "Point", "coordinates": [400]}}, "not a GeoJSON geometry"),
        ({"observationInterval": {"endAt": "2020-01-01T00:00:00Z"}}, "object with startAt"),
        ({"management": {"timeout": 0}}, "milliseconds above 0"),
        ({"management": {"cacheDuration": "soon"}}, "ISO 8601 duration"),
        ({"contextSourceInfo": [{"key": "X", "value": "a\r\nb: c"}]}, "one printable line"),
        ({"contextSourceInfo": [{"key": "X Y", "value": "a"}]}, "cannot set header"),
    ],
)
def test_each_mistake_is_named(changed: dict[str, Any], said: str) -> None:
    """A registration that cannot be is refused with the member that is wrong."""
    with pytest.raises(PintuError, match=re.escape(said)) as raised:
        read({**document("1"), **changed}, tenant="", now_us=NOW_US)
    assert 400 == raised.value.status


@pytest.mark.parametrize(
    "information",
    [
        [LAMPS] * 1_001,
        [{"propertyNames": [f"p{n}" for n in range(1_000_000)]}],
        [{"entities": [{"type": "A", "id": f"urn:{n}"} for n in range(10_001)]}],
        [{"entities": [{"type": "A", "idPattern": f"^{n}x"} for n in range(1_001)]}],
    ],
)
def test_a_registration_that_asks_too_much(information: list[Any]) -> None:
    """A million names, ten thousand entities or a thousand patterns are refused as too large."""
    with pytest.raises(PintuError, match="at most") as raised:
        read({**document("1"), "information": information}, tenant="", now_us=NOW_US)
    assert 413 == raised.value.status


def test_what_a_mode_allows() -> None:
    """Exclusive: ids and attributes alone; auxiliary: only reads (5.9.2.4)."""
    held = {"entities": [{"type": "A", "id": "urn:a"}], "propertyNames": ["x"]}
    check_alone(registration("1", held, mode="exclusive"))
    check_alone(registration("1", mode="auxiliary"))
    wrong: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (LAMPS, {"mode": "exclusive"}),
        ({"propertyNames": ["x"]}, {"mode": "exclusive"}),
        ({**held, "entities": [{"type": "A", "idPattern": ".*"}]}, {"mode": "exclusive"}),
        ({"entities": held["entities"]}, {"mode": "exclusive"}),
        (LAMPS, {"mode": "auxiliary", "operations": ["redirectionOps"]}),
    ]
    for information, more in wrong:
        with pytest.raises(PintuError):
            check_alone(registration("1", information, **more))


def test_names_there_and_back() -> None:
    """Types, attributes and own members are stored names; what the broker says is not kept."""
    told = document("1", {**LAMPS, "propertyNames": ["level"]}, region="north", status="ok")
    kept = stored(told, CORE)
    del told["status"]
    assert told == kept
    assert told == shown(kept, CORE)
