"""The process that one embedded model lives in: llama.cpp's server, spawned and watched by `process.py`.

    stdin     one line of JSON, the order: path, alias, secret, host, context_tokens, threads, parallel,
              prompt_cache_mib, temperature; then nothing, and its end means that the parent is gone: so is this
              process, at once
    stdout    one line of JSON, {"port": …} or {"error": …}, then nothing
    stderr    what llama.cpp logs

Only the standard library and xllamacpp are imported here. Two things end it with its parent, since each has a hole: the
kernel's signal comes even if the process is stopped or deep in native code, but exists on Linux only and is asked for
a moment after the spawn; the end of stdin comes everywhere, but not while native code holds the interpreter, nor while
somebody forked from the parent holds the other end.
"""

import json
import os
import resource
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

_HTTP_THREADS = 64
"""Requests that may wait in line before a look at the server's health must wait, too."""
_IO_TIMEOUT_S = 30
"""Seconds a client may take to send its request or to read a part of its answer."""
_ERRORS_ONLY = 1
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve one model until the parent is gone."""
    _end_with_parent()
    _be_expendable()
    report = _keep_stdout_for_ourselves()
    with open(0, "rb", buffering=0, closefd=False) as stdin:
        order: dict[str, Any] = json.loads(stdin.readline())
    gone = threading.Thread(target=_exit_at_end_of_stdin, name="parent")
    gone.start()
    try:
        server = _server(order)
    except (ImportError, RuntimeError) as error:
        _say(report, {"error": str(error)})
        os._exit(1)
    _say(report, {"port": int(server.listening_address.rpartition(":")[2])})
    gone.join()


def _end_with_parent() -> None:
    """Have the kernel kill this process when the thread that spawned it ends."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - used on Linux only

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _exit_at_end_of_stdin() -> None:
    while os.read(0, 64):
        pass
    os._exit(0)


def _be_expendable() -> None:
    """Leave no core file (it would hold prompts), and be the first to go when memory runs out: we are respawned."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # not Linux, or a container that forbids it
        Path("/proc/self/oom_score_adj").write_text("800", encoding="ascii")


def _keep_stdout_for_ourselves() -> int:
    """A descriptor for our one line; whatever native code prints goes to the log."""
    ours = os.dup(1)
    os.dup2(2, 1)
    return ours


def _say(report: int, line: dict[str, Any]) -> None:
    os.write(report, json.dumps(line).encode() + b"\n")
    os.close(report)


def _server(order: dict[str, Any]) -> Any:
    """A server that serves when this returns."""
    import xllamacpp  # noqa: PLC0415 - after we are sure to end with the parent, where its absence can be reported

    runtime: Any = xllamacpp
    params = runtime.CommonParams()
    params.model.path = order["path"]
    params.model_alias = {order["alias"]}
    params.api_keys = [order["secret"]]
    params.hostnames = [order["host"]]
    params.port = 0
    params.cors_origins = ""
    params.n_threads_http = _HTTP_THREADS
    params.timeout_read = params.timeout_write = _IO_TIMEOUT_S
    params.n_ctx = order["context_tokens"]
    params.n_parallel = order["parallel"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = order["threads"]
    params.cache_ram_mib = order["prompt_cache_mib"]
    if order["temperature"] is not None:
        params.sampling.temp = order["temperature"]
    params.fit_params = False  # the window is what the settings say
    params.ui = params.endpoint_slots = params.endpoint_metrics = False
    params.offline = True
    params.verbosity = _ERRORS_ONLY
    return runtime.Server(params)


if __name__ == "__main__":
    main()
