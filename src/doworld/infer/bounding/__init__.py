"""Bounds of effects that data do not identify."""

from doworld.infer.bounding.balke_pearl import balke_pearl as balke_pearl
from doworld.infer.bounding.bound import Bound as Bound
from doworld.infer.bounding.counts import Counts as Counts
from doworld.infer.bounding.diagram import Diagram as Diagram
from doworld.infer.bounding.manski import manski as manski
from doworld.infer.bounding.potential import Decision as Decision
from doworld.infer.bounding.potential import Expression as Expression
from doworld.infer.bounding.potential import Outcome as Outcome
from doworld.infer.bounding.potential import Potential as Potential
from doworld.infer.bounding.potential import Term as Term
from doworld.infer.bounding.potential import contrast as contrast
from doworld.infer.bounding.potential import expectation as expectation
from doworld.infer.bounding.program import Experiment as Experiment
from doworld.infer.bounding.program import linear_program as linear_program
from doworld.infer.bounding.tian_pearl import Causation as Causation
from doworld.infer.bounding.tian_pearl import tian_pearl as tian_pearl
