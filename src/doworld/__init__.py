"""doworld learns a causal world model from a log and answers questions about it."""

from doworld._core.errors import DoworldError as DoworldError
from doworld._core.errors import DoworldWarning as DoworldWarning
from doworld.data import Episode as Episode
from doworld.data import Kind as Kind
from doworld.data import Policy as Policy
from doworld.data import Role as Role
from doworld.data import Schema as Schema
from doworld.data import Trajectories as Trajectories
from doworld.data import Variable as Variable
from doworld.graph import CausalGraph as CausalGraph
from doworld.graph import Edge as Edge
from doworld.graph import Mark as Mark
from doworld.graph import Prior as Prior
