"""The way through the house: which room runs when, and what a call of `plan` or `run` does."""
