"""Webhooks: a person's own address, or an operator's gateway for SMS and instant messages."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from pintu.kernel.calling import Ask, Caller
from pintu.kernel.errors import BadRequestData, Forbidden, PintuError
from pintu.kernel.operations.roster.channels import template
from pintu.kernel.operations.roster.channels.settings import Channel
from pintu.kernel.operations.roster.words import Envelope, Outcome

TIMEOUT_S: Final = 8.0
MOST_ANSWER: Final = 65_536
TRY_AGAIN: Final = frozenset((408, 425, 429))


async def send(
    caller: Caller, envelope: Envelope, channel: Channel | None, secret: str = ""
) -> Outcome:
    """Post one envelope; every way it can end is an Outcome. `channel` None: to the person's own
    address. The same envelope carries the same `Idempotency-Key`."""
    values = template.values_of(envelope)
    headers: tuple[tuple[str, str], ...] = ()
    if channel is None:
        url, kind, method = envelope.reach.address, "application/json", "POST"
        body = template.plain(values)
    else:
        url, kind, method = template.fill_url(channel.url, values), channel.content_type, "POST"
        body = template.fill(channel.body, values, kind) if channel.body else template.plain(values)
        method = channel.method
        headers = tuple(
            (name, template.fill_header(value, values).replace("{secret}", secret))
            for name, value in channel.headers.items()
        )
    ask = Ask(
        method=method,
        url=url.replace("{secret}", quote(secret, safe="")),
        headers=(
            ("Content-Type", f"{kind}; charset=utf-8"),
            ("Idempotency-Key", envelope.key),
            *headers,
        ),
        body=body.encode(),
        timeout_s=TIMEOUT_S,
        limit=MOST_ANSWER,
    )
    return await post(caller, ask, success=channel.success if channel else "")


async def post(caller: Caller, ask: Ask, *, success: str = "") -> Outcome:
    """One call, and what its answer means for whether it is tried again. What is told of it names
    no address: that may be a person's."""
    try:
        reply = await caller.call(ask)
    except (Forbidden, BadRequestData):
        return Outcome(taken=False, again=False, detail="The address may not be reached from here")
    except PintuError as error:
        kind = error.extra.get("kind", "failed")
        return Outcome(taken=False, detail=f"The endpoint was not reached ({kind})")
    status = reply.status
    if 200 <= status < 300:
        if template.says(reply.body, success):
            return Outcome(taken=True, detail=str(status))
        return Outcome(taken=False, detail=f"The endpoint answered {status} without {success!r}")
    after = reply.headers.get("retry-after", "")
    return Outcome(
        taken=False,
        detail=f"The endpoint answered {status}",
        again=status >= 500 or status in TRY_AGAIN,
        gone=status == 410,
        after_s=float(after) if after.isascii() and after.isdigit() and len(after) < 6 else 0.0,
    )
