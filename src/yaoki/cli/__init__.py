"""The command line. What a command needs is imported when it runs, so that help is quick."""

import sys


def main() -> None:
    """Entry point of the script `yaoki`."""
    try:
        from yaoki.cli.program import run
    except ModuleNotFoundError as error:
        if error.name != "typer":
            raise
        sys.exit("yaoki: the command line needs the extra [server]: pip install 'yaoki[server]'")
    sys.exit(run(sys.argv[1:]))
