"""Static files from memory or disk, compressed once, kept by browsers for ever under their mark."""

from __future__ import annotations

import gzip
import mimetypes
from functools import lru_cache
from pathlib import Path
from typing import Any

from litestar import Response, get

from pintu.kernel.errors import ResourceNotFound
from pintu.web.visit import AnyRequest

ROOT = (Path(__file__).parent / "static").resolve()
COMPRESSED = (".js", ".css", ".svg", ".json", ".geojson")
TYPES = {".js": "text/javascript", ".css": "text/css", ".woff2": "font/woff2"}
KEPT = 64


@lru_cache(maxsize=KEPT)
def packed(path: str, changed_ns: int) -> bytes:
    """A file compressed; `changed_ns` makes a newer file another entry."""
    del changed_ns
    return gzip.compress((ROOT / path).read_bytes(), 6, mtime=0)


@get("/static/{path:path}", include_in_schema=False)
async def static(request: AnyRequest, path: str) -> Response[bytes]:
    """One file below web/static; nothing hidden, nothing outside."""
    file = (ROOT / path.removeprefix("/")).resolve()
    inside = file.is_relative_to(ROOT) and not any(p.startswith(".") for p in file.parts[-4:])
    if not inside or not file.is_file():
        raise ResourceNotFound(f"Static file {path} does not exist")
    kind = TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0]
    for_ever = "v" in request.query_params or file.suffix == ".woff2"
    headers: dict[str, str] = {
        "Cache-Control": "public, max-age=31536000, immutable" if for_ever else "max-age=300",
        "Vary": "Accept-Encoding",
    }
    if file.suffix in COMPRESSED and "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        name = str(file.relative_to(ROOT))
        body = packed(name, file.stat().st_mtime_ns)
    else:
        body = file.read_bytes()
    return Response(body, media_type=kind or "application/octet-stream", headers=headers)


HANDLERS: tuple[Any, ...] = (static,)
