"""The report of a conformance run, a clause a line: as text, JSON, or one HTML page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any, Final, Literal

import orjson

from pintu.cli.conformance_node import Exchange

Verdict = Literal["passed", "failed", "not offered", "not asked"]
MARKS: Final = {"passed": "✓", "failed": "✗", "not offered": "–", "not asked": "·"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One check's end; `seen` are the requests and answers when it failed."""

    clause: str
    title: str
    verdict: Verdict
    reason: str = ""
    seen: tuple[Exchange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole run."""

    url: str
    tenant: str
    at: str
    results: Sequence[Result]
    left: int = 0  # entities that could not be deleted again

    @property
    def counts(self) -> dict[str, int]:
        """How many ended how."""
        told = Counter[str](one.verdict for one in self.results)
        return {name: told[name] for name in MARKS}

    @property
    def said(self) -> str:
        """The run in one line."""
        told = ", ".join(f"{count} {name}" for name, count in self.counts.items() if count)
        rest = f"; {self.left} entities could not be deleted again" if self.left else ""
        return f"{self.url}: {told}{rest}"


def as_text(report: Report) -> str:
    """For a terminal."""
    lines = []
    for one in report.results:
        lines.append(f"{MARKS[one.verdict]} {one.clause:<9} {one.title:<32} {one.verdict}")
        if one.reason:
            lines.append(f"  {'':<9} {one.reason}")
        for seen in one.seen[-3:] if one.verdict == "failed" else ():
            lines.append(f"  {'':<9} {seen.method} {seen.path} → {seen.status}")
            if seen.answer:
                lines.append(f"  {'':<9}   {seen.answer[:200]}")
    return "\n".join([*lines, "", report.said])


def as_json(report: Report) -> str:
    """For machines."""
    told: dict[str, Any] = asdict(report)
    told["counts"] = report.counts
    return orjson.dumps(told, option=orjson.OPT_INDENT_2).decode()


STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.4rem .6rem;"
    "border-bottom:1px solid #ccd;vertical-align:top}pre{white-space:pre-wrap;overflow-wrap:"
    "anywhere;background:#f4f6fa;padding:.5rem}.failed{font-weight:700}"
)


def as_html(report: Report) -> str:
    """One page that stands alone; everything the node said is escaped."""
    rows = []
    for one in report.results:
        seen = "".join(
            f"<pre>{escape(f'{each.method} {each.path}')}\n{escape(each.sent)}\n"
            f"→ {each.status}\n{escape(each.answer)}</pre>"
            for each in (one.seen[-3:] if one.verdict == "failed" else ())
        )
        detail = f"<details><summary>requests</summary>{seen}</details>" if seen else ""
        rows.append(
            f'<tr><th scope="row">{escape(one.clause)}</th><td>{escape(one.title)}</td>'
            f'<td class="{one.verdict.replace(" ", "-")}">{MARKS[one.verdict]} {one.verdict}</td>'
            f"<td>{escape(one.reason)}{detail}</td></tr>"
        )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>NGSI-LD conformance</title><style>{STYLE}</style>"
        f"<h1>NGSI-LD conformance</h1><p>{escape(report.said)}</p><p>{escape(report.at)}"
        f"{' · tenant ' + escape(report.tenant) if report.tenant else ''}</p>"
        '<table><thead><tr><th scope="col">Clause</th><th scope="col">Check</th>'
        '<th scope="col">End</th><th scope="col">Why</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></html>\n"
    )
