"""The demo's departments on a port, without lamps: a whole city that loads what people connect.

`python -m tests.browser.serve_exchange PORT FOLDER [DAYS]`; prints the admin's token. With DAYS
there are the people alone, and owners, deputies and holders of copies have so long: a scene
connects the departments itself, and cannot wait for a week.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import uvicorn

from pintu.city import City
from pintu.made_up import take_in
from pintu.processes.supervisor import die_with
from pintu.settings import Settings, as_plain


async def serve(port: int, folder: Path, days: str) -> None:
    """Until a signal comes."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(data=folder, port=port, demo=True)
    city = await City.open(settings)
    if days:
        told = {f"{one}_days": float(days) for one in ("owner", "deputy", "recall")}
        city.rooms.configuration.save("agreements", "deadlines", told, by="test")
    await take_in(city.rooms, city.tables, data=not days)
    config = uvicorn.Config(
        city.application(), host="127.0.0.1", port=port, log_level="warning",
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    command = [sys.executable, "-m", "pintu.processes.loads"]
    parent = os.getpid()  # a signal may end us before anything here could end it
    loads = subprocess.Popen(command, stdin=subprocess.PIPE, preexec_fn=lambda: die_with(parent))
    assert loads.stdin is not None
    loads.stdin.write(json.dumps(as_plain(settings)).encode())
    loads.stdin.close()
    print(settings.token_file.read_text("utf-8").strip(), flush=True)
    try:
        await uvicorn.Server(config).serve()
    finally:
        loads.terminate()
        loads.wait(10)
        await city.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2]), "".join(sys.argv[3:4])))
