"""A play as others see it. Pure."""

from __future__ import annotations

from pintu.kernel.operations.playbooks.rows import Kept, KeptStep
from pintu.kernel.operations.playbooks.words import GroupRun, Play, StepRun


def shown(kept: Kept, *, dry: bool = False) -> Play:
    """A play as others see it."""
    return Play(
        id=kept.id,
        tenant=kept.tenant,
        playbook=kept.book.name,
        version=kept.book.version,
        title=kept.book.title,
        cause=kept.cause,
        state=kept.state,
        by=kept.who,
        created_us=kept.created_us,
        changed_us=kept.changed_us,
        area=kept.area,
        reason=kept.reason,
        groups=tuple(
            GroupRun(
                name=one.name,
                title=kept.book.groups[one.number].title,
                state=one.state,
                persons=one.persons,
                until_us=one.until_us,
                role=kept.book.groups[one.number].role,
                approved_by=tuple(yes.who for yes in one.approvals),
            )
            for one in kept.groups
        ),
        steps=tuple(_shown_step(kept, one) for one in kept.steps),
        dry=dry,
    )


def _shown_step(kept: Kept, one: KeptStep) -> StepRun:
    return StepRun(
        number=one.number,
        group=kept.groups[one.grouped].name,
        name=one.word.name,
        title=one.word.title,
        do=one.word.do,
        state=one.state,
        targets=one.targets,
        reached=one.reached,
        failed=one.failed,
        detail=one.detail,
        changed_us=one.changed_us,
        ref=one.ref,
    )
