"""Logs over time: the lagged design, its tests, links within a row, and the search."""
