"""docs/write-a-piece.md tells the truth: its piece is in order, and its tests pass."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from pintu.kit.scaffold import ROOMS, check_piece, new_piece

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "write-a-piece.md").read_text("utf-8")


def test_the_piece_of_the_page_works(tmp_path: Path) -> None:
    """Begun as the page says, its files written over, it has nothing wrong with it and its tests
    pass."""
    made = new_piece("people_counter", tmp_path)
    blocks = re.findall(r"```(?:python|toml)\n# file: (\S+)\n(.*?)```", PAGE, re.DOTALL)
    assert {"piece.toml", "detect.py", "__init__.py", "settings.py", "tests/test_detect.py"} == {
        name for name, _ in blocks
    }
    for name, text in blocks:
        (made / name).write_text(text, "utf-8")
    assert [] == check_piece(made)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(made)],
        env={"PYTHONPATH": f"{Path(__file__).resolve().parents[2] / 'src'}:{tmp_path}", "PATH": ""},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_the_page_names_every_room() -> None:
    """The table of rooms is the list that `check` goes by."""
    told = set(re.findall(r"^\| `([a-z._]+)/?` \|", PAGE, re.MULTILINE)) | {
        "README.md",
        "__init__.py",
    }
    assert ROOMS - {"py.typed"} == told
