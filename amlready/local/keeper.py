"""Ends a process group once this process is gone, however it went: after `kill -9` nothing else of ours would.

A small process waits for the end of a pipe that this process alone holds. A signal on the parent's death (prctl) would
not do: it exists on Linux only, belongs to the thread that started the child, and reaches gunicorn's master but not
what that has started.
"""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import os, signal, sys
if not os.read(0, 1):
    try:
        os.killpg(int(sys.argv[1]), signal.SIGKILL)
    except ProcessLookupError:
        pass
"""


class Keeper:
    """Watches over the process group that `group` leads, until it is dismissed."""

    def __init__(self, group: int) -> None:
        """Raises OSError where no process can be started."""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM, str(group)],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal is not for it
        )

    def dismiss(self) -> None:
        """Leave the group alone, and end. It is killed before its pipe is closed, so it can mistake nothing."""
        self._process.kill()
        self._process.communicate()
