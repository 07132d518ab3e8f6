"""Playbooks read from what a town wrote, or what is built in; every mistake told together."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from pintu.kernel.configuration import NAME, Configuration
from pintu.kernel.context.parse import parse_q
from pintu.kernel.errors import ConfigurationError, PintuError
from pintu.kernel.jsonld import CORE
from pintu.kernel.operations.playbooks.words import Condition, Playbook, StepWord

KIND: Final = "playbooks"
BUILT_IN: Final = Path(__file__).parent / "built_in"
MOST_STEPS: Final = 1_000


def read_playbook(name: str, told: Mapping[str, Any], *, version: int = 0) -> Playbook:
    """A playbook of its TOML; ConfigurationError names every mistake in it."""
    where = f"Playbook {name!r}"
    try:
        book = msgspec.convert(
            {**told, "name": name, "version": version, "built_in": version == 0}, Playbook
        )
    except msgspec.ValidationError as error:
        raise ConfigurationError([f"{where}: {error}"]) from error
    mistakes = [f"{where}: {one}" for one in _mistakes(book)]
    if mistakes:
        raise ConfigurationError(mistakes)
    return book


def list_playbooks(configuration: Configuration | None) -> list[Playbook]:
    """Those built in and a town's own, which take the place of those of their name; what cannot
    be read is left out (`mistakes_of` says why)."""
    found = dict(_built_in())
    for saved in configuration.list_saved(KIND) if configuration is not None else []:
        try:
            found[saved.name] = read_playbook(saved.name, saved.content, version=saved.version)
        except ConfigurationError:
            found.pop(saved.name, None)
    return [found[name] for name in sorted(found)]


def mistakes_of(configuration: Configuration) -> list[str]:
    """One sentence for each mistake in a town's own playbooks."""
    found = configuration.mistakes(KIND)
    for saved in configuration.list_saved(KIND):
        try:
            read_playbook(saved.name, saved.content, version=saved.version)
        except ConfigurationError as error:
            found += error.mistakes
    return found


@cache
def _built_in() -> dict[str, Playbook]:
    return {
        path.stem: read_playbook(path.stem, tomllib.loads(path.read_text("utf-8")))
        for path in sorted(BUILT_IN.glob("*.toml"))
    }


def _mistakes(book: Playbook) -> list[str]:
    found = []
    names = [one.name for one in book.groups]
    steps = [(group, step) for group in book.groups for step in group.steps]
    if not book.groups or not steps:
        found.append("it has no steps")
    if len(steps) > MOST_STEPS:
        found.append(f"it has {len(steps)} steps, more than {MOST_STEPS}")
    for number, group in enumerate(book.groups):
        if not NAME.fullmatch(group.name) or names.count(group.name) > 1:
            found.append(f"group {group.name!r} is not a name of its own")
        if not 1 <= group.persons <= 2:
            found.append(f"group {group.name!r} needs one or two persons")
        if group.within_s <= 0:
            found.append(f"group {group.name!r} leaves no time to approve it")
        for other in group.after:
            if other not in names[:number]:
                found.append(f"group {group.name!r} comes after {other!r}, which is not before it")
        own = [one.name for one in group.steps]
        found += [f"step {one!r} of {group.name!r} is there twice" for one in _twice(own)]
    for group, step in steps:
        found += [f"step {step.name!r} of {group.name!r} {one}" for one in _step_mistakes(step)]
    return found


def _step_mistakes(step: StepWord) -> list[str]:
    found = []
    if not NAME.fullmatch(step.name):
        found.append("is not named like 'lamps_full'")
    if step.do == "command" and not (step.piece and step.command and step.targets):
        found.append("needs a piece, a command and targets")
    if step.do == "check" and step.check is None:
        found.append("has nothing to check")
    if step.do == "wait" and step.wait_s <= 0:
        found.append("does not say how long to wait")
    if not 0 < step.enough <= 1:
        found.append("needs a share above 0, at most 1, as enough")
    if step.within_s <= 0:
        found.append("leaves no time")
    if step.targets is not None and not 1 <= step.targets.most <= 5_000:
        found.append("has more than 5000 targets, or none")
    for told in step.back.values():
        if isinstance(told, dict) and "from" not in told:
            found.append("does not say from which attribute it is put back")
    for q in (step.targets and step.targets.q, *map(_q, (step.check, step.when))):
        if q:
            try:
                parse_q(q, CORE)
            except PintuError as error:
                found.append(f"has a query that is none: {error.detail}")
    return found


def _q(condition: Condition | None) -> str:
    return condition.q if condition is not None else ""


def _twice(names: list[str]) -> list[str]:
    return sorted({one for one in names if names.count(one) > 1})
