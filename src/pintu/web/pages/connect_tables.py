"""From a table mapping to the data set it fills; pure."""

from __future__ import annotations

from pintu.kernel.exchange.words import Column, DataSet
from pintu.kernel.intake.doors.words import SourceFile
from pintu.kernel.intake.mapping.words import Mapping


def data_set_of(mapping: Mapping, source: SourceFile) -> DataSet:
    """The data set a table mapping fills, with the marks of persons it carries."""
    return DataSet(
        name=mapping.data_set,
        provider="table",
        title=mapping.title or source.title,
        owner=source.owner,
        tenant=source.tenant,
        source=source.name,
        columns=[
            Column(
                name=one.to,
                title=one.title,
                kind=one.kind,
                unit=one.unit,
                person=one.person,
                key=one.key,
            )
            for one in mapping.fields
        ],
    )
