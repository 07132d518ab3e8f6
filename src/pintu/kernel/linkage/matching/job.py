"""The matching as a program: an order and its records come in on standard input, the outcome goes
out on standard output; nothing else is read or written but its own working folder."""

from __future__ import annotations

import resource
import sys
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from pintu.kernel.errors import TooComplex
from pintu.kernel.linkage.matching.joining import Joining, join_all
from pintu.kernel.linkage.matching.rules import PEOPLE, Rules
from pintu.kernel.linkage.matching.words import Doubt, Order, Outcome, unpacked

SHARE_OF_DUCKDB: Final = 0.6
"""Of the memory; the rest is Python's: records, features, clusters."""

MOST_DOUBTS: Final = 200_000
"""More nobody reviews: the least certain are left out, and the run says so."""


def match(order: Order, parts: Sequence[bytes], rules: Rules = PEOPLE) -> Outcome:
    """Do an order, of parts as `unpacked` gives them. Raises TooComplex for a blocking rule over
    its budget."""
    from pintu.kernel.linkage.matching.tables import read_all

    if not parts:
        return Outcome()
    table, marks = read_all(parts, order.key, order.threads)
    id_marks = table.column("id_mark").to_pylist()
    outcome = link(order, table, rules)
    return msgspec.structs.replace(outcome, id_marks=id_marks, marks=marks)


def link(order: Order, table: Any, rules: Rules) -> Outcome:
    """As `match`, of records that are read: an Arrow table with record (0 …), source, id_mark and
    the columns that the rules name."""
    import duckdb

    from pintu.kernel.linkage.matching import blocking, model

    connection = duckdb.connect()
    connection.execute(f"SET threads = {order.threads}")
    connection.execute(f"SET memory_limit = '{int(order.memory_mb * SHARE_OF_DUCKDB)}MB'")
    if order.spill:
        connection.execute(f"SET temp_directory = '{order.spill}'")
    connection.register("arrived", table)
    connection.execute("CREATE TABLE features AS SELECT * FROM arrived")
    connection.unregister("arrived")
    ids, sources = _ids(connection), connection.execute(
        "SELECT source FROM features ORDER BY record"
    ).fetchall()  # fmt: skip
    unique = [n for n, one in enumerate(order.unique) if one]
    connection.execute("CREATE TABLE allowed (source SMALLINT)")
    if unique:
        connection.execute(f"INSERT INTO allowed VALUES {', '.join(f'({n})' for n in unique)}")
    messages = _said(blocking.drop_placeholders(connection, rules))
    made, over = blocking.make_pairs(connection, rules.blocking, table.num_rows, order.pairs)
    messages += _passed(over)
    if made:
        model.score(connection, rules, min(order.review_at, 0.02))
        links, doubts = _judged(connection, order, rules)
    else:
        links, doubts = [], []
    joining = Joining(
        ids=ids,
        alone=[one if one in unique else -1 for (one,) in sources],
        largest=order.largest,
    )
    connection.close()
    joining.keep_apart(order.apart)
    cut = joining.start(order.together)
    linked, more = join_all(joining, links)
    doubts = _asked(joining, [*doubts, *more])
    if len(doubts) > MOST_DOUBTS:
        messages.append({
            "en": f"{len(doubts):,} pairs are uncertain; the {MOST_DOUBTS:,} most certain are kept",
            "zh": f"共有 {len(doubts):,} 对不确定，只保留最可能的 {MOST_DOUBTS:,} 对",
        })  # fmt: skip
        del doubts[MOST_DOUBTS:]
    return Outcome(
        clusters=joining.clusters(), doubts=doubts, cut=cut, pairs=made, linked=linked,
        messages=messages,
    )  # fmt: skip


def _ids(connection: Any) -> list[int]:
    """For each record a number that stands for its valid id number, -1 for none."""
    found = connection.execute(
        "SELECT CASE WHEN id_mark <> '' THEN dense_rank() OVER (ORDER BY id_mark) ELSE -1 END "
        "FROM features ORDER BY record"
    ).fetchall()
    return [int(one) for (one,) in found]


def _judged(
    connection: Any, order: Order, rules: Rules
) -> tuple[list[tuple[int, int, float]], list[Doubt]]:
    from pintu.kernel.linkage.matching import hard

    hard.judge(connection, rules, order.link_at, order.review_at)
    links = connection.execute(
        "SELECT l, r, score FROM judged WHERE why = '' ORDER BY score DESC, l, r"
    ).fetchall()
    asked = connection.execute(
        "SELECT l, r, score, why FROM judged WHERE why NOT IN ('', 'no') ORDER BY score DESC, l, r"
    ).fetchall()
    return links, [Doubt(*one) for one in asked]


def _asked(joining: Joining, doubts: list[Doubt]) -> list[Doubt]:
    """Doubts that are doubts still: not of records that are one by now through others; of two
    clusters one pair is asked, the most certain."""
    found, known = [], set()
    for one in sorted(doubts, key=lambda one: (-one.score, one.left, one.right)):
        sides = sorted((joining.root(one.left), joining.root(one.right)))
        if sides[0] != sides[1] and tuple(sides) not in known:
            known.add(tuple(sides))
            found.append(one)
    return found


def _said(dropped: list[tuple[str, int, int]]) -> list[dict[str, str]]:
    return [
        {
            "en": f"{values} values of {column} are shared by {records:,} records and are no "
            "evidence",
            "zh": f"{column} 有 {values} 个值被 {records:,} 条记录共用，不作为依据",
        }
        for column, values, records in dropped
    ]


def _passed(over: list[tuple[str, int, int]]) -> list[dict[str, str]]:
    return [
        {
            "en": f"Blocking by {rule} passes over {records:,} records that share a value with up "
            f"to {largest:,} others",
            "zh": f"按“{rule}”分组时跳过 {records:,} 条记录：同一个值最多被 {largest:,} 条共用",
        }
        for rule, records, largest in over
    ]


def main() -> None:
    """Read, match, answer; an error is an answer too."""
    order, parts = unpacked(sys.stdin.buffer.read())
    most = order.memory_mb * 1_048_576
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    try:
        outcome = match(order, parts)
    except TooComplex as error:
        outcome = Outcome(error=error.detail, too_complex=True)
    except MemoryError:
        outcome = Outcome(error=f"The matching needs more than its {order.memory_mb} MB of memory")
    sys.stdout.buffer.write(msgspec.msgpack.encode(outcome))


if __name__ == "__main__":
    main()
