"""What one run of discovery is asked, and what it notes on the way."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from doworld._core.budget import UNLIMITED, Budget
from doworld._core.errors import DoworldWarning
from doworld._core.progress import Progress
from doworld.data import Role, Trajectories
from doworld.discover.copies import (
    nearly_determined,
)
from doworld.discover.facts import Seen
from doworld.discover.prepare import (
    Usable,
)
from doworld.discover.stand_ins import stand_ins
from doworld.discover.time.design import Block
from doworld.graph import CausalGraph, Conflict, Edge, Prior, Reason, Unidentified

__all__ = ["Task"]

SERIOUS = (Reason.EMPTY, Reason.CONSTANT, Reason.DETERMINED)
"""What forbids a question altogether."""


@dataclass(frozen=True, eq=False)
class Task:
    """What is asked, and what was noted on the way."""

    log: Trajectories
    usable: Usable
    prior: Prior
    fdr: float
    seed: int
    progress: Progress
    budget: Budget = UNLIMITED
    latent: bool | None = None
    seen: Seen = field(default_factory=Seen)
    conflicts: list[Conflict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unidentified: list[Unidentified] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that vary."""
        return self.usable.names

    def forbid(self, facts: Iterable[Unidentified]) -> None:
        """Takes down what the data forbid."""
        for fact in facts:
            self.unidentified.append(fact)
            self.notes.append(fact.note)

    def warn(self) -> None:
        """Warns the caller's caller of what more data or fewer columns mend."""
        for fact in self.unidentified:
            given = self.log.schema[fact.variable].role not in (Role.STATE, Role.ACTION)
            if fact.reason in SERIOUS and not (given and fact.reason is Reason.CONSTANT):
                warnings.warn(fact.note, DoworldWarning, stacklevel=3)

    def graph(
        self,
        kept: list[Edge],
        doubtful: list[Edge],
        max_lag: int,
        blocks: Sequence[Block] = (),
    ) -> CausalGraph:
        """The graph of these edges, with all that was noted; near repetitions are doubtful too."""
        said = [f.variable for f in self.unidentified]
        near = nearly_determined(self.log, self.names, said)
        self.unidentified.extend(near)
        self.notes.extend(f.note for f in near)
        known = {(e.source, e.target, e.lag) for e in doubtful}
        more = stand_ins(blocks, kept, near, self.prior, self.seen.cut)
        doubtful = doubtful + [e for e in more if (e.source, e.target, e.lag) not in known]
        return CausalGraph(
            self.log.schema.names,
            tuple(kept),
            tuple(doubtful),
            max_lag,
            tuple(self.notes),
            tuple(self.unidentified),
            conflicts=tuple(self.conflicts),
            roles=tuple(v.role.value for v in self.log.schema.variables),
        )
