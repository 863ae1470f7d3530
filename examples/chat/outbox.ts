// Lines that are on their way to the other servers of the chat, or wait for it.

import { HISTORY, type Line } from "./room.ts";

/** What was said and is not sent yet; of much, the latest. */
export class Outbox {
  readonly #send: (lines: readonly Line[]) => Promise<void>;
  #lines: Line[] = [];
  #isSending = false;

  /** @param send Sends lines; what it rejects is tried again */
  constructor(send: (lines: readonly Line[]) => Promise<void>) {
    this.#send = send;
  }

  /** Takes a line, which is sent with the next `flush`. */
  add(line: Line): void {
    this.#lines = [...this.#lines, line].slice(-HISTORY);
  }

  /** Sends what waits. Rejects where that fails: then it waits on. */
  async flush(): Promise<void> {
    if (this.#isSending) return;
    this.#isSending = true;
    try {
      while (this.#lines.length > 0) {
        const batch = this.#lines;
        await this.#send(batch);
        this.#lines = this.#lines.filter((line) => !batch.includes(line));
      }
    } finally {
      this.#isSending = false;
    }
  }
}
