"""q: every construct of 4.9 becomes its tree, every mistake names its place, every limit holds."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pintu.kernel.context.parse import DEPTH_LIMIT, PARTS_LIMIT, TEXT_LIMIT, parse_q
from pintu.kernel.context.selection import (
    Absent,
    And,
    Compare,
    Exists,
    Linked,
    OneOf,
    Or,
    Path,
    Q,
    Range,
)
from pintu.kernel.errors import BadRequestData
from pintu.kernel.jsonld import CORE


def read(text: str, **options: Any) -> Q:
    return parse_q(text, CORE, **options)


A = Path("a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", Exists(A)),
        ("!a", Absent(A)),
        ("a==1", Compare(A, "==", 1)),
        ("a!=-1.5e3", Compare(A, "!=", -1500.0)),
        ("a>=2", Compare(A, ">=", 2)),
        ("a<=2", Compare(A, "<=", 2)),
        ("a>2", Compare(A, ">", 2)),
        ("a<2", Compare(A, "<", 2)),
        ("a==true", Compare(A, "==", True)),
        ("a==false", Compare(A, "==", False)),
        ('a=="true"', Compare(A, "==", "true")),
        ('a=="拼 图;|,()"', Compare(A, "==", "拼 图;|,()")),
        (r'a=="say \"hi\" \u4f60"', Compare(A, "==", 'say "hi" 你')),
        ("a==urn:ngsi-ld:City:Pisa", Compare(A, "==", "urn:ngsi-ld:City:Pisa")),
        ("a==urn%3Ax%3Ay", Compare(A, "==", "urn:x:y")),
        ('a=="Eiffel%20Tower"', Compare(A, "==", "Eiffel Tower")),
        ('a=="50%, 100%25, %ff"', Compare(A, "==", "50%, 100%25, %ff")),
        ("a==urn:x:a%20b", Compare(A, "==", "urn:x:a%20b")),
        ("a>2020-01-01T00:00:00Z", Compare(A, ">", "2020-01-01T00:00:00Z")),
        ("a==10:00:00", Compare(A, "==", "10:00:00")),
        ("a==1..2", Compare(A, "==", Range(1, 2))),
        ("a!=1.5..2.5", Compare(A, "!=", Range(1.5, 2.5))),
        ('a=="b".."d"', Compare(A, "==", Range("b", "d"))),
        ("a==2020-01-01..2021-01-01", Compare(A, "==", Range("2020-01-01", "2021-01-01"))),
        ('a==1,"x",true,4..5', Compare(A, "==", OneOf((1, "x", True, Range(4, 5))))),
        ('a~="^E[;|)].*(x|y)$"', Compare(A, "~=", "^E[;|)].*(x|y)$")),
        (r'a~="\d+\"x"', Compare(A, "~=", r'\d+"x')),
        ("a!~=^x(a|b)[;)]", Compare(A, "!~=", "^x(a|b)[;)]")),
        ("a~=x|b", Or((Compare(A, "~=", "x"), Exists(Path("b"))))),
        ("a.b.c==1", Compare(Path("a", ("b", "c")), "==", 1)),
        ("a.b[x.y][z]==1", Compare(Path("a", ("b",), ("x", "y", "z")), "==", 1)),
        ("a[*]==1", Compare(Path("a", (), ("*",)), "==", 1)),
        ("a.observedAt>2020-01-01", Compare(Path("a", ("observedAt",)), ">", "2020-01-01")),
        ("https://ex.org/a.b#c==1", Compare(Path("https://ex.org/a.b#c"), "==", 1)),
        ("https%3A%2F%2Fex.org%2Fa==1", Compare(Path("https://ex.org/a"), "==", 1)),
        ("温度>3", Compare(Path("温度"), ">", 3)),
        ("a{b}==1", Linked(A, (), Compare(Path("b"), "==", 1))),
        ("a{T:b}", Linked(A, ("T",), Exists(Path("b")))),
        ("a{T,U:b.c}<1", Linked(A, ("T", "U"), Compare(Path("b", ("c",)), "<", 1))),
        ("a{b{c}}==1", Linked(A, (), Linked(Path("b"), (), Compare(Path("c"), "==", 1)))),
        (
            "a;b|c",
            Or((And((Exists(A), Exists(Path("b")))), Exists(Path("c")))),
        ),
        (
            "a;(b|c)",
            And((Exists(A), Or((Exists(Path("b")), Exists(Path("c")))))),
        ),
        ("((a))", Exists(A)),
    ],
)
def test_each_construct_has_its_tree(text: str, expected: Q) -> None:
    """Text and tree say the same."""
    assert repr(expected) == repr(read(text))


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("", 1, "an attribute name"),
        ("a=1", 2, "an operator"),
        ("a==", 4, "a value"),
        ('a=="x', 4, "a closing quotation mark"),
        (r'a=="\x"', 4, "JSON escapes"),
        ("a;", 3, "an attribute name"),
        ("a|", 3, "an attribute name"),
        ("a b", 2, "an operator"),
        ("(a", 3, "')'"),
        ("a)", 2, "the end"),
        ("a>4..5", 3, "one number"),
        ("a<1,2", 3, "one number"),
        ("a>true", 3, "one number"),
        ('a==1.."x"', 4, "a range"),
        ("a==true..false", 4, "a range"),
        ("a==1e400", 4, "finite"),
        ("a~=", 4, "a pattern"),
        ("a[b==1", 4, "']'"),
        ("a[]==1", 3, "a member name"),
        ("a..b==1", 3, "an attribute name"),
        ("a{b==1", 4, "'}'"),
        ("a{}==1", 3, "an attribute name"),
        ("a{T,U}", 6, "':'"),
        ("a==1,,2", 6, "a value"),
    ],
)
def test_a_mistake_names_its_place(text: str, place: int, expected: str) -> None:
    """The error says at which character something else was expected, and what."""
    with pytest.raises(BadRequestData) as caught:
        read(text)
    assert f"at character {place}:" in caught.value.detail
    assert expected in caught.value.detail


@pytest.mark.parametrize(
    "text",
    [
        'a=="' + "x" * TEXT_LIMIT + '"',
        "(" * (DEPTH_LIMIT + 1) + "a" + ")" * (DEPTH_LIMIT + 1),
        ";".join("a" for _ in range(PARTS_LIMIT + 1)),
        "a==" + ",".join("1" for _ in range(PARTS_LIMIT + 2)),
        "a{" * (DEPTH_LIMIT + 1) + "b" + "}" * (DEPTH_LIMIT + 1),
        ".".join("a" for _ in range(20)),
        'a~="(a"',
        'a~="(?=x)"',
        r'a~="(a)\1"',
        'a~="' + "x" * 600 + '"',
        'a~="(((a{100}){100}){100})"',
    ],
)
def test_a_limit_is_an_error_not_a_delay(text: str) -> None:
    """Too long, too deep, too many, or a pattern that is not offered: refused while reading."""
    with pytest.raises(BadRequestData):
        read(text)


def test_values_of_vocabulary_attributes_are_expanded_on_request() -> None:
    """EXAMPLE 12 of 4.9: expandValues turns a term into the IRI that the @context gives it."""
    iri = "https://uri.etsi.org/ngsi-ld/default-context/commercial"
    assert Compare(Path("c"), "==", iri) == read("c==commercial", expand_values=["c"])
    assert Compare(Path("c"), "==", "commercial") == read("c==commercial")


NAMES = st.from_regex(r"[a-z][a-zA-Z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name == CORE.stored(name)
)
PATHS = st.builds(
    Path,
    NAMES,
    st.lists(NAMES, max_size=2).map(tuple),
    st.lists(NAMES, max_size=2).map(tuple),
)
TEXTS = st.text(max_size=12).filter(lambda text: text.isprintable())
NUMBERS = st.integers(-(10**6), 10**6) | st.floats(allow_nan=False, allow_infinity=False)
RANGES = st.builds(Range, NUMBERS, NUMBERS) | st.builds(Range, TEXTS, TEXTS)
CHOICES = st.lists(TEXTS | NUMBERS | st.booleans() | RANGES, min_size=2, max_size=4).map(
    lambda values: OneOf(tuple(values))
)
COMPARISONS = st.builds(
    Compare,
    PATHS,
    st.sampled_from(["==", "!="]),
    TEXTS | NUMBERS | st.booleans() | RANGES | CHOICES,
) | st.builds(Compare, PATHS, st.sampled_from(["<", "<=", ">", ">="]), TEXTS | NUMBERS)
TERMS = COMPARISONS | st.builds(Exists, PATHS) | st.builds(Absent, PATHS)


def groups(inner: st.SearchStrategy[Q]) -> st.SearchStrategy[Q]:
    parts = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.builds(And, parts) | st.builds(Or, parts)


QUERIES = st.recursive(TERMS, groups, max_leaves=6)


def written(q: Q) -> str:
    """A tree as text, every group in parentheses."""
    if isinstance(q, And | Or):
        mark = ";" if isinstance(q, And) else "|"
        return mark.join(f"({written(part)})" for part in q.parts)
    if isinstance(q, Absent):
        return "!" + path_text(q.path)
    if isinstance(q, Compare):
        return path_text(q.path) + q.op + value_text(q.value)
    assert isinstance(q, Exists)
    return path_text(q.path)


def path_text(path: Path) -> str:
    trail = f"[{'.'.join(path.trail)}]" if path.trail else ""
    return ".".join((path.attribute, *path.subs)) + trail


def value_text(value: Any) -> str:
    if isinstance(value, OneOf):
        return ",".join(value_text(one) for one in value.values)
    if isinstance(value, Range):
        return f"{value_text(value.low)}..{value_text(value.high)}"
    return json.dumps(value).replace("%", "%25")


@given(QUERIES)
def test_what_is_written_is_read(q: Q) -> None:
    """A tree written as text and read again is the same tree."""
    assert repr(q) == repr(read(written(q)))


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever comes is a tree or BadRequestData."""
    with suppress(BadRequestData):
        read(text)
