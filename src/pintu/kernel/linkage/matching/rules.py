"""How records are compared and which ones: data. Conditions are SQL over two rows, `_l` and `_r`;
the first level that holds counts. `m` and `u` (how often it holds of one person's records, of two
persons') stand until training knows better, and where training sees too little."""

from __future__ import annotations

from typing import Final

import msgspec


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One degree of likeness. `often`: the column by whose value its weight is corrected, because
    some values are frequent (a name like 王伟 says less than a rare one); `kept`: training leaves
    `m` and `u` as they are."""

    when: str
    m: float
    u: float
    often: str = ""
    kept: bool = False


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One thing compared; `empty`: when nothing can be said, which is no evidence either way. What
    no level takes is different: `m` and `u` of that are `other`."""

    name: str
    empty: str
    levels: tuple[Level, ...]
    other: tuple[float, float]


class Blocking(msgspec.Struct, frozen=True, kw_only=True):
    """Which records are compared at all: those that agree in every key, and have them all. `most`:
    its budget of pairs for each million records; `group`: a value that more records share is a
    placeholder or a harvest and joins nobody."""

    name: str
    keys: tuple[str, ...]
    most: int = 20_000_000
    group: int = 200


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `train`: names of the blocking rules whose pairs training looks at;
    `placeholders`: column → how many records may share a value before it stands for nobody;
    `persons`: whether the hard rules of persons hold (two id numbers, twins)."""

    comparisons: tuple[Comparison, ...]
    blocking: tuple[Blocking, ...]
    train: tuple[str, ...]
    placeholders: dict[str, int] = {}
    persons: bool = True


def _both(*names: str) -> str:
    return " AND ".join(f"{one}_l = {one}_r" for one in names)


NAME: Final = Comparison(
    name="name",
    empty="(reading_l IS NULL OR reading_r IS NULL)",
    levels=(
        Level(when=_both("name"), m=0.88, u=0.00005, often="name"),
        Level(when=_both("reading"), m=0.05, u=0.0001, often="reading"),
        # in letters, the surname misread or in another order; or cut, as long names are
        Level(
            when="family_l = family_r AND given_l = given_r OR "
            "family_l IS NULL AND family_r IS NULL AND least(length(given_l), length(given_r)) > 7 "
            "AND (starts_with(given_l, given_r) OR starts_with(given_r, given_l))",
            m=0.02,
            u=0.0001,
        ),
        # one character unreadable, or another of nearly the same sound
        Level(
            when="family_l = family_r AND length(name_l) = length(name_r) AND "
            "(contains(name_l, '\ufffd') OR contains(name_r, '\ufffd')) AND length(name_l) > 2 AND "
            "(name_l[2] = name_r[2] OR name_l[3] = name_r[3])",
            m=0.008,
            u=0.0005,
        ),
        Level(
            when="family_l = family_r AND length(given_l) > 3 AND "
            "damerau_levenshtein(given_l, given_r) = 1",
            m=0.01,
            u=0.0005,
        ),
        Level(when=_both("family"), m=0.01, u=0.03, often="family"),
    ),
    other=(0.01, 0.96),
)
NUMBER: Final = Comparison(
    name="id_number",
    empty="(id_number_l IS NULL OR id_number_r IS NULL)",
    levels=(
        Level(when=f"{_both('id_number')} AND proved_l", m=0.94, u=0.0000005, kept=True),
        Level(when=_both("id_number"), m=0.005, u=0.0000005, kept=True),
        # one digit wrong or two neighbours swapped, where the check digit says that one is wrong
        Level(
            when="NOT (proved_l AND proved_r) AND "
            "damerau_levenshtein(id_number_l, id_number_r) = 1",
            m=0.04,
            u=0.000001,
            kept=True,
        ),
        Level(when="NOT (proved_l AND proved_r)", m=0.01, u=0.06),
    ),
    other=(0.003, 0.94),
)
BIRTH: Final = Comparison(
    name="birth",
    empty="(birth_l IS NULL OR birth_r IS NULL)",
    levels=(
        Level(when=_both("birth"), m=0.965, u=0.00004, often="birth"),
        # day and month swapped, or one digit wrong
        Level(
            when="damerau_levenshtein(birth_l, birth_r) = 1 OR birth_l[1:4] = birth_r[1:4] AND "
            "birth_l[6:7] = birth_r[9:10] AND birth_l[9:10] = birth_r[6:7]",
            m=0.02,
            u=0.002,
        ),
        Level(
            when="birth_l[1:7] = birth_r[1:7] OR birth_l[6:10] = birth_r[6:10] OR "
            "birth_l[1:4] = birth_r[1:4] AND birth_l[9:10] = birth_r[9:10]",
            m=0.01,
            u=0.004,
        ),
    ),
    other=(0.005, 0.99),
)
SEX: Final = Comparison(
    name="sex",
    empty="(sex_l IS NULL OR sex_r IS NULL)",
    levels=(Level(when=_both("sex"), m=0.995, u=0.5),),
    other=(0.005, 0.5),
)
PHONE: Final = Comparison(
    name="phone",
    empty="(phone_l IS NULL OR phone_r IS NULL)",
    levels=(
        Level(when=_both("phone"), m=0.6, u=0.000003, often="phone"),
        Level(when="damerau_levenshtein(phone_l, phone_r) = 1", m=0.02, u=0.0000005),
    ),
    other=(0.38, 0.999),
)
ADDRESS: Final = Comparison(
    name="address",
    empty="(road_l IS NULL OR road_r IS NULL)",
    levels=(
        Level(when=_both("road", "number", "home"), m=0.6, u=0.000002),
        Level(
            when="road_l = road_r AND number_l = number_r AND (home_l IS NULL OR home_r IS NULL)",
            m=0.15,
            u=0.000005,
        ),
        Level(when=_both("road", "number"), m=0.01, u=0.00001),
        Level(when=_both("road"), m=0.01, u=0.003),
        Level(when=_both("district"), m=0.03, u=0.15),
    ),
    other=(0.2, 0.85),
)

PEOPLE: Final = Rules(
    comparisons=(NAME, NUMBER, BIRTH, SEX, PHONE, ADDRESS),
    blocking=(
        Blocking(name="id number", keys=("id_number",), group=50),
        Blocking(name="name and birthday", keys=("family", "given", "birth")),
        Blocking(name="telephone and surname", keys=("phone", "family")),
        Blocking(name="telephone and birthday", keys=("phone", "birth")),
        Blocking(name="home and birth year", keys=("road", "number", "home", "birth[1:4]")),
        Blocking(name="house and name", keys=("road", "number", "given")),
        Blocking(
            name="house, surname, birth month", keys=("road", "number", "family", "birth[1:7]")
        ),
        Blocking(name="surname, birthday, district", keys=("family", "birth", "district")),
        Blocking(name="given name and birthday", keys=("given", "birth")),
        Blocking(
            name="name and number's end", keys=("family", "given", "id_number[11:16]"), group=50
        ),
    ),
    train=("id number", "name and birthday"),
    placeholders={"phone": 200, "id_number": 50},
)
"""What two records of persons are compared by."""

SURNAME_ONLY: Final = Blocking(name="surname", keys=("family",))
"""What nobody may block by; kept to be refused."""
