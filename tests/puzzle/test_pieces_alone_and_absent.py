"""Delete the folder: a city without a piece starts; a piece without the others is imported."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2] / "src"
PIECES = sorted(one.parent.name for one in (SRC / "pintu" / "pieces").glob("*/piece.toml"))


def copied(target: Path, keep: list[str]) -> dict[str, str]:
    """A copy of the source with only these pieces; returns the environment that imports it.

    What is compiled comes along: it belongs to a source of the same time and size, which a copy is.
    """
    shutil.copytree(SRC, target, ignore=shutil.ignore_patterns("vendor", "node_modules"))
    for name in PIECES:
        if name not in keep:
            shutil.rmtree(target / "pintu" / "pieces" / name)
    # -P and a path of our own: the installed package is not looked at
    return {**os.environ, "PYTHONPATH": str(target), "PYTHONSAFEPATH": "1"}


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def city(environ: dict[str, str], data: Path) -> Iterator[int]:
    """A city of a copied source; gives its port once it is ready."""
    port = free_port()
    words = [sys.executable, "-m", "pintu", "up", "--data", str(data), "--port", str(port)]
    log = (data.parent / "log").open("w+")
    process = subprocess.Popen(words, env=environ, stdout=log, stderr=log, cwd=data.parent)
    try:
        end = time.monotonic() + 60
        while not answers(port):
            assert process.poll() is None and time.monotonic() < end, (
                data.parent / "log"
            ).read_text()
            time.sleep(0.1)
        yield port
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(30)
        log.close()
    assert 0 == code, (data.parent / "log").read_text()


def answers(port: int) -> bool:
    """True when the city is ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.parametrize("absent", [*PIECES, "all of them"])
def test_the_city_starts_without_a_piece(absent: str, tmp_path: Path) -> None:
    """With the piece's folder deleted the city is ready, and stops cleanly."""
    keep = [] if absent == "all of them" else [one for one in PIECES if one != absent]
    environ = copied(tmp_path / "src", keep)
    with city(environ, tmp_path / "data") as port:
        assert answers(port)
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("piece", PIECES)
def test_a_piece_stands_alone(piece: str, tmp_path: Path) -> None:
    """With every other piece deleted, the piece is found, imported and wired; it imports no room
    of ours but the kit and what the kit stands on."""
    environ = copied(tmp_path / "src", [piece])
    code = (
        "import json, sys\n"
        "from pintu.kit import find_pieces, load_piece, settings_of\n"
        "found = find_pieces()\n"
        "piece = load_piece(found[0])\n"
        "piece.read_settings(settings_of(found[0], {}))\n"
        "ours = {'.'.join(one.split('.')[:2]) for one in sys.modules if one[:6] == 'pintu.'}\n"
        "print(json.dumps([[one.name for one in found], piece.name, sorted(ours)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False
    )
    assert "" == done.stderr
    names, name, ours = json.loads(done.stdout)
    assert ([piece], piece) == (names, name)
    rooms = {"pintu.kit", "pintu.kernel", "pintu.pieces", "pintu.protocols", "pintu.vocabulary"}
    assert set() == set(ours) - rooms
