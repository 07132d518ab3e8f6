"""The folder door: files that somebody or something puts into a folder are read and moved on."""

from __future__ import annotations

from typing import Final

from pintu.kernel.intake.doors.files import (
    FORM,
    files_reader,
    look_into,
    read_form,
    safe_folder,
)
from pintu.kernel.intake.doors.files_inbox import Inbox
from pintu.kernel.intake.doors.files_reading import FilesReader
from pintu.kernel.intake.doors.told import Told
from pintu.kernel.intake.doors.words import Around, Door, DoorSetting, SourceFile, TableSeen
from pintu.kernel.intake.mapping.words import Mapping

SETTINGS: Final = (
    DoorSetting(
        name="folder",
        title={"zh": "文件夹", "en": "Folder"},
        help={
            "zh": "空：数据目录下的 inbox/来源名；其他绝对路径须由管理员在 inbox_allow 中允许",
            "en": "Empty: inbox/NAME in the data folder; any other must be allowed by inbox_allow",
        },
    ),
    DoorSetting(
        name="pattern",
        title={"zh": "文件名", "en": "File names"},
        default="*",
        help={"zh": "例如 *.csv", "en": "For example *.csv"},
    ),
    DoorSetting(
        name="every_s",
        title={"zh": "多少秒看一次", "en": "Look every … seconds"},
        kind="number",
        default=10,
    ),
    *FORM,
)


def _inbox(source: SourceFile, around: Around) -> tuple[Inbox, Told]:
    told = Told(source, SETTINGS)
    _, _, largest = read_form(told)
    told.number("every_s", low=1, high=31_536_000)
    folder = told.text("folder") or source.name
    pattern = told.text("pattern")
    told.done()
    path = safe_folder(folder, around.data / "inbox", around.folders)
    return Inbox(folder=path, pattern=pattern, largest=largest), told


async def look(source: SourceFile, around: Around) -> list[TableSeen]:
    """The tables of the newest readable file in the folder."""
    inbox, told = _inbox(source, around)
    return await look_into(inbox, read_form(told)[0])


def make_reader(source: SourceFile, mapping: Mapping, around: Around) -> FilesReader:
    """A reader of the folder; ConfigurationError, Forbidden for a folder that may not be read."""
    inbox, told = _inbox(source, around)
    return files_reader(source, mapping, around, inbox=inbox, told=told)


DOOR: Final = Door(
    name="folder",
    kind="load",
    title={"zh": "文件夹", "en": "Folder"},
    summary={
        "zh": "读取放进文件夹的 CSV、XLSX、JSON、NDJSON、GeoJSON 与 shapefile，读完移走。",
        "en": "Reads CSV, XLSX, JSON, NDJSON, GeoJSON and shapefiles put into a folder.",
    },
    settings=SETTINGS,
    look=look,
)
