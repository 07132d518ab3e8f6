"""The thin exchange: a register of data sets with their providers; agreements come on top of it."""
