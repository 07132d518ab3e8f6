"""Channels: small adapters that carry one envelope to one endpoint."""

from pintu.kernel.operations.roster.channels.register import OperatorChannels

__all__ = ["OperatorChannels"]
