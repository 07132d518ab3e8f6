"""One row with its proof: right, or wrong in a way that is said."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from pintu_verify.merkle import leaf_of
from pintu_verify.program import main
from tests.kernel.audit import naive

from .conftest import Log, Signer

Bundle = dict[str, Any]


@pytest.fixture
def witness() -> Signer:
    return Signer("neighbour.example")


@pytest.fixture
def bundle(log: Log, witness: Signer) -> Bundle:
    """Row 17 under the second head, countersigned."""
    leaves = [leaf_of(row) for row in log.rows[:20]]
    head = log.heads[1][1]
    text = head.partition("\n\n")[0] + "\n"
    return {
        "format": "pintu-proof/1",
        "number": 17,
        "leaf": leaves[16].hex(),
        "row": log.rows[16].decode(),
        "proof": [base64.b64encode(one).decode() for one in naive.path(16, leaves)],
        "head": head + witness.cosign(text, 1_763_873_100),
        "key": log.city.told(),
        "witnesses": [witness.told(4)],
    }


def run(
    bundle: Bundle, folder: Path, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str]:
    """(exit code, what was said)."""
    path = folder / "bundle.json"
    path.write_text(json.dumps(bundle))
    code = main([str(path), *words])
    told = capsys.readouterr()
    return code, told.out + told.err


def test_a_right_one(
    bundle: Bundle, log: Log, witness: Signer, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The row is shown, and who countersigned and when."""
    key = log.city.told()
    code, told = run(bundle, tmp_path, capsys, "--key", key)
    assert 0 == code and '"n": 16' in told and "as the bundle tells it" in told
    code, told = run(bundle, tmp_path, capsys, "--key", key, "--witness", witness.told(4))
    assert 0 == code and "Countersigned by neighbour.example on 2025-11-23" in told
    del bundle["row"]
    code, told = run(bundle, tmp_path, capsys, "--key", key)
    assert 0 == code and "withheld" in told


def test_without_a_key_nothing_is_checked(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Anybody can make a bundle that fits itself."""
    code, told = run(bundle, tmp_path, capsys)
    assert 2 == code and "anybody could have made" in told


@pytest.mark.parametrize(
    ("member", "value", "why"),
    [
        ("row", '{"at_us":1}', "not the one of the receipt"),
        ("leaf", "00" * 32, "not the one of the receipt"),
        ("number", 18, "does not lead"),
        ("number", 21, "not row 21"),
        ("number", 0, "not row 0"),
        ("proof", [], "does not lead"),
        ("proof", [base64.b64encode(b"\0" * 32).decode()] * 5, "does not lead"),
    ],
)
def test_a_wrong_one(
    bundle: Bundle, log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    member: str, value: object, why: str,
) -> None:  # fmt: skip
    """Every part of it counts."""
    code, told = run({**bundle, member: value}, tmp_path, capsys, "--key", log.city.told())
    assert 1 == code and why in told, told


def test_a_head_of_another_log_or_key_or_without_the_witness(
    bundle: Bundle, log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The signature is over every sign of the head."""
    key = log.city.told()
    for head in (
        bundle["head"].replace("city.example\n20", "city.example\n21"),
        bundle["head"].replace("at_us 1", "at_us 2"),
        log.heads[2][1],
        Log(rows=log.rows).seal(),
    ):
        assert 1 == run({**bundle, "head": head}, tmp_path, capsys, "--key", key)[0]
    stranger = Signer("neighbour.example").told(4)
    code, told = run(bundle, tmp_path, capsys, "--key", key, "--witness", stranger)
    assert 1 == code and "No countersignature" in told


@pytest.mark.parametrize(
    "wrong",
    [
        {"format": "other"}, {"number": "17"}, {"number": True}, {"row": 5}, {"proof": "x"},
        {"proof": ["x"]}, {"proof": [base64.b64encode(b"x").decode()]}, {"head": 5},
        {"head": "x\n\ny"}, {"row": None, "leaf": "xyz"}, {"proof": ["A" * 44] * 100},
    ],
)  # fmt: skip
def test_what_is_no_bundle_is_not_checked(
    bundle: Bundle, log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: Bundle
) -> None:
    """Exit 2 with a sentence."""
    code, told = run({**bundle, **wrong}, tmp_path, capsys, "--key", log.city.told())
    assert 2 == code and "Not checked" in told
