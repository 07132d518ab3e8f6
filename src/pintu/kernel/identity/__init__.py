"""Who asks: tokens, browser sessions, and the thin gate in front of everything.

Wiring: `identity = Identity(tables, clock, open_access=…, demo_tenant="demo" | None,
trusted_proxies=…, public_url=…)`. A city's clock that runs 60 times as fast must not end sessions
60 times as soon: a scaled CityClock is replaced by the real one. Then
`secret = identity.ensure_admin(path)` once at start (None: there was one) and `gate =
identity.gate`.
At a door: `actor = identity.actor(headers, peer)`; before an unsafe method of a page
`identity.check_csrf(headers, form_token)`; then `gate.decide(actor, Act(...))`.
"""

from pintu.kernel.identity.browsers import Browsers, Proof
from pintu.kernel.identity.gate import ThinGate, grant_for
from pintu.kernel.identity.identity import Identity
from pintu.kernel.identity.peer import is_local, is_loopback
from pintu.kernel.identity.people import People
from pintu.kernel.identity.sessions import COOKIE, Opened, Session, ended_header
from pintu.kernel.identity.tokens import Token

__all__ = [
    "COOKIE",
    "Browsers",
    "Identity",
    "Opened",
    "People",
    "Proof",
    "Session",
    "ThinGate",
    "Token",
    "ended_header",
    "grant_for",
    "is_local",
    "is_loopback",
]
