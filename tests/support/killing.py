"""A child process that is killed at a failpoint; a fork, because a new process would take a second to start."""

from __future__ import annotations

import importlib
import os
import signal
import traceback
from collections.abc import Callable

from datapkg.kit import failpoints


def killed(failpoint: str, function: Callable[[], object]) -> None:
    """Run a function in a forked child, which has to be killed at this failpoint."""
    child = os.fork()
    if child == 0:
        try:
            os.environ["DATAPKG_FAILPOINT"] = failpoint
            importlib.reload(failpoints)  # whoever knows its `reach` sees the new name
            function()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, failpoint
