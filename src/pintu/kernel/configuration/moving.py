"""A town's whole configuration carried elsewhere: copied out, copied in, compared line by line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pintu.kernel.configuration.folder import KINDS, Configuration
from pintu.kernel.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not the same in two configurations; `path` names the value inside."""

    kind: str
    name: str
    what: Literal["only here", "only there", "differs"]
    path: str = ""
    here: Any = None
    there: Any = None

    def __str__(self) -> str:
        place = f"{self.kind}/{self.name}" + (f": {self.path}" if self.path else "")
        if self.what != "differs":
            return f"{place} is {self.what}"
        return f"{place} differs: {self.here!r} here, {self.there!r} there"


def compare(here: Configuration, there: Configuration) -> list[Difference]:
    """Every difference, by kind and name; comments and the order of lines are none.

    Raises ConfigurationError naming each file that cannot be read, on either side.
    """
    _readable(here)
    _readable(there)
    found: list[Difference] = []
    for kind in KINDS:
        ours = {one.name: one.content for one in here.list_saved(kind)}
        theirs = {one.name: one.content for one in there.list_saved(kind)}
        for name in sorted(ours.keys() | theirs.keys()):
            if name not in theirs:
                found.append(Difference(kind=kind, name=name, what="only here"))
            elif name not in ours:
                found.append(Difference(kind=kind, name=name, what="only there"))
            else:
                found += _values(kind, name, "", ours[name], theirs[name])
    return found


def copy_into(source: Configuration, target: Configuration, *, by: str) -> int:
    """Save everything of one configuration into another; returns how many things changed.

    What only the target has stays. Nothing is copied when any file of the source is unreadable.
    """
    _readable(source)
    changed = 0
    for kind in KINDS:
        for one in source.list_saved(kind):
            before = target.find(kind, one.name)
            if before is None or before.content != one.content:
                target.save(kind, one.name, one.content, by=by)
                changed += 1
    return changed


def _readable(configuration: Configuration) -> None:
    mistakes = [one for kind in KINDS for one in configuration.mistakes(kind)]
    if mistakes:
        raise ConfigurationError(mistakes)


def _values(kind: str, name: str, path: str, here: Any, there: Any) -> list[Difference]:
    if isinstance(here, dict) and isinstance(there, dict):
        found = []
        for key in sorted(here.keys() | there.keys()):
            inner = f"{path}.{key}" if path else key
            found += _values(kind, name, inner, here.get(key), there.get(key))
        return found
    if isinstance(here, list) and isinstance(there, list) and len(here) == len(there):
        pairs = enumerate(zip(here, there, strict=True))
        return [
            one
            for number, (mine, yours) in pairs
            for one in _values(kind, name, f"{path}[{number}]", mine, yours)
        ]
    if here == there:
        return []
    return [Difference(kind=kind, name=name, what="differs", path=path, here=here, there=there)]
