"""A write divided among sources: every name has its place, takers leave nothing to the broker."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pintu.kernel.federation.splitting import Split, divide, names_of, part, split
from pintu.kernel.federation.words import MODES, Mode, Registration, Selector, Share
from pintu.kernel.jsonld import CORE

CREATE = frozenset(("createEntity",))
ID = "urn:ngsi-ld:Lamp:1"
LAMP = frozenset(("Lamp",))
NAMES = ("a", "b", "c", "d", "scope")


def share(
    mode: Mode, *names: str, id: str = "r", able: bool = True, selectors: tuple[Selector, ...] = ()
) -> Share:
    """A source registered for some names of everything, or of what the selectors cover."""
    registration = Registration(
        id=id, tenant="", mode=mode, endpoint="http://source", information=(),
        operations=CREATE if able else frozenset(),
    )  # fmt: skip
    return Share(registration=registration, names=frozenset(names), selectors=selectors)


def parts(found: Split) -> list[tuple[str, list[str]]]:
    """Legs as (registration, sorted names)."""
    return [(leg.registration.id, sorted(leg.names)) for leg in found.legs]


def test_an_exclusive_source_takes_its_names_away_from_the_local_broker() -> None:
    """Of two attributes the registered one goes to the source alone."""
    found = split(ID, LAMP, frozenset("ab"), [share("exclusive", "a")], CREATE)
    assert [("r", ["a"])] == parts(found)
    assert frozenset("b") == found.left
    assert found.local


def test_a_redirect_of_everything_leaves_the_local_broker_nothing() -> None:
    """Two redirects side by side get the same whole entity, the local broker none of it."""
    shares = [share("redirect", id="one"), share("redirect", id="two")]
    found = split(ID, LAMP, frozenset("ab"), shares, CREATE)
    assert [("one", ["a", "b"]), ("two", ["a", "b"])] == parts(found)
    assert not found.local


def test_an_entity_without_attributes_goes_whole_to_all_redirects() -> None:
    """It has no names to take, and is not written here all the same."""
    shares = [share("redirect", id="one"), share("redirect", id="two"), share("inclusive", id="i")]
    found = split(ID, LAMP, frozenset(), shares, CREATE)
    assert [("one", []), ("two", [])] == parts(found)
    assert not found.local


def test_an_inclusive_source_gets_a_copy_of_what_takers_left() -> None:
    """What the exclusive source took is not copied; what it left stays here, too."""
    shares = [share("inclusive", id="i"), share("exclusive", "a", id="e")]
    found = split(ID, LAMP, frozenset("ab"), shares, CREATE)
    assert [("e", ["a"]), ("i", ["b"])] == parts(found)
    assert frozenset("b") == found.left


def test_an_auxiliary_source_is_never_written() -> None:
    """It only ever answers questions."""
    found = split(ID, LAMP, frozenset("a"), [share("auxiliary")], CREATE)
    assert found.alone
    assert divide(ID, LAMP, [share("auxiliary")], CREATE).alone


def test_a_taker_without_the_operation_refuses_its_part() -> None:
    """It is not written elsewhere instead; an inclusive source is passed over."""
    shares = [share("exclusive", "a", able=False, id="e"), share("inclusive", able=False, id="i")]
    found = split(ID, LAMP, frozenset("ab"), shares, CREATE)
    assert [] == parts(found)
    assert ["e"] == [leg.registration.id for leg in found.refused]
    assert frozenset("b") == found.left


def test_a_scope_stays_where_no_source_has_the_whole_entity() -> None:
    """A source of one attribute does not get the entity's scope, and it is not lost."""
    found = split(ID, LAMP, frozenset(("a", "scope")), [share("exclusive", "a")], CREATE)
    assert frozenset(("scope",)) == found.left
    assert found.local


def test_sources_of_other_entities_have_no_part() -> None:
    """Neither by type nor by id."""
    others = (
        Selector(types=frozenset(("Cabinet",))),
        Selector(types=LAMP, id="urn:ngsi-ld:Lamp:2"),
    )
    found = split(ID, LAMP, frozenset("a"), [share("redirect", selectors=others)], CREATE)
    assert found.alone


def test_two_informations_of_one_registration_make_one_leg() -> None:
    """A source is written once."""
    found = split(
        ID, LAMP, frozenset("abc"), [share("exclusive", "a"), share("exclusive", "b")], CREATE
    )
    assert [("r", ["a", "b"])] == parts(found)


def test_deleting_asks_every_source_and_the_local_broker() -> None:
    """Also of a source that has but one attribute of it."""
    shares = [share("exclusive", "a", id="e"), share("redirect", able=False, id="x")]
    found = divide(ID, LAMP, shares, CREATE)
    assert ["e"] == [leg.registration.id for leg in found.legs]
    assert ["x"] == [leg.registration.id for leg in found.refused]
    assert found.local


def test_a_part_is_spelled_as_its_writer_spelled_it() -> None:
    """Values are handed on untouched; id and type are in every part."""
    document: dict[str, Any] = {"id": ID, "type": "Lamp", "a": 1, "b": [2], "scope": "/x"}
    assert frozenset(("a", "b", "scope")) == names_of(document, CORE)
    assert {"id": ID, "type": "Lamp", "b": [2]} == part(document, CORE, frozenset("b"))


_shares = st.lists(
    st.builds(
        lambda mode, names, number, able: share(mode, *names, id=f"r{number}", able=able),
        st.sampled_from(MODES), st.sets(st.sampled_from(NAMES[:4])), st.integers(0, 4),
        st.booleans(),
    ),
    max_size=6, unique_by=lambda one: one.registration.id,
)  # fmt: skip


@given(names=st.frozensets(st.sampled_from(NAMES)), shares=_shares)
def test_every_name_has_its_place(names: frozenset[str], shares: list[Share]) -> None:
    """Nothing is lost, nothing goes to a source that is not registered for it, nothing that was
    taken stays here, and what is left here was claimed by no taker."""
    found = split(ID, LAMP, names, shares, CREATE)
    takers = [leg for leg in (*found.legs, *found.refused) if leg.takes]
    taken = frozenset().union(*(leg.names for leg in takers))
    assert names == taken | found.left
    assert frozenset() == taken & found.left
    for leg in (*found.legs, *found.refused):
        assert leg.names <= (leg.share.names or names)
        assert leg.registration.mode != "auxiliary"
        if not leg.takes:
            assert leg.names <= found.left
    claimed = [one.names for one in shares if one.registration.mode in ("exclusive", "redirect")]
    for name in found.left:
        assert all(registered and name not in registered for registered in claimed)
    assert found.local or takers
