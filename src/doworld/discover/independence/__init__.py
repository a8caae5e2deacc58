"""Tests of conditional independence: one protocol, one test a file."""

from doworld.discover.independence.columns import Columns as Columns
from doworld.discover.independence.conditional_information import (
    ConditionalInformation as ConditionalInformation,
)
from doworld.discover.independence.kernel_test import KernelTest as KernelTest
from doworld.discover.independence.kernels import Circuit as Circuit
from doworld.discover.independence.kernels import Gaussian as Gaussian
from doworld.discover.independence.kernels import Kernel as Kernel
from doworld.discover.independence.levels import Levels as Levels
from doworld.discover.independence.likelihood_ratio import LikelihoodRatio as LikelihoodRatio
from doworld.discover.independence.partial import PartialCorrelation as PartialCorrelation
from doworld.discover.independence.random_features import RandomFeatures as RandomFeatures
from doworld.discover.independence.regressions import Regressions as Regressions
from doworld.discover.independence.verdict import IndependenceTest as IndependenceTest
from doworld.discover.independence.verdict import TableTest as TableTest
from doworld.discover.independence.verdict import Verdict as Verdict
