"""What cannot be understood or done is told why, and leaves nothing behind."""

from __future__ import annotations

import orjson
import pytest

from tests.web.ngsi_ld.doors import Door, header


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/nothing", 404, "ResourceNotFound"),
        ("PUT", "/types", 405, "InvalidRequest"),
        ("GET", "/entities?type=Lamp&wrong=1", 400, "InvalidRequest"),
        ("GET", "/entities", 400, "BadRequestData"),
        ("GET", "/entities?type=Lamp&limit=0", 400, "BadRequestData"),
        ("GET", "/entities?type=Lamp&limit=x", 400, "BadRequestData"),
        ("GET", "/entities?type=Lamp&options=fancy", 400, "InvalidRequest"),
        ("GET", "/entities?type=Lamp&q=level%3D%3D", 400, "BadRequestData"),
        ("GET", "/entities/not-a-uri", 400, "BadRequestData"),
        ("GET", "/entities/urn:nobody", 404, "ResourceNotFound"),
        ("GET", "/temporal/entities?type=Lamp", 400, "BadRequestData"),
        ("POST", "/entities", 411, ""),
        ("DELETE", "/entities", 400, "BadRequestData"),
        ("GET", "/types/%ff", 400, "InvalidRequest"),
    ],
)
async def test_a_wrong_request_is_told_what_is_wrong(
    door: Door, method: str, path: str, status: int, kind: str
) -> None:
    """Problem details with the standard's type, and the methods there are."""
    answer = await door(method, path)
    assert status == answer.status
    if kind:
        assert orjson.loads(answer.body)["type"].endswith("/" + kind)
    if status == 405:
        assert [b"GET"] == header(answer, b"allow")


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"", 400, "InvalidRequest"),
        (b"{", 400, "InvalidRequest"),
        (b"[]", 400, "InvalidRequest"),
        (b'{"id":"urn:x","type":"T","a":{"type":"Property","value":NaN}}', 400, "InvalidRequest"),
        (b'{"id":"urn:x","type":"T","type":"U"}', 400, "BadRequestData"),
        (
            b'{"id":"urn:x","type":"T","a":' + b"[" * 5000 + b"]" * 5000 + b"}",
            400,
            "InvalidRequest",
        ),
        (b'{"id":"urn:x","type":"T","a":"\xff"}', 400, "InvalidRequest"),
        (b'{"id":"lamp 1","type":"T"}', 400, "BadRequestData"),
        (b'{"id":"urn:x","type":"T","@context":"https://x.org/c"}', 400, "BadRequestData"),
    ],
)
async def test_hostile_bodies_are_refused_with_a_reason(
    door: Door, body: bytes, status: int, kind: str
) -> None:
    """Malformed, doubled, bottomless or misplaced: nothing of it is stored."""
    answer = await door("POST", "/entities", body)
    problem = orjson.loads(answer.body)
    assert (status, kind) == (answer.status, problem["type"].rpartition("/")[2])
    assert problem["detail"]
    assert 404 == (await door("GET", "/entities/urn:x")).status
