# ruff: noqa: E501 - a table: one row, one line
"""The one table: every fault by name, the row of the fault list it belongs to, and what it does.

`healthy` marks what only looks like a fault. `whole` marks plays that also answer a request which is not streamed; for
any other fault such a request gets a document that is cut at the same share of its length.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from yaoki.errors import ConfigurationSettingError
from yaoki.faults import calls, cuts, endings, garbage, oddities, refusals, stalls
from yaoki.faults.oddities import each_choice, each_chunk, each_delta
from yaoki.faults.reply import Reply, Style

Play = Callable[[Reply], Awaitable[None]]

REFUSED = "refused"
"""The one fault that is no play: nobody listens."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One row."""

    name: str
    row: str
    play: Play
    summary: str
    healthy: bool = False
    whole: bool = False


def _whole(name: str, row: str, play: Play, summary: str) -> Fault:
    return Fault(name, row, play, summary, whole=True)


def _odd(name: str, play: Play, summary: str, *, whole: bool = False) -> Fault:
    return Fault(name, "M28", play, summary, healthy=True, whole=whole)


def _style(name: str, summary: str, style: Style) -> Fault:
    return _odd(name, partial(oddities.styled, style=style), summary)


async def _nobody_listens(reply: Reply) -> None:
    """A connection that was open before the port was closed ends at once."""
    await refusals.resets_at_once(reply)


_ERROR = refusals.error_body
_status, _error, _after = refusals.status, garbage.error_event, oddities.after_finish
_null_choices = {"choices": None}

# fmt: off
_FAULTS = (
    # ---- refused before an answer begins
    _whole("rate_limited", "M1", partial(_status, code=429, error_code="rate_limit_exceeded", wait=True), "429 with Retry-After"),
    _whole("rate_limited_bare", "M2", partial(_status, code=429, kind="rate_limit_error"), "429 without Retry-After"),
    _whole("quota_spent", "M3", partial(_status, code=429, error_code="insufficient_quota"), "429 that is a spent quota"),
    _whole("http_500", "M4", partial(_status, code=500), "500 with an error in JSON"),
    _whole("http_502", "M4", partial(refusals.status_page, code=502), "502 with a gateway's page"),
    _whole("http_503", "M4", partial(_status, code=503), "503"),
    _whole("http_503_wait", "M4", partial(_status, code=503, wait=True), "503 with Retry-After"),
    _whole("http_504", "M4", partial(refusals.status_page, code=504), "504 with a gateway's page"),
    _whole("overloaded", "M5", partial(_status, code=529, kind="overloaded_error"), "529"),
    _whole(REFUSED, "M6", _nobody_listens, "connection refused: the port is held, and nobody listens"),
    _whole("context_overflow", "M22", partial(_status, code=400, error_code="context_length_exceeded"), "400: the conversation is too long"),
    _whole("unauthorized", "M23", partial(_status, code=401, error_code="invalid_api_key"), "401"),
    _whole("forbidden", "M23", partial(_status, code=403), "403"),
    _whole("model_not_found", "M24", partial(_status, code=404, error_code="model_not_found"), "404: no such model"),
    _whole("closes_at_once", "M11", refusals.closes_at_once, "the connection ends without a byte"),
    _whole("resets_at_once", "M12", refusals.resets_at_once, "the connection is reset without a byte"),
    _whole("half_head", "M14", refusals.half_head, "the connection ends inside the head"),
    _whole("banner", "M14", refusals.banner, "another protocol answers"),
    _whole("endless_head", "M17", refusals.endless_head, "headers without end, as fast as they are taken"),
    # ---- a 200 that is something else
    _whole("html", "M16", refusals.page, "200 with a sign-in page"),
    _whole("html_as_events", "M16", partial(refusals.page, content_type="text/event-stream"), "the page calls itself an event stream"),
    _whole("json_error", "M16", partial(refusals.document, body=_ERROR("Scripted.", type="server_error")), "200 with an error in JSON"),
    _whole("json_detail", "M16", partial(refusals.document, body={"detail": "Not today."}), "200 with JSON that is no completion"),
    _whole("json_empty_error", "M16", partial(refusals.document, body={"error": {}}), "200 with an error that says nothing"),
    _whole("no_content", "M16", partial(refusals.bare, code=204), "204"),
    _whole("json_list", "M16", partial(refusals.document, body=[]), "200 with an empty JSON list"),
    _whole("plain_text", "M16", partial(refusals.plain, text="upstream connect error or disconnect before headers"), "200 with a gateway's sentence"),
    _whole("redirect_to_page", "M16", partial(refusals.redirect, location="/login"), "302 to a sign-in page"),
    _whole("redirect_elsewhere", "M16", partial(refusals.redirect, location="http://localhost:{port}/v1/chat/completions", code=307), "307 to another host"),
    _whole("redirect_loop", "M16", partial(refusals.redirect, location="/v1/chat/completions", code=307), "307 to itself"),
    # ---- waiting
    _whole("never_answers", "M9", stalls.never_answers, "the request is taken, and no byte comes"),
    Fault("slow_first_byte", "M9", stalls.slow_first_byte, "no byte for --pause seconds, then a healthy answer"),
    Fault("slow_first_token", "M9", stalls.slow_first_token, "head and role at once, the first text after --pause seconds"),
    _whole("trickling_head", "M10", stalls.trickling_head, "a header every --pause seconds, never the end of the head"),
    Fault("comments_only", "M10", partial(stalls.comments_only, started=False), "keep-alive comments and never a token"),
    Fault("comments_mid_stream", "M10", partial(stalls.comments_only, started=True), "text, then nothing but keep-alive comments"),
    Fault("unfinished_comment", "M10", stalls.unfinished_comment, "one comment that grows byte by byte"),
    Fault("empty_deltas_only", "M10", partial(stalls.empty_deltas_only, delta={"content": ""}), "chunks with empty text, for ever"),
    Fault("null_deltas_only", "M10", partial(stalls.empty_deltas_only, delta={"content": None}), "chunks with null text, for ever"),
    Fault("blank_deltas_only", "M10", partial(stalls.empty_deltas_only, delta={"content": "\n"}), "chunks of blanks, for ever"),
    Fault("blank_document", "M10", stalls.blank_document, "blanks before a document that never begins"),
    Fault("stall_mid_stream", "M10", stalls.stall_mid_stream, "text, then silence"),
    Fault("stall_in_event", "M10", stalls.stall_in_event, "text, half an event, then silence"),
    Fault("slow_drip", "M10", stalls.slow_drip, "text, then a character every --pause seconds without end"),
    # ---- broken off
    Fault("cut_mid_stream", "M11", cuts.ends, "a clean end after --at characters: no finish reason, no [DONE]"),
    Fault("close_mid_stream", "M11", partial(cuts.ends, how="close"), "the connection closes, the last HTTP chunk missing"),
    Fault("cut_before_first_token", "M11", cuts.before_first_token, "head and role, then a clean end"),
    Fault("cut_after_reasoning", "M11", cuts.after_reasoning, "some thinking, then a clean end"),
    Fault("cut_after_last_word", "M11", cuts.after_last_word, "the whole text, and no finish reason"),
    Fault("cut_without_framing", "M11", cuts.without_framing, "a body told by its closing closes early"),
    Fault("cut_in_event", "M11", cuts.in_event, "a clean end inside an event's JSON"),
    Fault("cut_in_character", "M11", cuts.in_character, "a clean end inside a character of four bytes"),
    Fault("cut_in_http_chunk", "M11", cuts.in_http_chunk, "the connection closes inside an HTTP chunk"),
    Fault("done_without_finish", "M11", cuts.done_without_finish, "[DONE] without a finish reason"),
    Fault("usage_without_finish", "M11", cuts.usage_without_finish, "token counts and [DONE] without a finish reason"),
    Fault("length_too_long", "M11", partial(cuts.wrong_length, extra=500), "fewer bytes than the content length promises"),
    Fault("length_too_short", "M11", partial(cuts.wrong_length, extra=-40), "the content length ends inside the last event"),
    Fault("reset_mid_stream", "M12", partial(cuts.ends, how="reset"), "a reset after --at characters"),
    Fault("reset_before_first_token", "M12", partial(cuts.before_first_token, how="reset"), "head and role, then a reset"),
    Fault("reset_after_reasoning", "M12", partial(cuts.after_reasoning, how="reset"), "some thinking, then a reset"),
    Fault("reset_in_event", "M12", partial(cuts.in_event, how="reset"), "a reset inside an event's JSON"),
    Fault("reset_in_character", "M12", partial(cuts.in_character, how="reset"), "a reset inside a character"),
    # ---- not an answer, in the middle of one
    Fault("error_event", "M13", partial(_error, error=_ERROR("Scripted.", type="server_error")), "an error event in OpenAI's shape"),
    Fault("error_event_first", "M13", partial(_error, error=_ERROR("Scripted.", code=503), started=False), "an error event before the first token"),
    Fault("error_event_named", "M13", partial(_error, error={"type": "error", **_ERROR("Overloaded", type="overloaded_error")}, name="error"), "an event that is called `error`"),
    Fault("error_event_status", "M13", partial(_error, error=_ERROR("Slow down.", code=429)), "an error event with a status of 429"),
    Fault("error_event_text", "M13", partial(_error, error={"error": "the backend is gone"}), "an error that is only a sentence"),
    Fault("error_in_chunk", "M13", garbage.error_in_chunk, "an error beside the choices, finish reason `error`"),
    Fault("error_in_choice", "M13", partial(_error, error={"choices": [{"index": 0, "delta": {}, "error": {"code": 502}, "finish_reason": "eos"}]}), "an error inside the choice, which calls itself finished"),
    Fault("finish_error", "M13", partial(cuts.broken_finish, word="error"), "finish reason `error`"),
    Fault("finish_abort", "M13", partial(cuts.broken_finish, word="abort"), "finish reason `abort`"),
    Fault("finish_network_error", "M13", partial(cuts.broken_finish, word="network_error"), "finish reason `network_error`"),
    Fault("finish_other", "M13", partial(cuts.broken_finish, word="OTHER"), "finish reason `OTHER`"),
    Fault("finish_null", "M13", partial(cuts.broken_finish, word="null"), "finish reason `null`, as text"),
    Fault("bad_json", "M14", partial(garbage.event_then_rest, event='{"choices": [{"index": 0, "delta": {"content": "ha'), "an event cut inside its JSON, then more"),
    Fault("text_events", "M14", partial(garbage.event_then_rest, event="and then the ships"), "an event that is plain text"),
    Fault("html_mid_stream", "M14", partial(garbage.event_then_rest, event="<html><body>502 Bad Gateway</body></html>"), "a gateway's page as an event"),
    Fault("error_named_then_rest", "M14", partial(garbage.bytes_then_rest, data=b'event: error\ndata: {"message": "overloaded"}\n\n'), "an event called `error` without an error in it, then more"),
    Fault("bad_utf8", "M14", partial(garbage.bytes_then_rest, data=b'data: {"choices": [{"index": 0, "delta": {"content": "\xff\xfe"}}]}\n\n'), "bytes that are not UTF-8"),
    Fault("wrong_choices", "M14", partial(garbage.event_then_rest, event={"choices": "none"}), "choices that are a word"),
    Fault("wrong_choice", "M14", partial(garbage.event_then_rest, event={"choices": [7]}), "a choice that is a number"),
    Fault("wrong_delta", "M14", partial(garbage.event_then_rest, event={"choices": [{"index": 0, "delta": "and"}]}), "a delta that is a word"),
    Fault("wrong_content", "M14", partial(garbage.event_then_rest, event={"choices": [{"index": 0, "delta": {"content": {"a": 1}}}]}), "a content that is an object"),
    Fault("finish_object", "M14", partial(garbage.event_then_rest, event={"choices": [{"index": 0, "delta": {}, "finish_reason": {"type": "stop"}}]}), "a finish reason that is an object"),
    Fault("huge_event", "M14", garbage.huge_event, "an event of two megabytes"),
    Fault("endless_event", "M17", garbage.endless_event, "an event that never ends, as fast as it is taken"),
    Fault("bad_chunk_size", "M14", garbage.bad_chunk_size, "an HTTP chunk whose size is no number"),
    Fault("second_head", "M14", garbage.second_head, "another response's head in the middle of the body"),
    Fault("not_gzip", "M14", garbage.not_gzip, "gzip is promised, and none comes"),
    # ---- how it ends
    Fault("empty", "M15", endings.empty, "a healthy end, and no text"),
    Fault("blanks_then_stop", "M15", partial(endings.empty, said=" \n\n "), "a healthy end after blanks"),
    Fault("reasoning_then_stop", "M15", partial(endings.empty, reasoning="Hm."), "a healthy end after thinking alone"),
    Fault("done_only", "M15", endings.done_only, "[DONE], and nothing before it"),
    _whole("empty_body", "M15", endings.empty_body, "200 without a body"),
    Fault("endless", "M17", endings.endless, "new words without end"),
    Fault("repeating", "M17", partial(endings.endless, words=" over and over"), "the same words over and over"),
    Fault("blanks", "M17", partial(endings.endless, words="\n  \n"), "blanks over and over"),
    Fault("zero_width", "M17", partial(endings.endless, words="\u200b"), "characters that take no room, over and over"),
    Fault("endless_reasoning", "M17", partial(endings.endless, words="Hm. ", field="reasoning_content"), "thinking without end"),
    Fault("length", "M18", partial(endings.ended, reason="length"), "finish reason `length` after --at characters"),
    Fault("length_max_tokens", "M18", partial(endings.ended, reason="max_tokens"), "the same, spelt `max_tokens`"),
    Fault("length_upper", "M18", partial(endings.ended, reason="MAX_TOKENS"), "the same, spelt `MAX_TOKENS`"),
    Fault("filtered", "M19", partial(endings.ended, reason="content_filter"), "finish reason `content_filter` after --at characters"),
    Fault("filtered_first", "M19", partial(endings.ended, reason="content_filter", started=False), "the same before the first word"),
    Fault("filtered_safety", "M19", partial(endings.ended, reason="SAFETY"), "the same, spelt `SAFETY`"),
    Fault("refusal", "M19", endings.refusal, "a refusal in the field for it"),
    # ---- tool calls
    Fault("bad_arguments", "M20", partial(calls.call_of, arguments="{amount: 12}"), "a call whose arguments are not JSON"),
    Fault("unknown_tool", "M21", partial(calls.call_of, tool="no_such_tool"), "a call of a tool that does not exist"),
    Fault("tool_loop", "M26", calls.loop, "the same call again, whatever came of it"),
    Fault("cut_in_call", "M27", partial(calls.broken, how="end"), "a clean end inside a call's arguments"),
    Fault("reset_in_call", "M27", partial(calls.broken, how="reset"), "a reset inside a call's arguments"),
    Fault("stall_in_call", "M27", partial(calls.broken, how="stall"), "silence inside a call's arguments"),
    Fault("length_in_call", "M27", partial(calls.broken, how="length"), "finish reason `length` inside a call's arguments"),
    Fault("cut_after_call", "M27", partial(calls.broken, how="end", whole_first=True), "a whole call, then a clean end inside a second one"),
    Fault("cut_call_finished", "M27", partial(calls.call_of, arguments='{"amount": 12, "currency": "EU'), "a call that is cut in its arguments, and called finished"),
    # ---- odd and healthy
    _odd("tool_call", calls.call, "a healthy tool call, then an answer in words"),
    _odd("tool_call_at_once", partial(calls.call, at_once=True), "the same in one piece"),
    _odd("tool_call_stop", partial(calls.call, finish="stop"), "the same, finish reason `stop`"),
    _odd("reasoning_first", partial(oddities.reasoning_first, field="reasoning_content"), "thinking, a word every --pause seconds, before the first word"),
    _odd("reasoning_field", partial(oddities.reasoning_first, field="reasoning"), "the same in a field called `reasoning`"),
    _odd("comments_first", partial(oddities.filler_first, filler=b": PROCESSING\n\n"), "a few keep-alive comments before the first word"),
    _odd("blank_lines_first", partial(oddities.filler_first, filler=b"\n\n"), "a few blank lines before the first word"),
    _odd("ping_events_first", partial(oddities.filler_first, filler=b"event: ping\n\n"), "a few events without data before the first word"),
    _style("comments_between", "a comment before each event", Style(before=": keep-alive\n\n")),
    _style("field_lines", "`event`, `id` and `retry` with each event", Style(before="event: message\nid: 7\nretry: 3000\n")),
    _style("crlf", "CRLF ends the lines", Style(eol="\r\n")),
    _style("cr", "CR ends the lines", Style(eol="\r")),
    _style("bom", "a byte order mark first", Style(bom=True)),
    _style("no_space", "no space after `data:`", Style(field="data:")),
    _style("split_data", "one event's JSON over several `data:` lines", Style(split_data=True)),
    _style("escaped", "every other character escaped", Style(ascii=True)),
    _style("byte_by_byte", "a byte per HTTP chunk, also inside characters", Style(write_bytes=1)),
    _style("three_bytes", "three bytes per HTTP chunk", Style(write_bytes=3)),
    _style("told_by_closing", "no framing: the end is the closing", Style(framing="close")),
    _style("chunk_extensions", "HTTP chunk extensions", Style(extension=";x=1")),
    _style("early_hints", "a 103 before the answer", Style(preface=b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")),
    _style("long_header", "a header of 20 KB", Style(preface=b"HTTP/1.1 103 Early Hints\r\nlink: </" + b"x" * 20_000 + b">\r\n\r\n")),
    _style("gzip", "compressed, although nobody asked", Style(gzip=True)),
    _style("octet_stream", "content type application/octet-stream", Style(content_type="application/octet-stream")),
    _style("upper_content_type", "content type in capitals", Style(content_type="Text/Event-Stream")),
    _style("index_as_text", "the choice's index as text", each_choice(index="0")),
    _style("role_in_each", "the role in each delta", each_delta(role="assistant")),
    _style("null_fields", "null fields in each delta", each_delta(content=None, tool_calls=None, function_call=None, refusal=None, reasoning_content=None)),
    _style("null_error", "`error: null` in each chunk", each_chunk(error=None)),
    _style("null_usage", "`usage: null` in each chunk", each_chunk(usage=None)),
    _style("running_usage", "token counts in each chunk", each_chunk(usage={"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6})),
    _style("unknown_fields", "fields that nobody knows", each_chunk(x_groq={"id": "r1"}, provider="x", system_fingerprint="fp", service_tier="default")),
    _odd("no_choices_between", partial(oddities.between, events=({"choices": [], "prompt_filter_results": []},)), "a chunk without choices"),
    _odd("null_choices_between", partial(oddities.between, events=(_null_choices,)), "a chunk whose choices are null"),
    _odd("empty_deltas_between", partial(oddities.between, events=({}, {}, {})), "chunks that say nothing"),
    _odd("hiccup", stalls.hiccup, "a pause of --pause seconds in the middle"),
    _odd("finish_with_text", oddities.finish_with_text, "the finish reason with the last text"),
    _odd("finish_with_usage", partial(oddities.finish_with_text, usage=True), "the finish reason with the last text and the counts"),
    _odd("finish_end_turn", partial(oddities.finish_word, word="end_turn"), "finish reason `end_turn`"),
    _odd("finish_upper", partial(oddities.finish_word, word="STOP"), "finish reason `STOP`"),
    _odd("finish_eos", partial(oddities.finish_word, word="eos"), "finish reason `eos`"),
    _odd("finish_stop_sequence", partial(oddities.finish_word, word="stop_sequence"), "finish reason `stop_sequence`"),
    _odd("finish_twice", oddities.finish_twice, "the finish reason, and again"),
    _odd("no_done", oddities.no_done, "a finish reason, and no [DONE]"),
    _odd("no_last_blank_line", oddities.no_last_blank_line, "no blank line after the last event"),
    _odd("left_open", oddities.left_open, "the connection stays open after the end"),
    _odd("left_open_no_done", partial(oddities.left_open, done=False), "it stays open, and no [DONE] came"),
    _odd("comments_after", oddities.comments_after, "keep-alive comments for ever after the end"),
    _odd("comments_after_no_done", partial(oddities.comments_after, done=False), "the same, and no [DONE] came"),
    _odd("finish_then_close", partial(_after, data=b"", how="close"), "the last HTTP chunk is missing after the finish reason"),
    _odd("finish_then_reset", partial(_after, data=b"", how="reset"), "a reset after the finish reason"),
    _odd("finish_then_error", partial(_after, data=b'data: {"error": {"message": "late", "code": 500}}\n\n'), "an error event after the finish reason"),
    _odd("finish_then_noise", partial(_after, data=b"data: {not json\n\ndata: [DONE]\n\ndata: [DONE]\n\n"), "noise and two [DONE] after the finish reason"),
    _odd("whole_document", oddities.whole_document, "a whole completion instead of a stream"),
    _odd("blanks_then_document", partial(oddities.whole_document, blanks=3), "keep-alive blanks, then a whole completion"),
    _odd("one_write", oddities.one_write, "head and body in one write, with a content length"),
    _odd("trailers", oddities.trailers, "trailers after the last HTTP chunk"),
    _odd("says_done", partial(oddities.says, words="data: [DONE]"), "the text itself says `data: [DONE]`"),
    _odd("says_error", partial(oddities.says, words='{"error": {"code": 500}}'), "the text itself says an error"),
    _odd("other_choices", oddities.other_choices, "a second choice that nobody asked for"),
)
# fmt: on

FAULTS: dict[str, Fault] = {fault.name: fault for fault in _FAULTS}
"""Every fault by its name."""


def fault_named(name: str) -> Fault:
    """The fault of this name.

    Raises:
        ConfigurationSettingError: There is none; the message says which names are near.
    """
    fault = FAULTS.get(name)
    if fault is None:
        near = [known for known in FAULTS if name.partition("_")[0] in known]
        hint = f"near it: {', '.join(near)}" if near else "--list names them all"
        raise ConfigurationSettingError(f"There is no fault {name!r}; {hint}.")
    return fault


def cut_document(reply: Reply) -> Awaitable[None]:
    """What a fault of streams becomes for a request that is not streamed."""
    return cuts.document(reply)
