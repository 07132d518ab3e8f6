"""The same thing in several records: pairs, clusters, golden records, and undoing it."""
