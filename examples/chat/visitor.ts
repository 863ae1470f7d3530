// One visitor of the chat, from the handshake to the end of its connection.

import type { WebSocketStream } from "../websocket_stream.ts";
import type { Room, Send } from "./room.ts";

/** How many messages wait for a visitor, besides 64 KiB, before it is dropped. */
const MAX_WAITING = 256;

/** How many messages in a row may be sent, and how many a second after that. */
const BURST = 8;
const RATE = 1;

/** How many messages may be too many before the visitor is sent away. */
const PATIENCE = 50;

/**
 * Lets a visitor into the room: what it sends is said, as text; what it is sent is
 * JSON. Never rejects.
 *
 * @param ws The visitor's connection
 * @param name The name that it wants
 * @param room The room
 * @param drop Ends the connection at once
 */
export async function visit(
  ws: WebSocketStream,
  name: string,
  room: Room,
  drop: () => void,
): Promise<void> {
  const { readable, writable } = await ws.opened;
  const writer = writable.getWriter();
  writer.closed.catch(() => {}); // it ends with the connection
  const send: Send = (message) => {
    // Who does not read what it is sent must not fill our memory.
    if ((writer.desiredSize ?? 0) < -MAX_WAITING) drop();
    else writer.write(message).catch(() => {});
  };

  const person = room.join(name, send);
  const allowance = new Allowance(performance.now());
  try {
    for await (const message of readable) {
      if (typeof message !== "string") {
        ws.close({ closeCode: 1003, reason: "Only text is understood here" });
      } else if (allowance.take(performance.now())) {
        const problem = room.say(person, message);
        if (problem !== undefined) complain(send, problem, message);
      } else if (allowance.excess > PATIENCE) {
        ws.close({ closeCode: 1008, reason: "Too many messages" });
      } else {
        complain(send, "That was fast. Take a breath, then send it.", message);
      }
    }
  } catch {
    // It has vanished, or broken a rule, and has been told which.
  } finally {
    room.leave(person);
  }
}

/** Hands a message back, and says why. */
function complain(send: Send, problem: string, said: string): void {
  send(JSON.stringify({ type: "problem", problem, said }));
}

/** How much somebody may send: so much at once, and then so much a second. */
class Allowance {
  /** How many messages in a row were too many. */
  excess = 0;
  #left = BURST;
  #at: number;

  constructor(now: number) {
    this.#at = now;
  }

  /** Takes one message, if that is allowed. */
  take(now: number): boolean {
    const earned = (now - this.#at) / 1000 * RATE;
    this.#left = Math.min(BURST, this.#left + earned);
    this.#at = now;
    if (this.#left < 1) {
      this.excess++;
      return false;
    }
    this.#left--;
    this.excess = 0;
    return true;
  }
}
