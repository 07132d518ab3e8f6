"""`pintu`: every command a person types; exit codes 0 done, 1 failed, 2 misuse or not run."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import typer

from pintu.cli.shell import complain
from pintu.kernel.errors import ConfigurationError, PintuError

COMMANDS = {
    "up": "up:up",
    "export": "entities:export",
    "import": "entities:import_",
    "check": "check:check",
    "doctor": "check:doctor",
    "conformance": "conformance:conformance",
    "backup": "keep:backup",
    "restore": "keep:restore",
    "verify": "keep:verify",
    "init": "init:init",
    "join": "join:join",
    "move": "move:move",
    "empty-demo": "keep:empty_demo",
    "version": "check:version",
}
GROUPS = {
    "config": "config:app",
    "context": "contexts:app",
    "demo": "demo:app",
    "quarantine": "quarantine:app",
    "piece": "pieces:app",
    "relay": "relay:app",
    "tenant": "tenants:app",
    "token": "tokens:app",
    "person": "people:person_app",
    "organisation": "people:organisation_app",
}


def _exit_with(code: int | None, **_: object) -> None:
    """A command's return value is the exit code."""
    raise typer.Exit(code or 0)


def _part(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(f"pintu.cli.{module}"), name)


def application(only: str | None = None) -> typer.Typer:
    """The commands; with `only` just that one: starting a city imports no more than it needs."""
    made = typer.Typer(
        name="pintu",
        result_callback=_exit_with,
        help="Pintu (拼图): one picture of a city's separate systems.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(lambda: None)  # one command alone still goes by its name
    for name, where in COMMANDS.items():
        if only in (None, name):
            made.command(name)(_part(where))
    for name, where in GROUPS.items():
        if only in (None, name):
            made.add_typer(_part(where), name=name)
    return made


def main() -> None:
    """Run one command; what goes wrong is one clear sentence, never a traceback."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    try:
        first = arguments[0] if arguments else ""
        application(first if first in COMMANDS or first in GROUPS else None)(arguments)
    except SystemExit as ended:  # typer has shown what was wrong with the command line
        return ended.code if isinstance(ended.code, int) else 0
    except KeyboardInterrupt:
        complain("interrupted")
        return 1
    except ConfigurationError as error:
        for one in error.mistakes:
            complain(one)
        return 2
    except PintuError as error:
        complain(error.detail or error.title)
        return 1
    except BrokenPipeError:
        # whoever read our output has seen enough; nothing more may be written to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        complain(f"{error.filename or 'the system'}: {error.strerror or error}")
        return 1
    except Exception as error:  # a program's edge: a person gets a sentence, a developer the rest
        complain(f"something here failed: {type(error).__name__}: {error}")
        if os.environ.get("PINTU_LOG", "").upper() == "DEBUG":
            raise
        complain("run it again with PINTU_LOG=DEBUG to see where, and tell us")
        return 1
    return 0
