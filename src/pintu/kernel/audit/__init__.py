"""The sealed log: rows, the tree over them, signed heads, proofs, and who looked at a record."""
