"""The people of the operations room, each at a browser of their own, in a night's city."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.browser.drive import ROOT, Served, free_port, wait_for


@dataclass(slots=True)
class Night:
    """The served city, and the words it takes."""

    served: Served
    process: subprocess.Popen[str]

    def ask(self, *words: str) -> dict[str, Any]:
        """Something happens, or time passes; what the city's process says to it."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        told: dict[str, Any] = json.loads(self.process.stdout.readline())
        return told


@contextlib.contextmanager
def a_night(folder: Path) -> Iterator[Night]:
    """A city at 03:00 with the demo's people, until the block ends."""
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.browser.serve_operations", str(port), str(folder)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None and process.stdin is not None
        token = process.stdout.readline().strip()
        address = f"http://127.0.0.1:{port}"
        wait_for(address + "/readyz", process)
        yield Night(Served(address=address, token=token), process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
