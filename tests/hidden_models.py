"""Random models with explicit unobserved causes, whose every quantity can be summed exactly."""

from itertools import product

import numpy as np

from doworld.infer.bounding import Counts, Decision, Diagram, Expression, Potential


class HiddenModel:
    """Variables as random functions of their causes, shared hidden causes and own noise."""

    def __init__(self, diagram: Diagram, levels: dict[str, int], *, seed: int, sizes: int = 3):
        rng = np.random.default_rng(seed)
        self.diagram, self.levels = diagram, levels
        self.sources = [(*pair,) for pair in diagram.hidden] + [(n,) for n in diagram.names]
        self.chance = [rng.dirichlet(np.ones(sizes) * 0.7) for _ in self.sources]
        self.tables = {}
        for name in diagram.names:
            causes = [levels[p] for p in diagram.parents(name)]
            own = [sizes for s in self.sources if name in s]
            self.tables[name] = rng.integers(levels[name], size=(*causes, *own))
        self.units = list(product(*(range(sizes) for _ in self.sources)))
        self.weights = [
            float(np.prod([c[k] for c, k in zip(self.chance, u, strict=True)])) for u in self.units
        ]

    def value(self, potential: Potential, unit) -> int:
        name, under = potential.variable, potential.under
        if name in under:
            done = under[name]
            if isinstance(done, Potential):
                return self.value(done, unit)
            if isinstance(done, Decision):
                key = tuple(self.value(Potential(n, under), unit) for n in done.seen)
                return int(done.table[key])
            return int(done)
        causes = [self.value(Potential(p, under), unit) for p in self.diagram.parents(name)]
        own = [k for s, k in zip(self.sources, unit, strict=True) if name in s]
        return int(self.tables[name][(*causes, *own)])

    def counts(self, names=None, done=None, scale: float = 1e6) -> Counts:
        names = tuple(names or self.diagram.names)
        table = np.zeros([self.levels[n] for n in names])
        for unit, weight in zip(self.units, self.weights, strict=True):
            table[tuple(self.value(Potential(n, done or {}), unit) for n in names)] += weight
        return Counts(names, table * scale)

    def truth(self, expression: Expression) -> float:
        above = below = 0.0
        for unit, weight in zip(self.units, self.weights, strict=True):
            if all(self.value(e.potential, unit) == e.level for e in expression.given):
                below += weight
                for term in expression.terms:
                    if all(self.value(e.potential, unit) == e.level for e in term.events):
                        above += weight * term.coefficient
        return above / below if below else float("nan")
