"""The city's public doors, whether one runs or not: over HTTP to it, else in this process."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx

from pintu.cli.shell import CityClient
from pintu.processes.lock import prepare_folder, running_city, take_lock
from pintu.settings import Settings


@contextmanager
def city_door(settings: Settings) -> Iterator[CityClient]:
    """A client of the running city; without one, of a city without pieces inside this process.

    The second locks the data folder meanwhile, so that nobody starts a city beneath it.
    """
    address = running_city(settings.data)
    if address:
        with CityClient(settings, address) as client:
            yield client
        return
    prepare_folder(settings.data)
    lock = take_lock(settings.data)
    try:
        with (
            _InProcess(replace(settings, pieces=False, demo=False, plain=True)) as transport,
            CityClient(settings, settings.address, transport=transport) as client,
        ):
            yield client
    finally:
        os.close(lock)


class _InProcess(httpx.BaseTransport):
    """Hands requests to the city's own ASGI application on a loop in a thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._inner: httpx.ASGITransport | None = None
        self._city: Any = None

    def __enter__(self) -> _InProcess:
        self._thread.start()
        try:
            self._run(self._open())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._run(self._city.close())
        finally:
            self._end()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One request, whole body in, whole body out."""
        body = request.read()
        status, headers, content = self._run(self._ask(request, body))
        return httpx.Response(status, headers=headers, content=content, request=request)

    async def _open(self) -> None:
        from pintu.city import City

        self._city = await City.open(self._settings)
        self._inner = httpx.ASGITransport(self._city.application(), raise_app_exceptions=False)

    async def _ask(self, request: httpx.Request, body: bytes) -> tuple[int, httpx.Headers, bytes]:
        assert self._inner is not None
        inside = httpx.Request(request.method, request.url, headers=request.headers, content=body)
        answer = await self._inner.handle_async_request(inside)
        return answer.status_code, answer.headers, await answer.aread()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
