"""Which models lie in this process, so that nothing between us and them can be cut, and which cannot stream.

model                                    nothing can be cut      can stream
TestModel                                yes                     yes
FunctionModel                            yes                     with a `stream_function`
WrapperModel, and so InstrumentedModel   as what it wraps        as what it wraps
FallbackModel                            if all of its are so    if all of its can
any other                                nobody knows: no        unless it inherits `Model.request_stream`
"""

from pydantic_ai.models import Model
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.models.wrapper import WrapperModel


def in_process(model: Model) -> bool:
    """Whether its answer is there as a whole or not at all."""
    return all(isinstance(one, TestModel | FunctionModel) for one in _innermost(model))


def can_stream(model: Model) -> bool:
    """Whether it can be asked for a stream."""
    return all(_streams(one) for one in _innermost(model))


def can_answer_whole(model: Model) -> bool:
    """Whether it can be asked for its whole answer."""
    return all(not isinstance(one, FunctionModel) or one.function is not None for one in _innermost(model))


def _innermost(model: Model) -> list[Model]:
    """The models that answer for this one."""
    if isinstance(model, WrapperModel):
        return _innermost(model.wrapped)
    if isinstance(model, FallbackModel):
        return [one for inner in model.models for one in _innermost(inner)]
    return [model]


def _streams(model: Model) -> bool:
    if isinstance(model, FunctionModel):
        return model.stream_function is not None
    return type(model).request_stream is not Model.request_stream
