"""Causal graphs and prior knowledge."""

from doworld.graph.chance import Chance as Chance
from doworld.graph.choice import Choice as Choice
from doworld.graph.choice import Question as Question
from doworld.graph.conflict import Conflict as Conflict
from doworld.graph.conflict import Disagreement as Disagreement
from doworld.graph.graph import CausalGraph as CausalGraph
from doworld.graph.graph import Edge as Edge
from doworld.graph.graph import Evidence as Evidence
from doworld.graph.graph import Mark as Mark
from doworld.graph.local import LocalGraph as LocalGraph
from doworld.graph.mixed import MixedGraph as MixedGraph
from doworld.graph.prior import Prior as Prior
from doworld.graph.unidentified import Reason as Reason
from doworld.graph.unidentified import Unidentified as Unidentified
