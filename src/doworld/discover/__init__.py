"""Causal discovery: from a log to a causal graph."""

from doworld.discover.constraint import PC as PC
from doworld.discover.constraint import Colliders as Colliders
from doworld.discover.environments import MechanismChange as MechanismChange
from doworld.discover.environments import changed_mechanisms as changed_mechanisms
from doworld.discover.environments import orient_by_changes as orient_by_changes
from doworld.discover.exchangeable import PairVerdict as PairVerdict
from doworld.discover.exchangeable import exchangeable_pair as exchangeable_pair
from doworld.discover.independence import Circuit as Circuit
from doworld.discover.independence import Gaussian as Gaussian
from doworld.discover.independence import KernelTest as KernelTest
from doworld.discover.independence import Levels as Levels
from doworld.discover.independence import LikelihoodRatio as LikelihoodRatio
from doworld.discover.independence import PartialCorrelation as PartialCorrelation
from doworld.discover.independence import RandomFeatures as RandomFeatures
from doworld.discover.independence import Regressions as Regressions
from doworld.discover.invariant_parents import InvariantParents as InvariantParents
from doworld.discover.invariant_parents import invariant_parents as invariant_parents
from doworld.discover.pipeline import discover as discover
from doworld.discover.prepare import unidentified as unidentified
from doworld.discover.shared import discover_shared as discover_shared
from doworld.discover.static_methods import BestOrder as BestOrder
from doworld.discover.static_methods import StaticMethod as StaticMethod
