"""What a row of the rule table is: a condition on what was seen, what it asks for, and why."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from doworld.discover.facts import Facts, Method
from doworld.graph import Choice, Question

__all__ = ["METHODS", "TESTS", "Rule", "by_method"]

_BEST = "the order of the variables that explains the table best, "
_ROWS = "each row stands for itself"

METHODS = {
    Method.LEVERS: (
        "rows in which an action set a level by force are read as experiments",
        "the states have levels, and actions that follow nothing set them",
    ),
    Method.COUNTS: (_BEST + "by tables of counts (BDeu)", _ROWS + " and all variables have levels"),
    Method.SHARED: (
        "the order of the variables along which environments share most mechanisms",
        _ROWS + ", and environments may differ",
    ),
    Method.SMOOTH: (_BEST + "by smooth regressions", _ROWS),
    Method.MIXED: (_BEST + "by linear regressions (BIC) on numbers and indicators", _ROWS),
    Method.LINES: (_BEST + "by linear regressions (BIC)", _ROWS),
    Method.INDEPENDENCE: (
        "links that no set of other variables separates (PC-stable), and colliders",
        "that was asked",
    ),
    Method.GIVEN: ("the method that was given", "that was asked"),
}
"""How edges are looked for, and why, but for logs over time in general."""

_EXACT = ("exact-moment X² within strata of the other causes", "all variables have levels")

TESTS = {
    Method.LEVERS: _EXACT,
    Method.COUNTS: _EXACT,
    Method.SHARED: (
        "likelihood ratio given the target's other parents",
        "mechanisms are shared between environments or not",
    ),
    Method.SMOOTH: (
        "F of smooth regressions given the target's other parents",
        "lines would leave bends",
    ),
    Method.MIXED: (
        "partial correlation (Wilks) given the target's other parents",
        "levels stand beside numbers as indicators",
    ),
    Method.INDEPENDENCE: ("{test}", "that was asked"),
    Method.GIVEN: ("those of the method", "it was given"),
    Method.LINES: (
        "partial correlation given the target's other parents",
        "numbers are explained by straight lines",
    ),
}
"""How an edge is tested, and why, but for logs over time in general."""


@dataclass(frozen=True)
class Rule:
    """One row: if ``holds``, then ``chosen``, because ``why``.

    Attributes:
        question: what it decides.
        holds: the condition.
        chosen, why: in words, with fields of ``Facts`` in braces.
        seen: the facts that it rests on.
    """

    question: Question
    holds: Callable[[Facts], bool]
    chosen: str
    why: str
    seen: tuple[str, ...]

    def apply(self, facts: Facts) -> Choice:
        """The row filled in with what was seen."""
        values = asdict(facts)
        return Choice(
            self.question,
            facts.numbers(self.seen),
            self.chosen.format(**values),
            self.why.format(**values),
        )


def by_method(
    question: Question, words: Mapping[Method, tuple[str, str]], seen: tuple[str, ...] = ()
) -> tuple[Rule, ...]:
    """A row for each method: what is chosen there, and why."""
    return tuple(
        Rule(question, lambda f, method=method: f.method is method, chosen, why, seen)
        for method, (chosen, why) in words.items()
    )
