"""Evaluate two patterns that look for a date in a sentence; store every answer and its score, and compare.

Run ``python evaluate.py``, then look: ``datapkg --database sqlite:///dates.db evaluation runs``.
"""

from __future__ import annotations

import re
import sys

import datapkg
from datapkg import evaluation

EXPECTED = {"Born on 2001-02-03.": "2001-02-03", "Part 2001-99-99 is sold out.": "", "Due 2024-12-31!": "2024-12-31"}
PATTERNS = {"any digits": r"\d{4}-\d\d-\d\d", "real months": r"\d{4}-(0\d|1[0-2])-[0-3]\d"}

datapkg.connect(sys.argv[1] if len(sys.argv) > 1 else "sqlite:///dates.db", migrate=True)
asked = {"preamble": "Find the date.", "template": "{text}", "dimensions": [{"name": "text", "values": [*EXPECTED]}]}
definition = evaluation.create_definition("Find the date", content=asked)
scenarios = evaluation.generate_scenarios(definition.id)
runs = []
for pattern in PATTERNS.values():
    run = evaluation.create_run(definition.id, config={"models": ["re"]})
    evaluation.update_run_status(run.id, status="RUNNING")
    for scenario in scenarios:
        text = scenario.content["values"]["text"]
        answer = "".join(match[0] for match in re.finditer(pattern, text))
        turns = [{"role": "user", "content": text}, {"role": "assistant", "content": answer or "(no date)"}]
        scores = {"accuracy": float(answer == EXPECTED[text])}
        evaluation.create_transcript(run.id, scenario_id=scenario.id, model="re", content=turns, metrics=scores)
        evaluation.increment_run_progress(run.id, completed=1)
    runs.append(evaluation.update_run_status(run.id, status="COMPLETED"))
made = evaluation.compare_runs(runs[0].id, runs[1].id, metric="accuracy")
for name in ("baseline_mean", "comparison_mean", "mean_difference", "standard_error"):
    print(f"{name:16}{made.delta[name]:6.2f}")
