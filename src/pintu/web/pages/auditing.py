"""The auditor's page: what looks wrong, broken glass to judge, the sealed head with who
countersigned it, and the log to be searched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from litestar import Response, get

from pintu.kernel.errors import BadRequestData, Forbidden, PintuError, Unavailable
from pintu.kernel.identity.words import CITY
from pintu.web.pages.agreements import enter_exchange
from pintu.web.pages.agreements_parties import DONE, organisation_name, person_name
from pintu.web.pages.agreements_said import in_chinese, said
from pintu.web.pages.agreements_view import CITYS
from pintu.web.pages.agreements_words import code_said
from pintu.web.pages.listing import BOM, LONGEST, csv_headers, csv_lines
from pintu.web.pages.render import page
from pintu.web.visit import AnyRequest, Visit
from pintu.web.words import mark

if TYPE_CHECKING:
    from pintu.kernel.audit import Audit
    from pintu.kernel.audit.rows import Numbered
    from pintu.web.words import Words

PAGE: Final = 50
MOST_EXPORTED: Final = 20_000
STEP: Final = 1_000
DAY_US: Final = 86_400_000_000
THE_CITY: Final = frozenset(("", "clock", "gate"))
"""Who acts when the city itself does."""

WHATS: Final = {
    "read": mark("looked"),
    "write": mark("written"),
    "refused": mark("refused"),
    "agreement": mark("agreement"),
    "recall": mark("recall"),
    "identity": mark("people and roles"),
    "glass": mark("broken glass"),
    "linkage": mark("records joined or corrected"),
    "node": mark("nodes and the log itself"),
    "counts": mark("counts a minute"),
}
OWN_RECORD: Final = mark("own record")
BASES: Final = {
    "own": mark("own record"),
    "owner": mark("as the owner"),
    "delegation": mark("acting for this person, delegation"),
    "glass": mark("broken glass"),
    "open": mark("started with --open"),
}
DEEDS: Final = {
    "account created": mark("account made"),
    "account disabled": mark("account closed"),
    "account enabled": mark("account opened again"),
    "account renamed": mark("account renamed"),
    "account unlocked": mark("account unlocked"),
    "answer": mark("answered"),
    "ask": mark("asked"),
    "closed": mark("closed"),
    "correct": mark("corrected"),
    "delegation ended": mark("delegation ended"),
    "delegation granted": mark("delegation granted"),
    "golden": mark("looked at a joined record"),
    "judged": mark("judged"),
    "log.accepted": mark("the log goes on as a new era"),
    "log.doubted": mark("the log is not what was sealed"),
    "look": mark("looked at a pair"),
    "match": mark("matched"),
    "merge": mark("joined"),
    "object": mark("objected"),
    "opened": mark("opened"),
    "organisation changed": mark("organisation changed"),
    "organisation created": mark("organisation made"),
    "overdue": mark("no answer in time"),
    "passkey added": mark("passkey added"),
    "passkey removed": mark("passkey removed"),
    "password changed": mark("password changed"),
    "password set with a link": mark("password set by a link"),
    "pick": mark("one word chosen"),
    "plan": mark("plan of linkage"),
    "refuse": mark("refused"),
    "resident proved": mark("resident proved"),
    "roles given": mark("roles given"),
    "unmerge": mark("taken apart"),
    "verdict": mark("decided"),
}
"""What is written of a deed, and what people call it; agreements have their own."""

TEXTS: Final = (
    ("organisation", mark("Organisation")),
    ("person", mark("Login")),
    ("data_set", mark("Data set")),
    ("agreement", mark("Agreement")),
)
HEAD: Final = (
    "number", "time", "what", "kind", "who", "organisation", "data_set", "purpose", "reason",
    "decided", "rows",
)  # fmt: skip


def enter_auditor(request: AnyRequest) -> tuple[Visit, str]:
    """A visit of an auditor, and the organisation they are bound to ("": the whole city)."""
    visit = enter_exchange(request)
    actor = visit.actor
    if "auditor" not in actor.roles:
        raise Forbidden(
            "The log is read by auditors, of the city or of a department",
            zh="日志由审计员（城市或部门）查阅",
        )
    return visit, "" if actor.organisation == CITY else actor.organisation


def audit_of(visit: Visit) -> Audit:
    """The log; Unavailable in a city without one."""
    if visit.rooms.audit is None:
        raise Unavailable("This city keeps no log")
    return visit.rooms.audit


@get("/auditing", include_in_schema=False)
async def auditing(request: AnyRequest, before: int = 0, format: str = "") -> Response[Any]:
    """Everything an auditor asks first, then the log."""
    visit, party = enter_auditor(request)
    words = visit.words
    asked = asked_of(request)
    failed = why = ""
    rows: list[Numbered] = []
    anomalies: list[dict[str, Any]] = []
    try:
        wanted = wanted_of(asked, party, visit)
        if format == "csv":
            return await _file(visit, wanted)
        paged = {**wanted, "before": before} if before else wanted
        rows = await audit_of(visit).search(**paged, limit=PAGE + 1)
        anomalies = await _anomalies(visit, party)
    except BadRequestData as error:
        why = said(error, visit)
    except PintuError as error:  # the page says what that means
        failed = said(error, visit)
    more = rows[PAGE - 1].number if len(rows) > PAGE else 0
    scope = (
        words.text("Only what %(name)s asked or owns.") % {"name": organisation_name(visit, party)}
        if party
        else words.text(
            "The whole log of this city. Nobody edits it, and no administrator reads it."
        )
    )
    return page(
        visit,
        "auditing.html",
        503 if failed else 400 if why else 200,
        scope=scope,
        why=why,
        failed=failed,
        anomalies=anomalies,
        glass=_glass(visit, party),
        head=_head(visit),
        neighbours=await _neighbours(visit) if not failed else [],
        whats=[(word, words.text(told)) for word, told in WHATS.items()],
        texts=[(name, words.text(told)) for name, told in TEXTS],
        asked=asked,
        rows=[row_seen(one, visit) for one in rows[:PAGE]],
        older=_address(asked, before=str(more)) if more else "",
        export=_address(asked, format="csv"),
    )


def asked_of(request: AnyRequest) -> dict[str, str]:
    """What the address asks of the log."""
    found = {}
    for name in ("what", *(name for name, _ in TEXTS)):
        value = str(request.query_params.get(name, "")).strip()[:LONGEST]
        if value:
            found[name] = value
    return found


def wanted_of(asked: dict[str, str], party: str, visit: Visit) -> dict[str, Any]:
    """The same as the log is asked: people by login, narrowed to a department's auditor's own."""
    wanted: dict[str, Any] = dict(asked)
    if "person" in wanted:
        found = visit.rooms.identity.people.find_login(wanted["person"])
        if found is None:
            told = visit.words.text("There is no account with this login")
            raise BadRequestData(told, zh=told)
        wanted["person"] = found.id
    if party:
        wanted["party"] = party
    return wanted


def row_seen(one: Numbered, visit: Visit) -> dict[str, Any]:
    """One row of the log in words."""
    row, words = one.row, visit.words
    acts = row.actor if row.actor not in THE_CITY else ""
    who = person_name(visit, row.person) if row.person else visit.rooms.identity.name_of(acts)
    where = organisation_name(visit, row.organisation) if row.organisation and who else ""
    return {
        "number": one.number,
        "at_us": row.at_us,
        "what": row.what,
        "said": words.text(WHATS.get(row.what, row.what)),
        "kind": row.deed,
        "deed": deed_said(row.what, row.deed, words),
        "who": " · ".join(part for part in (who, where) if part) or words.text("the city itself"),
        "organisation": row.organisation,
        "data_set": row.data_set,
        "purpose": code_said("purpose", row.purpose, words) if row.purpose else "",
        "reason": _reason(row.reason or row.detail.get("why", ""), words),
        "agreement": row.agreement,
        "agreement_id": row.agreement.partition("/")[0],
        "basis": _basis(row.basis, words),
        "rows": row.rows,
    }


def _reason(told: str, words: Words) -> str:
    """A person's own words; what the city itself writes, in the visitor's language."""
    return words.text({**CITYS, "own record": OWN_RECORD}.get(told, "")) or told


def _basis(told: str, words: Words) -> str:
    """On what a decision stood, or why it was refused."""
    word, _, rest = told.partition(" ")
    if word in BASES and " " not in rest:
        return f"{words.text(BASES[word])} {rest}".strip()
    return in_chinese(told) if words.lang == "zh-CN" else told


def deed_said(what: str, deed: str, words: Words) -> str:
    """What was done, beside the kind of row it is; "" where the kind says it."""
    if deed in ("read", "write", ""):
        return ""
    known = DONE if what == "agreement" else DEEDS
    return words.text(known.get(deed, deed))


async def _anomalies(visit: Visit, party: str) -> list[dict[str, Any]]:
    found = await audit_of(visit).anomalies(zone=visit.rooms.settings.tz, scope=party)
    return [
        {
            "title": visit.words.pick(one.title),
            "told": visit.words.pick(one.told),
            "at_us": one.last_us,
            "rows": one.rows[:10],
            "link": _address({"organisation": one.organisation}) if one.organisation else "",
        }
        for one in found
    ]


def _glass(visit: Visit, party: str) -> list[dict[str, Any]]:
    words = visit.words
    found = []
    for one in visit.rooms.identity.people.glasses():
        if one.judgement or (party and one.organisation != party):
            continue
        who = (person_name(visit, one.person), organisation_name(visit, one.organisation))
        still = one.holds(words.now_us)
        told = words.text("still open") if still else words.text("closed, waits for a judgement")
        purpose = code_said("purpose", one.purpose, words)
        found.append(
            {
                "who": " · ".join(who),
                "at_us": one.opened_us,
                "reason": one.reason,
                "told": f"{purpose} · {told}",
                "link": f"/glass/{one.id}",
            }
        )
    return found


def _head(visit: Visit) -> dict[str, Any] | None:
    audit = audit_of(visit)
    head = audit.head()
    if head is None:
        return None
    return {
        "size": head.size,
        "at_us": head.at_us,
        "root": head.root.hex(),
        "key_id": audit.public().rpartition("+")[0],
        "note": head.text + "\n" + "\n".join(head.signatures),
        "trouble": audit.trouble,
    }


async def _neighbours(visit: Visit) -> list[dict[str, Any]]:
    found = await audit_of(visit).witness.neighbours()
    return [{"name": one.name, "size": one.size, "at_us": one.at_us} for one in found]


async def _file(visit: Visit, wanted: dict[str, Any]) -> Response[Any]:
    """Everything that was searched for, up to 20,000 rows, newest first."""
    lines: list[list[str]] = []
    before = 0
    while len(lines) < MOST_EXPORTED:
        paged = {**wanted, "before": before} if before else wanted
        rows = await audit_of(visit).search(**paged, limit=STEP)
        for one in rows:
            seen = row_seen(one, visit)
            seen |= {"time": visit.words.iso(one.row.at_us),
                     "decided": seen["agreement"] or seen["basis"]}  # fmt: skip
            lines.append([str(seen[name]) for name in HEAD])
        if len(rows) < STEP:
            break
        before = rows[-1].number
    return Response(
        BOM + csv_lines([list(HEAD), *lines]),
        media_type="text/csv; charset=utf-8",
        headers=csv_headers("log"),
    )


def _address(asked: dict[str, str], **more: str) -> str:
    return "/auditing?" + urlencode({**asked, **more})


PAGES: Final[tuple[Any, ...]] = (auditing,)
