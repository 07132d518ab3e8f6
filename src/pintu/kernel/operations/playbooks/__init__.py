"""Playbooks: what to do about something as data; plays: approved, done step by step, taken back.

A play commands through the ledger, opens orders and sends messages through hands that `opening`
gives it, and remembers before each step what it must be able to put back.
"""

from pintu.kernel.operations.playbooks.plays import Plays
from pintu.kernel.operations.playbooks.words import Play, Playbook

__all__ = ["Play", "Playbook", "Plays"]
