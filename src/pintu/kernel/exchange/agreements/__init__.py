"""Agreements between organisations: asked for, decided, signed, kept to, ended, recalled."""

from pintu.kernel.exchange.agreements.agreements import Agreements
from pintu.kernel.exchange.agreements.words import (
    Agreement,
    Checked,
    Deletion,
    Finding,
    Held,
    Limits,
    Recall,
    Signature,
    Standing,
    State,
    Step,
    Terms,
)

__all__ = [
    "Agreement",
    "Agreements",
    "Checked",
    "Deletion",
    "Finding",
    "Held",
    "Limits",
    "Recall",
    "Signature",
    "Standing",
    "State",
    "Step",
    "Terms",
]
