"""Workers as real processes on one queue: some are killed with kill -9, some stall past their lease."""

from __future__ import annotations

import json
import random
import signal
import time
from collections import Counter
from pathlib import Path

import nursery

from datapkg import workqueue
from datapkg.kit.database import current

WORKER = """
import datetime as dt, json, random, sys, time
from datapkg import workqueue
from datapkg.errors import LeaseLostError
from datapkg.kit import database

url, name, folder, lease, stall_every, effort = sys.argv[1:4] + [float(each) for each in sys.argv[4:7]]
database.bind(url, busy_timeout=60.0, retries=30)
log = open(f"{folder}/{name}.log", "a", buffering=1)
span, claims = dt.timedelta(seconds=lease), 0
while True:
    feature = workqueue.claim_next(name, lease=span)
    if feature is None:
        if not database.current().fetch("SELECT 1 FROM feature_queue WHERE status <> 'COMPLETED' LIMIT 1", ()):
            break
        time.sleep(0.02)
        continue
    claims += 1
    stalled = stall_every and claims % stall_every == 0
    time.sleep(lease * 1.5 if stalled else random.uniform(0, effort))
    try:
        workqueue.complete(feature, claim_token=feature.claim_token, result_data=name)
        said = "completed"
    except LeaseLostError:
        said = "lost"
    log.write(json.dumps([said, feature.feature_number, feature.attempt, bool(stalled)]) + "\\n")
"""

# An independent witness: what is claimed before its dependencies are completed is noted by the database itself.
_EARLY = """EXISTS (SELECT 1 FROM feature_dependencies e LEFT JOIN feature_queue d ON d.id = e.depends_on_id
 WHERE e.feature_id = NEW.id AND (d.status IS NULL OR d.status <> 'COMPLETED'))"""
WITNESS = {
    "sqlite": [
        "CREATE TABLE early (number INTEGER)",
        "CREATE TRIGGER witness AFTER UPDATE OF status ON feature_queue "
        f"WHEN NEW.status IN ('IN_PROGRESS', 'COMPLETED') AND {_EARLY} "
        "BEGIN INSERT INTO early VALUES (NEW.feature_number); END",
    ],
    "postgresql": [
        "CREATE TABLE early (number INTEGER)",
        "CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NEW.status IN ('IN_PROGRESS', 'COMPLETED') AND {_EARLY} "
        "THEN INSERT INTO early VALUES (NEW.feature_number); END IF; RETURN NULL; END $$",
        "CREATE TRIGGER witness AFTER UPDATE OF status ON feature_queue FOR EACH ROW EXECUTE FUNCTION witness()",
    ],
}


def fill(count, seed=7):
    """Enqueue features, each waiting for two earlier ones; return how many dependencies that makes."""
    choose = random.Random(seed)
    rows = []
    for number in range(1, count + 1):
        near = range(max(1, number - 300), max(1, number - 15))
        rows.append(
            {
                "name": f"feature {number}",
                "category": choose.choice(["backend", "frontend"]),
                "test_steps": "",
                "priority": choose.choice(["HIGH", "MEDIUM", "LOW"]),
                "feature_number": number,
                "depends_on_ids": sorted(choose.sample(near, min(len(near), 2 + number % 2))),
                "max_attempts": 1000,
            }
        )
    choose.shuffle(rows)
    workqueue.enqueue_many(rows)
    for statement in WITNESS[current().dialect.name]:
        current().execute_sql(statement)
    return sum(len(row["depends_on_ids"]) for row in rows)


def _holds_a_claim(name: str) -> bool:
    database = current()
    claims = f"SELECT 1 FROM feature_queue WHERE status = 'IN_PROGRESS' AND claimed_by = {database.dialect.param}"
    return bool(database.fetch(claims, (name,)))


def run(url: str, folder: Path, *, lease: float, kills: int, stall_every: int, effort: float) -> None:
    """Let eight workers empty the queue; two of them stall now and then, others are killed and replaced."""
    choose = random.Random(7)
    names = iter(f"worker-{number}" for number in range(1000))

    def start(stalls: bool) -> tuple[str, nursery.Process]:
        stall = stall_every if stalls else 0
        name = next(names)
        arguments = [url, name, str(folder), str(lease), str(stall), str(effort)]
        return name, nursery.start_python(WORKER, *arguments)

    workers = [start(stalls=number < 2) for number in range(8)]
    try:
        while any(worker.poll() is None for _, worker in workers):
            time.sleep(choose.uniform(0.1, 0.3))
            busy = [
                at
                for at, (name, worker) in enumerate(workers)
                if at >= 2 and worker.poll() is None and (folder / f"{name}.log").exists()
            ]
            if kills and busy:
                at = choose.choice(busy)
                name, worker = workers[at]
                # Held still, so that what it is killed with in its hands is known: a claim.
                worker.send_signal(signal.SIGSTOP)
                time.sleep(0.02)
                if not _holds_a_claim(name):
                    worker.send_signal(signal.SIGCONT)
                    continue
                worker.send_signal(signal.SIGKILL)
                worker.wait()
                workers[at] = start(stalls=False)
                kills -= 1
    finally:
        for _, worker in workers:
            if worker.poll() is None:
                worker.kill()
            worker.wait()
    assert [worker.returncode for _, worker in workers] == [0] * 8
    assert kills == 0, "the queue was empty before all the killing was done"


def verify(folder: Path, count: int) -> Counter[str]:
    """Check the history and the workers' own logs against each other; return how often what happened."""
    database = current()
    assert database.fetch("SELECT number FROM early", ()) == []
    assert not workqueue.verify_counts()
    assert workqueue.stats().by_status["COMPLETED"] == count
    rows = database.fetch(
        "SELECT feature_number, from_status, to_status, attempt, note, actor FROM feature_transitions ORDER BY id", ()
    )
    completed = Counter(row[0] for row in rows if row[2] == "COMPLETED")
    assert completed == dict.fromkeys(range(1, count + 1), 1), "each feature exactly once"
    claimed = Counter((row[0], row[3]) for row in rows if row[2] == "IN_PROGRESS")
    assert set(claimed.values()) == {1}, "one claim an attempt"
    taken_away = {(row[0], row[3]) for row in rows if row[4] == "the lease ran out"}
    finished = {(row[0], row[3]) for row in rows if row[2] == "COMPLETED"}
    assert claimed.keys() == taken_away | finished
    assert not taken_away & finished
    logged = [json.loads(line) for path in folder.glob("*.log") for line in path.read_text().splitlines()]
    told = {(number, attempt) for said, number, attempt, _ in logged if said == "lost"}
    accepted = {(number, attempt) for said, number, attempt, _ in logged if said == "completed"}
    # A worker is told that its claim is lost if and only if it was; one that was killed was told nothing.
    assert told <= taken_away
    assert accepted <= finished
    stalled = {(number, attempt) for _, number, attempt, stalled in logged if stalled}
    assert stalled & taken_away <= told
    return Counter(lost=len(told), taken_away=len(taken_away), stalled=len(stalled))
