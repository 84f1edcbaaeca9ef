/** The place of a frame: `log:seq.n`, where n counts the frames of one logged event. */
export interface EventId {
  readonly log: string;
  readonly seq: number;
  readonly n: number;
}

/** Reads an id; null when it is not one of ours. */
export function parseEventId(text: string): EventId | null {
  const match = /^(.+):(\d+)\.(\d+)$/.exec(text);
  if (!match) return null;
  return { log: match[1] as string, seq: Number(match[2]), n: Number(match[3]) };
}

/** Whether a frame with this id was already taken by whoever has taken `last`. An id of another log is always new. */
export function alreadySeen(id: EventId, last: EventId | null): boolean {
  if (last === null || id.log !== last.log) return false;
  return id.seq < last.seq || (id.seq === last.seq && id.n <= last.n);
}
