"""What Yaoki promises, row by row, and which rows are proven by a test.

`P-1` to `P-9` are the promises, the other rows the faults under which they must hold (`P1`, without a dash, is a fault
of the group "processes"). A row is delivered, and then at least one test carries `@pytest.mark.requirement("<id>")`;
or it says why not yet. `tests/architecture/test_requirements.py` fails when either side is missing.
"""

from dataclasses import dataclass

TOOLS = "tools (MCP) come in a later version"
MEMORY = "long-term memory comes in a later version"
HOT_TIER = "there is no hot tier yet"
POSTGRES = "SQLite is the only store yet"
VOICE = "voice comes in a later version"
CLUSTER = "one process per store until many instances come"
AUTH = "accounts come in a later version; until then the server listens on loopback only, for one owner"
UNPROVEN = "no test shows it yet"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One row: what must hold, and why it does not yet (empty once it does)."""

    id: str
    text: str
    not_yet: str = ""

    @property
    def delivered(self) -> bool:
        return not self.not_yet


REQUIREMENTS: tuple[Requirement, ...] = (
    # Promises
    Requirement(
        "P-1", "an accepted message is durable first, then acknowledged, and ends in exactly one terminal event"
    ),
    Requirement("P-2", "cut-off output is never reported as success"),
    Requirement("P-3", "text already shown is neither repeated nor lost"),
    Requirement("P-4", "a side effect happens at most once per logical tool call", TOOLS),
    Requirement("P-5", "one budget per turn, drawn down by every layer; no layer multiplies another's retries"),
    Requirement(
        "P-6",
        "dead or frozen processes, sockets, models, tool servers, stores and voice links heal",
        "processes, models and stores do; tool servers and voice come in a later version",
    ),
    Requirement("P-7", "every state a client can be in has an event that says what happened and what to do"),
    Requirement("P-8", "an error carries facts: kind, category, severity, whose fault, retryable, when, what recovers"),
    Requirement("P-9", "the guard costs microseconds, and nothing for what nobody subscribed to"),
    # Model
    Requirement("M1", "429 with Retry-After → obey within the deadline, else next model"),
    Requirement("M2", "429 without → jittered backoff under the retry budget"),
    Requirement("M3", "429 that is a spent quota → no retry; key parked; alert"),
    Requirement("M4", "500/502/503 → at most 2 retries, next model"),
    Requirement("M5", "529 overloaded → back off, other provider"),
    Requirement("M6", "connection refused → next model < 1 s; breaker counts"),
    Requirement("M7", "DNS failure or slow DNS → bounded; breaker"),
    Requirement("M8", "bad TLS certificate → closed, no retry, clear error"),
    Requirement("M9", "slow first byte → first-token deadline, next model"),
    Requirement("M10", "slow drip, or a trickle without tokens → idle and total deadlines; only tokens are life"),
    Requirement("M11", "clean close mid-stream → not success: continued"),
    Requirement("M12", "reset mid-stream → continued, visible as failover"),
    Requirement("M13", "error event inside a 200 → continued, no duplicate text"),
    Requirement("M14", "malformed SSE or JSON → typed error, continued"),
    Requirement("M15", "empty completion → another model"),
    Requirement("M16", "200 + HTML or a JSON error, redirect to a page → provider's fault, next model"),
    Requirement("M17", "endless stream, the same words or blanks over and over → caps, closed, said"),
    Requirement("M18", "finish = length → said so, or continued within budget"),
    Requirement("M19", "content filter → policy outcome, not success"),
    Requirement("M20", "invalid tool-call JSON → told to the model, bounded", TOOLS),
    Requirement("M21", "unknown tool name → the list goes back to the model", TOOLS),
    Requirement("M22", "context overflow → compacted or larger window"),
    Requirement("M23", "401/403 → key out of rotation, alert, next model"),
    Requirement("M24", "model not found → skipped, alert"),
    Requirement("M25", "everything down → cached, else degraded answer; 503 + Retry-After at /v1"),
    Requirement("M26", "the same tool call in a loop → stopped", TOOLS),
    Requirement("M27", "cut inside a tool call or JSON → incomplete part dropped, asked again; never run"),
    Requirement("M28", "odd but healthy streams → not a fault: no failover, no mark, no delay"),
    # Tools
    Requirement("T1", "HTTP server dies mid-call → error ≤ 1 s, reconnect; again only if idempotent", TOOLS),
    Requirement("T2", "stdio server dies → respawned with backoff", TOOLS),
    Requirement("T3", "hang → default deadline, cancelled", TOOLS),
    Requirement("T4", "effect done, reply lost → unknown, never blindly again", TOOLS),
    Requirement("T5", "protocol garbage → that server isolated", TOOLS),
    Requirement("T6", "30 MB result → capped, kept by reference", TOOLS),
    Requirement("T7", "one server 503 → the others go on", TOOLS),
    Requirement("T8", "tool list changes mid-run → listed again; old name → clear error", TOOLS),
    Requirement("T9", "auth expires → refreshed once", TOOLS),
    Requirement("T10", "duplicate or late reply → dropped by id", TOOLS),
    Requirement("T11", "older protocol → negotiated", TOOLS),
    Requirement("T12", "definition changed after approval → pinned hash, asked again", TOOLS),
    # Stores
    Requirement("S1", "Redis killed → degraded ≤ 1 s, heals", HOT_TIER),
    Requirement("S2", "Redis frozen → every call ≤ 0.5 s", HOT_TIER),
    Requirement("S3", "Redis restarted empty → rebuilt", HOT_TIER),
    Requirement("S4", "Redis out of memory, READONLY, NOREPLICAS → cache shed, alert, truth unharmed", HOT_TIER),
    Requirement("S5", "slow Redis → not on the token path", HOT_TIER),
    Requirement("S6", "Postgres stopped 4 s mid-turn → turn goes on after", POSTGRES),
    Requirement("S7", "disk full → no ack; read-only, said; recovers"),
    Requirement("S8", "I/O error on write → no partial state"),
    Requirement("S9", "database locked → bounded wait"),
    Requirement(
        "S10",
        "corrupt record → one session quarantined and rebuilt, the rest untouched",
        "it says so, its turn ends, and the rest is untouched; damaged events are not rebuilt yet",
    ),
    Requirement(
        "S11",
        "clock jumps ±1 h → timers unharmed; tokens with leeway",
        "deadlines, order and kept sessions are unharmed; there are no tokens yet",
    ),
    Requirement("S12", "torn tail after a crash → clean start"),
    Requirement("S13", "read-only file system → a clear exit at start; later /readyz fails with the reason"),
    Requirement("S14", "older schema → migrated or refused"),
    Requirement("S15", "log lost → log_id changes, clients told to reload"),
    # Processes
    Requirement("P1", "kill -9 before the model call → resumes"),
    Requirement("P2", "kill -9 mid-stream → same run, text continued, one end"),
    Requirement("P3", "kill -9 tool done, not yet recorded → unknown or keyed; never twice", TOOLS),
    Requirement("P4", "kill -9 after commit, before send → replayed, no duplicate"),
    Requirement("P5", "SIGTERM → not ready, drain, clients told to reconnect, 1012"),
    Requirement("P6", "second SIGTERM → fast and safe"),
    Requirement("P7", "out of memory → as P2"),
    Requirement("P8", "event loop stalls → told, with the stack"),
    Requirement("P9", "descriptors exhausted → shed, recover"),
    Requirement("P10", "crash loop on one turn → backed off, parked with RUN_ERROR, others go on"),
    Requirement("P11", "bad configuration → refused with file, key, reason"),
    Requirement("P12", "local model's process or its parent killed → continued, respawned; no orphan after 1 s"),
    # Clients
    Requirement("C1", "event stream or WebSocket dropped → resumed by id"),
    Requirement("C2", "half-open TCP → noticed ≤ 30 s on both sides"),
    Requirement("C3", "slow reader → cut off (1013) in bounded time and memory, resumes by id"),
    Requirement("C4", "reconnect storm, 1000 clients → admission, jittered guidance"),
    Requirement("C5", "message sent twice → one turn"),
    Requirement("C6", "POST again with Last-Event-ID → never a second run"),
    Requirement("C7", "id too old or of another log → snapshot + reset"),
    Requirement("C8", "two tabs → same events"),
    Requirement("C9", "disconnect → the turn goes on; only cancel stops it"),
    Requirement("C10", "our own stream cut → the page says interrupted, and resumes"),
    # Voice
    Requirement("V1", "LiveKit restarted → rejoined, same session", VOICE),
    Requirement("V2", "room closed → ended cleanly, text offered", VOICE),
    Requirement("V3", "recogniser hangs → next one, buffered speech replayed", VOICE),
    Requirement("V4", "recogniser garbage → confidence gate, asked again", VOICE),
    Requirement("V5", "synthesiser hangs or sends nothing → next one from the last word heard, then text", VOICE),
    Requirement("V6", "silence → prompt, then close", VOICE),
    Requirement("V7", "participant returns → same session", VOICE),
    Requirement("V8", "token expires → refreshed early", VOICE),
    Requirement("V9", "voice worker dies → adopted, call goes on", VOICE),
    Requirement("V10", "barge-in while healing → cancel wins", VOICE),
    # Clusters
    Requirement("K1", "instance dies → adopted ≤ 2 s", CLUSTER),
    Requirement("K2", "frozen instance wakes → fenced: appends nothing, runs nothing", CLUSTER),
    Requirement("K3", "partition → one side writes", CLUSTER),
    Requirement("K4", "two adopters → one wins", CLUSTER),
    Requirement("K5", "clocks differ → store time only", CLUSTER),
    Requirement("K6", "old and new version together → formats mix", CLUSTER),
    Requirement("K7", "retry storm → global budget holds", CLUSTER),
    # Security
    Requirement("X1", "instructions in tool output → tainted: no egress or state change without approval", TOOLS),
    Requirement("X2", "poisoned memory → provenance, purge", MEMORY),
    Requirement("X3", "200 MB body, 16 MB frame → 413, 1009 early"),
    Requirement("X4", "every route without auth → denied", AUTH),
    Requirement(
        "X5",
        "someone else's session, run, memory → 404",
        "somebody else's session or run is not found; there are no accounts or memories yet",
    ),
    Requirement("X6", "foreign Origin, also on WebSocket → refused"),
    Requirement("X7", "DNS rebinding → Host check"),
    Requirement("X8", "SSRF by URL or redirect → each hop checked", TOOLS),
    Requirement("X9", "stdio command through an API → impossible", TOOLS),
    Requirement("X10", "secrets in logs, errors, traces → a canary never appears"),
    Requirement("X11", "slowloris → header deadline"),
    Requirement("X12", "script in model text → sanitised, strict CSP"),
    Requirement("X13", "JWT none, expired, wrong audience → refused", AUTH),
    Requirement("X14", "cost bomb → per-owner budget", AUTH),
    Requirement("X15", "fault injection called → off, admin, loopback, expires", UNPROVEN),
)
