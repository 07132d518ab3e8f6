"""Hostile updates: whatever arrives is accepted or held, and never stops what comes after it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pintu.kernel.errors import PintuError
from pintu.kernel.intake import intake as room
from pintu.kernel.intake import wire
from pintu.kernel.intake.words import Update

from .conftest import Opener, Scene, batch, lamp

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=5),
)
WORDS = st.sampled_from(
    [
        "id",
        "type",
        "value",
        "object",
        "observedAt",
        "datasetId",
        "location",
        "coordinates",
        "scope",
        "@context",
        "languageMap",
        "urn:ngsi-ld:null",
        "unitCode",
        "Property",
        "urn:a:b",
        "p",
        "createdAt",
    ]
)
ANYTHING = st.recursive(
    SCALARS | WORDS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(WORDS | st.text(max_size=8), inner, max_size=5)
    ),
    max_leaves=20,
)
ENTITIES = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["urn:a:b", "urn:a:c", "x"]) | ANYTHING,
        "type": st.sampled_from(["T", "Streetlight"]) | ANYTHING,
        "p": ANYTHING,
        "q": st.fixed_dictionaries({"type": WORDS, "value": ANYTHING}),
        "location": ANYTHING,
        "scope": ANYTHING,
    },
)
QUIET = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@QUIET
@given(
    entity=ENTITIES, mode=st.sampled_from(["merge", "upsert", "append", "?"]), number=st.integers()
)
async def test_any_update_is_accepted_or_held(
    scene: Scene, entity: dict[str, Any], mode: Any, number: int
) -> None:
    """And its neighbours are stored."""
    scene.intake._library._egress = None  # type: ignore[assignment] # no update may fetch in this test
    key = f"{number}/{len(await scene.log())}/{scene.intake.quarantine.counts()}"[:300]
    receipt = await scene.intake.accept(batch(key, lamp(1), Update(entity, mode), lamp(2)))
    assert receipt.repeated or 3 == receipt.accepted + receipt.quarantined
    assert receipt.repeated or receipt.accepted >= 2


async def test_what_breaks_a_reader_is_held(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake of ours is a reason too; the batch does not come for ever."""
    read = room.read_update

    def broken(update: Update, *arguments: Any) -> dict[str, Any]:
        if update.entity["id"].endswith("L2"):
            raise ZeroDivisionError("ours")
        return read(update, *arguments)

    monkeypatch.setattr(room, "read_update", broken)
    receipt = await scene.intake.accept(batch("b1", lamp(1), lamp(2), lamp(3)))
    assert (2, 1) == (receipt.accepted, receipt.quarantined)
    assert "ZeroDivisionError('ours')" in receipt.errors[0]


async def test_what_breaks_in_the_writer_is_held_alone(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transform that breaks fails alone."""
    made = room.transform_of

    def broken(update: Update, document: dict[str, Any]) -> Any:
        def transform(*_: Any) -> Any:
            raise ZeroDivisionError("in the writer")

        return transform if document["id"].endswith("L2") else made(update, document)

    monkeypatch.setattr(room, "transform_of", broken)
    receipt = await scene.intake.accept(batch("b1", lamp(1), lamp(2), lamp(3)))
    assert (2, 1) == (receipt.accepted, receipt.quarantined)
    assert 2 == len(await scene.log())


@settings(max_examples=500, deadline=None)
@given(body=st.binary(max_size=200))
@pytest.mark.parametrize("decoder", [wire._to_broker, wire._to_process])
def test_any_frame_is_read_or_refused(decoder: Any, body: bytes) -> None:
    """Never anything but our own error."""
    try:
        wire._decode(decoder, body)
    except PintuError as error:
        assert "cannot be read" in error.detail


@QUIET
@given(number=st.integers(1, 30))
async def test_half_a_frame_ends_the_connection_only(open_scene: Opener, number: int) -> None:
    """Cut anywhere, nothing of it is taken."""
    import asyncio

    reader = asyncio.StreamReader()
    reader.feed_data(wire.encode(wire.Send(1, batch("b1", lamp(1))))[:number])
    reader.feed_eof()
    with pytest.raises(EOFError):
        await wire.read_to_broker(reader)
