import assert from "node:assert/strict";
import { test } from "node:test";
import { EventParser } from "../src/wire/sse.ts";

const STREAM = 'id: log:1.1\r\ndata: {"a":1}\r\n\r\n: a comment\n\ndata: one\rdata: two\r\rid: log:2.1\ndata:3\n\n';
const EVENTS = [
  { id: "log:1.1", data: '{"a":1}' },
  { id: null, data: "one\ntwo" },
  { id: "log:2.1", data: "3" },
];

test("a stream is read the same however it is cut into pieces", () => {
  for (let size = 1; size <= STREAM.length; size++) {
    const parser = new EventParser();
    const events = [];
    for (let at = 0; at < STREAM.length; at += size) events.push(...parser.push(STREAM.slice(at, at + size)));
    assert.deepEqual(events, EVENTS, `pieces of ${size}`);
  }
});

test("half an event is not an event", () => {
  assert.deepEqual(new EventParser().push('id: log:1.1\ndata: {"a"'), []);
});
