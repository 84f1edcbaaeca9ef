/** What the page says, in one place: marks, outcomes, connection. Plain words, no blame, always what happens next. */

import type { Mark, Message } from "./state/transcript.ts";
import type { Guidance, Outcome } from "./wire/frames.ts";

export const CATCHING_UP: Guidance = {
  state: "reloaded",
  reason: "The server keeps a new log, so the conversation was read again from it. What you see is what it has.",
};

/** Why a model was left, as the end of "because …". */
const BECAUSE: Readonly<Record<string, string>> = {
  "model.unavailable": "it could not be reached",
  "model.timeout": "it took too long",
  "model.rate_limited": "it is taking no more requests for now",
  "model.quota_exceeded": "its quota is spent",
  "model.overloaded": "it is overloaded",
  "model.truncated": "its stream was cut",
  "model.malformed": "it sent something unreadable",
  "model.empty": "it sent an empty answer",
  "model.filtered": "its content filter stepped in",
  "model.output_limit": "it reached its length limit",
  "model.context_overflow": "the conversation is too long for it",
  "model.authentication": "it refused our key",
  "model.not_found": "its provider does not know it",
  "model.all_failed": "no model could answer",
  "resource.breaker_open": "it is resting after repeated failures",
  "resource.bulkhead_full": "it is busy",
};

/** The story of one mark: a headline, what happened, and what was done about it. */
export interface Story {
  readonly headline: string;
  readonly happened: string;
  readonly done: string;
}

type Facts = Readonly<Record<string, unknown>>;

/** In the order of what matters most where several things happened in one place. */
const STORIES: Readonly<Record<string, (facts: Facts) => Story>> = {
  degraded: (facts) => ({
    headline: "Not a model's answer",
    happened: `No model could answer: ${sentence(facts["reason"], because(facts["kind"]))}`,
    done: "What follows is a statement of the server. You can ask again.",
  }),
  cached: (facts) => ({
    headline: "An earlier answer",
    happened: "No model could answer just now.",
    done: `This is the answer to the same question from ${age(Number(facts["ageS"] ?? facts["age_s"] ?? 0))} ago.`,
  }),
  reset: (facts) => ({
    headline: "Begun again",
    happened: `What had been written was withdrawn: ${sentence(facts["reason"], "it could not be continued.")}`,
    done: "The answer was begun again from its start.",
  }),
  resumed: () => ({
    headline: "Resumed after a restart",
    happened: "The server stopped while this answer was being written.",
    done: "It went on from the last word that was kept.",
  }),
  failover: (facts) => {
    const from = name(facts, "from", "from_model");
    const to = name(facts, "to", "to_model");
    const why = because(facts["kind"]);
    return facts["phase"] === "mid_stream"
      ? {
          headline: `Continued by ${to}`,
          happened: `${from} broke off here, because ${why}.`,
          done: `${to} was asked to go on from the last word.`,
        }
      : {
          headline: `Answered by ${to}`,
          happened: `${from} gave no answer, because ${why}.`,
          done: `${to} was asked instead.`,
        };
  },
  continued: (facts) => {
    const model = name(facts, "model", "model");
    const dropped = Number(facts["rolledBackChars"] ?? facts["rolled_back_chars"] ?? 0);
    const unseen =
      dropped > 0 ? ` ${count(dropped, "character")} of an unfinished word had come and were never shown.` : "";
    return {
      headline: `Continued by ${model}`,
      happened: `${model} went on from here.`,
      done: `The seam was checked, so nothing is said twice.${unseen}`,
    };
  },
  recovery: (facts) => ({
    headline: "Mended",
    happened: `Something went wrong: ${sentence(facts["reason"], "the server did not say what.")}`,
    done: `It was mended by: ${sentence(facts["strategy"], "trying again.")}`,
  }),
};

const RANK = Object.keys(STORIES);

export function story(mark: Mark): Story {
  const tell = STORIES[mark.type];
  return tell ? tell(mark.facts) : { headline: "Mended", happened: "Something happened to this answer.", done: "" };
}

/** The headline of what happened in one place: the last of what matters most. */
export function headline(marks: readonly Mark[]): string {
  const rank = (mark: Mark): number => (RANK.includes(mark.type) ? RANK.indexOf(mark.type) : RANK.length);
  const best = Math.min(...marks.map(rank));
  const mark = marks.findLast((candidate) => rank(candidate) === best);
  return mark ? story(mark).headline : "";
}

/** What a person may do about an outcome. */
export type Remedy = "ask_again" | "go_on" | "rephrase" | "recover" | "none";

interface Ending {
  readonly tone: "quiet" | "warn" | "bad";
  readonly title: string;
  readonly advice: string;
  readonly remedy: Remedy;
  readonly said: string;
}

const ENDINGS: Readonly<Record<Outcome, Ending>> = {
  completed: { tone: "quiet", title: "", advice: "", remedy: "none", said: "The answer is complete." },
  cached: {
    tone: "warn",
    title: "This is an earlier answer.",
    advice: "No model could answer just now. Ask again later for a fresh one.",
    remedy: "ask_again",
    said: "An earlier answer was given, since no model could answer.",
  },
  degraded: {
    tone: "warn",
    title: "No model could answer.",
    advice: "The text above is a statement of the server. Your question is kept; ask again in a moment.",
    remedy: "ask_again",
    said: "No model could answer.",
  },
  output_limit: {
    tone: "warn",
    title: "The answer stops here because it reached the length limit.",
    advice: "It is not complete. You can ask for the rest.",
    remedy: "go_on",
    said: "The answer stopped at the length limit and is not complete.",
  },
  filtered: {
    tone: "warn",
    title: "The model's content filter ended this answer.",
    advice: "It may be incomplete. Put the question differently, and it may pass.",
    remedy: "rephrase",
    said: "A content filter ended the answer.",
  },
  cancelled: {
    tone: "quiet",
    title: "Stopped.",
    advice: "The answer ends where you stopped it.",
    remedy: "ask_again",
    said: "Stopped.",
  },
  failed: {
    tone: "bad",
    title: "This turn failed.",
    advice: "Your question is kept. Ask it again.",
    remedy: "ask_again",
    said: "The turn failed.",
  },
  parked: {
    tone: "bad",
    title: "This turn is parked: it failed several times in a row.",
    advice: "Nothing is lost. It can be taken up again where it stopped.",
    remedy: "recover",
    said: "The turn is parked.",
  },
};

export const REMEDIES: Readonly<Record<Exclude<Remedy, "none">, string>> = {
  ask_again: "Ask again",
  go_on: "Continue",
  rephrase: "Edit the question",
  recover: "Take it up again",
};

export const GO_ON = "Please go on from where you stopped.";

/** How a message ended; null when there is nothing to say. */
export function ending(message: Message): Ending | null {
  if (message.outcome === null || message.outcome === "completed") return null;
  const known = ENDINGS[message.outcome] ?? ENDINGS.failed;
  if (message.outcome !== "cancelled" || message.text !== "") return known;
  return { ...known, advice: "It was stopped before the first word." };
}

export function announceEnd(outcome: Outcome): string {
  return ENDINGS[outcome]?.said ?? "";
}

/** Questions that even the smallest embedded model brings to an end. */
export const EXAMPLES: readonly string[] = [
  "Why is the sky blue?",
  "What is the difference between tea and coffee?",
  "Give me three ideas for a rainy afternoon.",
];

/** How long ago, for a list: "now", "5 min", "3 h", "2 d", then the date. */
export function ago(then: string, now: number): string {
  const seconds = (now - Date.parse(then)) / 1_000;
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 60) return "now";
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h`;
  if (seconds < 7 * 86_400) return `${Math.floor(seconds / 86_400)} d`;
  return new Date(then).toLocaleDateString(undefined, { day: "numeric", month: "short" });
}

function because(kind: unknown): string {
  return BECAUSE[String(kind)] ?? "something went wrong with it";
}

function name(facts: Facts, wire: string, log: string): string {
  return String(facts[wire] ?? facts[log] ?? "another model");
}

function sentence(reason: unknown, otherwise: string): string {
  const text = typeof reason === "string" && reason !== "" ? reason.replaceAll("_", " ") : otherwise;
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? "" : "s"}`;
}

function age(seconds: number): string {
  if (seconds < 90) return count(Math.max(1, Math.round(seconds)), "second");
  if (seconds < 5_400) return count(Math.round(seconds / 60), "minute");
  if (seconds < 129_600) return count(Math.round(seconds / 3_600), "hour");
  return count(Math.round(seconds / 86_400), "day");
}
