"""The checks, a clause of ETSI GS CIM 009 each: what must be there before the rest is worth asking.

Each takes the node and returns, or raises Failed or NotOffered with its reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pintu.cli.conformance_node import CORE, JSON, LD, Node, holds, value_of

LINK: Final = f'<{CORE}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: clause, what it asks, whether it writes."""

    clause: str
    title: str
    run: Callable[[Node], None]
    writes: bool = True


def create(node: Node) -> None:
    """201 with a Location; a second time 409."""
    made = node.thing("create", level=1)
    answer = node.create(made)
    where = answer.headers.get("location", "")
    holds(where.endswith(made["id"]) or made["id"] in where, f"Location is {where!r}")
    again = node.ask("POST", "/entities", made)
    node.problem(again, 409, "AlreadyExists", "creating it again")


def create_refuses(node: Node) -> None:
    """400 for what is no entity."""
    for bad, type in (
        ({"id": node.id("bad")}, "BadRequestData"),
        (b"{", "InvalidRequest"),
        ({"id": "no uri", "type": "T"}, "BadRequestData"),
    ):
        answer = node.ask("POST", "/entities", bad)
        node.problem(answer, 400, type, f"creating from {str(bad)[:40]}")


def retrieve(node: Node) -> None:
    """As it was created; 404 for nobody; only the attributes asked for."""
    node.create(node.thing("read", level=5, colour="red"))
    answer = node.ask("GET", node.at("read"))
    node.expect(answer, 200, "retrieving")
    holds(value_of(answer.body, "level") == 5, "the value is not the one created")
    part = node.ask("GET", f"{node.at('read')}?attrs=level")
    node.expect(part, 200, "retrieving with attrs")
    holds("colour" not in (part.body or {}), "attrs=level also shows colour")
    node.problem(node.ask("GET", node.at("nobody")), 404, "ResourceNotFound", "retrieving nobody")


def representations(node: Node) -> None:
    """Simplified by options=keyValues, concise, GeoJSON by Accept."""
    place = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [120.2, 30.2]}}
    node.create(node.thing("shown", level=7, location=place))
    plain = node.ask("GET", f"{node.at('shown')}?options=keyValues")
    node.expect(plain, 200, "keyValues")
    holds(isinstance(plain.body, dict) and plain.body.get("level") == 7, "level is not plain 7")
    geo = node.ask("GET", node.at("shown"), headers={"Accept": "application/geo+json"})
    node.expect(geo, 200, "GeoJSON")
    holds(isinstance(geo.body, dict) and geo.body.get("type") == "Feature", "no Feature")


def update_attributes(node: Node) -> None:
    """PATCH …/attrs changes what is there."""
    node.create(node.thing("patch", level=1))
    answer = node.ask("PATCH", f"{node.at('patch')}/attrs", {"level": _property(2)})
    node.expect(answer, (204, 207), "updating attributes")
    holds(_level(node, "patch") == 2, "the value is not the new one")


def append_attributes(node: Node) -> None:
    """POST …/attrs adds; with noOverwrite it leaves what is there."""
    node.create(node.thing("append", level=1))
    answer = node.ask("POST", f"{node.at('append')}/attrs", {"colour": _property("red")})
    node.expect(answer, (204, 207), "appending attributes")
    kept = node.ask(
        "POST", f"{node.at('append')}/attrs?options=noOverwrite", {"level": _property(9)}
    )
    node.expect(kept, (204, 207), "appending with noOverwrite")
    body = node.ask("GET", node.at("append")).body
    holds(value_of(body, "colour") == "red", "the added attribute is not there")
    holds(value_of(body, "level") == 1, "noOverwrite overwrote")


def partial_update(node: Node) -> None:
    """PATCH …/attrs/NAME keeps the rest of the attribute; 404 for one that is not there."""
    node.create(node.thing("partial", level={"type": "Property", "value": 1, "unitCode": "CEL"}))
    answer = node.ask("PATCH", f"{node.at('partial')}/attrs/level", _property(3))
    node.expect(answer, 204, "updating one attribute")
    body = node.ask("GET", node.at("partial")).body
    holds(value_of(body, "level") == 3, "the value is not the new one")
    holds(body["level"].get("unitCode") == "CEL", "unitCode is gone")
    absent = node.ask("PATCH", f"{node.at('partial')}/attrs/absent", _property(3))
    node.expect(absent, 404, "updating an absent attribute")


def delete_attribute(node: Node) -> None:
    """204, and it is gone."""
    node.create(node.thing("less", level=1, colour="red"))
    node.expect(node.ask("DELETE", f"{node.at('less')}/attrs/colour"), 204, "deleting an attribute")
    holds("colour" not in node.ask("GET", node.at("less")).body, "the attribute is still there")


def merge(node: Node) -> None:
    """PATCH of the entity merges; what is not named stays."""
    node.create(node.thing("merge", level=1, colour="red"))
    answer = node.ask("PATCH", node.at("merge"), {"level": _property(2)})
    node.expect(answer, 204, "merging")
    body = node.ask("GET", node.at("merge")).body
    holds((value_of(body, "level"), value_of(body, "colour")) == (2, "red"), "not merged")


def replace(node: Node) -> None:
    """PUT of the entity takes the place of all of it."""
    node.create(node.thing("replace", level=1, colour="red"))
    answer = node.ask("PUT", node.at("replace"), node.thing("replace", level=4))
    node.expect(answer, 204, "replacing")
    body = node.ask("GET", node.at("replace")).body
    holds(value_of(body, "level") == 4 and "colour" not in body, "not replaced")


def delete(node: Node) -> None:
    """204, then 404."""
    node.create(node.thing("gone", level=1))
    node.expect(node.ask("DELETE", node.at("gone")), 204, "deleting")
    node.problem(node.ask("DELETE", node.at("gone")), 404, "ResourceNotFound", "deleting again")


def batch(node: Node) -> None:
    """create, upsert, update, delete: all well 201 or 204, in part 207 with each reason."""
    first = [node.thing(f"batch{n}", level=n) for n in range(3)]
    node.made |= {one["id"]: None for one in first}
    node.expect(node.ask("POST", "/entityOperations/create", first), 201, "batch create")
    part = node.ask("POST", "/entityOperations/create", [first[0], node.thing("batch3", level=3)])
    node.made[node.id("batch3")] = None
    node.expect(part, 207, "batch create in part")
    holds(bool(part.body.get("errors")) and bool(part.body.get("success")), "207 without reasons")
    changed = [node.thing(f"batch{n}", level=n + 10) for n in range(3)]
    node.expect(node.ask("POST", "/entityOperations/upsert", changed), (201, 204), "batch upsert")
    holds(_level(node, "batch2") == 12, "upsert did not replace")
    node.expect(node.ask("POST", "/entityOperations/update", changed), 204, "batch update")
    ids = [one["id"] for one in first] + [node.id("batch3")]
    node.expect(node.ask("POST", "/entityOperations/delete", ids), 204, "batch delete")
    node.expect(node.ask("GET", node.at("batch0")), 404, "retrieving what was deleted")


def query(node: Node) -> None:
    """By type, id and idPattern; 400 without any criterion."""
    for n in range(3):
        node.create(node.thing(f"query{n}", level=n * 10, name=f"thing {n}"))
    told = _found(node, "")
    holds(len(told) >= 3, f"{len(told)} entities of the type instead of 3 or more")
    one = node.ask("GET", f"/entities?type={node.type}&id={node.id('query1')}")
    holds([x["id"] for x in one.body] == [node.id("query1")], "id does not narrow")
    like = node.ask("GET", f"/entities?type={node.type}&idPattern=.*query[01]$")
    holds(len(like.body) == 2, "idPattern does not narrow")
    node.problem(node.ask("GET", "/entities"), 400, "BadRequestData", "a query of nothing")


def query_language(node: Node) -> None:
    """q: ==, !=, <, >=, ranges, lists, |, ;, ~= and existence."""
    for n in range(4):
        node.create(node.thing(f"q{n}", level=n, colour=("red", "blue")[n % 2]))
    expected: dict[str, set[int]] = {
        "level==2": {2}, "level!=2": {0, 1, 3}, "level>1": {2, 3}, "level<=1": {0, 1},
        "level==1..2": {1, 2}, "level==0,3": {0, 3}, 'colour=="red"': {0, 2},
        'colour=="red";level>0': {2}, "level==0|level==3": {0, 3}, "colour~=^b": {1, 3},
        "colour": {0, 1, 2, 3}, "!shape": {0, 1, 2, 3},
    }  # fmt: skip
    for q, wanted in expected.items():
        told = {
            int(one["id"][-1])
            for one in _found(node, f"&q={_quoted(q)}")
            if one["id"].startswith(node.id("q")) and one["id"][-2:-1] == "q"
        }
        holds(told == wanted, f"q={q} finds {sorted(told)} instead of {sorted(wanted)}")


def geo_query(node: Node) -> None:
    """georel=near and within."""
    for n in range(2):
        place = {"type": "Point", "coordinates": [120.0 + n, 30.0]}
        node.create(node.thing(f"geo{n}", location={"type": "GeoProperty", "value": place}))
    near = _found(node, "&georel=near%3BmaxDistance==1000&geometry=Point&coordinates=%5B120,30%5D")
    holds([one["id"] for one in near] == [node.id("geo0")], "near finds something else")
    ring = "%5B%5B%5B120.5,29%5D,%5B121.5,29%5D,%5B121.5,31%5D,%5B120.5,31%5D,%5B120.5,29%5D%5D%5D"
    within = _found(node, f"&georel=within&geometry=Polygon&coordinates={ring}")
    holds([one["id"] for one in within] == [node.id("geo1")], "within finds something else")


def pagination(node: Node) -> None:
    """limit, offset, count=true; every entity once."""
    for n in range(5):
        node.create(node.thing(f"page{n}", level=n))
    base = f"/entities?type={node.type}&idPattern=.*page"
    counted = node.ask("GET", f"{base}&count=true&limit=0")
    node.expect(counted, 200, "counting")
    told = counted.headers.get("ngsild-results-count", "")
    holds(told == "5", f"NGSILD-Results-Count is {told!r} instead of 5")
    seen: list[str] = []
    for offset in (0, 2, 4):
        page = node.ask("GET", f"{base}&limit=2&offset={offset}")
        node.expect(page, 200, "a page")
        seen += [one["id"] for one in page.body]
    holds(len(seen) == len(set(seen)) == 5, "pages repeat or lose entities")
    node.expect(node.ask("GET", f"{base}&limit=-1"), 400, "a limit below nothing")


def types(node: Node) -> None:
    """/types and /attributes name what is there."""
    node.create(node.thing("typed", level=1))
    answer = node.ask("GET", "/types")
    node.expect(answer, 200, "types")
    holds(node.type in answer.text, "the type is not listed")
    node.expect(node.ask("GET", f"/types/{node.type}"), 200, "one type")
    attributes = node.ask("GET", "/attributes")
    node.expect(attributes, 200, "attributes")
    holds("level" in attributes.text, "the attribute is not listed")


def contexts(node: Node) -> None:
    """Terms of a context in the body are expanded and shown again as the caller's."""
    told = {"@context": [{"warmth": "https://example.org/pintu/warmth"}, CORE]}
    made = {**node.thing("context", warmth=21), **told}
    node.made[made["id"]] = None
    answer = node.ask("POST", "/entities", made, headers={"Content-Type": LD})
    node.expect(answer, 201, "creating with a context")
    plain = node.ask("GET", node.at("context"))
    holds("https://example.org/pintu/warmth" in plain.body, "the term is not expanded")
    wrong = node.ask("POST", "/entities", {**node.thing("mixed"), **told})
    node.expect(wrong, 400, "a context in the body of application/json")
    both = node.ask(
        "POST", "/entities", {**node.thing("both"), **told},
        headers={"Content-Type": LD, "Link": LINK},
    )  # fmt: skip
    node.expect(both, 400, "a context in the body and in Link")


def negotiation(node: Node) -> None:
    """application/json with a Link header, ld+json with @context; 415 and 406 for others."""
    node.create(node.thing("asked", level=1))
    plain = node.ask("GET", node.at("asked"), headers={"Accept": JSON})
    holds("@context" not in plain.body, "application/json holds @context")
    linked = node.ask("GET", node.at("asked"), headers={"Accept": LD})
    node.expect(linked, 200, "ld+json")
    holds("@context" in linked.body, "ld+json holds no @context")
    text = node.ask("POST", "/entities", b"x", headers={"Content-Type": "text/plain"})
    node.expect(text, 415, "creating from text/plain")
    node.expect(node.ask("GET", node.at("asked"), headers={"Accept": "image/png"}), 406, "as image")


def tenants(node: Node) -> None:
    """What is in one tenant is in no other; an unknown one is 404."""
    node.create(node.thing("mine", level=1))
    other = node.ask("GET", node.at("mine"), headers={"NGSILD-Tenant": f"nobody{node.run}"})
    holds(other.status in (403, 404), f"another tenant shows it ({other.status})")


def present(path: str) -> Callable[[Node], None]:
    """Whether a part of the standard is there at all, by reading alone."""

    def run(node: Node) -> None:
        answer = node.ask("GET", path)
        if answer.status == 404 and not isinstance(answer.body, dict):
            node.expect(answer, 405, path)  # no such route
        node.expect(answer, (200, 400), path)

    return run


def reading_errors(node: Node) -> None:
    """Unknown parameters and ids that are none: 400 with a problem after RFC 9457."""
    answer = node.ask("GET", "/entities/not%20a%20uri")
    node.expect(answer, 400, "an id that is no URI")
    told = answer.body if isinstance(answer.body, dict) else {}
    holds("type" in told and "title" in told, "the problem has no type and title")


def _property(value: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value}


def _level(node: Node, name: str) -> Any:
    return value_of(node.ask("GET", node.at(name)).body, "level")


def _found(node: Node, more: str) -> list[dict[str, Any]]:
    answer = node.ask("GET", f"/entities?type={node.type}&limit=100{more}")
    node.expect(answer, 200, f"a query {more}")
    holds(isinstance(answer.body, list), "a query answers no list")
    return list(answer.body)


def _quoted(q: str) -> str:
    from urllib.parse import quote

    return quote(q, safe="")


CHECKS: Final = (
    Check(clause="6.3.2", title="errors of reading", run=reading_errors, writes=False),
    Check(clause="5.7.5", title="types can be listed", run=present("/types"), writes=False),
    Check(clause="5.6.1", title="create an entity", run=create),
    Check(clause="5.6.1", title="refuse what is no entity", run=create_refuses),
    Check(clause="5.7.1", title="retrieve an entity", run=retrieve),
    Check(clause="4.5", title="representations", run=representations),
    Check(clause="5.6.2", title="update attributes", run=update_attributes),
    Check(clause="5.6.3", title="append attributes", run=append_attributes),
    Check(clause="5.6.4", title="update one attribute", run=partial_update),
    Check(clause="5.6.5", title="delete an attribute", run=delete_attribute),
    Check(clause="5.6.17", title="merge an entity", run=merge),
    Check(clause="5.6.18", title="replace an entity", run=replace),
    Check(clause="5.6.6", title="delete an entity", run=delete),
    Check(clause="5.6.7-10", title="batches", run=batch),
    Check(clause="5.7.2", title="query by type, id, pattern", run=query),
    Check(clause="4.9", title="query language", run=query_language),
    Check(clause="4.10", title="geographical queries", run=geo_query),
    Check(clause="5.5.9", title="pagination and counts", run=pagination),
    Check(clause="5.7.5-10", title="types and attributes", run=types),
    Check(clause="5.5.7", title="contexts", run=contexts),
    Check(clause="6.3.4", title="content negotiation", run=negotiation),
    Check(clause="4.14", title="tenants", run=tenants),
    Check(clause="5.13", title="stored contexts", run=present("/jsonldContexts"), writes=False),
    Check(clause="5.8", title="subscriptions", run=present("/subscriptions"), writes=False),
    Check(
        clause="5.7.4", title="temporal queries", writes=False,
        run=present("/temporal/entities?type=Thing&timerel=before&timeAt=2000-01-01T00:00:00Z"),
    ),
    Check(
        clause="5.9", title="registrations of sources", writes=False,
        run=present("/csourceRegistrations"),
    ),
)  # fmt: skip
"""In the order of the report."""
