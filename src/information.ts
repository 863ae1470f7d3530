// What `nextEvent()` and `next()` answer when there is no event to give.

/**
 * What {@linkcode Connection.nextEvent} answers when it has no event: a closed
 * set of literals, to be compared with `===`.
 *
 * @example The reading loop
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Connection, Information } from "@noio/ws";
 *
 * const ws = new Connection("client");
 * assertEquals(ws.nextEvent(), Information.NEED_DATA);
 * ```
 */
export const Information = {
  /** Nothing more can be said before `recv` is given more bytes. */
  NEED_DATA: "NEED_DATA",
  /** Nothing more will be received: the last event has been given. */
  CONNECTION_CLOSED: "CONNECTION_CLOSED",
} as const;

/** One of the literals of the {@linkcode Information} object. */
export type Information = typeof Information[keyof typeof Information];
