"""What a row of the rule table is: a condition on what was seen, what it asks for, and why."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from doworld.discover.facts import Facts, Method
from doworld.graph import Choice, Question

__all__ = ["Rule", "by_method"]


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
