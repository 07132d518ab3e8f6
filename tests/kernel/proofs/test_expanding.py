"""Whole entities mean the same to a JSON-LD processor before they come in and after they leave."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from pyld import jsonld

from pintu.kernel.context.read import read_entity
from pintu.kernel.context.record import Record
from pintu.kernel.context.render import View, render
from pintu.kernel.jsonld import Terms, core_document
from pintu.kernel.jsonld.compile import compile_context
from tests.kernel.proofs.examples import tried

CORE = {
    name: value
    for name, value in core_document()["@context"].items()
    if name not in ("@protected", "@version")
}
letters = st.text("abcxyz", min_size=1, max_size=4)
iris = st.builds(
    "https://{}.example/{}{}".format, letters, letters, st.sampled_from(["", "#x", "/y", "z"])
)
spaces = st.builds("https://{}.example/{}".format, letters, st.sampled_from(["", "v#", "v/"]))


@st.composite
def contexts(draw: st.DrawFn) -> dict[str, Any]:
    """Terms of attributes and types, simple, as objects, or written with a prefix."""
    prefixes = draw(st.dictionaries(letters.map("p{}".format), spaces, max_size=2))
    made: dict[str, Any] = dict(prefixes)
    for name in draw(st.lists(letters.map("t{}".format), max_size=5, unique=True)):
        target: Any = draw(iris)
        if prefixes and draw(st.booleans()):
            target = f"{draw(st.sampled_from(sorted(prefixes)))}:{draw(letters)}"
        as_object: bool = draw(st.booleans())
        made[name] = {"@id": target} if as_object else target
    return made


values = st.one_of(
    st.integers(-5, 5),
    st.booleans(),
    st.text("ab 拼", max_size=3),
    st.lists(st.integers(0, 3), min_size=2, max_size=3),
)


@st.composite
def entities(draw: st.DrawFn, context: dict[str, Any]) -> dict[str, Any]:
    """An entity whose names are terms, prefixed names, IRIs and words of no vocabulary."""
    own = [name for name in sorted(context) if name.startswith("t")]
    with_prefix = [f"{name}:q" for name in sorted(context) if name.startswith("p")]
    names = st.sampled_from([*own, *with_prefix, "speed", "level", "https://far.example/w"])
    entity: dict[str, Any] = {"id": "urn:x:1", "type": draw(names)}
    expand = Terms(compile_context(context), context).expand  # one name for one thing
    for name in draw(st.lists(names, max_size=4, unique_by=expand)):
        entity[name] = draw(
            st.one_of(
                st.builds(lambda value: {"type": "Property", "value": value}, values),
                st.just({"type": "Relationship", "object": "urn:x:2"}),
                st.builds(lambda word: {"type": "VocabProperty", "vocab": word}, names),
                st.builds(
                    lambda value, inner: {"type": "Property", "value": 1, inner: value},
                    st.builds(lambda value: {"type": "Property", "value": value}, values),
                    names,
                ),
            )
        )
    return entity


def meaning(entity: dict[str, Any], context: dict[str, Any]) -> list[Any]:
    """What a JSON-LD processor reads, with the core after the caller's @context (5.5.7)."""
    found: list[Any] = jsonld.expand({**entity, "@context": [context, CORE]})
    return found


def through(entity: dict[str, Any], coming: Terms, leaving: Terms) -> dict[str, Any]:
    """Stored as one caller wrote it, shown as another reads it."""
    stored = read_entity(orjson.loads(orjson.dumps(entity)), coming)
    types = stored["type"] if isinstance(stored["type"], list) else [stored["type"]]
    record = Record(1, stored["id"], tuple(types), orjson.dumps(stored), 1, 1)
    shown: dict[str, Any] = render(record, leaving, View())
    return shown


@tried
@given(st.data())
def test_an_entity_means_the_same_in_any_context(data: st.DataObject) -> None:
    """What comes in by one @context and leaves by another expands to the same graph."""
    coming, leaving = data.draw(contexts()), data.draw(contexts())
    entity = data.draw(entities(coming))
    shown = through(
        entity,
        Terms(compile_context(coming), coming),
        Terms(compile_context(leaving), leaving),
    )
    assert meaning(entity, coming) == meaning(shown, leaving)
