"""Local causal functions: families of mechanisms, each evaluated for all its variables at once."""

from doworld.mechanisms.altered import AlteredBank as AlteredBank
from doworld.mechanisms.altered import AlteredLevels as AlteredLevels
from doworld.mechanisms.altered import plain as plain
from doworld.mechanisms.bank import AbstractBank as AbstractBank
from doworld.mechanisms.bank import InvertibleBank as InvertibleBank
from doworld.mechanisms.bank import StochasticBank as StochasticBank
from doworld.mechanisms.bank import ensemble as ensemble
from doworld.mechanisms.bank import renewed as renewed
from doworld.mechanisms.categorical import CategoricalBank as CategoricalBank
from doworld.mechanisms.coding import Coding as Coding
from doworld.mechanisms.known import Known as Known
from doworld.mechanisms.known import KnownBank as KnownBank
from doworld.mechanisms.law import LawBank as LawBank
from doworld.mechanisms.linear import LinearBank as LinearBank
from doworld.mechanisms.monolith import MonolithBank as MonolithBank
from doworld.mechanisms.neural import NeuralBank as NeuralBank
from doworld.mechanisms.polynomial import PolynomialBank as PolynomialBank
from doworld.mechanisms.weighted import WeightedBank as WeightedBank
