"""What changed between two versions of a schema, and whom that breaks; pure."""

from __future__ import annotations

from collections.abc import Iterable

from pintu.kernel.exchange.schemas.words import Broken, Change, Field, What


def changes_of(before: Iterable[Field], after: Iterable[Field]) -> tuple[Change, ...]:
    """Every difference, by field; the order of columns is none."""
    old = {one.name: one for one in before}
    new = {one.name: one for one in after}
    found = [Change(field=name, what="removed") for name in old if name not in new]
    for name, field in new.items():
        if name not in old:
            found.append(Change(field=name, what="added", after=field.kind))
        else:
            found += _of_field(old[name], field)
    return tuple(found)


def _of_field(old: Field, new: Field) -> list[Change]:
    found = []
    told: tuple[tuple[What, str, str], ...] = (
        ("kind", old.kind, new.kind),
        ("unit", old.unit, new.unit),
        ("key", _yes(old.key), _yes(new.key)),
        ("person", old.person, new.person),
        ("sensitivity", str(old.sensitivity or ""), str(new.sensitivity or "")),
    )
    for what, before, after in told:
        if before != after:
            found.append(Change(field=new.name, what=what, before=before, after=after))
    gone = sorted(set(old.codes) - set(new.codes)) if new.codes else []
    come = sorted(set(new.codes) - set(old.codes)) if old.codes else []
    if gone or (new.codes and not old.codes):  # before, it may have been anything
        found.append(Change(field=new.name, what="codes_removed", before=_listed(gone)))
    if come or (old.codes and not new.codes):
        found.append(Change(field=new.name, what="codes_added", after=_listed(come)))
    return found


def broken_by(
    changes: Iterable[Change], users: Iterable[Broken], keys: Iterable[str] = ()
) -> list[Broken]:
    """Which users a change breaks, each with the fields that are to blame. A change of a key breaks
    everybody; what old readers can live with breaks nobody. A user without fields reads all."""
    hard = {one.field for one in changes if not one.keeps_old_readers}
    for_all = {one.field for one in changes if one.what == "key"} | (hard & set(keys))
    found = []
    for one in users:
        touched = hard if not one.fields else (hard & set(one.fields)) | for_all
        if touched:
            found.append(Broken(
                kind=one.kind, id=one.id, consumer=one.consumer, fields=tuple(sorted(touched))
            ))  # fmt: skip
    return found


def _yes(value: bool) -> str:
    return "yes" if value else ""


def _listed(codes: list[str], most: int = 12) -> str:
    more = f" … ({len(codes)})" if len(codes) > most else ""
    return ", ".join(codes[:most]) + more
