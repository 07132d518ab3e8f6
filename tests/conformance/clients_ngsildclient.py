"""Drives ngsildclient (PyPI) as its users do; runs in an environment that has it and not us."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime
from typing import Any

from tests.conformance.driving import Heard, broker, equal, listening, step

ngsi: Any = importlib.import_module("ngsildclient")
temporal: Any = importlib.import_module("ngsildclient.api.helper.temporal")
LAMP = "urn:ngsi-ld:Streetlight:outside-1"


def lamp(number: int, power: float) -> Any:
    """An entity made with the client's own builder."""
    made = ngsi.Entity("Streetlight", f"outside-{number}")
    now = datetime.now(UTC)
    made.prop("power", power, unitcode="WTT", observedat=now).prop("name", f"demo {number}")
    made.loc(31.23, 121.47).rel("partOf", "urn:ngsi-ld:Road:demo")
    return made


def entities(client: Any) -> None:
    """Create, retrieve, query, count, update, upsert."""
    step("create", lambda: equal(True, bool(client.create(lamp(1, 40)))))
    found = step("retrieve", lambda: client.get(LAMP))
    step("read what was created", lambda: equal(40, found["power"]["value"]))
    step("exists", lambda: equal(True, client.exists(LAMP)))
    step("does not exist", lambda: equal(False, client.exists("urn:ngsi-ld:Streetlight:none")))
    step("query by type", lambda: equal([LAMP], [e.id for e in client.query(type="Streetlight")]))
    step("query by q", lambda: equal(1, len(client.query(type="Streetlight", q="power>30"))))
    step("query finds none", lambda: equal(0, len(client.query(type="Streetlight", q="power>50"))))
    step("count", lambda: equal(1, client.count(type="Streetlight")))

    def change() -> None:
        found["power"]["value"] = 60
        client.update(found)
        equal(60, client.get(LAMP)["power"]["value"])

    step("update", change)
    step("upsert", lambda: equal(True, bool(client.upsert(lamp(1, 45)))))
    step("types", lambda: equal(True, "Streetlight" in str(client.types.list())))


def batches(client: Any) -> None:
    """Batch create, upsert, delete."""
    many = [lamp(number, number) for number in range(10, 60)]
    step("batch create", lambda: equal(50, client.batch.create(many).n_ok))
    step("batch upsert", lambda: equal(50, client.batch.upsert(many).n_ok))
    step("batch update", lambda: equal(50, client.batch.update(many).n_ok))
    step("query pages", lambda: equal(51, len(client.query(type="Streetlight"))))
    step("batch delete", lambda: equal(50, client.batch.delete(many).n_ok))


def subscribed(client: Any, heard: Heard) -> None:
    """Subscribe, be told, list, unsubscribe."""
    builder = ngsi.SubscriptionBuilder(heard.url)
    wanted = builder.description("outside").select_type("Streetlight").watch(["power"]).build()
    id = step("subscribe", lambda: client.subscriptions.create(wanted))
    step("update what is watched", lambda: client.upsert(lamp(1, 77)))
    told = step("notified", lambda: heard.wait(lambda body: "77" in str(body["data"])))
    step("told of the entity", lambda: equal(LAMP, told["data"][0]["id"]))
    step("read the subscription", lambda: equal(id, client.subscriptions.get(id)["id"]))
    step("list subscriptions", lambda: equal(1, len(client.subscriptions.list("outside"))))
    step("unsubscribe", lambda: equal(True, client.subscriptions.delete("outside")))


def others(client: Any) -> None:
    """Contexts, history, deletion."""
    context = {"@context": {"power": "https://words.example/power"}}
    step("add a @context", lambda: client.contexts.add(context))
    step("list @contexts", lambda: equal(True, len(client.contexts.list()) >= 1))
    step(
        "history of an entity",
        lambda: equal(True, len(client.temporal.get(LAMP)["power"]["values"]) >= 2),
    )

    def by_type() -> None:
        """Of the last 30 days: left alone, the client asks for what was before its own import."""
        asked = temporal.TemporalQuery().after()
        equal(LAMP, client.temporal.query(type="Streetlight", attrs=["power"], tq=asked)[0]["id"])

    step("history by type", by_type)
    step("delete", lambda: equal(True, bool(client.entities.delete(LAMP))))
    step("it is gone", lambda: equal(False, client.exists(LAMP)))


def main() -> None:
    """All of it against one broker."""
    host, port = broker()
    client = ngsi.Client(hostname=host, port=port, verbose=False)
    step("connect", lambda: equal(True, client.is_connected()))
    entities(client)
    batches(client)
    with listening() as heard:
        subscribed(client, heard)
    others(client)
    client.close()


if __name__ == "__main__":
    main()
