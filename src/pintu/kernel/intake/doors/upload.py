"""The upload door: files that a person hands in on a page wait in `DATA/uploads/NAME`."""

from __future__ import annotations

from typing import Final

from pintu.kernel.intake.doors.files import FORM, files_reader, look_into, read_form
from pintu.kernel.intake.doors.files_inbox import Inbox
from pintu.kernel.intake.doors.files_reading import FilesReader
from pintu.kernel.intake.doors.told import Told
from pintu.kernel.intake.doors.words import Around, Door, SourceFile, TableSeen
from pintu.kernel.intake.mapping.words import Mapping

SETTINGS: Final = FORM


def _inbox(source: SourceFile, around: Around) -> tuple[Inbox, Told]:
    told = Told(source, SETTINGS)
    _, _, largest = read_form(told)
    told.done()
    return Inbox(folder=around.data / "uploads" / source.name, largest=largest), told


async def look(source: SourceFile, around: Around) -> list[TableSeen]:
    """The tables of the newest readable file that was handed in."""
    inbox, told = _inbox(source, around)
    return await look_into(inbox, read_form(told)[0])


def make_reader(source: SourceFile, mapping: Mapping, around: Around) -> FilesReader:
    """A reader of what was handed in; ConfigurationError."""
    inbox, told = _inbox(source, around)
    return files_reader(source, mapping, around, inbox=inbox, told=told)


DOOR: Final = Door(
    name="upload",
    kind="load",
    title={"zh": "上传文件", "en": "Upload"},
    summary={
        "zh": "在页面上上传 CSV、XLSX、JSON、NDJSON、GeoJSON 或 shapefile（zip）。",
        "en": "A person hands in CSV, XLSX, JSON, NDJSON, GeoJSON or a zipped shapefile.",
    },
    settings=SETTINGS,
    look=look,
)
