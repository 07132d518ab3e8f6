"""One call by any route, searched for what may not be in its answer."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final
from urllib.parse import quote

from claims.exchange_leaks_city import (
    PURPOSE,
    REASON,
    Scene,
)
from claims.exchange_leaks_model import (
    MARK,
    marks_in,
)
from pintu.kernel.exchange.agreements.words import Agreement, Terms
from pintu.web.ngsi_ld.message import Request, Response

ROOT: Final = "/ngsi-ld/v1"


@dataclass(slots=True)
class Tally:
    """What was asked, and everything that was wrong with an answer."""

    asked: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    receipts: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Round:
    """One agreement, and what it lets be seen."""

    scene: Scene
    agreement: Agreement
    chance: random.Random
    tally: Tally
    allowed: set[str] = field(default_factory=set)

    @property
    def terms(self) -> Terms:
        """What is agreed."""
        return self.agreement.terms

    @property
    def plain(self) -> list[str]:
        """Fields that are seen as they are."""
        return sorted(name for name, mask in self.terms.fields.items() if mask.kind == "plain")

    @property
    def headers(self) -> dict[str, str]:
        """Who asks, under what, what for."""
        return {
            **self.scene.headers,
            "pintu-agreement": self.agreement.id,
            "pintu-purpose": PURPOSE,
            "pintu-reason": quote(REASON),
        }


async def call(one: Round, route: str, target: str, body: Any = None, accept: str = "") -> Any:
    """One NGSI-LD call, judged for leaks; (status, body read)."""
    path, _, query = target.partition("?")
    headers = {name.encode(): value.encode() for name, value in one.headers.items()}
    if accept:
        headers[b"accept"] = accept.encode()
    data = b""
    if body is not None:
        data = json.dumps(body).encode()
        headers |= {b"content-type": b"application/json", b"content-length": b"%d" % len(data)}
    method = "GET" if body is None else "POST"
    if route == "PATCH":
        method = "PATCH"
    request = Request(method, (ROOT + path).encode(), query.encode(), headers, data, "10.0.0.9")
    answer = one.scene.broker.handle(request)
    response: Response = answer if isinstance(answer, Response) else await answer
    told = b"\n".join(b": ".join(pair) for pair in response.headers).decode()
    return _judged(one, (route, target), response.status, told, response.body.decode(), data)


async def web(one: Round, route: str, target: str) -> Any:
    """One call of the API, judged for leaks; (status, body read)."""
    response = await one.scene.web.get(target, headers=one.headers)
    told = "\n".join(f"{key}: {value}" for key, value in response.headers.items())
    return _judged(one, (route, target), response.status_code, told, response.text, b"")


def _judged(
    one: Round, named: tuple[str, str], status: int, told: str, text: str, *sent: bytes
) -> tuple[int, Any]:
    route, target = named
    tally = one.tally
    tally.asked[route] += 1
    tally.statuses[status] += 1
    receipt = next((x for x in told.splitlines() if x.lower().startswith("pintu-receipt: ")), "")
    if receipt:
        tally.receipts.add(receipt)
        told = told.replace(receipt, "")
    elif status == 200:
        tally.wrong.append(f"{route} {target[:200]} has no receipt")
    echoed = marks_in(target) | marks_in("".join(part.decode() for part in sent))
    found = {mark for mark in MARK.findall(f"{told}\n{text}") if len(mark) > 1}
    extra = {mark for mark in found - one.allowed - echoed if not _floats(mark, one.allowed)}
    if extra:
        wrong = f"{route} {target[:200]} under {one.terms.fields} {one.terms.where}: {extra}"
        tally.wrong.append(wrong)
    if status >= 500:
        tally.wrong.append(f"{route} {target[:200]} answers {status}: {text[:200]}")
    try:
        return status, json.loads(text) if text else None
    except ValueError:
        return status, text


def _floats(mark: str, allowed: set[str]) -> bool:
    """Whether a number or a time was only written another way: pages tell places to five digits,
    and times of the town's zone, eight hours ahead."""
    if mark.startswith("1987-") and len(mark) == 10:
        day = date.fromisoformat(mark)
        return any(other.startswith((mark, str(day - timedelta(days=1)))) for other in allowed)
    near = 6e-6 if len(mark.partition(".")[2]) == 5 else 1e-9
    return any(
        other.startswith("118") and abs(float(other) - float(mark)) < near
        for other in allowed
        if mark.startswith("118")
    )


def expect(one: Round, what: str, expected: Any, actual: Any) -> None:
    """Note it down when something is not as it must be."""
    if expected != actual:
        one.tally.wrong.append(
            f"{what} under {one.terms.fields} {one.terms.where}: "
            f"{str(expected)[:300]} is not {str(actual)[:300]}"
        )
