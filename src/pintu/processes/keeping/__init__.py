"""Backups: a whole copy (`copying`), every moment after it (`stream`, `following`), looked over
(`looking`), brought back (`bringing`, `replaying`). docs/decisions/0030-backup.md says why so."""
