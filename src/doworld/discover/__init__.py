"""Causal discovery: from a log to a causal graph."""

from doworld.discover.pipeline import discover as discover
from doworld.discover.prepare import unidentified as unidentified
