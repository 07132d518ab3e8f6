"""The city's systems, one folder each; any of them can be deleted and the city still starts."""
