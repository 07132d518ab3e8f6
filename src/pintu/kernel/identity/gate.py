"""The thin gate: administrators, grants of tokens, the demo tenant; agreements come with the
exchange.
"""

from __future__ import annotations

import logging

from pintu.kernel.access import WHOLE, Act, Actor, Deed, Projection
from pintu.kernel.errors import Forbidden, Unauthorized

log = logging.getLogger("pintu.identity")

OPEN = Projection(basis="open")
DEMO = Projection(basis="demo")
GRANTED = {deed: Projection(basis=f"grant {deed.value}") for deed in Deed}
WORD = {
    Deed.READ: "read",
    Deed.WRITE: "write",
    Deed.DELETE: "write",
    Deed.COMMAND: "command",
    Deed.REGISTER: "register",
    Deed.RESPOND: "respond",
    Deed.OPERATE: "operate",
}
DOING = {
    Deed.READ: "Reading",
    Deed.WRITE: "Writing to",
    Deed.DELETE: "Deleting from",
    Deed.COMMAND: "Commanding devices of",
    Deed.REGISTER: "Registering sources for",
    Deed.RESPOND: "Working in the operations room of",
    Deed.OPERATE: "Operating",
}


def grant_for(deed: Deed, tenant: str) -> str:
    """The grant a deed needs: `read:TENANT`, `write:TENANT` (deletes too), `command:TENANT`,
    `register:TENANT`, `respond:TENANT`, `operate:TENANT`.

    The default tenant is called `default` in a grant; `*` stands for every tenant.
    """
    return f"{WORD[deed]}:{tenant or 'default'}"


class ThinGate:
    """Implements access.Gate on what the actor carries; decides in well under a microsecond.

    - `admin` or `*` among the grants: everything.
    - `open_access`: everything, for whom `Actor.local` is true; said once in the log.
    - the grant the deed needs, for the tenant or for `*`.
    - `push:SOURCE`: handing in messages of that one source, and nothing else.
    - a local actor may read the demo tenant. Nothing else: a command needs a session, and
      `pintu up --demo` prints a link that opens one.
    """

    def __init__(self, *, open_access: bool = False, demo_tenant: str | None = "demo") -> None:
        self._open = open_access
        self._demo = demo_tenant
        if open_access:
            log.warning(
                "Open access: whoever reaches this machine's loopback address may do anything"
            )

    def decide(self, actor: Actor, act: Act) -> Projection:
        """Return what the actor may do; raises Unauthorized or Forbidden naming the grant that is
        missing.
        """
        grants = actor.grants
        if grants and ("admin" in grants or "*" in grants):
            return WHOLE
        if self._open and actor.local:
            return OPEN
        deed = act.deed
        if grants:
            word = WORD[deed]
            if f"{word}:{act.tenant or 'default'}" in grants or f"{word}:*" in grants:
                return GRANTED[deed]
            if deed is Deed.WRITE and act.data_set in grants and act.data_set[:5] == "push:":
                return GRANTED[deed]
        if deed is Deed.READ and actor.local and act.tenant and act.tenant == self._demo:
            return DEMO
        raise self._refusal(actor, act)

    def _refusal(self, actor: Actor, act: Act) -> Unauthorized | Forbidden:
        tenant = f"tenant {act.tenant!r}" if act.tenant else "the default tenant"
        pushed = act.data_set.startswith("push:")
        needed = act.data_set if pushed else grant_for(act.deed, act.tenant)
        if actor.kind == "anonymous":
            return Unauthorized(
                f"{DOING[act.deed]} {tenant} needs a token with the grant {needed!r}", grant=needed
            )
        return Forbidden(
            f"{actor.id} lacks the grant {needed!r} for {DOING[act.deed].lower()} {tenant}",
            grant=needed,
        )
