"""What the doors of devices say of their mistakes is said in Chinese too: every sentence in their
code is looked for in the table."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import pintu
from pintu.web.pages.connect_said import in_language

DOORS = Path(pintu.__file__).parent / "kernel" / "intake" / "doors"
FILES = ("mqtt", "mqtt_connector", "push", "poll", "hj212", "opcua", "opcua_client", "modbus",
         "registers", "mapped", "payload", "told", "register")  # fmt: skip
PASSED_ON = ("7", "'7'", "\\1")
"""Sentences that are somebody else's as a whole."""


def text_of(node: ast.expr) -> str:
    """A sentence with its places filled: 7 for a value, '7' for a quoted one."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(map(text_of, node.values))
    if isinstance(node, ast.FormattedValue):
        return "'7'" if node.conversion == ord("r") else "7"
    return ""


def sentences(path: Path) -> Iterator[str]:
    """What a file raises or notes as a mistake of a setting."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
            if getattr(node.exc.func, "id", "") in ("ValueError", "EOFError"):
                continue
            told = node.exc.args[0]
            for one in told.elts if isinstance(told, ast.List) else [told]:
                yield text_of(one)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "mistake":
            yield f"Source s: {text_of(node.args[0]) or 'x'} {text_of(node.args[1])}"


@pytest.mark.parametrize("name", FILES)
def test_every_sentence_has_its_chinese(name: str) -> None:
    """Nothing of a door's mistakes is left in English on a Chinese page."""
    said = [one for one in sentences(DOORS / f"{name}.py") if one.strip() and one not in PASSED_ON]
    assert [] == [one for one in said if in_language(one, "zh-CN") == one]


def test_several_mistakes_are_said_one_by_one() -> None:
    """As a source's state joins them; what nobody knows stays as it is, and English stays whole."""
    text = "Source yard: qos is '7'; it is one of 0, 1, 2; the connection ended; strange words"
    assert text == in_language(text, "en")
    assert "连接已结束；strange words" == in_language("the connection ended; strange words", "zh")
    empty = in_language("Source yard: topics is needed and empty", "zh")
    assert "来源 yard 的 topics 必填而为空" == empty
