"""The plain door: what it does with a request that never came whole."""

from __future__ import annotations

from typing import Any

import pytest

from pintu.web.ngsi_ld.asgi import asgi
from pintu.web.ngsi_ld.message import Request, Response


class Asked:
    """Notes what it is asked."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def handle(self, request: Request) -> Response:
        self.bodies.append(request.body)
        return Response(204, b"", ())


@pytest.mark.parametrize(
    ("rest", "done"),
    [
        ({"type": "http.disconnect"}, []),
        ({"type": "http.request", "body": b"}", "more_body": False}, [b"{}"]),
    ],
)
async def test_half_a_body_is_no_request(rest: dict[str, Any], done: list[bytes]) -> None:
    """A caller who leaves amid an upload has asked nothing."""
    asked, sent = Asked(), []
    coming = [{"type": "http.request", "body": b"{", "more_body": True}, rest]
    scope = {"type": "http", "method": "POST", "path": "/ngsi-ld/v1/entities", "headers": []}

    async def receive() -> Any:
        return coming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await asgi(asked)(scope, receive, send)  # type: ignore[arg-type]
    assert done == asked.bodies
    assert bool(sent) is bool(done)
