"""The stranger's program stands alone: nothing of the city, no network, only one package."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pintu_verify

FOLDER = Path(pintu_verify.__file__).parent
ALLOWED = {"pintu_verify", "cryptography"}


def test_it_imports_the_standard_library_and_cryptography() -> None:
    """Whoever reads it has read all of it."""
    found = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {one.name.partition(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert 0 == node.level
                found.add(str(node.module).partition(".")[0])
    strange = {one for one in found - ALLOWED if one not in sys.stdlib_module_names}
    assert set() == strange
    assert not {"socket", "urllib", "http", "subprocess"} & found


def test_it_is_small_enough_to_be_read() -> None:
    """In an hour, by somebody who trusts nobody."""
    lines = sum(len(path.read_text("utf-8").splitlines()) for path in FOLDER.glob("*.py"))
    assert lines < 1_000


def test_it_runs_where_there_is_no_city() -> None:
    """With nothing of ours on the path but its own folder."""
    code = (
        "import sys; sys.modules['pintu'] = None; "
        "from pintu_verify.program import main; sys.exit(main(['log']))"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            f"import sys; sys.path.insert(0, {str(FOLDER.parent)!r}); {code}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (2, True) == (done.returncode, "usage: pintu-verify log" in done.stderr)
