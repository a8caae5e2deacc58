"""Blame: what made an episode fail, and what would have saved it."""

from doworld.infer.blame.find import Findings as Findings
from doworld.infer.blame.find import blame as blame
