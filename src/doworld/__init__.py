"""doworld learns a causal world model from a log and answers questions about it.

    log   = dw.read("runs/", state=["T1"], action=["heater"])
    model = dw.learn(log)
    print(dw.ask(model, dw.Do(given=log[0], interventions=[dw.Set("heater", 60)], horizon=300)))

Every name is loaded on first use: the command line's help costs nothing, and reading a log never
pays for JAX.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doworld._core.errors import DoworldError as DoworldError
    from doworld._core.errors import DoworldWarning as DoworldWarning
    from doworld.data import Episode as Episode
    from doworld.data import Kind as Kind
    from doworld.data import Policy as Policy
    from doworld.data import Role as Role
    from doworld.data import Schema as Schema
    from doworld.data import Trajectories as Trajectories
    from doworld.data import Variable as Variable
    from doworld.data.files import read as read
    from doworld.discover import PC as PC
    from doworld.discover import Altered as Altered
    from doworld.discover import BestOrder as BestOrder
    from doworld.discover import Interventions as Interventions
    from doworld.discover import Replaced as Replaced
    from doworld.discover import acted_on as acted_on
    from doworld.discover import detect_changes as detect_changes
    from doworld.discover import discover as discover
    from doworld.discover import localise_change as localise_change
    from doworld.graph import CausalGraph as CausalGraph
    from doworld.graph import Chance as Chance
    from doworld.graph import Edge as Edge
    from doworld.graph import Mark as Mark
    from doworld.graph import Prior as Prior
    from doworld.graph.falsify import falsify as falsify
    from doworld.infer import evaluate as evaluate
    from doworld.infer.actual import Defaults as Defaults
    from doworld.infer.actual import actual_causes as actual_causes
    from doworld.infer.actual import blame_of as blame_of
    from doworld.infer.actual import check_cause as check_cause
    from doworld.infer.root_cause import attribute_anomaly as attribute_anomaly
    from doworld.infer.root_cause import attribute_drift as attribute_drift
    from doworld.mechanisms import Known as Known
    from doworld.model.finite import FiniteModel as FiniteModel
    from doworld.model.finite import Rule as Rule
    from doworld.model.learn import Settings as Settings
    from doworld.model.store import load as load
    from doworld.model.world import WorldModel as WorldModel
    from doworld.plan import controller as controller
    from doworld.query import CEM as CEM
    from doworld.query import ICEM as ICEM
    from doworld.query import MPPI as MPPI
    from doworld.query import Alter as Alter
    from doworld.query import Answer as Answer
    from doworld.query import Blame as Blame
    from doworld.query import Case as Case
    from doworld.query import Counterfactual as Counterfactual
    from doworld.query import Cut as Cut
    from doworld.query import Do as Do
    from doworld.query import Effect as Effect
    from doworld.query import Enumerate as Enumerate
    from doworld.query import Feedback as Feedback
    from doworld.query import Follow as Follow
    from doworld.query import Goal as Goal
    from doworld.query import Imagine as Imagine
    from doworld.query import Link as Link
    from doworld.query import Plan as Plan
    from doworld.query import PolicyValue as PolicyValue
    from doworld.query import Predict as Predict
    from doworld.query import Replace as Replace
    from doworld.query import Rules as Rules
    from doworld.query import Scale as Scale
    from doworld.query import Set as Set
    from doworld.query import Shift as Shift
    from doworld.query import Status as Status
    from doworld.query import Swap as Swap
    from doworld.query import Turn as Turn
    from doworld.session.ask import ask as ask
    from doworld.session.effect import effect_of as effect_of
    from doworld.session.learn import learn as learn

_HOMES = {
    "doworld._core.errors": "DoworldError DoworldWarning",
    "doworld.data": "Episode Kind Policy Role Schema Trajectories Variable",
    "doworld.data.files": "read",
    "doworld.discover": "Altered BestOrder Interventions PC Replaced acted_on detect_changes "
    "discover localise_change",
    "doworld.graph": "CausalGraph Chance Edge Mark Prior",
    "doworld.graph.falsify": "falsify",
    "doworld.infer": "evaluate",
    "doworld.infer.actual": "Defaults actual_causes blame_of check_cause",
    "doworld.infer.root_cause": "attribute_anomaly attribute_drift",
    "doworld.mechanisms": "Known",
    "doworld.model.finite": "FiniteModel Rule",
    "doworld.model.learn": "Settings",
    "doworld.model.store": "load",
    "doworld.model.world": "WorldModel",
    "doworld.plan": "controller",
    "doworld.query": "CEM ICEM MPPI Alter Answer Blame Case Counterfactual Cut Do Effect Enumerate "
    "Feedback Follow Goal Imagine Link Plan PolicyValue Predict Replace Rules Scale Set Shift "
    "Status Swap Turn",
    "doworld.session.ask": "ask",
    "doworld.session.effect": "effect_of",
    "doworld.session.learn": "learn",
}
_LATER = {name: home for home, names in _HOMES.items() for name in names.split()}


class _Face(ModuleType):
    def __setattr__(self, name: str, value: object) -> None:
        # importing the package doworld.discover must not hide the function dw.discover
        if not (name in _LATER and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'doworld' has no attribute {name!r}")
    value = getattr(import_module(_LATER[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
