"""A pydantic-ai model that stands for several others, and leaves the preparing to each of them."""

from abc import ABC
from typing import ClassVar

from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings


class PassThroughModel(Model, ABC):
    """Hands messages, settings and tools on as they came. Whoever is behind it prepares them for its own provider."""

    _answers_requests_itself: ClassVar[bool] = False

    def prepare_messages(
        self,
        messages: list[ModelMessage],
        model_request_parameters: ModelRequestParameters | None = None,  # noqa: ARG002 - pydantic-ai's signature
    ) -> list[ModelMessage]:
        """Unchanged: each candidate prepares its own."""
        return messages

    def prepare_request(
        self, model_settings: ModelSettings | None, model_request_parameters: ModelRequestParameters
    ) -> tuple[ModelSettings | None, ModelRequestParameters]:
        """Unchanged: each candidate prepares its own."""
        return model_settings, model_request_parameters

    def customize_request_parameters(self, model_request_parameters: ModelRequestParameters) -> ModelRequestParameters:
        """Unchanged: each candidate customises its own."""
        return model_request_parameters

    def _start_request_deadline(self, model_settings: ModelSettings | None, *, stream: bool) -> None:  # noqa: ARG002
        """None: a deadline of pydantic-ai's around the whole chain would kill the failover that it has not seen."""
        return
