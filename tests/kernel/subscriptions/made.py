"""Subscriptions, documents and changes for the tests of this folder."""

from __future__ import annotations

from typing import Any

import orjson

from pintu.kernel.context.record import Verb
from pintu.kernel.jsonld import CORE, Terms
from pintu.kernel.store.port import Change
from pintu.kernel.subscriptions.reading import Filed, build, read_document
from pintu.kernel.subscriptions.words import Asker, Subscription

NOW_US = 1_700_000_000_000_000
Doc = dict[str, Any]


def subscribed(
    number: int | str = 1, terms: Terms = CORE, tenant: int = 1, **members: Any
) -> Subscription:
    """A subscription to lamps whose members may be told; None takes one away."""
    sent: Doc = {
        "type": "Subscription",
        "entities": [{"type": "Lamp"}],
        "notification": {"endpoint": {"uri": "http://ear.example/n"}},
    }
    notification = members.pop("notification", {})
    sent["notification"] |= notification
    sent = {name: one for name, one in (sent | members).items() if one is not None}
    document = read_document(sent, terms, NOW_US)
    filed = Filed(
        id=f"urn:ngsi-ld:Subscription:{number}",
        tenant=tenant,
        tenant_name="",
        asker=Asker(id="tester"),
        context=terms.source,
        terms_from=terms.source,
        created_us=NOW_US,
        modified_us=NOW_US,
    )
    return build(document, filed)


def lamp(number: int = 1, kind: Any = "Lamp", **attributes: Any) -> Doc:
    """A stored lamp; a bare value becomes a Property."""
    return {
        "id": f"urn:ngsi-ld:Lamp:{number}",
        "type": kind,
        **{
            name: one if isinstance(one, dict | list) else {"type": "Property", "value": one}
            for name, one in attributes.items()
        },
    }


def changed(
    before: Doc | None, after: Doc | None, *, names: tuple[str, ...] | None = None, tenant: int = 1
) -> Change:
    """What a store tells when an entity becomes another one; with `names` what an update wrote."""
    there = after or before
    assert there is not None
    verb: Verb = "updated"
    payload: bytes = b""
    if after is None:
        verb = "deleted"
    elif before is None or names is None:
        verb = "created" if before is None else "replaced"
        payload = orjson.dumps(after)
    else:
        payload = orjson.dumps({name: after.get(name) for name in names})
    kind = there["type"]
    return Change(
        7,
        tenant,
        there["id"],
        tuple(kind) if isinstance(kind, list) else (kind,),
        verb,
        NOW_US + 5_000_000,
        "tester",
        names,
        payload,
        3,
        None if after is None else orjson.dumps(after),
        None if before is None else orjson.dumps(before),
        NOW_US,
        None,
    )
