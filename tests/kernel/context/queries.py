"""Made-up documents and queries about them, for what must hold for all."""

from __future__ import annotations

from hypothesis import strategies as st

from pintu.kernel.context.match import TEXT_LIMIT
from pintu.kernel.context.selection import Absent, And, Compare, Exists, OneOf, Or, Path, Range

SCALARS = (
    st.integers(-3, 3)
    | st.sampled_from([0.5, -2.0, 2.0**63, 1e300])
    | st.integers(2**63 - 2, 2**63 + 2)
    | st.booleans()
    | st.sampled_from(["", "a", "ab", "b", "拼", "2020-01-01", "2020-01-01T00:00:00"])
    | st.sampled_from(
        ["2020-01-01T00:00:00Z", "2020-01-01T08:00:00+08:00", "2020-01-01T00:00:00.5Z"]
    )
    | st.sampled_from(["x" * (TEXT_LIMIT - 1), "x" * TEXT_LIMIT, "x" * TEXT_LIMIT + "y"])
)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.just({"k": 1})
SUB = {"type": "Property", "value": 1}
URIS = st.sampled_from(["a", "urn:x:1"])
INSTANCES = st.one_of(
    st.builds(lambda value: {"type": "Property", "value": value}, VALUES),
    st.builds(lambda value: {"type": "Property", "value": value, "sub": SUB}, VALUES),
    st.builds(lambda uri: {"type": "Relationship", "object": uri}, URIS),
    st.sampled_from(["a", "b"]).map(
        lambda text: {"type": "LanguageProperty", "languageMap": {"en": text}}
    ),
)
ATTRIBUTES = INSTANCES | st.lists(INSTANCES, min_size=1, max_size=2)
DOCS = st.dictionaries(st.sampled_from(["p", "q", "r"]), ATTRIBUTES, max_size=3).map(
    lambda attributes: {"id": "urn:x:1", "type": "T", **attributes}
)
PATHS = st.sampled_from(
    [Path("p"), Path("q"), Path("r"), Path("p", ("sub",)), Path("q", (), ("k",))]
)
COMPARABLE = SCALARS.filter(lambda value: not isinstance(value, bool))
TERMS = (
    st.builds(Exists, PATHS)
    | st.builds(Absent, PATHS)
    | st.builds(
        Compare,
        PATHS,
        st.sampled_from(["==", "!="]),
        SCALARS
        | st.lists(SCALARS, min_size=2, max_size=3).map(lambda values: OneOf(tuple(values)))
        | st.builds(Range, st.integers(-3, 3), st.integers(-3, 3))
        | st.builds(Range, st.sampled_from(["a", "x"]), st.sampled_from(["b", "x" * TEXT_LIMIT])),
    )
    | st.builds(Compare, PATHS, st.sampled_from(["<", "<=", ">", ">="]), COMPARABLE)
    | st.builds(
        Compare, PATHS, st.sampled_from(["~=", "!~="]), st.sampled_from(["^a", "b$", "^x+y"])
    )
)
QUERIES = st.recursive(
    TERMS,
    lambda inner: st.lists(inner, min_size=1, max_size=3).flatmap(
        lambda parts: st.sampled_from([And(tuple(parts)), Or(tuple(parts))])
    ),
    max_leaves=5,
)
