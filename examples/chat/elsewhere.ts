// Who is on the other servers of the chat, as long as these say so.

import type { Person, Room } from "./room.ts";

/** After how much silence a server counts as gone, in milliseconds. */
const PATIENCE = 10_000;

/** The other servers. */
export class Elsewhere {
  readonly #room: Room;
  /** When each of them was heard. */
  readonly #heard = new Map<string, number>();

  /** @param room The room that is told */
  constructor(room: Room) {
    this.#room = room;
  }

  /** Takes who is on a server; whether that one is new. */
  take(server: string, people: readonly Person[], now: number): boolean {
    const isNew = people.length > 0 && !this.#heard.has(server);
    if (people.length === 0) this.#heard.delete(server);
    else this.#heard.set(server, now);
    this.#room.setElsewhere(server, people);
    return isNew;
  }

  /** Forgets the servers that have fallen silent. */
  forget(now: number): void {
    for (const [server, at] of this.#heard) {
      if (now - at >= PATIENCE) this.take(server, [], now);
    }
  }
}
