"""The catalogue: data sets that people saved, that pieces declare, and one a type that is there."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from pintu.kernel.configuration import NAME, Configuration
from pintu.kernel.errors import ConfigurationError, ResourceNotFound
from pintu.kernel.exchange.words import Column, DataSet

AUTOMATIC: Final = "context."
KINDS: Final = frozenset(
    ("text", "number", "whole", "yes_no", "time", "date", "code", "point", "shape")
)
PERSONS: Final = frozenset(
    ("", "name", "id_number", "phone", "address", "birth", "account", "health")
)
COLUMN: Final = re.compile(r"[^\W\d_][\w.-]{0,62}")
"""Letters of any script, digits, `_`, `.` and `-`, a letter first: no control sign, no quote."""

MOST_COLUMNS: Final = 400
MOST_CODES: Final = 5_000


class Catalogue:
    """Every data set by name. A file is read again only when it changed: a description that is as
    it was is the very same object, whoever asks and however often."""

    def __init__(
        self,
        configuration: Configuration,
        declared: Iterable[DataSet],
        automatic: Callable[[], list[DataSet]],
    ) -> None:
        self._configuration = configuration
        self._declared = {one.name: one for one in declared}
        self._automatic = automatic
        self._folder = configuration.folder / "datasets"
        self._known: dict[str, tuple[tuple[int, int, int], DataSet | ConfigurationError]] = {}

    def list_sets(self) -> list[DataSet]:
        """All, by name; a file that cannot be read is left out (see `mistakes`)."""
        found = {one.name: one for one in self._automatic()}
        found.update(self._declared)
        for one in self._saved_all():
            if isinstance(one, DataSet):
                found[one.name] = one
        return [found[name] for name in sorted(found)]

    def get(self, name: str) -> DataSet:
        """One; ResourceNotFound, ConfigurationError when its file has mistakes."""
        found = self._declared.get(name)
        if found is None and name.startswith(AUTOMATIC):
            found = next((one for one in self._automatic() if one.name == name), None)
        if found is None and NAME.fullmatch(name):
            saved = self._saved(name)
            if isinstance(saved, ConfigurationError):
                raise saved
            found = saved
        if found is None:
            raise ResourceNotFound(f"There is no data set called {name[:100]!r}")
        return found

    def mistakes(self) -> list[str]:
        """One sentence for each thing that keeps a data set out of the catalogue."""
        found = [
            f"config/datasets/{path.name} is not named like 'air_stations.toml'"
            for path in sorted(self._folder.glob("*.toml"))
            if not NAME.fullmatch(path.stem)
        ]
        for one in self._saved_all():
            if isinstance(one, ConfigurationError):
                found += one.mistakes
        return found

    def _saved_all(self) -> list[DataSet | ConfigurationError]:
        names = sorted(path.stem for path in self._folder.glob("*.toml"))
        found = [self._saved(name) for name in names if NAME.fullmatch(name)]
        return [one for one in found if one is not None]

    def _saved(self, name: str) -> DataSet | ConfigurationError | None:
        try:
            status = (self._folder / f"{name}.toml").stat()
        except FileNotFoundError:
            self._known.pop(name, None)
            return None
        mark = (status.st_mtime_ns, status.st_size, status.st_ino)
        known = self._known.get(name)
        if known is not None and known[0] == mark:
            return known[1]
        found: DataSet | ConfigurationError
        try:
            saved = self._configuration.find("datasets", name)
            if saved is None:
                return None
            found = read_data_set(name, saved.content)
        except ConfigurationError as error:
            found = error
        self._known[name] = (mark, found)
        return found


def automatic_name(type: str) -> str:
    """What the data set of an entity type is called: `context.Streetlight`; a type that is an IRI
    by its last part and a mark of the whole, so that two never share a name."""
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,80}", type):
        return AUTOMATIC + type
    last = re.sub(r"\W", "_", type.rstrip("/#").replace("#", "/").rpartition("/")[2])[:60]
    return f"{AUTOMATIC}{last}-{hashlib.sha256(type.encode()).hexdigest()[:8]}"


def read_data_set(name: str, content: dict[str, Any]) -> DataSet:
    """A data set from what its file says; ConfigurationError with every mistake."""
    where = f"Data set {name!r}"
    try:
        found = msgspec.convert({**content, "name": name}, DataSet)
    except msgspec.ValidationError as error:
        raise ConfigurationError([f"{where} cannot be read: {error}"]) from error
    mistakes = [f"{where} has no member {word!r}" for word in _strange(content, DataSet)]
    for told in content.get("columns", []):
        mistakes += [
            f"{where}: column {told.get('name')!r} has no member {word!r}"
            for word in _strange(told, Column)
        ]
    mistakes += [f"{where}: {one}" for one in _mistakes(found)]
    if mistakes:
        raise ConfigurationError(mistakes)
    return found


def write_data_set(data_set: DataSet) -> dict[str, Any]:
    """What `Configuration.save` keeps of a data set; the name is the file's."""
    found: dict[str, Any] = msgspec.to_builtins(data_set)
    found.pop("name")
    return found


def _strange(told: dict[str, Any], shape: type[msgspec.Struct]) -> list[str]:
    return sorted(set(told) - {one.name for one in msgspec.structs.fields(shape)})


def _mistakes(found: DataSet) -> list[str]:
    mistakes = []
    names = [one.name for one in found.columns]
    if len(names) > MOST_COLUMNS:
        mistakes.append(f"{len(names)} columns are more than {MOST_COLUMNS}")
    mistakes += [f"column {one!r} stands twice" for one in sorted(_twins(names))]
    for one in found.columns:
        if not COLUMN.fullmatch(one.name):
            mistakes.append(f"column {one.name[:70]!r} cannot be called that")
        if one.kind not in KINDS:
            mistakes.append(f"column {one.name!r} has no kind {one.kind!r}")
        if one.person not in PERSONS:
            mistakes.append(f"column {one.name!r} has no person mark {one.person!r}")
        if not 0 <= one.sensitivity <= 4:
            mistakes.append(f"column {one.name!r} has a sensitivity of 1 to 4")
        if len(one.codes) > MOST_CODES:
            mistakes.append(f"column {one.name!r} has more than {MOST_CODES} codes")
    if found.provider == "context" and not found.type:
        mistakes.append("a data set of the context names its entity type")
    if found.provider == "context" and found.persons:
        mistakes.append("the context holds no persons; make it a table data set")
    if found.provider == "table" and not found.columns:
        mistakes.append("a table data set names its columns")
    return mistakes


def _twins(names: list[str]) -> set[str]:
    seen: set[str] = set()
    folded = [one.casefold() for one in names]  # SQLite's column names do not tell case apart
    return {one for one in folded if one in seen or seen.add(one)}  # type: ignore[func-returns-value]
