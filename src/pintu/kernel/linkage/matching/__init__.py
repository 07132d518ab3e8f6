"""Finding records that are one: blocking under a budget, Splink on DuckDB, hard rules, clusters.

Runs in a process of its own (`job.py`): it needs the extra `linkage`, memory and minutes.
"""
