"""Data sets of files: one row a file, and nothing outside the folder is ever handed out."""

from __future__ import annotations

from pathlib import Path

import pytest

from pintu.kernel.errors import ResourceNotFound
from pintu.kernel.exchange import Condition, Question
from tests.kernel.exchange.conftest import ADMIN, Scene


@pytest.fixture
def folder(scene: Scene) -> Path:
    """Two files that may be seen, and three things that may not."""
    scene.save("plans", {"provider": "file"})
    folder = scene.tables.data / "files" / "plans"
    folder.mkdir(parents=True)
    (folder / "街道 2026.csv").write_text("a,b")
    (folder / "b.pdf").write_bytes(b"0123456789")
    (folder / ".hidden").write_text("x")
    (folder / "inner").mkdir()
    (folder / "link.txt").symlink_to("/etc/hostname")
    return folder


async def test_one_row_a_file(scene: Scene, folder: Path) -> None:
    """With its size; filtered and sorted as any data set is."""
    answer = await scene.exchange.ask(
        ADMIN, "plans", Question(columns=("name", "bytes"), order=("-bytes",), count=True)
    )
    expected = [{"name": "b.pdf", "bytes": 10}, {"name": "街道 2026.csv", "bytes": 3}]
    assert (expected, 2) == (answer.rows, answer.total)
    few = await scene.exchange.ask(
        ADMIN, "plans", Question(where=(Condition("bytes", "<", 5),), columns=("name",))
    )
    assert [{"name": "街道 2026.csv"}] == few.rows


@pytest.mark.parametrize(
    "name", ["../../city.db", "/etc/passwd", ".hidden", "inner", "link.txt", "no.pdf", ""]
)
async def test_only_a_file_of_the_folder_is_handed_out(
    scene: Scene, folder: Path, name: str
) -> None:
    """No way out of it by name or by link."""
    with pytest.raises(ResourceNotFound):
        await scene.exchange.file(ADMIN, "plans", name)


async def test_a_file_is_found_by_its_name(scene: Scene, folder: Path) -> None:
    """As it stands in the rows."""
    assert folder / "街道 2026.csv" == await scene.exchange.file(ADMIN, "plans", "街道 2026.csv")
