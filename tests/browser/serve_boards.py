"""The small city with air stations and pages without code, on a port, for browser tests.

`python -m tests.browser.serve_boards PORT FOLDER`; prints the admin's token.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvicorn

from pintu.web.app import build_app
from tests.web.board_city import fill_air
from tests.web.small_city import open_small_city


async def serve(port: int, folder: Path) -> None:
    """Until a signal comes."""
    city = await open_small_city(folder, lamps=60)
    await fill_air(city)
    config = uvicorn.Config(
        build_app(city.rooms), host="127.0.0.1", port=port, log_level="warning",
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    print(city.admin, flush=True)
    await uvicorn.Server(config).serve()
    await city.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
