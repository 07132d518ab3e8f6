"""What the ledger, plans and receipts say of themselves is said in Chinese on Chinese pages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pintu
from pintu.kernel.operations.guarding import Guarding
from pintu.kernel.operations.rules import Interlock, Rule
from pintu.web.pages.operations_sentences import in_language

ROOM = Path(pintu.__file__).parent / "kernel" / "operations"
FILES = (*ROOM.glob("*.py"), *ROOM.glob("playbooks/*.py"), *ROOM.glob("roster/sending.py"),
         *ROOM.glob("roster/channels/*.py"))  # fmt: skip
HAN = re.compile(r"[一-鿿]")
TOLD = ("StateConflict", "step_moved", "Outcome")
"""Whose texts a person reads on a page of these rooms."""


def text_of(node: ast.expr) -> str:
    """A sentence with 7 in its places."""
    if isinstance(node, ast.JoinedStr):
        return "".join(map(text_of, node.values))
    return str(node.value) if isinstance(node, ast.Constant) else "7"


def sentences(path: Path) -> Iterator[str]:
    """What a file says of a conflict, of a step, or of a message's way."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in TOLD:
            texts = [node.args[0]] if name == "StateConflict" and node.args else []
            texts += [one.value for one in node.keywords if one.arg == "detail"]
            yield from (text_of(one) for one in texts if not isinstance(one, ast.Name | ast.IfExp))


def test_every_sentence_is_said_in_chinese() -> None:
    """Those that the code holds; what a person wrote stays as it is."""
    found = {one for path in FILES for one in sentences(path) if " " in one}
    assert len(found) > 30
    assert [] == [one for one in sorted(found) if not HAN.search(in_language(one, "zh-CN"))]
    assert "张三家的灯" == in_language("张三家的灯", "zh-CN")
    assert "no answer" == in_language("no answer", "en")


def test_a_sentence_in_a_sentence_is_said_too() -> None:
    """And an interlock says why it is there, in the reader's language."""
    lock = Interlock(name="works", q="a==1", why={"zh": "有人作业", "en": "somebody works"})
    guarding = Guarding({("p", "Dim"): Rule(interlocks=(lock,))})
    told = "3 of 4: Interlock works of urn:x:1 is shut: somebody works"
    said = in_language(told, "zh-CN", guarding)
    assert "4 个中完成 3 个：联锁禁止：有人作业（urn:x:1）" == said
