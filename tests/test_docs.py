"""Documentation that fails when it lies: settings, commands, events, words; told of, and there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from pintu.cli import application
from pintu.settings import READERS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("README.md")]
)
OPERATE = (ROOT / "docs" / "operate.md").read_text("utf-8")
OUTSIDE_SETTINGS = {
    "PINTU_CONFORMANCE_TOKEN": "of a node that is asked, by one command",
    "PINTU_DATA": "where the settings themselves are found",
    "PINTU_DEMO_AIR": "of the demo: where real hours of air stations are",
    "PINTU_LOG": "how much the processes say",
    "PINTU_REQUIRE": "of the tests: a part that must be here",
    "PINTU_TEST_STORE": "of the tests: which store the suites of the doors ask",
    "PINTU_SHARED_DATA": "of the tests: where real data are",
}


@cache
def commands() -> dict[str, Any]:
    """Every command by its words: `quarantine list` → the command."""
    found: dict[str, Any] = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:
        below = getattr(command, "commands", None)
        if below:
            for name, one in below.items():
                walk(one, (*words, name))
        else:
            found[" ".join(words)] = command

    walk(typer.main.get_command(application()), ())
    return found


def targets() -> set[str]:
    """Every target of the Makefile."""
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("name", sorted(READERS))
def test_every_setting_is_documented(name: str) -> None:
    """docs/operate.md has a row for the setting, with both of its names."""
    row = [one for one in OPERATE.split("\n") if one.startswith(f"| `PINTU_{name.upper()}` ")]
    assert [f"`{name}`"] == [one.split("|")[2].strip() for one in row]


def test_every_documented_variable_is_read() -> None:
    """No page tells of an environment variable that nobody reads."""
    known = {f"PINTU_{name.upper()}" for name in READERS} | set(OUTSIDE_SETTINGS)
    told = {
        (page.name, one)
        for page in PAGES
        for one in re.findall(r"\bPINTU_[A-Z_]+[A-Z]\b", page.read_text("utf-8"))
    }
    assert set() == {pair for pair in told if pair[1] not in known}


@pytest.mark.parametrize("words", sorted(commands()))
def test_every_command_is_documented(words: str) -> None:
    """docs/operate.md has a row for the command, and its help says what it does."""
    assert re.search(rf"^\| `pintu {words}\b", OPERATE, re.MULTILINE)
    assert commands()[words].help


@pytest.mark.parametrize("words", sorted(commands()))
def test_every_option_has_help(words: str) -> None:
    """What a command can be told is explained where it is typed."""
    silent = [
        one.name
        for one in commands()[words].params
        if one.name != "help" and not getattr(one, "help", None)
    ]
    assert [] == silent


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_pages_exist(page: Path) -> None:
    """Every `pintu …` and `make …` that a page shows can be typed."""
    text = page.read_text("utf-8")
    shown = re.findall(r"(?:^|`|\$ )pintu ((?:[a-z-]+ ?){1,2})", text, re.MULTILINE)
    firsts = {words.split(" ")[0] for words in commands()}
    wrong = [
        one for one in shown if one.strip() not in commands() and one.split(" ")[0] not in firsts
    ]
    made = re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE)
    assert ([], []) == (wrong, [one for one in made if one not in targets()])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_in_pages_lead_somewhere(page: Path) -> None:
    """Every relative link of a page is a file of the project."""
    links = re.findall(r"\]\(([^)#]+)", page.read_text("utf-8"))
    inside = [one for one in links if not one.startswith(("http:", "https:", "mailto:"))]
    assert [] == [one for one in inside if not (page.parent / one).exists()]


def test_every_event_is_documented() -> None:
    """docs/operate.md has a row for every server-sent event the city sends."""
    tree = ast.parse((ROOT / "src/pintu/web/events.py").read_text("utf-8"))
    sent = {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "frame"
        and isinstance(node.args[0], ast.Constant)
    }
    told = set(re.findall(r"^\| `([a-z]+)` \|", OPERATE.partition("## Events")[2], re.MULTILINE))
    assert sent == told


def test_the_readmes_are_twins() -> None:
    """Both languages show the same commands and lead to the same pages."""
    english = (ROOT / "README.md").read_text("utf-8")
    chinese = (ROOT / "README.zh-CN.md").read_text("utf-8")
    for pattern in (r"\]\((docs/[^)]+|ARCHITECTURE.md)\)", r"^(?:pintu|make) [a-z-]+"):
        one, other = (set(re.findall(pattern, text, re.MULTILINE)) for text in (english, chinese))
        assert one == other


def test_every_decision_is_listed() -> None:
    """The index of decisions leads to each of them."""
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text("utf-8")
    files = {one.name for one in folder.glob("[0-9]*.md")}
    assert files == set(re.findall(r"\((\d{4}-[a-z0-9-]+\.md)\)", index))
