"""What an ended call says about its dependency."""

from enum import StrEnum


class Verdict(StrEnum):
    """Only a failure of the dependency counts against it."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    IGNORED = "ignored"  # the caller's fault, our own bug, a cancellation, or a call that never started
