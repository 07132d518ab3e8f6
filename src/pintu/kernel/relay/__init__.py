"""Changes carried between cities and processes by NATS JetStream.

*Out*: what a tenant's log says is published, in order and once, into the city's own stream, as far
as the gate lets it leave. *In*: what other cities' streams say is landed, in order and once, in
tenants that are copies. The log of the sender is the outbox, a mark in the store of the receiver is
the position: NATS may lose a leader, and a site its line, without anybody losing a change.
(docs/decisions/0028)
"""
