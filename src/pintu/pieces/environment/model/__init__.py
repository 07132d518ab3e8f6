"""The piece's own ideas: pollutants, the index and its tables, means, doubts about values, the
forecast. Pure."""
