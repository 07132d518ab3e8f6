"""A city with accounts on a port, for browser tests.

`python -m tests.browser.serve_people PORT FOLDER`; prints the admin's token.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvicorn

from tests.web.identity_city import open_town


async def serve(port: int, folder: Path) -> None:
    """Until a signal comes."""
    async with open_town(folder) as town:
        config = uvicorn.Config(
            town.app,  # type: ignore[arg-type]
            host="127.0.0.1",
            port=port,
            log_level="warning",
            timeout_graceful_shutdown=1,
        )
        print(town.admin, flush=True)
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
