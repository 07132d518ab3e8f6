"""The floors: what the fast lane, a durable upsert and a point read cost when nothing else is done.

`python -m bench.floor_server PORT FOLDER`: GET /ngsi-ld/echo answers a constant; POST
/ngsi-ld/upsert
stores the body by its id, durable, in groups; GET /ngsi-ld/point/N reads one document by key.
"""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections import deque
from pathlib import Path
from typing import Any

import apsw
import uvicorn

from bench.entities import entity_id, entity_json
from pintu.web.ngsi_ld.answers import Deferred, problem
from pintu.web.ngsi_ld.fast_lane import fast_lane
from pintu.web.ngsi_ld.message import Answer, Request, Response

_ID = re.compile(rb'"id":"([^"]+)"')
_OK = Response(200, b"{}", ((b"content-type", b"application/json"),))
_CREATED = Response(201, b"")


class Floor:
    """Stands where the broker stands."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "floor.db")
        self.waiting: deque[tuple[str, bytes, asyncio.Future[Response]]] = deque()
        self.wake = threading.Event()
        write = self.connect()
        write.execute("CREATE TABLE e(id TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID")
        with write:
            write.executemany(
                "INSERT INTO e VALUES(?,?)",
                ((entity_id(i), entity_json(i)) for i in range(100_000)),
            )
        self.read = self.connect()
        self.read.execute(
            "SELECT sum(length(body)) FROM e"
        ).fetchall()  # a warm cache, like the city's
        threading.Thread(target=self.work, args=(write,), daemon=True).start()

    def connect(self) -> apsw.Connection:
        """A connection as durable as the city's."""
        connection = apsw.Connection(self.path)
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "cache_size=-131072",
            "mmap_size=1073741824",
        ):
            connection.execute("PRAGMA " + pragma).fetchall()
        return connection

    def work(self, connection: apsw.Connection) -> None:
        """The writer thread: one transaction for all that waits."""
        while True:
            self.wake.wait()
            self.wake.clear()
            group = []
            while self.waiting:
                group.append(self.waiting.popleft())
            if not group:
                continue
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO e VALUES(?,?) ON CONFLICT DO UPDATE SET body=excluded.body",
                [(key, body) for key, body, _ in group],
            )
            connection.execute("COMMIT")
            group[0][2].get_loop().call_soon_threadsafe(self.answer, group)

    @staticmethod
    def answer(group: list[Any]) -> None:
        """Tell the clients of one group that their writes are durable."""
        for _, _, future in group:
            if not future.done():
                future.set_result(_CREATED)

    def handle(self, request: Request) -> Answer:
        """One floor by its path."""
        if request.method == "POST":
            found = _ID.search(request.body)
            future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
            self.waiting.append((found[1].decode() if found else "", request.body, future))
            self.wake.set()
            return Deferred(future, lambda done: done, problem)
        if request.path.startswith(b"/ngsi-ld/point/"):
            key = entity_id(int(request.path[15:]))
            for (body,) in self.read.execute("SELECT body FROM e WHERE id=?", (key,)):
                return Response(200, body, ((b"content-type", b"application/json"),))
        return _OK


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    sys.setswitchinterval(0.0005)
    floor: Any = Floor(Path(sys.argv[2]))
    uvicorn.run(
        _nothing,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        http=fast_lane(floor),
        lifespan="off",
        access_log=False,
        log_level="warning",
        loop="uvloop",
    )
