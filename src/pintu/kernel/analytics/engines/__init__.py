"""Questions about many entities or many days, as one expression for whichever engine answers:
DuckDB in a process beside the city, or a Spark cluster (docs/decisions/0029-one-expression.md).

A question is data (`words`). `gathering` finds what holds the answer, `shapes` and `samples` read
day files as samples, `expressions` says what is asked of them, an `Engine` computes it, `asking`
keeps all of it out of the broker. What one entity did is asked of packs, which is a thousand times
quicker.
"""
