"""Scores of a table, and the order of its variables that they favour."""
