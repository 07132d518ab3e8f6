"""What a source is asked of what is wanted: never wider than registered, nor than wanted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from pintu.kernel.context.parse import parse_geo, parse_q, parse_scope
from pintu.kernel.federation.index import Index, entries_of
from pintu.kernel.federation.literals import Literals, literal_of
from pintu.kernel.federation.matching import shares
from pintu.kernel.federation.words import Registration, Share, Wanted
from pintu.kernel.jsonld import CORE
from tests.kernel.federation.registering import NOW_US, registration, types


def asked(wanted: Wanted, *registrations: Registration) -> list[Share]:
    index = Index()
    for one in registrations:
        index.add(one)
    return shares(index.candidates(wanted), wanted, NOW_US)


LAMP_1 = {"entities": [{"type": "Lamp", "id": "urn:lamp:1"}], "propertyNames": ["level", "power"]}


def test_ids_types_and_names_are_narrowed() -> None:
    """Of three ids and three attributes a source is asked for those it is registered for."""
    wanted = Wanted(
        ids=("urn:lamp:1", "urn:lamp:2"),
        types=types("Lamp", "Pole"),
        names=frozenset(("level", "colour")),
    )
    [share] = asked(wanted, registration("1", LAMP_1))
    assert ("urn:lamp:1",) == share.ids
    assert frozenset(("level",)) == share.names
    assert types("Lamp") == share.types
    assert share.covers("urn:lamp:1")
    assert not share.covers("urn:lamp:2")


def test_who_wants_everything_is_given_what_is_registered() -> None:
    """No ids, types or names: the registered ones; a pattern is handed on."""
    [share] = asked(Wanted(), registration("1", LAMP_1))
    assert (("urn:lamp:1",), types("Lamp")) == (share.ids, share.types)
    assert frozenset(("level", "power")) == share.names
    pattern = {"entities": [{"type": "Lamp", "idPattern": "^urn:north:"}]}
    [share] = asked(Wanted(types=types("Lamp")), registration("1", pattern))
    assert "^urn:north:" == share.id_pattern
    assert not share.covers("urn:south:1")


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (Wanted(ids=("urn:lamp:3",)), False),
        (Wanted(types=types("Pole")), False),
        (Wanted(names=frozenset(("colour",))), False),
        (Wanted(ids=("urn:lamp:1",), names=frozenset(("power",))), True),
        (Wanted(id_pattern="lamp:[12]$"), True),
        (Wanted(id_pattern="lamp:[34]$"), False),
        (Wanted(operation="createEntity"), False),
        (Wanted(operation="retrieveEntity"), True),
    ],
)
def test_what_a_source_does_not_have_it_is_not_asked(wanted: Wanted, matches: bool) -> None:
    """By id, type, attribute, pattern and operation."""
    assert matches is bool(asked(wanted, registration("1", LAMP_1)))


def test_information_with_the_same_entities_is_one_question() -> None:
    """Two members of information about the same entities are asked together, others apart."""
    level = {"entities": [{"type": "Lamp"}], "propertyNames": ["level"]}
    power = {"entities": [{"type": "Lamp"}], "propertyNames": ["power"]}
    pole = {"entities": [{"type": "Pole"}], "propertyNames": ["height"]}
    found = asked(Wanted(), registration("1", level, power, pole))
    assert [["level", "power"], ["height"]] == [sorted(one.names) for one in found]


def test_attributes_of_any_entity() -> None:
    """Information without entities: whatever has the attribute, asked as it is wanted."""
    one = registration("1", {"relationshipNames": ["partOf"]})
    [share] = asked(Wanted(ids=("urn:x:1",), types=types("X")), one)
    assert (("urn:x:1",), types("X")) == (share.ids, share.types)
    assert ["partOf"] == sorted(share.names)
    assert [] == asked(Wanted(names=frozenset(("level",))), one)


PLACE = {"type": "Polygon", "coordinates": [[[8, 40], [9, 40], [9, 41], [8, 41], [8, 40]]]}


def _near(lon: float) -> Any:
    return parse_geo("near;maxDistance==1000", "Point", [lon, 40.5], None, CORE)


def test_where_a_source_is() -> None:
    """Forwarding leaves out who cannot have any; discovery asks for those who are there."""
    there, nowhere = registration("1", location=PLACE), registration("2")
    assert 2 == len(asked(Wanted(geo=_near(8.5)), there, nowhere))
    assert 1 == len(asked(Wanted(geo=_near(20)), there, nowhere))
    found = asked(Wanted(geo=_near(8.5), strict=True), there, nowhere)
    assert [there.id] == [one.registration.id for one in found]
    outside = parse_geo("within", "Point", [20, 20], None, CORE)
    assert [] == asked(Wanted(geo=outside), there)


def test_scope_interval_data_set_and_csf() -> None:
    """Each leaves out a source that says otherwise; csf looks at members of the registration."""
    one = registration(
        "1", scope=["/a/b"], datasetId="urn:d:1", region="north",
        observationInterval={"startAt": "2020-01-01T00:00:00Z", "endAt": "2021-01-01T00:00:00Z"},
    )  # fmt: skip
    year = 365 * 86_400_000_000
    wrong = [
        Wanted(scope=parse_scope("/b/#")),
        Wanted(dataset_ids=("urn:d:2",)),
        Wanted(csf=parse_q('region=="south"', CORE)),
        Wanted(span=("observed", 52 * year, None)),
        Wanted(span=("managed", None, 51 * year), strict=True),
    ]
    right = [
        Wanted(scope=parse_scope("/a/#")),
        Wanted(dataset_ids=("urn:d:2", "urn:d:1")),
        Wanted(csf=parse_q('region=="north";endpoint~=source', CORE)),
        Wanted(span=("observed", None, 51 * year)),
    ]
    assert [] == [wanted for wanted in wrong if asked(wanted, one)]
    assert [] == [wanted for wanted in right if not asked(wanted, one)]


_IDS = some.sampled_from(["urn:a:1", "urn:a:2", "urn:b:1", "x:urn:a:1", "urn:a", "urn:*"])
_PATTERNS = some.sampled_from(
    ["", "^urn:a:", "urn:a:.*", "urn:a:?1", "urn:ab*", ".*1$", "^x", "urn:(a|b)", "urn\\.a", "urn:"]
)


@settings(max_examples=200, deadline=None)
@given(some.lists(_PATTERNS, max_size=6), _IDS)
def test_literals_never_leave_out_a_pattern_that_matches(patterns: list[str], id: str) -> None:
    """What is looked up by the text patterns begin with holds every pattern that matches."""
    from pintu.kernel.context.match import compile_pattern

    literals: Literals[int] = Literals()
    for number, pattern in enumerate(patterns):
        literals.add(pattern, number)
    found = {member for bucket in literals.about([id]) for member in bucket}
    right = {n for n, one in enumerate(patterns) if compile_pattern(one)(id)}
    assert set() == right - found
    for number, pattern in enumerate(patterns):
        literals.remove(pattern, number)
    assert not literals


def test_what_a_pattern_begins_with() -> None:
    """A character that may be absent is not part of it, nor is anything of an alternative."""
    told = {"^urn:a:.*": "urn:a:", "urn:ab?": "urn:a", "a|b": "", "(?i)urn": "", "a\\.b": "a.b"}
    assert told == {pattern: literal_of(pattern) for pattern in told}


_TYPES = some.sampled_from(["A", "B", "C"])
_NAMES = some.frozensets(some.sampled_from(["x", "y", "z"]), max_size=2)
_SELECTORS = some.fixed_dictionaries(
    {"type": _TYPES | some.lists(_TYPES, min_size=1, max_size=2, unique=True)},
    optional={"id": _IDS, "idPattern": _PATTERNS.filter(bool)},
)


@some.composite
def _registrations(draw: some.DrawFn) -> list[Registration]:
    found = []
    for number in range(draw(some.integers(0, 6))):
        names = sorted(draw(_NAMES))
        selectors = draw(some.lists(_SELECTORS, max_size=3))
        one: dict[str, Any] = {"propertyNames": names} if names else {}
        if selectors or not names:
            one["entities"] = selectors or [{"type": "A"}]
        found.append(registration(str(number), one))
    return found


_WANTED = some.builds(
    Wanted,
    ids=some.lists(_IDS, max_size=2, unique=True).map(tuple),
    types=some.none() | some.lists(_TYPES, min_size=1, max_size=2).map(lambda t: types(*t)),
    names=_NAMES,
)


@settings(max_examples=200, deadline=None)
@given(_registrations(), _WANTED)
def test_the_index_finds_what_a_search_of_all_finds(
    registrations: list[Registration], wanted: Wanted
) -> None:
    """For any registrations and anything wanted: the same shares as without an index, before and
    after half of them are gone.
    """
    index = Index()
    for one in registrations:
        index.add(one)
    for _ in range(2):
        every = [
            entry
            for one in index.registrations.values()
            for information in one.information
            for entry in entries_of(one, information)
        ]
        naive = {_key(share) for share in shares(every, wanted, NOW_US)}
        assert naive == {_key(one) for one in shares(index.candidates(wanted), wanted, NOW_US)}
        for one in registrations[::2]:
            index.remove(one.id)


def _key(share: Share) -> tuple[Any, ...]:
    held = share.types
    return (
        share.registration.id, frozenset(share.ids), share.id_pattern,
        None if held is None else frozenset(held.any_of), share.names, frozenset(share.selectors),
    )  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(_registrations(), _WANTED)
def test_no_share_is_wider_than_wanted_or_registered(
    registrations: list[Registration], wanted: Wanted
) -> None:
    """Whatever is asked of a source was wanted, and the source is registered for it."""
    for share in asked(wanted, *registrations):
        assert not wanted.ids or set(share.ids) <= set(wanted.ids)
        assert not wanted.names or (share.names and share.names <= wanted.names)
        held = [one for one in share.registration.information if share.names <= (one.names or
                share.names) and set(share.selectors) <= set(one.selectors)]  # fmt: skip
        assert held, "no information of the registration has all of it"
