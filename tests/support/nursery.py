"""Commands as processes that need not start Python: forked from one that has imported the package already.

Each is a process of its own, with its own folder, environment and streams, and ends as any interpreter does. What is
spared is a third of a second for every command. Run as a program, this is the process that they are forked from.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["run"]

_STREAMS = ("stdin", "stdout", "stderr")
_lock = threading.Lock()
_parent: subprocess.Popen[bytes] | None = None


def run(args: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run ``python -m datapkg`` with arguments, and return its exit code and what it printed.

    The environment's settings of Python itself are the test run's, whatever ``env`` says.
    """
    with tempfile.TemporaryDirectory() as place, _lock:
        files = {name: os.path.join(place, name) for name in _STREAMS}
        Path(files["stdin"]).write_text(stdin)
        request = {"args": list(args), "cwd": str(cwd), "env": dict(env), "files": files}
        parent = _started()
        assert parent.stdin is not None and parent.stdout is not None
        parent.stdin.write(json.dumps(request).encode() + b"\n")
        parent.stdin.flush()
        code = int(parent.stdout.readline())
        printed = [Path(files[name]).read_text() for name in ("stdout", "stderr")]
    return subprocess.CompletedProcess(list(args), code, *printed)


def _started() -> subprocess.Popen[bytes]:
    global _parent
    if _parent is None:
        _parent = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        atexit.register(_end, _parent)
    return _parent


def _end(parent: subprocess.Popen[bytes]) -> None:
    assert parent.stdin is not None
    parent.stdin.close()
    parent.wait()


def _serve() -> None:
    """Fork a process for each line that is read, and tell how it ended."""
    from datapkg import registry
    from datapkg.cli import root  # noqa: F401  # imported for those who are forked
    from datapkg.operations import migrations, seeding  # noqa: F401  # likewise

    registry.domains()
    requests, answers = os.dup(0), os.dup(1)
    with os.fdopen(requests, "rb") as lines:
        while line := lines.readline():
            if (child := os.fork()) == 0:
                os.close(answers)
                _become(json.loads(line))
                return  # and end as every interpreter does
            _, status = os.waitpid(child, 0)
            os.write(answers, b"%d\n" % os.waitstatus_to_exitcode(status))


def _become(request: Mapping[str, object]) -> None:
    files = request["files"]
    assert isinstance(files, dict) and isinstance(request["env"], dict) and isinstance(request["args"], list)
    os.chdir(str(request["cwd"]))
    os.environ.clear()
    os.environ.update(request["env"])
    for number, name in enumerate(_STREAMS):
        opened = os.open(files[name], os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = ["datapkg", *request["args"]]
    runpy.run_module("datapkg", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve()
