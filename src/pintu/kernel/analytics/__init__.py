"""What became of the log: packed an entity, moved to Parquet a day, summed up an hour, asked as of
any moment.

Rows move one way and by position: log → packs → files. Wherever a row lies by now, it comes back
equal to what the log had (docs/decisions/0016-history.md).
"""
