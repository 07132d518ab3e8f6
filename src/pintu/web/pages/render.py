"""From a template and a visit to an HTML response."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import orjson
from litestar import Response
from litestar.datastructures import Cookie
from markupsafe import Markup

from pintu.web.pages import labels
from pintu.web.pages.rail import rail_of, unread_of
from pintu.web.words import COOKIE, LANGUAGES, catalogue, mark

if TYPE_CHECKING:
    from pintu.web.visit import Visit

NAVIGATION = (
    ("/", mark("Map"), "map"),
    ("/wall", mark("Wall"), "wall"),
    ("/streets", mark("Streets"), "streets"),
    ("/duty", mark("Duty desk"), "duty"),
    ("/plays", mark("Plans"), "plays"),
    ("/ledger", mark("Command ledger"), "ledger"),
    ("/incidents", mark("Incidents"), "incidents"),
    ("/orders", mark("Work orders"), "orders"),
    ("/my-orders", mark("My orders"), "orders"),
    ("/work", mark("My work"), "work"),
    ("/warnings", mark("Warnings"), "warnings"),
    ("/events-plan", mark("Major events"), "events"),
    ("/roster", mark("Roster"), "roster"),
    ("/handover", mark("Handover"), "handover"),
    ("/boards", mark("Pages"), "boards"),
    ("/data-sets", mark("Data sets"), "data"),
    ("/islands", mark("Islands"), "islands"),
    ("/linkage", mark("One record"), "linkage"),
    ("/agreements", mark("Agreements"), "agreements"),
    ("/look-up", mark("Look up"), "lookup"),
    ("/auditing", mark("Auditing"), "auditing"),
    ("/my-records", mark("My records"), "mine"),
    ("/notices", mark("Notices"), "notices"),
    ("/people", mark("People"), "people"),
    ("/nodes", mark("Neighbours"), "nodes"),
    ("/neighbours", mark("Elsewhere"), "out"),
    ("/subscriptions", mark("Subscriptions"), "told"),
    ("/sources", mark("Sources"), "sources"),
    ("/quarantine", mark("Quarantine"), "quarantine"),
    ("/pieces", mark("Pieces"), "pieces"),
    ("/vocabulary", mark("Vocabulary"), "vocabulary"),
    ("/system", mark("System"), "system"),
)
"""(address, title, icon) of the rail, in its order; `rail.py` says to whom each is shown."""

STATIC = Path(__file__).parent.parent / "static"


@cache
def environment(lang: str) -> jinja2.Environment:
    """Templates speaking one language; undefined names are errors."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_translations(catalogue(lang), newstyle=True)  # type: ignore[attr-defined]
    made.globals["asset"] = asset
    made.globals["rail"] = lambda visit: rail_of(visit, NAVIGATION)
    made.globals["unread"] = unread_of
    made.globals["alert_title"] = labels.alert_title
    made.globals["severity_title"] = labels.severity_title
    made.globals["languages"] = tuple(LANGUAGES)
    made.filters["embedded"] = embedded
    return made


@cache
def asset(path: str) -> str:
    """The address of a static file, with a mark of its content so that it may be kept for ever."""
    file = STATIC / path
    mark = hashlib.sha256(file.read_bytes()).hexdigest()[:10] if file.exists() else "absent"
    return f"/static/{path}?v={mark}"


def embedded(value: object) -> Markup:
    """JSON for a data block of a page; nothing in it can end the block."""
    text = orjson.dumps(value).decode()
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def page(visit: Visit, template: str, status: int = 200, **values: Any) -> Response[str]:
    """A whole page, or a part of one, in the visitor's language; asking for a language keeps it."""
    content = (
        environment(visit.words.lang)
        .get_template(template)
        .render(visit=visit, words=visit.words, **values)
    )
    cookies = [Cookie(key=COOKIE, value=visit.words.lang, max_age=31_536_000, samesite="lax")]
    return Response(
        content,
        status_code=status,
        media_type="text/html",
        headers={"Vary": "Cookie, Accept-Language", "Cache-Control": "no-store"},
        cookies=cookies if visit.words.asked else [],
    )
