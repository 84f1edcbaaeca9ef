"""`yaoki serve`."""

import gc
import logging
import os

from yaoki.cli.globals import Globals
from yaoki.cli.logging_setup import secret_values, set_up_logging


def serve(options: Globals, *, json_logs: bool) -> None:
    """Run the server until a signal stops it.

    Raises:
        ConfigurationError: Something is wrong or missing; nothing was started.
    """
    settings = options.settings()
    settings.require_all(os.environ)
    level = logging.DEBUG if options.verbose else logging.INFO
    secrets = secret_values(settings.secret_variables())
    set_up_logging(json_lines=json_logs, level=level, secrets=secrets, patient=False)
    gc.disable()  # what imports make stays: looking for garbage among it costs a fifth of the start
    from yaoki.app import serve as run  # a second of imports, only once the settings are known to be right

    gc.freeze()
    gc.enable()

    run(settings)
