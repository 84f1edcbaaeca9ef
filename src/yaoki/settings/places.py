"""Where settings and data live on this machine."""

from collections.abc import Mapping
from pathlib import Path

CONFIG_VARIABLE = "YAOKI_CONFIG"
FILE_NAME = "yaoki.toml"


def settings_file(named: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The file to read: the named one, else that of YAOKI_CONFIG, else ./yaoki.toml if it exists, else None."""
    if named is not None:
        return named.expanduser()
    from_environment = environ.get(CONFIG_VARIABLE)
    if from_environment:
        return Path(from_environment).expanduser()
    here = Path(FILE_NAME)
    return here if here.is_file() else None


def data_dir(environ: Mapping[str, str]) -> Path:
    """The user's data folder for Yaoki, after the XDG base directory rules. It need not exist."""
    base = environ.get("XDG_DATA_HOME", "")
    if not Path(base).is_absolute():
        base = str(Path(environ.get("HOME") or Path.home()) / ".local" / "share")
    return Path(base) / "yaoki"
