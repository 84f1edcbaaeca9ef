"""Under CI nothing goes unproven without a word."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.architecture.sources import ROOT

WAYS_TO_SKIP = """
import pytest

def test_that_skips():
    pytest.skip("not today")

@pytest.mark.skip(reason="never")
def test_that_is_marked():
    raise AssertionError

@pytest.mark.xfail(reason="a bug, it is said")
def test_that_passes_after_all():
    pass

@pytest.mark.xfail(reason="not delivered yet")
def test_that_fails_as_expected():
    raise AssertionError
"""


def _summary(folder: Path, *, ci: str) -> str:
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    (folder / "test_ways.py").write_text(WAYS_TO_SKIP)
    (folder / "test_whole.py").write_text('import pytest\npytest.skip("elsewhere", allow_module_level=True)\n')
    options = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, "--continue-on-collection-errors"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir", folder, folder],
        env={**os.environ, "CI": ci},
        check=False,
        capture_output=True,
        text=True,
    )
    return done.stdout.splitlines()[-1]


def test_under_ci_a_skip_or_a_surprise_is_a_failure(tmp_path: Path) -> None:
    assert _summary(tmp_path, ci="true").startswith("2 failed, 1 xfailed, 2 errors")


def test_elsewhere_a_skip_is_a_skip(tmp_path: Path) -> None:
    assert _summary(tmp_path, ci="").startswith("3 skipped, 1 xfailed, 1 xpassed")
