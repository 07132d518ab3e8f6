"""From an agreement to a projection: fields, masks, rows, limits; once a version."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pintu.kernel.access import Deed, Mask, Projection
from pintu.kernel.access.narrowing import Kept, Narrowing
from pintu.kernel.context.match import compile_q
from pintu.kernel.context.parse import parse_q
from pintu.kernel.context.selection import And, Q
from pintu.kernel.exchange.conditions import fitted
from pintu.kernel.exchange.gate.words import Compiled
from pintu.kernel.exchange.terms import term_of
from pintu.kernel.exchange.words import Column, Condition, DataSet
from pintu.kernel.jsonld import CORE

if TYPE_CHECKING:
    from pintu.kernel.exchange.agreements.words import Agreement, Terms

Shapes = Callable[[str, str], dict[str, str]]
"""(tenant, entity type) → the NGSI-LD attribute type of each attribute that is there."""

NO_MASK: Final = Mask()


class Compiler:
    """Compiles agreements over the catalogue of one city."""

    def __init__(
        self,
        find: Callable[[str], DataSet],
        whole: Callable[[DataSet], DataSet],
        secret: bytes,
        *,
        zone: str,
        shapes: Shapes,
    ) -> None:
        """`whole` gives a data set every column it can show. `secret` is what pseudonyms are
        derived from: each agreement has its own, so that those of two cannot be joined."""
        self._find, self._whole, self._secret, self.zone = find, whole, secret, zone
        self._shapes = shapes
        self._kept = Kept()

    def mark(self, agreement: Agreement) -> tuple[object, ...]:
        """What a compiled agreement was made of: another mark asks for it to be compiled anew.
        PintuError when its data set is gone."""
        found = self._find(agreement.terms.data_set)
        return (found, *self._shapes_of(found, agreement.terms))

    def _shapes_of(self, found: DataSet, terms: Terms) -> list[str]:
        if found.provider != "context" or not terms.where:
            return []
        shapes = self._shapes(found.tenant, found.type)
        return [shapes.get(one.column, "") for one in terms.where]

    def compile(self, agreement: Agreement) -> Compiled:
        """The agreement as decisions need it.

        Raises PintuError when its data set is gone or its terms do not fit it any more.
        """
        terms = agreement.terms
        saved = self._find(terms.data_set)
        data_set = self._whole(saved)
        columns = {one.name: one for one in data_set.columns}
        where = fitted(terms.where, _known(terms, columns), self.zone)
        key = hmac.digest(self._secret, agreement.id.encode(), "sha256")
        shown = {name: mask for name, mask in terms.fields.items() if mask.kind != "drop"}
        masks = {name: mask for name, mask in shown.items() if mask != NO_MASK}
        projection = Projection(
            where=where,
            types=frozenset({data_set.type}) if data_set.type else None,
            attributes=frozenset(shown),
            masks=masks,
            agreement=agreement.name,
            basis=f"agreement {agreement.name}",
            recorded=True,
            subject=terms.subject,
            k=terms.k,
            most_rows=terms.limits.rows_a_call or None,
            key=key,
        )
        unqueryable = ""
        if data_set.provider == "context":
            projection, unqueryable = self._of_context(data_set, terms, (projection, where, key))
            if terms.subject or terms.k:
                unqueryable = "it is about single persons or counts"
        return Compiled(
            id=agreement.id,
            version=agreement.version,
            data_set=terms.data_set,
            tenant=data_set.tenant,
            owner=data_set.owner or terms.provider,
            consumer=terms.consumer,
            purpose=terms.purpose,
            deed=Deed.WRITE if terms.deed == "write" else Deed.READ,
            persons=saved.persons,
            from_us=terms.from_us,
            until_us=terms.until_us,
            limits=terms.limits,
            retained=terms.retention_days > 0,
            projection=projection,
            fields=tuple(sorted(shown)),
            unqueryable=unqueryable,
        )

    def _of_context(
        self, data_set: DataSet, terms: Terms, made: tuple[Projection, tuple[Condition, ...], bytes]
    ) -> tuple[Projection, str]:
        """The projection with its rows as a query, and why that cannot be, when it cannot."""
        projection, where, key = made
        rows, why = self._rows(data_set, where)
        seen = Narrowing(
            frozenset({data_set.type}),
            terms.fields,
            None if rows is None else compile_q(rows),
            key=key,
            kept=self._kept,
        )
        return replace(projection, rows=rows, seen=seen), why

    def _rows(self, data_set: DataSet, where: tuple[Condition, ...]) -> tuple[Q | None, str]:
        shapes = self._shapes(data_set.tenant, data_set.type)
        parts: list[Q] = [parse_q(data_set.q, CORE)] if data_set.q else []
        why = ""
        for one in where:
            term = term_of(one, shapes.get(one.column, "Property"))
            if term is None:
                why = f"its condition on {one.column!r} cannot be told as a query"
            else:
                parts.append(term)
        return (And(tuple(parts)) if len(parts) > 1 else parts[0] if parts else None), why


def _known(terms: Terms, columns: dict[str, Column]) -> dict[str, Column]:
    """The columns of the conditions; of one that no row had yet, a text."""
    return {one.column: columns.get(one.column) or Column(name=one.column) for one in terms.where}
