"""Unobserved common causes in logs over time: which links their movers deny or share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from doworld._core.progress import Quiet
from doworld.data import Policy, Role, Schema
from doworld.discover.latent.instruments import Instruments, Link, Verdict, Word
from doworld.discover.latent.marks import confounded
from doworld.discover.latent.search import OPEN
from doworld.discover.numerics.heldout import NOISE_FREE
from doworld.discover.time.assess import Assessment, assess
from doworld.discover.time.design import Block
from doworld.graph import Edge, Evidence, Mark, Prior, Reason, Unidentified

__all__ = ["Shared", "linear_targets", "shared_lags", "shared_rows", "unassumed", "without"]

TEST = "instruments: {}"
MOVED = {Word.FOLLOWS, Word.SHARED}


@dataclass(frozen=True)
class Shared:
    """What movers say of a set of links.

    Attributes:
        edges: with marks of unobserved causes, to stand beside or instead of the directed ones.
        marks: new marks of edges that stay, by (source, target, lag): the edge as it now is.
        denied: links that are no edges from source to target.
        artefacts: (mover, target, lag): found only because a cause was given that both moves.
        verdicts: of every link that was tested.
        loops: pairs each of which follows where the other is moved.
    """

    edges: tuple[Edge, ...] = ()
    marks: tuple[tuple[Link, Edge], ...] = ()
    denied: frozenset[Link] = frozenset()
    artefacts: frozenset[Link] = frozenset()
    verdicts: tuple[Verdict, ...] = ()
    loops: tuple[tuple[str, str], ...] = ()

    def apply(self, edges: Iterable[Edge]) -> list[Edge]:
        """The edges without what is denied, with the new marks, and the new ones."""
        known = dict(self.marks)
        kept = [e for e in edges if (e.source, e.target, e.lag) not in self.denied]
        return [known.get((e.source, e.target, e.lag), e) for e in kept] + list(self.edges)

    @property
    def facts(self) -> list[Unidentified]:
        """What unobserved causes forbid."""
        shared = [confounded(e) for e in self.edges if e.mark is Mark.BIDIRECTED]
        return shared + [
            Unidentified(
                a,
                Reason.FEEDBACK,
                f"{a} and {b} act on each other within a row: {b} follows where only {a} is moved, "
                f"and {a} where only {b} is. No graph without cycles fits; their edge is "
                "open. Log them more often, so that causes come in earlier rows.",
                (b,),
            )
            for a, b in self.loops
        ]


def shared_rows(
    movers: Instruments, edges: Sequence[Edge], schema: Schema, prior: Prior, *, rate: float
) -> Shared:
    """Decides every edge within the row by movers of both its ends.

    Neither end follows the other: ``<->``. One follows, but otherwise than the regression has it:
    the edge and ``<->`` beside it. Each follows movers of the other: ``o-o`` and a cycle. Where
    effects that cancel by chance explain it too, with a chance of more than ``rate`` but no more
    than ``OPEN``, the edge is ``o->`` or ``o-o``.
    """
    verdicts: dict[Link, Verdict] = {}
    below = _below(edges)
    nodes = [n for n in movers.columns if schema[n].role is Role.STATE]
    for e in edges:
        ends = {e.source, e.target}
        given = [n for n in nodes if n not in ends and below.get(n, set()).isdisjoint(ends)]
        for one, other in ((e.source, e.target), (e.target, e.source)):
            verdicts[one, other, 0] = movers.verdict((one, other, 0), given)
    said = _Said([], [], set(), set(), [])
    for e in edges:
        if not prior.requires(e.source, e.target, 0):
            there, back = verdicts[e.source, e.target, 0], verdicts[e.target, e.source, 0]
            _decide(said, e, there, back, schema, rate=rate)
    shared = Shared(
        tuple(said.new),
        tuple(said.marks),
        frozenset(said.denied),
        frozenset(said.artefacts),
        tuple(verdicts.values()),
        tuple(said.loops),
    )
    return _near(shared, edges, verdicts)


@dataclass(frozen=True)
class _Said:
    """What becomes a ``Shared``, edge by edge."""

    new: list[Edge]
    marks: list[tuple[Link, Edge]]
    denied: set[Link]
    artefacts: set[Link]
    loops: list[tuple[str, str]]


def _decide(
    said: _Said, edge: Edge, there: Verdict, back: Verdict, schema: Schema, *, rate: float
) -> None:
    """Takes down what the verdicts on both directions of an edge within the row mean."""
    source, target = edge.source, edge.target
    key, both = (source, target, 0), (there, back)
    if there.word is back.word is Word.STILL:
        chance = min(1.0, there.chance + back.chance)
        if chance <= rate:
            first, last = sorted((source, target), key=schema.position)
            said.denied.add(key)
            said.new.append(_said(edge, first, last, Mark.BIDIRECTED, both, ""))
        elif chance <= OPEN:
            mark = Mark.PARTIAL if edge.mark is Mark.DIRECTED else Mark.CIRCLE
            said.marks.append((key, _said(edge, source, target, mark, both, _chance(chance))))
    elif _loop(there, back) and there.chance + back.chance <= rate:
        said.loops.append((source, target))
        said.marks.append((key, _said(edge, source, target, Mark.CIRCLE, both, "a cycle")))
        said.artefacts.update((n, w.link[1], k) for w in both for n, k in w.movers)
    elif there.word is Word.SHARED and back.word is Word.STILL and there.chance <= rate:
        if edge.mark is not Mark.DIRECTED:
            said.marks.append((key, replace(edge, mark=Mark.DIRECTED)))
        said.new.append(_said(edge, target, source, Mark.BIDIRECTED, (there,), ""))
        said.artefacts.update((n, target, lag) for n, lag in there.movers)


def _loop(there: Verdict, back: Verdict) -> bool:
    """Whether each end follows movers of its own; movers of one end move what follows it too."""
    both = {there.word, back.word} <= MOVED
    return both and set(there.movers).isdisjoint(back.movers)


def _below(edges: Iterable[Edge]) -> dict[str, set[str]]:
    """Of each variable, what may act on it within the row; open edges may point either way."""
    above: dict[str, set[str]] = {}
    for e in edges:
        if e.lag == 0:
            above.setdefault(e.target, set()).add(e.source)
            if e.mark is not Mark.DIRECTED:
                above.setdefault(e.source, set()).add(e.target)
    grown = True
    while grown:
        grown = False
        for own in above.values():
            more = set().union(*(above.get(n, set()) for n in own)) - own
            grown |= bool(more)
            own.update(more)
    return above


def _near(shared: Shared, edges: Sequence[Edge], verdicts: dict[Link, Verdict]) -> Shared:
    """Directed edges at the ends of ``<->`` that no mover confirms lose their tails."""
    ends = {n for e in shared.edges for n in (e.source, e.target)}
    taken = {link for link, _ in shared.marks} | shared.denied
    marks = list(shared.marks)
    for e in edges:
        key = (e.source, e.target, e.lag)
        sure = verdicts[key].word in (Word.FOLLOWS, Word.SHARED)
        if e.mark is not Mark.DIRECTED or key in taken or sure or e.target not in ends:
            continue
        text = "its direction rests on there being no unobserved cause, which is refuted here"
        marks.append((key, _said(e, e.source, e.target, Mark.PARTIAL, (verdicts[key],), text)))
    return replace(shared, marks=tuple(marks))


def shared_lags(
    movers: Instruments, edges: Sequence[Edge], schema: Schema, prior: Prior, *, rate: float
) -> Shared:
    """Decides links to later rows: an effect that does not follow shares a cause instead.

    An earlier row cannot be an effect, so one end is enough. All lags of a cause stand or fall
    together: none is denied where the effect follows at another.
    """
    below = _below(edges)
    nodes = [n for n in movers.columns if schema[n].role is Role.STATE]
    pairs: dict[tuple[str, str], list[Edge]] = {}
    for e in edges:
        free = schema[e.source].role is Role.STATE and schema[e.target].role is Role.STATE
        if e.lag and e.source != e.target and free and e.mark is Mark.DIRECTED:
            pairs.setdefault((e.source, e.target), []).append(e)
    new: list[Edge] = []
    marks: list[tuple[Link, Edge]] = []
    denied: set[Link] = set()
    said: list[Verdict] = []
    for (cause, effect), own in pairs.items():
        given = [n for n in nodes if n != cause and cause not in below.get(n, set())]
        found = [movers.verdict((cause, effect, e.lag), given) for e in own]
        said += found
        if any(v.word not in (Word.STILL, Word.UNTESTED) for v in found):
            continue
        for e, v in zip(own, found, strict=True):
            if v.word is not Word.STILL or prior.requires(cause, effect, e.lag):
                continue
            key = (cause, effect, e.lag)
            if v.chance <= rate:
                denied.add(key)
                new.append(_said(e, cause, effect, Mark.BIDIRECTED, (v,), ""))
            elif v.chance <= OPEN:
                text = _chance(v.chance)
                marks.append((key, _said(e, cause, effect, Mark.PARTIAL, (v,), text)))
    return Shared(tuple(new), tuple(marks), frozenset(denied), frozenset(), tuple(said))


def linear_targets(blocks: Iterable[tuple[Block, Assessment]]) -> list[str]:
    """The targets that have noise and answer linearly, so that their links can be tested."""
    return [
        target.name
        for block, found in blocks
        for k, target in enumerate(block.targets)
        if found.linear[k] and found.unexplained[k] > NOISE_FREE
    ]


def unassumed(
    edges: Iterable[Edge], verdicts: Iterable[Verdict], schema: Schema, prior: Prior
) -> list[Edge]:
    """The edges where no unobserved cause is ruled out: a tail only where the effect follows.

    What is randomised or required keeps its tail; an arrowhead within a row stays where the effect
    was seen not to move the cause.
    """
    words = {v.link: v.word for v in verdicts}
    randomised = schema.policy is Policy.RANDOMISED
    out = []
    for e in edges:
        given = schema[e.source].role is Role.ACTION and randomised
        moved = words.get((e.source, e.target, e.lag)) in MOVED
        kept = e.mark not in (Mark.DIRECTED, Mark.UNDIRECTED) or e.source == e.target
        if given or moved or kept or prior.requires(e.source, e.target, e.lag):
            out.append(e)
            continue
        head = e.lag > 0 or words.get((e.target, e.source, 0)) is Word.STILL
        mark = Mark.PARTIAL if head else Mark.CIRCLE
        text = "an unobserved common cause is not ruled out here"
        proof = e.evidence and replace(e.evidence, note=text)
        out.append(replace(e, mark=mark, evidence=proof))
    return out


def _chance(chance: float) -> str:
    return f"or else effects cancel by chance (about {chance:.0%})"


def _said(
    edge: Edge, source: str, target: str, mark: Mark, why: Sequence[Verdict], text: str
) -> Edge:
    """The edge with a new mark and the reason in its evidence."""
    note = "; ".join([*(v.reason for v in why), *([text] if text else [])])
    clear = max(why, key=lambda v: v.p_value)
    old = edge.evidence
    proof = Evidence(
        TEST.format(old.test if old else ""),
        old.statistic if old else float("nan"),
        clear.p_value if mark is Mark.BIDIRECTED else (old.p_value if old else float("nan")),
        clear.rows,
        note,
    )
    return replace(edge, source=source, target=target, mark=mark, evidence=proof)


def without(block: Block, found: Assessment, links: Iterable[Link]) -> Block:
    """Tests targets anew without supposed causes that are none, and writes what is found.

    Returns the block in which these are not allowed.
    """
    allowed = block.allowed.copy()
    drop: dict[int, list[int]] = {}
    at = {(c.name, c.lag): i for i, c in enumerate(block.candidates)}
    goal = {t.name: k for k, t in enumerate(block.targets)}
    for source, target, lag in links:
        if (source, lag) in at and target in goal:
            drop.setdefault(goal[target], []).append(at[source, lag])
    for t, gone in drop.items():
        alone = block.for_target(t, block.inputs, block.candidates)
        allowed[gone, t] = False
        only = replace(alone, allowed=allowed[:, [t]])
        again = assess(only, np.zeros((len(allowed), 1), bool), Quiet().task("", 1)).tests
        for name in ("score", "statistic", "p_value", "gain", "least_gain", "effect"):
            getattr(found.tests, name)[:, t] = getattr(again, name)[:, 0]
        if found.tests.influence.size and again.influence.size:
            found.tests.influence[:, :, t] = again.influence[:, :, 0]
        found.tests.test[t] = again.test[0]
    return replace(block, allowed=allowed)
