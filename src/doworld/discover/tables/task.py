"""What is asked of a static table, and what it shows."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from doworld._core.budget import UNLIMITED, Budget
from doworld._core.progress import Progress, Quiet
from doworld.data import Trajectories
from doworld.discover.environments.interventions import Interventions
from doworld.discover.facts import Method
from doworld.graph import Conflict, Edge, Prior, Unidentified

__all__ = ["StaticGraph", "StaticTask"]

QUIET = Quiet()


@dataclass(frozen=True, eq=False)
class StaticTask:
    """A table whose rows are independent units, and what is known and wanted of its graph.

    Attributes:
        log: the table, a log of episodes of one row.
        names: the variables that take part.
        prior: honoured exactly.
        interventions: what is known of what each environment acts on.
        fdr: the expected share of false edges among those found.
        seed: of the search and the resamples.
        budget, progress: asked and told by long loops.
        latent: unobserved common causes: None marks them where the tests demand it, True rules none
            out, False all of them (``doworld.discover.latent.search``).
        place: the context that stands for the environment, where one does.
    """

    log: Trajectories
    names: Sequence[str]
    prior: Prior = field(default_factory=Prior)
    interventions: Interventions | None = None
    fdr: float = 0.01
    seed: int = 0
    budget: Budget = UNLIMITED
    progress: Progress = QUIET
    latent: bool | None = None
    place: str = ""


@dataclass(frozen=True)
class StaticGraph:
    """What a static table shows: edges, doubtful edges, notes, and what it cannot say.

    ``tests``, ``skipped`` and ``cut`` are how many pairs were tested, how many prior knowledge
    rules out, and the p-value up to which a test counts. ``method`` and ``test`` say how the edges
    were found, ``compared`` whether environments were.
    """

    edges: tuple[Edge, ...]
    doubtful: tuple[Edge, ...]
    notes: tuple[str, ...]
    unidentified: tuple[Unidentified, ...]
    conflicts: tuple[Conflict, ...] = ()
    tests: int = 0
    skipped: int = 0
    cut: float = float("nan")
    method: Method = Method.GIVEN
    test: str = ""
    compared: bool = False
