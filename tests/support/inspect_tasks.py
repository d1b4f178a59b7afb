"""Tasks of Inspect AI, run with its mock model; a script that writes their logs into the folder it is given."""

from __future__ import annotations

import sys

from inspect_ai import Task, task
from inspect_ai import eval as evaluate
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import (
    ChatMessageSystem,
    ChatMessageUser,
    ContentImage,
    ContentText,
    ModelOutput,
    ModelUsage,
    get_model,
)
from inspect_ai.scorer import Score, includes, match, mean, scorer
from inspect_ai.solver import generate, solver, use_tools
from inspect_ai.tool import tool


@scorer(metrics=[mean()])
def length():
    """Score how long the answer is."""

    async def score(state, target):
        return Score(value=len(state.output.completion))

    return score


@scorer(metrics={"*": [mean()]})
def style():
    """Score several things at once, in every kind of value."""

    async def score(state, target):
        return Score(value={"kind": 1, "grade": "P", "warm": True, "note": "good", "nothing": None})

    return score


@solver
def fails_on(text):
    """Fail where the input holds a text."""

    async def solve(state, generate):
        if text in state.input_text:
            raise ValueError("broken sample")
        return state

    return solve


@tool
def add():
    """Offer a tool that adds."""

    async def execute(x: int, y: int):
        """Add two numbers.

        Args:
            x: First.
            y: Second.
        """
        return x + y

    return execute


@task
def capitals(level: str = "easy"):
    """Two questions with one scorer."""
    samples = [Sample(input="France?", target="Paris"), Sample(input="Italy?", target="Rome", id="italy")]
    return Task(
        dataset=MemoryDataset(samples, name="capitals", location="capitals.csv"),
        solver=generate(),
        scorer=match(),
        version=3,
    )


@task
def adding():
    """A chat with a picture, a tool and three scorers."""
    picture = ContentImage(image="data:image/png;base64,AA==")
    question = [ContentText(text="1 + 2?"), ContentText(text="Quick!"), picture]
    sample = Sample(
        input=[ChatMessageSystem(content="You add."), ChatMessageUser(content=question)], target=["3", "three"]
    )
    return Task(dataset=[sample], solver=[use_tools(add()), generate()], scorer=[includes(), length(), style()])


@task
def failing():
    """Two samples, of which one fails."""
    samples = [Sample(input="fine", target="x", id=1), Sample(input="bad", target="x", id=2)]
    return Task(dataset=samples, solver=[fails_on("bad"), generate()], scorer=match())


def said(*outputs):
    """Return a model that gives these outputs, and says how many tokens they took."""
    waiting = iter(outputs)

    def answer(input, tools, tool_choice, config):
        output = next(waiting)
        output.usage = ModelUsage(input_tokens=7, output_tokens=3, total_tokens=12, input_tokens_cache_read=2)
        return output

    return get_model("mockllm/model", custom_outputs=answer, memoize=False)


def text(content):
    """Return an output of this text."""
    return ModelOutput.from_content("mockllm/model", content)


def run(form, name, made, model, **options):
    """Run a task, and keep its log in its own folder."""
    folder = f"{sys.argv[1]}/{name}/{form}"
    evaluate(made, model=model, log_dir=folder, log_format=form, display="none", max_samples=1, **options)


if __name__ == "__main__":
    for form in ("eval", "json"):
        calling = ModelOutput.for_tool_call("mockllm/model", "add", {"x": 1, "y": 2})
        answers = map(text, ("Paris", "Milan", "Paris", "Rome"))
        run(form, "capitals", capitals(), said(*answers), epochs=2, temperature=0.5)
        run(form, "adding", adding(), said(calling, text("It is 3.")))
        run(form, "failing", failing(), said(text("x")), fail_on_error=False)
        run(form, "broken", failing(), said(text("x")))
