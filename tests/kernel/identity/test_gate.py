"""The thin gate: what is granted is permitted, what is not is refused by name."""

from __future__ import annotations

import pytest

from pintu.kernel.access import Act, Actor, Deed
from pintu.kernel.errors import (
    Forbidden,
    Unauthorized,
)
from pintu.kernel.identity import ThinGate

# --- the gate -------------------------------------------------------------------------------------
ANYBODY = Actor(id="anonymous", kind="anonymous")
NEIGHBOUR = Actor(id="anonymous", kind="anonymous", local=True)


def holder(*grants: str) -> Actor:
    """Somebody with these grants."""
    return Actor(id="token:t", grants=frozenset(grants))


@pytest.mark.parametrize(
    ("actor", "deed", "tenant", "basis"),
    [
        (holder("admin"), Deed.OPERATE, "", "admin"),
        (holder("*"), Deed.DELETE, "x", "admin"),
        (holder("read:demo"), Deed.READ, "demo", "grant read"),
        (holder("read:*"), Deed.READ, "x", "grant read"),
        (holder("read:default"), Deed.READ, "", "grant read"),
        (holder("write:demo"), Deed.DELETE, "demo", "grant delete"),
        (holder("command:demo"), Deed.COMMAND, "demo", "grant command"),
        (NEIGHBOUR, Deed.READ, "demo", "demo"),
    ],
)
def test_what_is_granted_is_permitted(actor: Actor, deed: Deed, tenant: str, basis: str) -> None:
    """And the basis says why."""
    assert basis == ThinGate().decide(actor, Act(deed=deed, tenant=tenant)).basis


@pytest.mark.parametrize(
    ("actor", "deed", "tenant", "error", "missing"),
    [
        (ANYBODY, Deed.READ, "demo", Unauthorized, "read:demo"),
        (ANYBODY, Deed.READ, "", Unauthorized, "read:default"),
        (NEIGHBOUR, Deed.READ, "", Unauthorized, "read:default"),
        (NEIGHBOUR, Deed.WRITE, "demo", Unauthorized, "write:demo"),
        (NEIGHBOUR, Deed.COMMAND, "demo", Unauthorized, "command:demo"),
        (NEIGHBOUR, Deed.OPERATE, "demo", Unauthorized, "operate:demo"),
        (holder("read:demo"), Deed.WRITE, "demo", Forbidden, "write:demo"),
        (holder("read:demo"), Deed.READ, "demo2", Forbidden, "read:demo2"),
        (holder("write:demo"), Deed.READ, "demo", Forbidden, "read:demo"),
        (holder("write:*"), Deed.COMMAND, "demo", Forbidden, "command:demo"),
        (holder("read:*"), Deed.OPERATE, "", Forbidden, "operate:default"),
        (holder("write:demo"), Deed.REGISTER, "demo", Forbidden, "register:demo"),
    ],
)
def test_what_is_not_granted_is_refused_by_name(
    actor: Actor, deed: Deed, tenant: str, error: type[Exception], missing: str
) -> None:
    """The error says which grant is missing."""
    with pytest.raises(error, match=missing):
        ThinGate().decide(actor, Act(deed=deed, tenant=tenant))


def test_open_access_is_for_this_machine_only(caplog: pytest.LogCaptureFixture) -> None:
    """`--open` lets a local actor do anything, nobody else anything more, and is said once."""
    gate = ThinGate(open_access=True)
    assert 1 == len(caplog.records)
    assert "open" == gate.decide(NEIGHBOUR, Act(deed=Deed.DELETE)).basis
    with pytest.raises(Unauthorized):
        gate.decide(ANYBODY, Act(deed=Deed.READ))
    assert 1 == len(caplog.records)


def test_without_a_demo_tenant_nobody_reads_without_a_grant() -> None:
    """The demo grant can be taken away."""
    with pytest.raises(Unauthorized):
        ThinGate(demo_tenant=None).decide(NEIGHBOUR, Act(deed=Deed.READ, tenant="demo"))
