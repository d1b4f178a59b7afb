"""A worker of the queue: claims features, works on each, and goes on until SIGTERM or Ctrl-C.

Start as many as you like: ``python worker.py sqlite:///datapkg.db``. Kill one with -9: when its lease has run out,
another one does what it had begun.
"""

from __future__ import annotations

import argparse
import datetime as dt
import signal
import threading
import time

import datapkg
from datapkg import workqueue

options = argparse.ArgumentParser(description=__doc__)
options.add_argument("url", nargs="?", help="the database; else DATABASE_URL")
options.add_argument("--lease", type=float, default=60, help="seconds that a claim outlives its worker")
options.add_argument("--seconds", type=float, default=1, help="how long the work on a feature takes")
given = options.parse_args()
stopped = threading.Event()


def build(job: workqueue.Job) -> workqueue.Outcome:
    """Do the work: here, wait, and count the words of the requirements. The lease is prolonged meanwhile."""
    end = time.monotonic() + given.seconds
    while time.monotonic() < end:
        if job.should_end():  # asked to stop, or the claim is lost
            return workqueue.Outcome(state="released", note="The worker was stopped.")
        time.sleep(0.05)
    return workqueue.Outcome(result_data=f"{len(job.feature.test_steps.split())} words")


for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, frame: stopped.set())
datapkg.connect(given.url)
report = workqueue.work(
    build,
    lease=dt.timedelta(seconds=given.lease),
    poll=0.2,
    stop=stopped.is_set,
    on_end=lambda feature, state: print(feature.label, state, flush=True),
)
print(report.completed, "completed", flush=True)
