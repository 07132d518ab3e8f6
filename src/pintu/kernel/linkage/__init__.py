"""The same thing in several records: pairs, clusters, golden records, and undoing it.

`reading/` reads Chinese names, numbers and addresses (pure); `matching/` finds pairs with Splink on
DuckDB in a process of its own; `clusters.py` joins what is certain; `linkage.py` keeps clusters,
authority, decisions of people and objections. Values of persons stay in their data sets: what is
kept here are references and the decisions about them.
"""
