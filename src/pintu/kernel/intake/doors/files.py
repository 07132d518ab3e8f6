"""What the three doors of files share: their settings, the folder, and a look into it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import msgspec

from pintu.kernel.errors import Forbidden, PintuError, ResourceNotFound
from pintu.kernel.intake.doors.files_inbox import Inbox, Waiting, fitting
from pintu.kernel.intake.doors.files_ledger import FILES, TABLES, Ledger
from pintu.kernel.intake.doors.files_reading import FilesReader, Reading
from pintu.kernel.intake.doors.told import Told
from pintu.kernel.intake.doors.words import Around, DoorSetting, SourceFile, TableSeen
from pintu.kernel.intake.mapping.words import Mapping
from pintu.kernel.intake.tabular import Options
from pintu.kernel.tables import CityTables, OpenTables, open_tables

LARGEST_MB: Final = 4_000.0
FORM: Final = (
    DoorSetting(
        name="table",
        title={"zh": "工作表或图层", "en": "Sheet or layer"},
        help={
            "zh": "空：第一个有内容的",
            "en": "Empty: the first one that holds anything",
        },
    ),
    DoorSetting(
        name="encoding",
        title={"zh": "编码", "en": "Encoding"},
        kind="choice",
        choices=("", "UTF-8", "GB18030", "UTF-16", "Big5", "Windows-1252"),
        help={"zh": "空：自动识别", "en": "Empty: found by itself"},
    ),
    DoorSetting(
        name="delimiter",
        title={"zh": "分隔符", "en": "Delimiter"},
        kind="choice",
        choices=("", ",", ";", "tab", "|"),
        help={"zh": "空：自动识别", "en": "Empty: found by itself"},
    ),
    DoorSetting(
        name="header_rows",
        title={"zh": "表头行数", "en": "Header rows"},
        kind="number",
        default=-1,
        help={
            "zh": "-1：自动识别；0：没有表头",
            "en": "-1: found by itself; 0: the columns have no names",
        },
    ),
    DoorSetting(
        name="records",
        title={"zh": "JSON 中记录的路径", "en": "Path to the records in JSON"},
        help={"zh": "例如 data.items；空：自动识别", "en": "data.items; empty: found by itself"},
    ),
    DoorSetting(
        name="full",
        title={"zh": "每个文件都是全量", "en": "Each file holds everything"},
        kind="yes_no",
        default=False,
        help={
            "zh": "文件中不再出现的行标为已移除",
            "en": "Rows that a file no longer holds are marked as removed",
        },
    ),
    DoorSetting(
        name="largest_mb",
        title={"zh": "文件上限（MB）", "en": "Largest file (MB)"},
        kind="number",
        default=LARGEST_MB,
    ),
)
"""Settings that every door of files has."""


def read_form(told: Told) -> tuple[Options, bool, int]:
    """(how files are read, whether each holds everything, most bytes of one)."""
    options = Options(
        encoding=told.text("encoding"),
        delimiter=told.text("delimiter"),
        header_rows=int(told.number("header_rows", low=-1, high=5)),
        table=told.text("table"),
        records=told.text("records"),
    )
    largest = told.number("largest_mb", low=0.001, high=100_000) * 1_000_000
    return options, told.yes_no("full"), int(largest)


def ledger_file(around: Around) -> OpenTables:
    """The doors' own tables, once a process."""
    return (around.tables or _own_tables(around.data)).register(TABLES)


@cache
def _own_tables(data: Path) -> CityTables:
    return open_tables(data)


def scope_of(source: str, mapping: Mapping) -> str:
    """What a mapping's memory of files is called: another after every change of the mapping."""
    mark = blake2b(msgspec.json.encode(mapping), digest_size=6).hexdigest()
    return f"{source}/{mapping.name}@{mark}"


def files_reader(
    source: SourceFile, mapping: Mapping, around: Around, *, inbox: Inbox, told: Told
) -> FilesReader:
    """A reader of one source's folder through one mapping."""
    options, full, _ = read_form(told)
    told.done()
    file = ledger_file(around)
    return FilesReader(
        Reading(
            inbox=inbox,
            options=options,
            mapping=mapping,
            ledger=Ledger(file, scope_of(source.name, mapping)),
            clock=around.clock,
            full=full,
            alone=_alone(file, source),
        )
    )


def _alone(file: OpenTables, source: SourceFile) -> Callable[[str], bool]:
    """Whether every mapping of a source has read a content to its end."""

    def alone(content: str) -> bool:
        def work(connection: Any) -> bool:
            chosen = FILES.select().where(FILES.c.content == content, FILES.c.ended_us > 0)
            scopes = {str(row.scope).partition("@")[0] for row in connection.execute(chosen)}
            return all(f"{source.name}/{one}" in scopes for one in source.mappings)

        return len(source.mappings) < 2 or file.read_now(work)

    return alone


def safe_folder(folder: str, inside: Path, allowed: tuple[str, ...]) -> Path:
    """A folder somebody named: under `inside` when it is relative, else under an allowed one.

    Raises Forbidden for any other, wherever links in it lead.
    """
    path = Path(folder)
    found = (path if path.is_absolute() else inside / path).resolve()
    roots = [inside.resolve(), *(Path(one).resolve() for one in allowed)]
    if not any(found.is_relative_to(one) for one in roots):
        raise Forbidden(
            f"Folder {folder[:200]!r} may not be read: it is neither below {inside.name}/ nor "
            "below a folder of inbox_allow in pintu.toml",
            zh=f"不允许读取文件夹 {folder[:200]!r}：它既不在 {inside.name}/ 下，"
            "也不在 pintu.toml 的 inbox_allow 所列的文件夹下",
        )
    return found


async def look_into(inbox: Inbox, options: Options) -> list[TableSeen]:
    """The tables of the newest files of a folder: those waiting, else those read before."""
    return await asyncio.to_thread(_look, inbox, options)


def _look(inbox: Inbox, options: Options) -> list[TableSeen]:
    from pintu.kernel.intake.tabular.look import look

    files = inbox.waiting() or inbox.read_before(None)
    if not files:
        raise ResourceNotFound(
            f"There is no file in {inbox.folder.name}/ yet",
            zh=f"文件夹 {inbox.folder.name}/ 里还没有文件",
        )
    return _first_readable(inbox, files[::-1], options, look)


def _first_readable(
    inbox: Inbox,
    files: list[Waiting],
    options: Options,
    look: Callable[[Path, Options], list[TableSeen]],
) -> list[TableSeen]:
    mistake: PintuError | None = None
    for one in files[:3]:
        try:
            fitting(inbox, one)
            return look(one.path, options)
        except PintuError as error:
            mistake = mistake or error
    assert mistake is not None
    raise mistake
