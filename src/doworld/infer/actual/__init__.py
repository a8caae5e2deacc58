"""Actual causation: which events of one situation made its outcome happen."""

from doworld.infer.actual.ask import actual_causes as actual_causes
from doworld.infer.actual.ask import blame_of as blame_of
from doworld.infer.actual.ask import check_cause as check_cause
from doworld.infer.actual.normality import Defaults as Defaults
from doworld.infer.actual.result import ActualCause as ActualCause
from doworld.infer.actual.result import ActualCauses as ActualCauses
from doworld.infer.actual.result import Blameworthiness as Blameworthiness
from doworld.infer.actual.result import CauseCheck as CauseCheck
from doworld.infer.actual.result import Witness as Witness
from doworld.model.finite import FiniteModel as FiniteModel
from doworld.model.finite import Rule as Rule
