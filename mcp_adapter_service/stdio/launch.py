"""Start a program so that it cannot outlive the adapter: tie its life to the parent's, then become it.

When the adapter is killed, the kernel kills the program; what that started itself ends when it notices, or not at all.

Above: `exchange` runs this file with `python -I -S`, so that nothing of Python runs between fork and exec in the adapter itself,
which has threads. Below: the program, which takes over this process and its pid.

usage: launch.py PARENT_PID PROGRAM [ARGUMENT ...]
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Become the program."""
    parent, *program = arguments
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != int(parent):
            sys.exit("the adapter ended first")
    try:
        os.execvp(program[0], program)  # noqa: S606 - the settings say which programs may be.
    except OSError:
        sys.exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
