"""Alarms to incidents: what many detectors say becomes the few things that happened."""

from pintu.kernel.operations.incidents.words import GRADES, Alarm, Incident, Outcome, Reason, State

__all__ = ["GRADES", "Alarm", "Incident", "Outcome", "Reason", "State"]
