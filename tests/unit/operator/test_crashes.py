"""The operator may end after any write that it makes: the next one goes on, and comes to the same end.

The writes are not listed here. Each story is told once undisturbed, and then once for each write that this took.
"""

import copy
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from tests.unit.operator.cluster_model import ClusterModel
from tests.unit.operator.stories import STORIES, Step, Story, hold


class Chapter(NamedTuple):
    """A step of a story that was not disturbed: the cluster before it and after it."""

    step: Step
    before: ClusterModel
    after: ClusterModel


def chapters(story: Story) -> list[Chapter]:
    told, model = [], ClusterModel()
    for step in story:
        before = copy.deepcopy(model)
        step(model)
        told.append(Chapter(step, before, copy.deepcopy(model)))
    return told


def ended_after(write: int, story: list[Chapter]) -> None:
    """The story from the first of those chapters on, in which the operator ends after so many writes.

    It is there again at once, or half a minute later. The story is told on to its end, or until nothing is any
    different from what it was undisturbed.
    """
    model = copy.deepcopy(story[0].before)
    model.crash_after, model.restart = model.writes + write, timedelta(seconds=30 * (write % 2))
    for step, _, undisturbed in story:
        step(model)
        hold(model)
        same: dict[str, Any] = undisturbed.picture()
        assert model.picture() == same, f"after write {write}"
        if model.state() == undisturbed.state():
            return


@pytest.mark.parametrize("name", STORIES)
def test_an_operator_that_ends_after_any_single_write_comes_to_the_same_end(name: str) -> None:
    story = chapters(STORIES[name])
    assert story[-1].after.writes > 10
    for number, chapter in enumerate(story):
        for write in range(chapter.after.writes - chapter.before.writes):
            ended_after(write, story[number:])
