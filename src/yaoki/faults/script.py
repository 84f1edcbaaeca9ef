"""What a scripted provider says, how it goes wrong, and what it makes of half an answer."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

PROBE = "The capital of France is"
"""The half answer by which a client finds out whether a provider continues; it is answered with " Paris"."""

ANSWER = (
    "A lighthouse keeper counts the ships of one night. The first carries 11 crates of oranges, the second 23 barrels "
    "of tar. Über Bord fällt nichts, says its captain; 東京から来ました, says the cook, and waves 👩‍🚀 from the stern. "
    "At 3:47 a trawler passes, then two tugs, a ferry with 118 lamps, and a yacht that answers no signal. "
    "By morning the log holds seven names, four flags, one question mark, and a stain of cold coffee."
)
"""An answer in which no two words follow each other twice, with characters of one to four bytes."""

Behaviour = Literal["honour", "vllm", "refuse", "ignore", "talk_over", "echo", "overlap"]
BEHAVIOURS: tuple[Behaviour, ...] = get_args(Behaviour)
_PREAMBLE = "Sure, here is the rest of the answer: "
_WORDS = re.compile(r"\s*\S{1,6}|\s+")
_MIN_QUOTE = 12
_MAX_QUOTE = 200

Kind = Literal["answer", "prefill", "instruction", "probe", "models"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """The body of a chat completion request, read as far as the script needs it."""

    body: Mapping[str, Any]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages as they were sent."""
        messages = self.body.get("messages")
        return cast("list[dict[str, Any]]", messages) if isinstance(messages, list) else []

    @property
    def streamed(self) -> bool:
        """The client wants events."""
        return bool(self.body.get("stream"))

    @property
    def wants_usage(self) -> bool:
        """The client asks for token counts at the end of the stream."""
        options = self.body.get("stream_options")
        return isinstance(options, dict) and bool(cast("dict[str, Any]", options).get("include_usage"))

    @property
    def model(self) -> str:
        """The model's name."""
        return str(self.body.get("model") or "scripted")

    @property
    def tools(self) -> list[str]:
        """The names of the tools on offer."""
        tools = cast("list[dict[str, Any]]", self.body.get("tools") or [])
        return [str(tool.get("function", {}).get("name")) for tool in tools]


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One behaviour of a provider.

    Attributes:
        answer: The whole answer, or what makes it from the request.
        fault: A name of `yaoki.faults.FAULTS`; None for a healthy provider.
        at: Characters of text said before the fault fires; None: two fifths of what there is to say.
        times: Requests that the fault hits before the script is used up; None: all of them.
        everywhere: The fault also hits the list of models and probes for prefill, which are healthy otherwise.
        first_token_s: Seconds before the first token.
        token_s: Seconds between tokens of up to six characters.
        pause_s: Seconds between the pieces of what trickles, and the length of a pause.
        retry_after_s: What a refusal with `Retry-After` says.
        prefill: What comes of a half answer as the last message. honour: it goes on; vllm: only if asked as vLLM wants;
            refuse: a 400; ignore: the answer begins again; talk_over: "Sure, here is the rest"; echo: the half is
            repeated first; overlap: its last words are.
        instruction: The same for half an answer and a message that quotes its end; honour: the quoted words, then the
            rest.
        again: What is said when a half answer is ignored; None: the whole answer.
        tool: The tool that faults of tool calls call; None: the first on offer.
        arguments: What it is called with.
    """

    answer: str | Callable[[ChatRequest], str] = ANSWER
    fault: str | None = None
    at: int | None = None
    times: int | None = None
    everywhere: bool = False
    first_token_s: float = 0.0
    token_s: float = 0.0
    pause_s: float = 0.2
    retry_after_s: float = 1.0
    prefill: Behaviour = "honour"
    instruction: Behaviour = "honour"
    again: str | None = None
    tool: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])

    def whole(self, request: ChatRequest) -> str:
        """The whole answer to `request`."""
        return self.answer if isinstance(self.answer, str) else self.answer(request)


def kind_of(request: ChatRequest) -> Kind:
    """Whether this asks for an answer, for the rest of one, or only whether prefill is honoured."""
    messages = request.messages
    if messages and messages[-1].get("role") == "assistant" and text_of(messages[-1]):
        return "probe" if text_of(messages[-1]).strip() == PROBE else "prefill"
    if len(messages) > 1 and messages[-2].get("role") == "assistant":
        return "instruction" if quoted(text_of(messages[-2]), text_of(messages[-1])) else "answer"
    return "answer"


def words_for(request: ChatRequest, script: Script, kind: Kind) -> str | None:
    """What there is to say; None if the provider refuses to continue."""
    whole = f"{PROBE} Paris." if kind == "probe" else script.whole(request)
    if kind == "answer":
        return whole
    half = text_of(request.messages[-2 if kind == "instruction" else -1]).rstrip()
    rest = whole[len(half) :]
    behaviour = script.instruction if kind == "instruction" else script.prefill
    if behaviour == "vllm":
        behaviour = "honour" if request.body.get("continue_final_message") else "ignore"
    said = {
        "honour": (quoted(half, text_of(request.messages[-1])) if kind == "instruction" else "") + rest,
        "ignore": script.again or whole,
        "talk_over": _PREAMBLE + rest.lstrip(),
        "echo": half + rest,
        "overlap": " ".join(half.split()[-3:]) + rest,
    }
    return said.get(behaviour)


def quoted(half: str, text: str) -> str:
    """The longest end of `half` that `text` quotes; empty if it quotes no more than a word."""
    half = half.rstrip()
    for size in range(min(len(half), _MAX_QUOTE), 0, -1):
        if size < min(_MIN_QUOTE, len(half)):
            return ""
        if half[-size:] in text:
            return half[-size:]
    return ""


def tokens(text: str) -> list[str]:
    """`text` cut into pieces of at most six characters, each with the white space before it."""
    return _WORDS.findall(text)


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a message, whether it is one string or parts."""
    content = message.get("content")
    if isinstance(content, list):
        parts = cast("list[Any]", content)
        return "".join(str(cast("dict[str, Any]", part).get("text", "")) for part in parts if isinstance(part, dict))
    return content if isinstance(content, str) else ""
