"""`yaoki serve` as the demo runs it: the same command, in a process that does not outlive the one that started it."""

import ctypes
import signal
import sys

from yaoki.cli import main

_PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    main()
