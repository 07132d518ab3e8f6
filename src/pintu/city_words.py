"""What a city asks of the vocabulary, each read when somebody first asks: a city that never does
loads no schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pintu.kernel.intake.mapping.words import Words


def codes_of(code_list: str) -> frozenset[str]:
    """The values of a code list of the vocabulary."""
    from pintu.vocabulary import vocabulary

    found = [one for one in vocabulary().code_lists() if one.name == code_list]
    return frozenset(code.value for one in found for code in one.codes)


def words_of_rows() -> Words:
    """What the vocabulary calls the columns of things."""
    from pintu.vocabulary.mapping_words import mapping_words

    return mapping_words()


def unknown_words(document: dict[str, Any]) -> list[str]:
    """What the vocabulary does not know in a stored document, naming fields: for strict tenants."""
    from pintu.vocabulary import vocabulary

    return [str(mistake) for mistake in vocabulary().check(document)]
