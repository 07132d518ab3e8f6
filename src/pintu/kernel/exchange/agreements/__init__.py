"""Agreements between organisations: asked for, approved, signed, compiled, ended."""
