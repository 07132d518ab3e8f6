"""An outside NGSI-LD node as the checks see it: requests that remember themselves, entities under
an unmistakable name, and what was made is deleted."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import httpx
import orjson

PREFIX: Final = "urn:ngsi-ld:PintuConformance"
TYPE: Final = "PintuConformanceThing"
CORE: Final = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld"
LARGEST: Final = 2_000_000
SHOWN: Final = 1_500  # signs of a body in a report
JSON: Final = "application/json"
LD: Final = "application/ld+json"


class Failed(Exception):
    """The node does something else than the clause says."""


class NotOffered(Exception):
    """The node does not have this part of the standard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; `body` None when it is not JSON."""

    status: int
    headers: Mapping[str, str]
    text: str
    body: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its answer, as a report shows them."""

    method: str
    path: str
    sent: str = ""
    status: int = 0
    answer: str = ""


@dataclass(slots=True)
class Node:
    """One node under test. `run` makes the names of this run; `tenant` is asked for with every
    request."""

    client: httpx.Client
    tenant: str = ""
    run: str = field(default_factory=lambda: secrets.token_hex(4))
    seen: list[Exchange] = field(default_factory=list)
    made: dict[str, None] = field(default_factory=dict)

    def ask(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request below `/ngsi-ld/v1`; Failed when there is no answer at all."""
        told = dict(headers or {})
        if self.tenant:
            told.setdefault("NGSILD-Tenant", self.tenant)
        content = None
        if body is not None:
            content = body if isinstance(body, bytes) else orjson.dumps(body)
            told.setdefault("Content-Type", JSON)
        try:
            answer = self._sent(method, f"ngsi-ld/v1{path}", content, told)
        except httpx.HTTPError as error:
            self._remember(method, path, content, Answer(status=0, headers={}, text=str(error)))
            raise Failed(f"no answer: {type(error).__name__}") from error
        self._remember(method, path, content, answer)
        return answer

    def _sent(
        self, method: str, path: str, content: bytes | None, headers: dict[str, str]
    ) -> Answer:
        with self.client.stream(method, path, content=content, headers=headers) as response:
            parts: list[bytes] = []
            size = 0
            for part in response.iter_bytes():
                parts.append(part)
                size += len(part)
                if size > LARGEST:
                    raise Failed(f"the answer is longer than {LARGEST:,} bytes")
            raw = b"".join(parts)
        try:
            body = orjson.loads(raw) if raw else None
        except orjson.JSONDecodeError:
            body = None
        text = raw.decode("utf-8", "replace")
        return Answer(status=response.status_code, headers=response.headers, text=text, body=body)

    def _remember(self, method: str, path: str, content: bytes | None, answer: Answer) -> None:
        sent = (content or b"").decode("utf-8", "replace")[:SHOWN]
        self.seen.append(
            Exchange(
                method=method, path=path, sent=sent, status=answer.status,
                answer=answer.text[:SHOWN],
            )
        )  # fmt: skip

    # --- entities of this run ---------------------------------------------------------------------
    def id(self, name: str) -> str:
        """An entity's id that nobody else has."""
        return f"{PREFIX}:{self.run}:{name}"

    def thing(self, name: str, /, **attributes: Any) -> dict[str, Any]:
        """An entity of this run; plain values become Properties."""
        told = {
            key: value if isinstance(value, dict) else {"type": "Property", "value": value}
            for key, value in attributes.items()
        }
        return {"id": self.id(name), "type": self.type, **told}

    @property
    def type(self) -> str:
        """The type of this run's entities."""
        return f"{TYPE}{self.run}"

    def create(self, entity: dict[str, Any]) -> Answer:
        """Create an entity and remember to delete it."""
        self.made[entity["id"]] = None
        answer = self.ask("POST", "/entities", entity)
        self.expect(answer, 201, "creating an entity")
        return answer

    def at(self, name: str) -> str:
        """The path of an entity of this run."""
        return f"/entities/{quote(self.id(name), safe=':')}"

    def clear(self) -> int:
        """Delete everything this run made; how many may be left."""
        left = 0
        for id in self.made:
            try:
                answer = self.ask("DELETE", f"/entities/{quote(id, safe=':')}")
            except Failed:
                left += 1
                continue
            left += answer.status not in (204, 404)
        return left

    # --- judging ----------------------------------------------------------------------------------
    def expect(self, answer: Answer, status: int | tuple[int, ...], what: str) -> None:
        """Failed, or NotOffered where the node has no such route."""
        wanted = (status,) if isinstance(status, int) else status
        if answer.status in wanted:
            return
        if answer.status in (405, 501) or is_unsupported(answer):
            raise NotOffered(f"{what}: {answer.status}")
        if answer.status in (401, 403):
            raise NotOffered(f"{what}: not allowed ({answer.status})")
        raise Failed(f"{what}: {answer.status} instead of {' or '.join(map(str, wanted))}")

    def problem(self, answer: Answer, status: int, type: str, what: str) -> None:
        """An error after 6.3.2: the status and the problem's type."""
        self.expect(answer, status, what)
        told = answer.body.get("type", "") if isinstance(answer.body, dict) else ""
        if not str(told).endswith(type):
            raise Failed(f"{what}: problem type {told!r} instead of {type}")


def is_unsupported(answer: Answer) -> bool:
    """Whether an answer says that the operation is not supported (5.5.2)."""
    told = answer.body.get("type", "") if isinstance(answer.body, dict) else ""
    return answer.status == 422 and str(told).endswith("OperationNotSupported")


def holds(condition: bool, what: str) -> None:
    """Failed with these words unless it is so."""
    if not condition:
        raise Failed(what)


def value_of(body: Any, name: str) -> Any:
    """The value of a Property of a normalized entity; None when it has none."""
    told = body.get(name) if isinstance(body, dict) else None
    return told.get("value") if isinstance(told, dict) else None
