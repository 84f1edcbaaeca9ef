import assert from "node:assert/strict";
import { test } from "node:test";
import { length, Transcript } from "../src/state/transcript.ts";
import type { Frame } from "../src/wire/frames.ts";

const started: Frame = {
  type: "RUN_STARTED",
  threadId: "s",
  runId: "t1",
  input: { messages: [{ id: "u1", role: "user", content: "Why?" }] },
};
const begun: Frame = { type: "TEXT_MESSAGE_START", messageId: "a1", name: "first" };
const words = (delta: string): Frame => ({ type: "TEXT_MESSAGE_CONTENT", messageId: "a1", delta });
const custom = (name: string, value: Record<string, unknown>): Frame => ({
  type: "CUSTOM",
  name: `yaoki.${name}`,
  value,
});

function told(...frames: [string | null, Frame][]): Transcript {
  const transcript = new Transcript();
  for (const [id, frame] of frames) transcript.apply(id, frame);
  return transcript;
}

test("a frame that was taken before is dropped", () => {
  const transcript = told(["log:1.1", started], ["log:2.1", begun], ["log:2.2", words("Be")]);
  transcript.apply("log:2.2", words("Be"));
  transcript.apply("log:2.1", begun);
  transcript.apply("log:3.1", words("cause."));
  assert.equal(transcript.answer()?.text, "Because.");
  assert.equal(transcript.lastId, "log:3.1");
});

test("pieces follow each other without gap or overlap, counted in code points", () => {
  const transcript = told(
    ["log:1.1", started],
    ["log:2.1", begun],
    ["log:2.2", words("👩‍🚀 東")],
    ["log:3.1", words("京")],
  );
  const answer = transcript.answer();
  assert.deepEqual(answer?.pieces, [
    { id: "log:2.2", at: 0, length: 5 },
    { id: "log:3.1", at: 5, length: 1 },
  ]);
  assert.equal(answer?.chars, length("👩‍🚀 東京"));
});

test("the prelude of a resumed stream changes nothing that is known", () => {
  const transcript = told(["log:1.1", started], ["log:2.1", begun], ["log:2.2", words("Half")]);
  transcript.apply("log:3.1", custom("failover", { from: "first", to: "second", phase: "mid_stream", atChar: 4 }));
  transcript.apply(null, started);
  transcript.apply(null, {
    type: "MESSAGES_SNAPSHOT",
    messages: [
      { id: "u1", role: "user", content: "Why?" },
      { id: "a1", role: "assistant", content: "Half", name: "first" },
    ],
  });
  transcript.apply(null, begun);
  transcript.apply("log:4.1", words(" and half."));
  assert.equal(transcript.messages.length, 2);
  assert.equal(transcript.answer()?.text, "Half and half.");
  assert.deepEqual(transcript.answer()?.pieces.length, 2);
  assert.deepEqual(
    transcript.answer()?.marks.map((mark) => [mark.type, mark.atChar]),
    [["failover", 4]],
  );
});

test("what happens before the first word belongs to the answer", () => {
  const transcript = told(
    ["log:1.1", started],
    ["log:2.1", custom("failover", { from: "first", to: "second", phase: "before_first_token", atChar: 0 })],
    ["log:3.1", begun],
  );
  assert.deepEqual(
    transcript.answer()?.marks.map((mark) => mark.type),
    ["failover"],
  );
  assert.deepEqual(transcript.waitingMarks, []);
});

test("a reset voids the text and keeps what happened to it", () => {
  const transcript = told(
    ["log:1.1", started],
    ["log:2.1", begun],
    ["log:2.2", words("Wrong")],
    ["log:3.1", custom("failover", { phase: "mid_stream", atChar: 5 })],
    ["log:4.1", { type: "TEXT_MESSAGE_END", messageId: "a1" }],
    ["log:4.2", custom("reset", { turnId: "t1", messageId: "a1", reason: "seam refused" })],
    ["log:4.3", { type: "MESSAGES_SNAPSHOT", messages: [{ id: "u1", role: "user", content: "Why?" }] }],
    ["log:5.1", { type: "TEXT_MESSAGE_START", messageId: "a2", name: "second" }],
    ["log:5.2", { type: "TEXT_MESSAGE_CONTENT", messageId: "a2", delta: "Right" }],
  );
  assert.deepEqual(
    transcript.messages.map((message) => message.text),
    ["Why?", "Right"],
  );
  assert.deepEqual(
    transcript.answer()?.marks.map((mark) => [mark.type, mark.atChar]),
    [
      ["failover", 0],
      ["reset", 0],
    ],
  );
});

test("an end is told once, and a turn without a word has a message of its own", () => {
  const transcript = told(["log:1.1", started]);
  const parked: Frame = { type: "RUN_ERROR", runId: "t1", message: "Too many crashes.", code: "agent.parked" };
  assert.deepEqual(transcript.apply("log:2.1", parked), { ended: { turn: "t1" } });
  assert.deepEqual(transcript.apply("log:2.1", parked), {});
  const last = transcript.messages.at(-1);
  assert.deepEqual([last?.id, last?.outcome, last?.note], ["t1-end", "parked", "Too many crashes."]);
  assert.equal(transcript.openTurn, null);
});

test("another log means reading the history again", () => {
  const transcript = told(["log:1.1", started]);
  assert.deepEqual(transcript.apply(null, custom("reset", { turnId: null, messageId: null, reason: "log_changed" })), {
    reload: true,
  });
});
