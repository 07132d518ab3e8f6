"""Applications that share routes share nothing else."""

from __future__ import annotations

from functools import partial
from typing import Any

import httpx
from litestar import Litestar, Request, get
from litestar.datastructures import State

from pintu.web.same_routes import with_routes_of


@get("/name")
async def name(request: Request[Any, Any, State]) -> str:
    return str(request.app.state["name"])


async def test_each_has_its_own_state_and_hooks() -> None:
    """Requests find what their own application keeps; each starts and ends by its own hooks."""
    made, done = Litestar([name], logging_config=None), []
    apps = [
        with_routes_of(
            made,
            {"name": one},
            first=[partial(done.append, f"{one} starts")],
            last=[partial(done.append, f"{one} ends")],
        )
        for one in ("east", "west")
    ]
    async with apps[0].lifespan(), apps[1].lifespan():
        for app, expected in zip(apps, ("east", "west"), strict=True):
            transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://city") as client:
                assert expected == (await client.get("/name")).text
    assert ["east starts", "west starts", "west ends", "east ends"] == done
    assert {} == made.state.dict()


async def test_a_server_starts_the_application_it_serves() -> None:
    """What a server says over ASGI reaches the hooks of the application it was given."""
    done: list[str] = []
    app = with_routes_of(
        Litestar([name], logging_config=None), {}, first=[lambda: done.append("starts")], last=[]
    )
    said: list[str] = []
    told = iter(({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}))

    async def receive() -> Any:
        return next(told)

    async def send(message: Any) -> None:
        said.append(message["type"])

    await app({"type": "lifespan", "asgi": {}, "state": {}}, receive, send)  # type: ignore[arg-type,typeddict-item]
    assert ["starts"] == done
    assert ["lifespan.startup.complete", "lifespan.shutdown.complete"] == said
