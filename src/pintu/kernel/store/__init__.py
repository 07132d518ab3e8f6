"""Where the city is kept: a port, and SQLite behind it; state, change and history in one
transaction.
"""
