"""What holds for every test.

A test is tied to what it proves by one mark, `@pytest.mark.requirement("M11", "P-2")`: rows of `tests/requirements.py`,
given as literals, since `tests/architecture/test_requirements.py` reads them from the sources.

Under `CI=true` a skipped test has failed, and so has one that passes although it was expected to fail: both would let a
promise go unproven without a word.
"""

import os
import signal
from collections.abc import Generator

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background by a shell: programs that tests send Ctrl-C to would inherit that they ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

UNDER_CI = os.environ.get("CI") == "true"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    expected_to_fail = hasattr(report, "wasxfail")
    if UNDER_CI and report.skipped and not expected_to_fail:
        _fail(report, "was skipped")
    elif UNDER_CI and report.passed and expected_to_fail:
        _fail(report, "passed although it was expected to fail")
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if UNDER_CI and report.outcome == "skipped":
        _fail(report, "was skipped as a whole")
    return report


def _fail(report: pytest.TestReport | pytest.CollectReport, how: str) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid} {how}, which counts as a failure under CI: {reason or 'no reason given'}"
