"""Is this one row in the sealed log? One file holds the row, its proof, the head and who signed."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pintu_verify.merkle import leaf_of, root_from_path
from pintu_verify.notes import Head, Key, Unreadable, read_head, read_key
from pintu_verify.times import told

FORMAT = "pintu-proof/1"


def read_bundle(path: Path) -> dict[str, Any]:
    """The file as it is; raises Unreadable."""
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{path} is no JSON") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise Unreadable(f"{path} is no proof of a log ({FORMAT})")
    return found


def check_bundle(
    bundle: dict[str, Any], keys: Sequence[Key], witnesses: Sequence[Key]
) -> tuple[list[str], list[str]]:
    """(what is wrong, what was seen) as sentences; raises Unreadable."""
    number, row, head, proof = _parts(bundle)
    leaf = _leaf(bundle, row)
    wrong: list[str] = []
    if not any(head.signed_by(key) for key in keys):
        wrong.append(
            f"The head of {head.origin!r} is not signed by the key that was given: "
            "it is another log's, or made up"
        )
    if row is not None and leaf_of(row) != leaf:
        wrong.append("The row is not the one of the receipt: its hash is another one")
    if not 0 < number <= head.size:
        wrong.append(f"The head covers {head.size} rows, not row {number}")
    elif root_from_path(leaf, number - 1, head.size, proof) != head.root:
        wrong.append(f"The proof does not lead from row {number} to the head: it is not in the log")
    what = f"withheld, its hash is {leaf.hex()}" if row is None else row.decode("utf-8", "replace")
    seen = [f"Row {number} of the log {head.origin!r}: {what}"]
    seen.append(f"Head over {head.size} rows, root {head.root.hex()}, {told(head.at_us)}.")
    seen += _witnessed(bundle, head, witnesses, wrong)
    return wrong, seen


def _parts(bundle: dict[str, Any]) -> tuple[int, bytes | None, Head, list[bytes]]:
    try:
        number, row = bundle["number"], bundle.get("row")
        proof = [base64.b64decode(one, validate=True) for one in bundle["proof"]]
        texts = isinstance(row, str | None) and type(bundle["head"]) is str
        if type(number) is not int or not texts or len(proof) > 64:
            raise TypeError
        if any(len(one) != 32 for one in proof):
            raise ValueError
        body = None if row is None else row.encode("utf-8", "surrogatepass")
        return number, body, read_head(bundle["head"]), proof
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise Unreadable("The bundle lacks a number, a row, a head or a proof") from None


def _leaf(bundle: dict[str, Any], row: bytes | None) -> bytes:
    """The hash that the receipt tells, or that of the row when no other is told."""
    told = bundle.get("leaf")
    if told is None and row is not None:
        return leaf_of(row)
    try:
        leaf = bytes.fromhex(str(told))
    except ValueError:
        leaf = b""
    if len(leaf) != 32:
        raise Unreadable("The bundle has neither a row nor its hash")
    return leaf


def _witnessed(
    bundle: dict[str, Any], head: Head, witnesses: Sequence[Key], wrong: list[str]
) -> list[str]:
    """Who countersigned: by the keys that were given, else by those the bundle tells."""
    lines = []
    for key in witnesses:
        at_s = head.cosigned_by(key)
        who = key.name or "the witness's key"
        if at_s is None:
            wrong.append(f"No countersignature of {who} is on the head")
        else:
            lines.append(f"Countersigned by {who} on {told(at_s * 1_000_000)}.")
    if not witnesses:
        told_keys = bundle.get("witnesses")
        for one in told_keys if isinstance(told_keys, list) else []:
            key = read_key(str(one))
            at_s = head.cosigned_by(key)
            if at_s is not None:
                when = told(at_s * 1_000_000)
                lines.append(f"Countersigned by {key.name} on {when} (key as the bundle tells it).")
    return lines
