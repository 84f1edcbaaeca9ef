// Drives @tanstack/ai-client's ChatClient: a command per line on stdin, what happens as JSON lines on stdout.
import { createInterface } from "node:readline";
import { ChatClient, fetchServerSentEvents } from "@tanstack/ai-client";

const tell = (what) => process.stdout.write(JSON.stringify(what) + "\n");
const [url, threadId] = process.argv.slice(2);
let error = null;
const client = new ChatClient({
  threadId,
  connection: fetchServerSentEvents(url, { reconnect: { maxAttempts: 60 } }), // 15 s instead of its default of 1.25 s
  onChunk: (chunk) => tell({ event: chunk.type, name: chunk.name, runId: chunk.runId, delta: chunk.delta }),
  onError: (thrown) => {
    error = String(thrown);
  },
});

for await (const line of createInterface({ input: process.stdin })) {
  const { ask } = JSON.parse(line);
  error = null;
  await client.sendMessage({ id: ask.id, content: ask.content });
  const text = ({ parts }) => parts.filter(({ type }) => type === "text").map(({ content }) => content).join("");
  const messages = client.getMessages().map((message) => ({ id: message.id, role: message.role, text: text(message) }));
  tell({ done: true, error, messages, status: client.getStatus() });
}
