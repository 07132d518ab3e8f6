"""The house style that a machine can check: sizes, names, docstrings, where errors may end."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CODE = ("src/pintu", "src/pintu_verify", "tests", "claims", "bench")
FILE_LINES = 400
FUNCTION_LINES = 50
FUNCTION_WALL = 70
LINE_CHARACTERS = 100
POSITIONAL_PARAMETERS = 5
DRAWERS = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "base"}

# path::function → why it may have more than 50 lines (never more than 70), and since when
LONG_FUNCTIONS: dict[str, str] = {}

# path::function → the loop's edge at which anything may arrive; it ends in quarantine or in the log
LOOP_EDGES: dict[str, str] = {
    "src/pintu/kernel/operations/roster/sending.py::_carried": "2026-11-23 it is tried again",
    "src/pintu/kernel/analytics/history.py::_run": "2026-11-23 logged, looked after again",
    "src/pintu/kernel/analytics/history.py::_try_night": "2026-11-23 logged, the next night again",
    "src/pintu/kernel/audit/sealing.py::_run": "2026-11-23 sealed a second later",
    "src/pintu/kernel/operations/journal.py::told": "2026-11-23 a page that went away stops nobody",
    "src/pintu/kernel/operations/incidents/taking.py::_taken": "2026-11-23 logged, passed over",
    "src/pintu/kernel/operations/incidents/taking.py::alarms": "2026-11-23 logged, passed over",
    "src/pintu/kernel/operations/incidents/room.py::_look_again": "2026-11-23 a second later",
    "src/pintu/kernel/operations/orders/watching.py::_patiently": "2026-11-23 logged, passed over",
    "src/pintu/kernel/operations/streets/room.py::_run": "2026-11-23 a second later",
    "src/pintu/kernel/operations/warnings/following.py::_do": "2026-11-23 a deed says so",
    "src/pintu/kernel/intake/intake.py::_run": "2026-11-22 the disk may be full, and then not",
    "src/pintu/kernel/intake/intake.py::_store_updates": "2026-11-22 it ends in quarantine",
    "src/pintu/kernel/intake/server.py::_accept": "2026-11-22 one connection closes no other",
    "src/pintu/kernel/intake/server.py::_batch": "2026-11-22 a sender hears, keeps its batch",
    "src/pintu/kernel/intake/server.py::_told": "2026-11-23 a process hears, and tells it again",
    "src/pintu/kernel/intake/server.py::_following": "2026-11-22 closing makes a process ask again",
    "src/pintu/kernel/relay/bus.py::_keep": "2026-11-23 a foreign driver raises anything",
    "src/pintu/kernel/relay/room.py::_kept": "2026-11-23 logged, begun again a second later",
    "src/pintu/kernel/feed/stream.py::_tell": "2026-11-22 one listener's mistake is its own",
    "src/pintu/kernel/store/sqlite/writer.py::_attempt": "2026-11-22 the group is rolled back",
    "src/pintu/kernel/store/sqlite/writer.py::_perform": "2026-11-22 a poison fails alone",
    "src/pintu/kernel/store/sqlite/writer.py::_run_task": "2026-11-23 its caller gets it",
    "src/pintu/kernel/store/sqlite/calls.py::settle": "2026-11-23 one caller's mistake is its own",
    "src/pintu/kernel/store/sqlite/writer.py::_tell": "2026-11-22 a listener's mistake is its own",
    "src/pintu/kernel/store/postgres/writer.py::_next": "2026-11-23 one group ends no other",
    "src/pintu/kernel/store/postgres/writer.py::_group": "2026-11-23 one call's mistake is its own",
    "src/pintu/kernel/store/postgres/writer.py::_alone": "2026-11-23 a task's caller gets it",
    "src/pintu/kernel/store/postgres/writer.py::tell": "2026-11-23 a listener's mistake is its own",
    "src/pintu/kernel/store/postgres/group.py::_apply": "2026-11-23 a poison fails alone",
    "src/pintu/kernel/store/postgres/connection.py::_keep": "2026-11-23 the keeper never ends",
    "src/pintu/kernel/store/postgres/follow.py::_try": "2026-11-23 the log is looked at again",
    "src/pintu/kernel/store/postgres/lookups.py::_read": "2026-11-23 each caller gets it",
    "src/pintu/kernel/store/postgres/fresh.py::_once": "2026-11-23 each caller gets it",
    "src/pintu/kernel/store/postgres/leading.py::ask": "2026-11-23 who leads is asked again",
    "src/pintu/kernel/exchange/finding/opening.py::_find": "2026-11-24 the next hour asks again",
    "src/pintu/kernel/exchange/finding/opening.py::_measure": "2026-11-24 a cell ends no other",
    "src/pintu/leading.py::stop": "2026-11-24 what does not end keeps no other from ending",
    "src/pintu/processes/several.py::_drain": "2026-11-24 the lead is let go all the same",
    "src/pintu/processes/several.py::_run": "2026-11-23 the lead is followed a second later",
    "src/pintu/kernel/store/postgres/learned.py::_run": "2026-11-23 without an index queries scan",
    "src/pintu/kernel/store/postgres/pages.py::_serve": "2026-11-23 each caller gets it",
    "src/pintu/kernel/exchange/agreements/room.py::tell": "2026-11-23 its mistake is its own",
    "src/pintu/kernel/exchange/agreements/clockwork.py::_run": "2026-11-23 revocations are seen",
    "src/pintu/kernel/audit/checking.py::run": "2026-11-23 the log is compared again",
    "src/pintu/kernel/operations/stepping.py::_tell": "2026-11-22 a gone page stops nothing",
    "src/pintu/kernel/operations/gathering.py::_run": "2026-11-23 who waits hears of it",
    "src/pintu/kernel/operations/playbooks/running.py::_turn": "2026-11-23 one play stops no other",
    "src/pintu/kernel/subscriptions/channel.py::_run": "2026-11-23 counted, tried again, parked",
    "src/pintu/kernel/subscriptions/following.py::_match": "2026-11-23 one change stops nobody's",
    "src/pintu/kernel/subscriptions/following.py::_take_now": "2026-11-23 _match says what is off",
    "src/pintu/kernel/subscriptions/telling.py::_begun": "2026-11-23 `changes` says what is wrong",
    "src/pintu/kernel/subscriptions/periodic.py::_round": "2026-11-23 counted; the next round",
    "src/pintu/kernel/timers/timers.py::_call": "2026-11-22 one mistake stops no other timer",
    "src/pintu/web/ngsi_ld/repeated_writes.py::_done": "2026-11-23 the same, on the short way",
    "src/pintu/kit/sources.py::_keep_connected": "2026-11-22 a foreign protocol raises anything",
    "src/pintu/kit/sources.py::_work": "2026-11-22 the connection an acknowledgement needs is gone",
    "src/pintu/kit/sources.py::_read": "2026-11-22 a normaliser's mistake ends in quarantine",
    "src/pintu/kit/watching.py::_ask": "2026-11-22 one bad entity must not stop all watching",
    "src/pintu/kit/acting.py::_done_or_told": "2026-11-22 an action's mistake ends its own command",
    "src/pintu/kit/scaffold.py::_fixtures": "2026-11-22 its mistakes are looked for",
    "src/pintu/web/events.py::_tick_on": "2026-11-22 one bad tick ends no page's stream",
    "src/pintu/web/ngsi_ld/broker.py::handle": "2026-11-22 a request's edge: logged, answered 500",
    "src/pintu/web/ngsi_ld/repeated.py::answer": "2026-11-22 the same, on the short way",
    "src/pintu/web/ngsi_ld/broker.py::_awaited": "2026-11-22 the same edge for a later answer",
    "src/pintu/web/ngsi_ld/answers.py::result": "2026-11-22 the same edge in a store's callback",
    "src/pintu/web/ngsi_ld/answers.py::__await__": "2026-11-22 the same edge when awaited",
    "src/pintu/cli/__init__.py::run": "2026-11-22 a program's edge: a person gets a sentence",
    "src/pintu/kit/doors.py::_follow": "2026-11-22 what cannot be read now is read a second later",
    "src/pintu/kit/doors.py::_keep": "2026-11-22 a source's mistake is its own state",
    "src/pintu/web/api/push.py::_run": "2026-11-22 looked at again three seconds later",
    "src/pintu/processes/field.py::_keep": "2026-11-22 a piece that fails ends no other",
    "src/pintu/processes/loads_desk.py::_follow": "2026-11-22 read again a second later",
    "src/pintu/processes/loads_desk.py::_retry": "2026-11-22 it stays held and may be retried",
    "src/pintu/processes/loads_job.py::keep": "2026-11-22 no load's mistake ends another load",
    "src/pintu/settings.py::_zone": "2026-11-22 zoneinfo raises four kinds of error for a bad name",
}


@cache
def files() -> tuple[Path, ...]:
    """Every Python file of the project that git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "--", *CODE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    names = sorted({one for one in listed if one.endswith(".py")})
    return tuple(ROOT / one for one in names if (ROOT / one).is_file())


@cache
def tree(path: Path) -> ast.Module:
    """A file, parsed once."""
    return ast.parse(path.read_text("utf-8"), str(path))


def name(path: Path) -> str:
    """The path as it is written in the lists above."""
    return path.relative_to(ROOT).as_posix()


Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def functions(path: Path) -> tuple[Function, ...]:
    """Every function of a file, nested ones too."""
    return tuple(node for node in ast.walk(tree(path)) if isinstance(node, Function))


@pytest.fixture(scope="module", autouse=True)
def forgotten() -> Iterator[None]:
    """Millions of nodes are let go of: the collector would look at them in every later test."""
    yield
    tree.cache_clear()
    functions.cache_clear()


def test_there_is_something_to_look_at() -> None:
    """The guard sees the project: a guard that finds no files would pass forever."""
    assert len([one for one in files() if name(one).startswith("src/")]) > 20


def test_files_end_before_line_400() -> None:
    """A file is at most 400 lines long."""
    long = {
        name(one): lines
        for one in files()
        if (lines := one.read_text("utf-8").count("\n")) > FILE_LINES
    }
    assert {} == long


def test_lines_end_before_column_100() -> None:
    """A line is at most 100 characters long, but for a word to the type checker at its end."""
    long = [
        f"{name(one)}:{number}"
        for one in files()
        for number, line in enumerate(one.read_text("utf-8").split("\n"), 1)
        if len(line.partition("  # type: ignore")[0]) > LINE_CHARACTERS
    ]
    assert [] == long


def test_functions_are_short_or_exempt() -> None:
    """A function is at most 50 lines, or 70 with a visible reason and a date."""
    long = []
    for path in files():
        for one in functions(path):
            lines = (one.end_lineno or one.lineno) - one.lineno + 1
            key = f"{name(path)}::{one.name}"
            if lines > FUNCTION_WALL or (lines > FUNCTION_LINES and key not in LONG_FUNCTIONS):
                long.append(f"{key} has {lines} lines")
    assert [] == long


def test_functions_take_few_positional_parameters() -> None:
    """A function takes at most five parameters by position; more must be named by the caller."""
    many = []
    for path in files():
        if not name(path).startswith("src/"):
            continue
        for one in functions(path):
            taken = [arg.arg for arg in one.args.posonlyargs + one.args.args]
            taken = [arg for arg in taken if arg not in ("self", "cls")]
            typed = name(path).startswith("src/pintu/cli/") or is_command(one)
            if len(taken) > POSITIONAL_PARAMETERS and not typed:
                many.append(f"{name(path)}::{one.name} takes {len(taken)}")
    assert [] == many


def is_command(function: Function) -> bool:
    """True for a function that typer or Litestar calls, by name, from what a person typed."""
    return any(
        isinstance(one, ast.Call)
        and (
            (isinstance(one.func, ast.Attribute) and one.func.attr == "command")
            or (
                isinstance(one.func, ast.Name) and one.func.id in ("get", "post", "patch", "delete")
            )
        )
        for one in function.decorator_list
    )


def test_no_drawers() -> None:
    """No module or folder has a name that says nothing about what is in it."""
    drawers = [
        name(one)
        for one in files()
        if DRAWERS & {part.removesuffix(".py") for part in one.relative_to(ROOT).parts}
    ]
    assert [] == drawers


def test_modules_say_what_they_are() -> None:
    """Every module starts with a docstring; only an empty one may go without."""
    silent = [
        name(one)
        for one in files()
        if one.read_text("utf-8").strip() and not ast.get_docstring(tree(one))
    ]
    assert [] == silent


def test_tests_state_a_truth() -> None:
    """Every test says in its docstring what is true."""
    silent = [
        f"{name(path)}::{one.name}"
        for path in files()
        if name(path).startswith("tests/") or "/tests/" in name(path)
        for one in functions(path)
        if one.name.startswith("test_") and not ast.get_docstring(one)
    ]
    assert [] == silent


def catches_everything(handler: ast.AST) -> bool:
    """True for `except:`, `except Exception`, `except BaseException`, also inside a tuple.

    A handler that tidies up and raises the same again keeps nothing from anybody.
    """
    if not isinstance(handler, ast.ExceptHandler):
        return False
    last = handler.body[-1]
    if isinstance(last, ast.Raise) and last.exc is None:
        return False
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        one is None or (isinstance(one, ast.Name) and one.id in ("Exception", "BaseException"))
        for one in kinds
    )


def test_everything_is_caught_only_at_a_loops_edge() -> None:
    """`except Exception` stands only at the loops' edges listed above, each with its reason."""
    found = set()
    for path in files():
        if not name(path).startswith("src/"):
            continue
        if not any(map(catches_everything, ast.walk(tree(path)))):
            continue
        for one in functions(path):
            inner = {
                id(deep)
                for sub in ast.walk(one)
                if isinstance(sub, Function) and sub is not one
                for deep in ast.walk(sub)
            }
            for node in ast.walk(one):
                if id(node) not in inner and catches_everything(node):
                    found.add(f"{name(path)}::{one.name}")
    assert [] == sorted(found - set(LOOP_EDGES))


def test_exemptions_are_still_needed() -> None:
    """An exemption that nothing needs any more is removed."""
    known = {f"{name(path)}::{one.name}" for path in files() for one in functions(path)}
    assert [] == sorted((set(LOOP_EDGES) | set(LONG_FUNCTIONS)) - known)
