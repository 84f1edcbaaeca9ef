// Drives @ag-ui/client's HttpAgent: a command per line on stdin, what happens as JSON lines on stdout.
import { createInterface } from "node:readline";
import { HttpAgent } from "@ag-ui/client";

const tell = (what) => process.stdout.write(JSON.stringify(what) + "\n");
const [url, threadId] = process.argv.slice(2);
// A broken stream rejects a promise of the client's own that nobody can await; a browser logs it and goes on.
process.on("unhandledRejection", (thrown) => console.error("unhandled:", thrown));
const agent = new HttpAgent({ url, threadId });
agent.subscribe({
  onEvent: ({ event }) => tell({ event: event.type, name: event.name, runId: event.runId, delta: event.delta }),
});

for await (const line of createInterface({ input: process.stdin })) {
  const { ask, runId } = JSON.parse(line);
  if (ask) agent.addMessage({ id: ask.id, role: "user", content: ask.content });
  let error = null;
  try {
    await agent.runAgent({ runId });
  } catch (thrown) {
    error = String(thrown);
  }
  const messages = agent.messages.map(({ id, role, content }) => ({ id, role, text: content }));
  tell({ done: true, error, messages });
}
