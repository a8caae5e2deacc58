"""Causal discovery: from a log to a causal graph."""

from doworld.discover.environments import MechanismChange as MechanismChange
from doworld.discover.environments import changed_mechanisms as changed_mechanisms
from doworld.discover.environments import orient_by_changes as orient_by_changes
from doworld.discover.exchangeable import PairVerdict as PairVerdict
from doworld.discover.exchangeable import exchangeable_pair as exchangeable_pair
from doworld.discover.interventions import Altered as Altered
from doworld.discover.interventions import Interventions as Interventions
from doworld.discover.interventions import Replaced as Replaced
from doworld.discover.invariant_parents import InvariantParents as InvariantParents
from doworld.discover.invariant_parents import invariant_parents as invariant_parents
from doworld.discover.pipeline import discover as discover
from doworld.discover.prepare import unidentified as unidentified
