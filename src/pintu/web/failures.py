"""From an error to what a person (a page) or a program (problem details, RFC 9457) can use."""

from __future__ import annotations

import logging
import secrets
from typing import Any

import orjson
from litestar import Response
from litestar.exceptions import HTTPException

from pintu.kernel.access import Actor
from pintu.kernel.errors import PINTU_ERRORS, PintuError
from pintu.web.house import house_of
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit, theme_of
from pintu.web.words import COOKIE, Words, choose_language

log = logging.getLogger("pintu.web")


def answer(request: AnyRequest, error: Exception) -> Response[Any]:
    """One door for every failure: a page for a browser's navigation, else problem details."""
    problem = problem_of(error)
    status = int(problem["status"])
    if status >= 500 and not isinstance(error, PintuError):
        problem["trace"] = secrets.token_hex(6)
        log.error("Request %s failed, trace %s", request.url.path, problem["trace"], exc_info=error)
    path = request.url.path
    wants_page = "text/html" in request.headers.get("accept", "")
    if wants_page and not path.startswith(("/api/", "/events", "/metrics", "/ngsi-ld/")):
        return page(stranger(request), "failure.html", status, problem=problem, code=status)
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, PintuError) and error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="pintu"'
    return Response(
        orjson.dumps(problem, default=str),
        status_code=status,
        media_type="application/problem+json",
        headers=headers,
    )


def problem_of(error: Exception) -> dict[str, Any]:
    """Problem details; what we did not foresee tells nothing of our inside."""
    if isinstance(error, PintuError):
        return error.problem()
    if isinstance(error, HTTPException):
        status = error.status_code
        title = {404: "Resource not found", 405: "Method not allowed"}.get(status, "Bad request")
        kind = {404: "ResourceNotFound", 405: "MethodNotAllowed"}.get(status, "InvalidRequest")
        detail = error.detail if status < 500 else ""
        return {"type": PINTU_ERRORS + kind, "title": title, "status": status, "detail": detail}
    return {
        "type": PINTU_ERRORS + "InternalError",
        "title": "Internal error",
        "status": 500,
        "detail": "Something here failed. Nothing was changed by it.",
    }


def stranger(request: AnyRequest) -> Visit:
    """A visit that asks for nothing: the page that says what went wrong must not fail itself."""
    rooms = house_of(request).rooms
    settings = rooms.settings
    lang = choose_language(
        request.query_params.get("lang"),
        request.cookies.get(COOKIE),
        request.headers.get("accept-language", ""),
        settings.lang,
    )
    return Visit(
        rooms=rooms,
        actor=Actor(id="anonymous", kind="anonymous"),
        words=Words(lang, settings.tz, rooms.clock.now_us()),
        tenant=settings.demo_tenant if settings.demo else "",
        csrf="",
        path=request.url.path,
        theme=theme_of(request),
    )
