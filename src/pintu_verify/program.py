"""The program: `pintu-verify FILE`, `pintu-verify log FILE`, `pintu-verify heads A B`.

It ends with 0 when all is as it should be, 1 when something is wrong, 2 when nothing was checked.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pintu_verify.bundle import check_bundle, read_bundle
from pintu_verify.heads import Side, check_heads
from pintu_verify.log import TOLERANCE_US, LogCheck, sentences
from pintu_verify.notes import Key, Unreadable, read_key
from pintu_verify.sources import pieces_of

RIGHT, WRONG, MISUSE = 0, 1, 2

ABOUT = """\
pintu-verify BUNDLE --key KEY              one row: is it in the sealed log?
pintu-verify log FILE --key KEY            a whole log: is it the one that was sealed?
pintu-verify heads A B [--key KEY]         two sources of heads: is it one log?

KEY is the log's public key as the city publishes it (NAME+ID+KEY) or its base64; get it from
somewhere else than the file you check. FILE is an export, or a copy of city.db; heads that you
kept yourself, or a witness, come with --heads (also a copy of rooms/audit.db)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if given[:1] == ["log"]:
            return _log(given[1:])
        if given[:1] == ["heads"]:
            return _heads(given[1:])
        return _bundle(given[1:] if given[:1] == ["bundle"] else given)
    except Unreadable as error:
        _say([f"Not checked: {error}."], sys.stderr)
        return MISUSE
    except BrokenPipeError:
        return MISUSE


def _parser(name: str) -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(f"pintu-verify{name}", description=ABOUT, formatter_class=form)
    parser.add_argument("--key", action="append", default=[], help="public key of the log")
    return parser


def _bundle(given: Sequence[str]) -> int:
    parser = _parser("")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--witness", action="append", default=[], help="key that must have signed")
    told = parser.parse_args(given)
    bundle = read_bundle(told.bundle)
    keys = _keys(told.key)
    if not keys:
        raise Unreadable(
            "without --key anybody could have made this bundle. It names the key "
            f"{bundle.get('key', '')!r}: ask the city, or its neighbours, whether that is its own"
        )
    wrong, seen = check_bundle(bundle, keys, _keys(told.witness))
    _say([f"WRONG: {one}." for one in wrong])
    _say(seen)
    if not wrong:
        _say(["This row is in the sealed log, as it was written."])
    return WRONG if wrong else RIGHT


def _log(given: Sequence[str]) -> int:
    parser = _parser(" log")
    parser.add_argument("file", type=Path)
    parser.add_argument("--heads", action="append", default=[], type=Path, help="kept elsewhere")
    parser.add_argument("--witness", action="append", default=[], help="key of a witness")
    parser.add_argument(
        "--tolerance", type=float, default=TOLERANCE_US / 1e6, help="seconds out of order"
    )
    told = parser.parse_args(given)
    keys = _keys(told.key)
    if not keys:
        raise Unreadable("a log is checked against its public key: --key")
    tolerance_us = int(told.tolerance * 1e6)
    check = LogCheck(keys, _keys(told.witness), tolerance_us=tolerance_us)
    for path in told.heads:
        check.take_heads(pieces_of(path))
    found = check.run(pieces_of(told.file))
    if not found.heads and not found.wrong:
        raise Unreadable("there is no head to compare the rows with: --heads")
    _say(sentences(found, tolerance_us))
    return WRONG if found.wrong else RIGHT


def _heads(given: Sequence[str]) -> int:
    parser = _parser(" heads")
    parser.add_argument("a", type=Path)
    parser.add_argument("b", type=Path)
    told = parser.parse_args(given)
    a, b = (Side(str(path), pieces_of(path)) for path in (told.a, told.b))
    wrong, seen, compared = check_heads(a, b, _keys(told.key))
    _say([f"WRONG: {one}." for one in wrong])
    _say(seen)
    if wrong:
        return WRONG
    if not compared:
        raise Unreadable("the two have no head of one size, and neither has rows to compare with")
    _say(["They tell of one log."])
    return RIGHT


def _keys(told: Sequence[str]) -> list[Key]:
    return [read_key(one) for one in told]


def _say(lines: Sequence[str], where: object = None) -> None:
    for line in lines:
        print(_shown(line), file=where or sys.stdout)  # type: ignore[arg-type]


def _shown(line: str) -> str:
    """What a log holds moves no cursor and hides no line on a terminal."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in line)
