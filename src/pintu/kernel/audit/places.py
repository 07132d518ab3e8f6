"""Where to look for rows: words of a row, hashed to numbers, so that one narrow table finds them.

A word says what and which: who acted, for which organisation, on which data set, under which
agreement, about whom. Two words may share a number: a row that is found is read and compared.
"""

from __future__ import annotations

from hashlib import blake2b

from pintu.kernel.audit.rows import Row, read_row
from pintu.kernel.errors import BadInput

COLUMNS = ("actor", "person", "organisation", "owner", "data_set", "agreement", "purpose", "what")
"""Members of a row that can be looked for; `subject` is the other one."""


def word(column: str, value: str) -> int:
    """The number under which rows with this value are found."""
    told = blake2b(f"{column}\x00{value}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(told, "big") >> 1


def words_of(row: Row) -> set[int]:
    """Every word of a row. Rows of counts have none but what they are: they are about nobody."""
    if row.what == "counts":
        return {word("what", "counts")}
    found = {word(column, value) for column in COLUMNS if (value := str(getattr(row, column)))}
    if row.agreement:
        found.add(word("agreement", row.agreement.partition("/")[0]))
    found.update(word("subject", one) for one in row.subjects)
    return found


def places_of(body: bytes) -> set[int]:
    """The words of a row as it is kept; none of one that cannot be read."""
    try:
        return words_of(read_row(body))
    except BadInput:
        return set()
