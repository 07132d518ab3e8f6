"""Subscriptions: what was asked to be told, whom a change concerns, what is told, how it goes."""
