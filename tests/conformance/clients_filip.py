"""Drives FiLiP (PyPI `filip`) as its users do; runs in an environment that has it and not us."""

from __future__ import annotations

import importlib
from functools import partial
from typing import Any

from tests.conformance.driving import Heard, broker, equal, listening, step

cb: Any = importlib.import_module("filip.clients.ngsi_ld.cb")
base: Any = importlib.import_module("filip.models.base")
context: Any = importlib.import_module("filip.models.ngsi_ld.context")
subscriptions: Any = importlib.import_module("filip.models.ngsi_ld.subscriptions")
LAMP = "urn:ngsi-ld:Streetlight:outside-1"


def lamp(number: int, power: float) -> Any:
    """An entity made with the client's own models."""
    return context.ContextLDEntity(
        id=f"urn:ngsi-ld:Streetlight:outside-{number}",
        type="Streetlight",
        power={"type": "Property", "value": power, "unitCode": "WTT"},
        location={
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [121.47, 31.23]},
        },
        partOf={"type": "Relationship", "object": "urn:ngsi-ld:Road:demo"},
    )


def power_of(client: Any) -> Any:
    """What the broker says the lamp's power is."""
    return client.get_entity(LAMP).model_dump()["power"]["value"]


def entities(client: Any) -> None:
    """Create, retrieve, query, change attributes."""
    step("create", lambda: client.post_entity(lamp(1, 40)))
    step("retrieve", lambda: equal(40, power_of(client)))
    step("create again with update", lambda: client.post_entity(lamp(1, 41), update=True))
    step("read it", lambda: equal(41, power_of(client)))

    def listed(**asked: Any) -> list[str]:
        return [one.id for one in client.get_entity_list(entity_type="Streetlight", **asked)]

    step("query by type", lambda: equal([LAMP], listed()))
    step("query by q", lambda: equal([LAMP], listed(q="power>30")))
    step("query finds none", lambda: equal([], listed(q="power>50")))
    step("query by id pattern", lambda: equal([LAMP], listed(id_pattern=".*outside-1$")))
    near = {
        "georel": "near;maxDistance==1000",
        "geometry": "Point",
        "coordinates": "[121.47,31.23]",
    }
    step("query by place", lambda: equal([LAMP], listed(**near)))
    step("query simplified", lambda: equal([LAMP], listed(options="keyValues")))
    changed = context.ContextProperty(value=50)
    step("update an attribute", lambda: client.update_entity_attribute(LAMP, changed, "power"))
    step("read it again", lambda: equal(50, power_of(client)))
    step("replace attributes", lambda: client.replace_existing_attributes_of_entity(lamp(1, 55)))
    more = context.ContextLDEntity(
        id=LAMP, type="Streetlight", note={"type": "Property", "value": "demo"}
    )
    step("append attributes", lambda: client.append_entity_attributes(more))
    step("delete an attribute", lambda: client.delete_attribute(LAMP, "note"))


def batches(client: Any) -> None:
    """Batch create, upsert, update, delete."""
    many = [lamp(number, number) for number in range(10, 60)]
    for kind in ("CREATE", "UPSERT", "UPDATE", "DELETE"):
        done = partial(
            client.entity_batch_operation, entities=many, action_type=context.ActionTypeLD[kind]
        )
        step(f"batch {kind.lower()}", done)

    def left() -> list[str]:
        return [one.id for one in client.get_entity_list(entity_type="Streetlight")]

    step("all are gone", lambda: equal([LAMP], left()))


def subscribed(client: Any, heard: Heard) -> None:
    """Subscribe, be told, change, unsubscribe."""
    wanted = subscriptions.SubscriptionLD(
        id="urn:ngsi-ld:Subscription:outside-filip",
        type="Subscription",
        entities=[{"type": "Streetlight"}],
        watchedAttributes=["power"],
        notification={
            "attributes": ["power"],
            "format": "normalized",
            "endpoint": {"uri": heard.url, "accept": "application/json"},
        },
    )
    id = step("subscribe", lambda: client.post_subscription(wanted))
    told_of = context.ContextProperty(value=77)
    step("update what is watched", lambda: client.update_entity_attribute(LAMP, told_of, "power"))
    told = step("notified", lambda: heard.wait(lambda body: "77" in str(body["data"])))
    step("told of the entity", lambda: equal(LAMP, told["data"][0]["id"]))
    step("read the subscription", lambda: equal(id, client.get_subscription(id).id))
    step("list subscriptions", lambda: equal(1, len(client.get_subscription_list())))
    wanted.description = "changed"
    step("change the subscription", lambda: client.update_subscription(wanted))
    step("read the change", lambda: equal("changed", client.get_subscription(id).description))
    step("unsubscribe", lambda: client.delete_subscription(id))
    step("it is gone", lambda: equal([], client.get_subscription_list()))


def main() -> None:
    """All of it against one broker, in a tenant of its own."""
    host, port = broker()
    header = base.FiwareLDHeader(ngsild_tenant="filip")
    url = f"http://{host}:{port}"
    client = step(
        "connect, make a tenant", lambda: cb.ContextBrokerLDClient(url, fiware_header=header)
    )
    entities(client)
    batches(client)
    with listening() as heard:
        subscribed(client, heard)
    step("delete", lambda: client.delete_entity_by_id(LAMP))
    step("nothing is left", lambda: equal([], client.get_entity_list(entity_type="Streetlight")))


if __name__ == "__main__":
    main()
