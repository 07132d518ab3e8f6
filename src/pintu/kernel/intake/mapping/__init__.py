"""Mappings: how records of a source become words of the vocabulary or rows of a data set."""
