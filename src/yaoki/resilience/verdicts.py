"""What an ended call says about its dependency."""

from enum import StrEnum

from yaoki.errors.categories import Fault
from yaoki.errors.classification import kind_of
from yaoki.errors.root import AIOrchestrationError
from yaoki.errors.tree import ResourceManagementError


class Verdict(StrEnum):
    """Only a failure of the dependency counts against it."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    IGNORED = "ignored"  # the caller's fault, our own bug, a cancellation, or a call that never started


BUGS = (ArithmeticError, AssertionError, AttributeError, ImportError, NameError, NotImplementedError, TypeError)
"""Exceptions of our own code: no dependency failed, and the same again gives the same."""


def verdict_of(error: BaseException) -> Verdict:
    """The verdict on a call that ended with an exception.

    Known kinds say whose fault it is. Of the unknown ones, cancellations and bugs are ignored, and the rest counts as
    the dependency's failure: whoever guards a call expects an answer from it.

    Example:
        >>> [verdict_of(error).value for error in (TimeoutError(), TypeError(), ValueError())]
        ['failed', 'ignored', 'failed']
    """
    if not isinstance(error, Exception) or isinstance(error, ResourceManagementError):
        return Verdict.IGNORED
    kind = error.row if isinstance(error, AIOrchestrationError) else kind_of(error)
    if kind is not None:
        return Verdict.FAILED if kind.fault is Fault.DEPENDENCY else Verdict.IGNORED
    return Verdict.IGNORED if isinstance(error, BUGS) else Verdict.FAILED


def may_be_answered_elsewhere(error: BaseException) -> bool:
    """Whether another answer makes sense: not after a cancellation, a bug, or what is the caller's fault anywhere.

    Example:
        >>> [may_be_answered_elsewhere(error) for error in (TimeoutError(), TypeError(), ValueError())]
        [True, False, True]
    """
    if not isinstance(error, Exception):
        return False
    if isinstance(error, ResourceManagementError):
        return True
    kind = kind_of(error)
    return not isinstance(error, BUGS) if kind is None else kind.fault is not Fault.CALLER
