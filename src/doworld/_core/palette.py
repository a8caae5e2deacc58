"""Colours and type that all figures share."""

__all__ = ["AMBER", "BLUE", "FONT", "GREEN", "GREY", "GRID", "INK", "ORANGE", "PAPER", "VIOLET"]

INK, GREY, GRID, PAPER = "#1f2933", "#7b8794", "#e4e7eb", "#ffffff"
BLUE, ORANGE, GREEN = "#1261a6", "#c2410c", "#1a7f37"
AMBER, VIOLET = "#9a6700", "#7c3aed"
FONT = "Inter, Helvetica, Arial, sans-serif"
