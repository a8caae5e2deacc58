"""Trajectories and their readers."""

from doworld.data.schema import Kind as Kind
from doworld.data.schema import Policy as Policy
from doworld.data.schema import Role as Role
from doworld.data.schema import Schema as Schema
from doworld.data.schema import Variable as Variable
from doworld.data.trajectories import Episode as Episode
from doworld.data.trajectories import Trajectories as Trajectories
