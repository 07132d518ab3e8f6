"""Samples of entities whose past was edited: their rows are folded, as for anybody who asks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from pintu.kernel.analytics.engines.gathering import edited_in
from pintu.kernel.analytics.engines.shapes import Sample, instances, sample_of
from pintu.kernel.analytics.engines.words import Question, reads_from_us
from pintu.kernel.context.temporal.folding import fold

if TYPE_CHECKING:
    from pintu.kernel.analytics.history import History

MOST_ROWS: Final = 50_000
"""Of one entity."""


async def edited_samples(
    history: History, tenant: int, question: Question
) -> tuple[list[str], list[Sample]]:
    """The entities, and all that may count of them. Raises TooComplex for too many."""
    edited = await history.opened.read(lambda c: edited_in(c, tenant, question))
    found: list[Sample] = []
    for id in edited:
        rows = await history.past.rows(
            tenant, id, since_us=reads_from_us(question), until_us=question.until_us,
            limit=MOST_ROWS,
        )  # fmt: skip
        for series in fold(id, rows, question.attributes).all():
            for one in series.instances:
                if not one.deleted_us:
                    for name, told in instances({series.name: one.document}, (series.name,)):
                        sample = sample_of(id, name, told, (one.position, one.place), question.only)
                        if sample is not None:
                            found.append(sample)
        await asyncio.sleep(0)
    return edited, found
