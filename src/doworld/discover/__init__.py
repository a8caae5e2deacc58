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
from doworld.discover.localise import EntityShift as EntityShift
from doworld.discover.localise import Localised as Localised
from doworld.discover.localise import MechanismShift as MechanismShift
from doworld.discover.localise import localise_change as localise_change
from doworld.discover.monitor import Alarm as Alarm
from doworld.discover.monitor import Watched as Watched
from doworld.discover.monitor import detect_changes as detect_changes
from doworld.discover.pipeline import discover as discover
from doworld.discover.prepare import unidentified as unidentified
from doworld.discover.targets import ActedOn as ActedOn
from doworld.discover.targets import acted_on as acted_on
from doworld.discover.targets import as_interventions as as_interventions
