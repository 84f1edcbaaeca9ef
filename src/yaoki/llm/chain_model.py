"""The chain as a pydantic-ai model: an agent runs on it without knowing that several models may write one answer.

Nothing is prepared here: each candidate prepares messages, settings and tools for its own provider. Deadlines are the
chain's, so pydantic-ai's are off. The parts of a pydantic-ai stream cannot be taken back, which is why the chain hands
tool calls out only once their response is proven good; a restart empties the one text part.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.messages import FinishReason as PydanticFinish
from pydantic_ai.messages import ModelMessage, ModelResponse, ModelResponseStreamEvent, TextPart
from pydantic_ai.models import ModelRequestParameters, StreamedResponse
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from yaoki.llm.chain.attempt import About, Opened
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.chain import Chain
from yaoki.llm.compaction import AGENTS_MESSAGES, Compactor
from yaoki.llm.deltas import Failover, Finish, FinishReason, Item, Reasoning, Restart, Text, ToolCall, Usage
from yaoki.llm.pass_through import PassThroughModel
from yaoki.llm.straight import ask_straight, said
from yaoki.llm.upstreams.details import CallDetails, ThinkingDetails
from yaoki.llm.upstreams.pydantic_upstream import ChatRequest, prompt_tokens
from yaoki.llm.upstreams.upstreams import agents_may_ask
from yaoki.resilience.clock import SYSTEM_CLOCK

Sink = Callable[[Item], Awaitable[None]]
"""Takes every item of the chain, in order, before pydantic-ai sees it."""

_TEXT = "text"
_THINKING = "thinking"
_FINISH: dict[FinishReason, PydanticFinish] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_call",
}


class ChainModel(PassThroughModel):
    """One turn's view of the chain.

    Args:
        chain: Shared by all turns.
        budget: The turn's.
        sink: Awaited with every item; what it raises ends the request and reaches the agent unchanged. None: nobody
            watches.
        resume_text: The first half of an answer that was shown before a crash. The first request continues it; the sink
            does not get it again, the response has it.
        resume_held: What had come after it and was not shown, as far as that is known.
        hold_text: Show nothing before an answer is whole (for output that must parse).
    """

    def __init__(
        self,
        chain: Chain,
        budget: TurnBudget,
        *,
        sink: Sink | None,
        resume_text: str = "",
        resume_held: str = "",
        hold_text: bool = False,
    ) -> None:
        super().__init__()
        self._chain = chain
        self._budget = budget
        self._sink = sink
        self._resume_text = resume_text
        self._resume_held = resume_held
        self._hold_text = hold_text
        self._compactor = Compactor(AGENTS_MESSAGES)

    @property
    def model_name(self) -> str:
        """The candidates' names, in the order of preference."""
        return "chain:" + ",".join(candidate.name for candidate in self._chain.candidates)

    @property
    def system(self) -> str:
        """The chain stands for no provider."""
        return "yaoki"

    def request(  # pyright: ignore[reportIncompatibleMethodOverride] - a coroutine, as from any coroutine function
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> Coroutine[Any, Any, ModelResponse]:
        """The whole response at once; it is streamed all the same, where there is anything to watch, see `straight.py`.

        No coroutine function itself: pydantic-ai wraps those in what each candidate has anyway.

        Raises:
            ModelAllFailedError: No candidate could answer.
            AgentTurnBudgetSpentError: The budget ended first.
        """
        return self._answer(messages, model_settings, model_request_parameters)

    async def _answer(
        self, messages: list[ModelMessage], settings: ModelSettings | None, parameters: ModelRequestParameters
    ) -> ModelResponse:
        opened = None
        if not self._resume_text and not self._compactor.left_out:
            opened = await ask_straight(self._chain, self._budget, messages, settings, parameters)
            if isinstance(opened, ModelResponse):
                await self._tell(opened)
                return opened
        return await self.whole(messages, settings, parameters, opened)

    async def _tell(self, response: ModelResponse) -> None:
        if self._sink is not None:
            for item in said(response):
                await self._sink(item)

    async def whole(
        self,
        messages: list[ModelMessage],
        settings: ModelSettings | None,
        parameters: ModelRequestParameters,
        opened: Opened | None,
    ) -> ModelResponse:
        """The ordinary way to a whole response, after what was `opened` by the short one."""
        async with self._response(messages, settings, parameters, whole=True, opened=opened) as response:
            return await response.whole()

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,  # noqa: ARG002 - pydantic-ai's signature
    ) -> AsyncGenerator[StreamedResponse]:
        """Stream through the chain. Leaving the context ends every request that is under way.

        Raises:
            ModelAllFailedError: Out of the iteration: no candidate could answer.
            AgentTurnBudgetSpentError: Out of the iteration: the budget ended first.
        """
        async with self._response(messages, model_settings, model_request_parameters) as response:
            yield response

    @asynccontextmanager
    async def _response(
        self,
        messages: list[ModelMessage],
        settings: ModelSettings | None,
        parameters: ModelRequestParameters,
        *,
        whole: bool = False,
        opened: Opened | None = None,
    ) -> AsyncGenerator["ChainResponse"]:
        def request() -> ChatRequest:
            told = self._compactor.fitted(messages)
            return ChatRequest(messages=told, parameters=parameters, settings=settings, whole=whole)

        def shrink() -> tuple[ChatRequest, int] | None:
            return (request(), self._compactor.left_out) if self._compactor.shrink(messages) else None

        await agents_may_ask()
        limited = settings is not None and "max_tokens" in settings
        resume_text, self._resume_text = self._resume_text, ""
        items = self._chain.stream(
            request(),
            self._budget,
            resume_text=resume_text,
            resume_held=self._resume_held,
            hold_text=self._hold_text,
            about=About(prompt_tokens=prompt_tokens(messages), may_go_on=not limited, shrink=shrink, opened=opened),
        )
        async with aclosing(items):
            yield ChainResponse(parameters, _items=items, _sink=self._sink, _resume_text=resume_text)


@dataclass
class ChainResponse(StreamedResponse):
    """The chain's items as pydantic-ai's events."""

    _items: AsyncGenerator[Item, None] = field(kw_only=True, repr=False)
    _sink: Sink | None = field(kw_only=True, repr=False)
    _resume_text: str = field(kw_only=True, repr=False)
    _model: str = field(default="", init=False)
    _thinking: list[object] = field(default_factory=list[object], init=False)
    _stale: list[object] = field(default_factory=list[object], init=False)
    _timestamp: datetime = field(default_factory=SYSTEM_CLOCK.utcnow, init=False)

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        if self._resume_text:
            for event in self._parts_manager.handle_text_delta(vendor_part_id=_TEXT, content=self._resume_text):
                yield event
        async for item in self._items:
            if self._sink is not None:
                await self._sink(item)
            for event in self._events(item):
                yield event

    async def whole(self) -> ModelResponse:
        """The response once it has ended, instead of its events.

        Raises:
            ModelAllFailedError: As the iteration does.
            AgentTurnBudgetSpentError: As the iteration does.
        """
        async for _ in self._get_event_iterator():
            pass
        self._finished = True
        return self.get()

    def _events(self, item: Item) -> Iterator[ModelResponseStreamEvent]:
        match item:
            case Text():
                self._model = item.model
                yield from self._parts_manager.handle_text_delta(vendor_part_id=_TEXT, content=item.text)
            case Reasoning():
                yield from self._think(item)
            case ToolCall():
                yield self._call(item)
            case Usage():
                self._usage = self._usage + RequestUsage(
                    input_tokens=item.input_tokens, output_tokens=item.output_tokens
                )
            case Finish():
                self.finish_reason = _FINISH[item.reason]
            case Restart():
                yield self._parts_manager.handle_part(vendor_part_id=_TEXT, part=TextPart(""))
            case Failover():
                self._stale += self._thinking
                self._thinking = []
                self._model = item.to_model
            case _:
                pass

    def _think(self, item: Reasoning) -> Iterator[ModelResponseStreamEvent]:
        details = item.details if isinstance(item.details, ThinkingDetails) else ThinkingDetails(key=_THINKING)
        if details.key not in self._thinking:
            self._thinking.append(details.key)
        yield from self._parts_manager.handle_thinking_delta(
            vendor_part_id=details.key,
            content=item.text,
            id=details.id,
            signature=details.signature,
            provider_name=details.provider_name,
            provider_details=details.provider_details,
        )

    def _call(self, item: ToolCall) -> ModelResponseStreamEvent:
        details = item.details if isinstance(item.details, CallDetails) else CallDetails()
        return self._parts_manager.handle_tool_call_part(
            vendor_part_id=item.call_id,
            tool_name=item.name,
            args=item.arguments,
            tool_call_id=item.call_id,
            provider_name=details.provider_name,
            provider_details=details.provider_details,
        )

    def get(self) -> ModelResponse:
        """The response so far, without the reasoning of failed attempts: no provider takes half of it back."""
        response = super().get()
        stale = [self._parts_manager.get_part_by_vendor_id(key) for key in self._stale]
        return replace(response, parts=[part for part in response.parts if not any(part is one for one in stale)])

    async def close_stream(self) -> None:
        """End the requests under way.

        Raises:
            NotImplementedError: Another task waits for the next event right now; cancel that task instead.
        """
        try:
            await self._items.aclose()
        except RuntimeError as error:
            raise NotImplementedError("cancel the task that iterates the stream") from error

    @property
    def model_name(self) -> str:
        """The candidate that wrote last."""
        return self._model

    @property
    def provider_name(self) -> str | None:
        """None: more than one provider may have written it; the parts name theirs."""
        return None

    @property
    def provider_url(self) -> str | None:
        """None, as for the name."""
        return None

    @property
    def timestamp(self) -> datetime:
        """When the request was made, UTC."""
        return self._timestamp
