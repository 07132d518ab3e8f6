"""`piece.toml` as a value: who a piece is and what it needs, known before any of its code runs."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pintu.kernel.errors import ConfigurationError
from pintu.kernel.intake.doors.words import SourceFile
from pintu.kit.analyses import Analysis, read_analysis
from pintu.kit.toml_reader import Section
from pintu.kit.views import MapLayer, WorkList, read_layer, read_work_list

if TYPE_CHECKING:
    from pintu.kernel.exchange.words import DataSet

ENTRY_POINTS = "pintu.pieces"
NAME = re.compile(r"[a-z][a-z0-9_]{1,40}")
WORD = re.compile(r"[A-Z][A-Za-z0-9]{1,60}")
PORT = re.compile(r"\{port(?:\+(\d{1,3}))?\}")
DECLARED = re.compile(r"[a-z][a-z0-9_]{0,40}")
MATURITIES = ("sketch", "usable", "reference")
PERMISSIONS = ("network:mqtt", "network:http", "network:tcp", "network:udp", "files:own", "tables")
KINDS: dict[str, type | tuple[type, ...]] = {
    "text": str,
    "whole": int,
    "number": (int, float),
    "yes_no": bool,
    "list": list,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingWord:
    """One setting a piece can be told, with what it is when nobody tells it."""

    name: str
    kind: str  # text | whole | number | yes_no | list
    default: Any
    title: dict[str, str]
    secret: bool = False  # read from the environment or a file, never shown
    demo: str = (
        ""  # what it is beside the demo city; `{port+1}` stands for a port counted from the city's
        # and `{data}` for its data folder
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandWord:
    """One command: on which type, with which arguments (JSON Schema), and how long a promise may
    take."""

    name: str
    target: str
    title: dict[str, str]
    arguments: dict[str, Any]
    timeout_s: float = 60.0
    attempts: int = 3
    answer_s: float = 0.0  # for the device to answer before it is asked again; 0: `timeout_s`
    rules: dict[str, Any] = field(default_factory=dict)  # read by the ledger at the city's start


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Who a piece is: name, owner, words it reads and writes, commands, settings, layers, work
    lists."""

    name: str
    title: dict[str, str]
    summary: dict[str, str]
    owner: str
    maturity: str
    entry: str  # module:attribute of the Piece; empty: there is no code, sources and views are all
    tenant: str  # it writes to, unless a setting `tenant` says another; "" is the default one
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    permissions: tuple[str, ...]
    commands: tuple[CommandWord, ...] = ()
    settings: tuple[SettingWord, ...] = ()
    layers: tuple[MapLayer, ...] = ()
    work_lists: tuple[WorkList, ...] = ()
    sources: tuple[SourceFile, ...] = ()  # their mappings are MAPPING.toml in `mappings/`
    datasets: tuple[DataSet, ...] = ()
    analyses: tuple[Analysis, ...] = ()  # what is asked of the past as a whole
    folder: Path | None = None

    def command(self, name: str) -> CommandWord | None:
        """The command of that name, or None."""
        return next((one for one in self.commands if one.name == name), None)


def read_manifest(path: Path) -> Manifest:
    """Read and check one `piece.toml`; ConfigurationError names every mistake in it."""
    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError([f"{path} cannot be read: {error}"]) from error
    return parse_manifest(told, folder=path.parent)


def parse_manifest(told: dict[str, Any], *, folder: Path | None = None) -> Manifest:
    """Check what a `piece.toml` says; ConfigurationError lists all mistakes together."""
    section = Section(told, "piece.toml" if folder is None else f"{folder.name}/piece.toml")
    name = section.text("name", NAME)
    writes = section.words("writes", WORD)
    commands = tuple(_command(one, writes) for one in section.sections("commands"))
    settings = tuple(_setting(one) for one in section.sections("settings"))
    manifest = Manifest(
        name=name,
        title=section.titles("title"),
        summary=section.titles("summary"),
        owner=section.text("owner"),
        maturity=section.choice("maturity", MATURITIES),
        entry=_entry(section, name),
        tenant=section.text("tenant", default="") if "tenant" in section.told else "",
        reads=section.words("reads", WORD),
        writes=writes,
        permissions=section.choices("permissions", PERMISSIONS),
        commands=commands,
        settings=settings,
        layers=tuple(read_layer(one) for one in section.sections("layers")),
        work_lists=tuple(read_work_list(one) for one in section.sections("work_lists")),
        sources=tuple(_source(one) for one in section.sections("sources")),
        datasets=tuple(_data_set(one) for one in section.sections("datasets")),
        analyses=tuple(read_analysis(one) for one in section.sections("analyses")),
        folder=folder,
    )
    if folder is not None and name and folder.name != name:
        section.mistake("name", f"is {name!r} but the folder is {folder.name!r}")
    for part in (
        "commands", "settings", "layers", "work_lists", "sources", "datasets", "analyses",
    ):  # fmt: skip
        section.no_twins(part, [getattr(one, "name", "") for one in getattr(manifest, part)])
    section.done()
    return manifest


def _entry(section: Section, name: str) -> str:
    if section.told.get("entry") == "":
        section.anything("entry")
        for code in ("commands", "work_lists"):
            if section.told.get(code):
                section.mistake("entry", f"is empty, but the piece has {code}, which need code")
        return ""
    return section.text("entry", default=f"pintu.pieces.{name}:piece")


def _source(section: Section) -> SourceFile:
    source = SourceFile(
        name=section.text("name", DECLARED),
        door=section.text("door", DECLARED),
        title=section.titles("title"),
        owner=section.text("owner", default="") if "owner" in section.told else "",
        mappings=list(section.words("mappings", DECLARED)),
        expected_interval_s=section.number("expected_interval_s", 0.0, low=0, high=1e9),
        settings=section.table("settings"),
    )
    if not source.mappings:
        section.mistake("mappings", "is missing: name the files in mappings/ that read it")
    section.close()
    return source


def _data_set(section: Section) -> DataSet:
    # A city without such a piece never loads the exchange for its manifests.
    import msgspec

    from pintu.kernel.exchange.words import DataSet

    told = {name: section.anything(name) for name in list(section.told)}
    section.titles("title")
    try:
        return msgspec.convert(told, DataSet)
    except msgspec.ValidationError as error:
        section.mistake("", f"is no data set: {error}")
        return DataSet(name=section.text("name", DECLARED), provider="context")


def _command(section: Section, writes: Iterable[str]) -> CommandWord:
    command = CommandWord(
        name=section.text("name", WORD),
        target=section.text("target", WORD),
        title=section.titles("title"),
        arguments=section.table("arguments"),
        timeout_s=section.number("timeout_s", 60.0, low=1, high=86_400),
        attempts=int(section.number("attempts", 3, low=1, high=20)),
        answer_s=section.number("answer_s", 0.0, low=0, high=86_400),
        rules=section.table("rules"),
    )
    if command.target and command.target not in writes:
        section.mistake("target", f"is {command.target!r}, which the piece does not write")
    section.close()
    return command


def _setting(section: Section) -> SettingWord:
    kind = section.choice("kind", tuple(KINDS))
    default = section.anything("default")
    if kind in KINDS and default is not None and not is_kind(default, kind):
        section.mistake("default", f"is {default!r}, which is not of kind {kind!r}")
    setting = SettingWord(
        name=section.text("name", NAME),
        kind=kind,
        default=default,
        title=section.titles("title"),
        secret=section.yes_no("secret"),
        demo=section.text("demo", default="") if "demo" in section.told else "",
    )
    section.close()
    return setting


def is_kind(value: Any, kind: str) -> bool:
    """True when a value is of a setting's kind; yes and no are not numbers here."""
    if isinstance(value, bool):
        return kind == "yes_no"
    return isinstance(value, KINDS[kind])


def demo_settings(manifest: Manifest, port: int, data: Path | None = None) -> dict[str, str]:
    """What a piece is told beside the demo city that runs with a city on `port`; `{data}` stands
    for the city's data folder, where the demo leaves its files."""
    return {
        one.name: PORT.sub(lambda found: str(port + int(found[1] or 0)), one.demo).replace(
            "{data}", str(data) if data is not None else "."
        )
        for one in manifest.settings
        if one.demo
    }


def find_pieces(folder: Path | None = None, *, entry_points: bool = True) -> list[Manifest]:
    """Every piece of a folder (the built-in one by default) and of installed packages, none
    imported.

    ConfigurationError lists the mistakes of all manifests together.
    """
    mistakes: list[str] = []
    found: dict[str, Manifest] = {}
    for path in [*_built_in(folder), *(_installed() if entry_points else ())]:
        try:
            manifest = read_manifest(path)
        except ConfigurationError as error:
            mistakes.extend(error.mistakes)
            continue
        other = found.setdefault(manifest.name, manifest)
        if other.folder != manifest.folder:
            mistakes.append(
                f"Piece {manifest.name!r} is in {other.folder} and in {manifest.folder}"
            )
    if mistakes:
        raise ConfigurationError(mistakes)
    return sorted(found.values(), key=lambda one: one.name)


def _built_in(folder: Path | None) -> list[Path]:
    place = folder or Path(__file__).resolve().parents[1] / "pieces"
    return sorted(place.glob("*/piece.toml"))


def _installed() -> list[Path]:
    """`piece.toml` beside the module an entry point names; finding a module's file runs none of it
    as long as the entry point's package is a top-level one."""
    paths = []
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        spec = importlib.util.find_spec(point.module.partition(".")[0])
        for root in (spec.submodule_search_locations or ()) if spec else ():
            path = Path(root).joinpath(*point.module.split(".")[1:], "piece.toml")
            if path.is_file():
                paths.append(path)
    return paths
