"""The door at which failures of pydantic-ai, of an SDK and of the HTTP client below it get our names."""

from collections.abc import Sequence
from types import TracebackType
from typing import cast

import httpx2
from pydantic_ai.exceptions import AgentRunError, FallbackExceptionGroup, ModelContextWindowExceededError, UserError

from yaoki.errors import AIOrchestrationError, ModelContextOverflowError, ModelMalformedError
from yaoki.llm.failures import UNSUPPORTED, rename

FOREIGN = (AgentRunError, httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError)
_TRIPS = (AttributeError, TypeError, LookupError, AssertionError, RecursionError)
"""What an SDK trips over when a chunk has a shape that its types do not know."""


class Renaming:
    """A context in which failures of a model get our names; what is none of them goes on unchanged.

    It has no state of its own, so one serves all requests.

    Args:
        foreign: What the SDK raises besides `FOREIGN`, and pydantic-ai does not rename.
    """

    __slots__ = ("_foreign",)

    def __init__(self, foreign: tuple[type[Exception], ...] = ()) -> None:
        self._foreign = (*FOREIGN, *foreign)

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        known = self._renamed(error) if error is not None else None
        if known is not None:
            raise known from error

    def _renamed(self, error: BaseException) -> AIOrchestrationError | None:
        match error:
            case FallbackExceptionGroup():  # its last model is the one that the chain goes on from
                names = map(self._renamed, reversed(cast("Sequence[BaseException]", error.exceptions)))
                return next((name for name in names if name is not None), None)
            case ModelContextWindowExceededError():
                return ModelContextOverflowError("The request is too long for the model.")
            case UserError() | NotImplementedError():  # by either, a model says that it cannot send such a file
                return ModelMalformedError("This model does not take such a request.", fault=UNSUPPORTED)
            case _ if isinstance(error, self._foreign):
                return rename(error)
            case _ if isinstance(error, _TRIPS):
                return ModelMalformedError("The SDK cannot read the answer.", fault="unreadable")
            case _:
                return None
