"""Actual causation: the published verdicts of the standard stories, one by one."""

import time
from argparse import Namespace

from _table import Row
from doworld.infer.actual import actual_causes, check_cause
from doworld.worlds.stories import STORIES, Story


def rows(options: Namespace) -> list[Row]:
    begin = time.process_time()
    wrong, count = [], 0
    for story in STORIES:
        for verdict in story.verdicts:
            count += 1
            if not _agrees(story, verdict):
                wrong.append(f"{story.name}: {dict(verdict.events)}")
    seconds = time.process_time() - begin
    but_for = sum(_but_for(s, v) == v.cause for s in STORIES for v in s.verdicts)
    return [
        Row(
            f"Actual causation: {count} verdicts of {len(STORIES)} standard stories",
            "every one",
            f"{count - len(wrong)} of {count}; {seconds:.1f} s",
            not wrong,
            {"but-for test": f"{but_for} of {count}"},
            note="; ".join(wrong),
        )
    ]


def _agrees(story: Story, verdict) -> bool:
    """Whether the check of the set and the list of all causes both say what was published."""
    check = check_cause(story.model, story.context, verdict.events, verdict.outcome)
    every = actual_causes(story.model, story.context, verdict.outcome)
    listed = any(dict(c.events) == dict(verdict.events) for c in every.causes)
    return check.holds == verdict.cause == listed and not every.truncated


def _but_for(story: Story, verdict) -> bool:
    """The lawyers' test: without the events, all else following, the outcome fails."""
    model = story.model
    other = {n: [v for v in model.ranges[n] if v != x] for n, x in verdict.events.items()}
    done = {n: v[0] for n, v in other.items()}
    world = model.solve(story.context, done)
    return any(world[n] != v for n, v in verdict.outcome.items())
