"""Several brokers of one city: what each answers by itself, and what the one that leads answers."""
