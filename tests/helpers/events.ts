// What the tests of connections share: bytes in, events out.

import { assertEquals } from "@std/assert";
import { concat } from "@std/bytes";
import {
  type AnyConnection,
  Connection,
} from "../../src/connection/connection.ts";
import type { FailEvent } from "../../src/connection/event.ts";
import type { ConnectionOptions, Role } from "../../src/connection/options.ts";
import type { MadeEvent } from "../../src/connection/message.ts";
import type { FailureRule } from "../../src/framing/failure.ts";
import {
  encodeFrame,
  type FrameInit,
  type Reserved,
} from "../../src/framing/frame.ts";
import type { CustomOpcodes } from "../../src/framing/opcode.ts";
import { cuts, feed, feedReused } from "./cuts.ts";

/** An event of any connection, its type any name. */
export type Seen = MadeEvent | FailEvent;

/** The options of any connection. */
export type Options = ConnectionOptions<CustomOpcodes, Reserved>;

/** Both ends: each test is mirrored. */
export const ROLES: readonly Role[] = ["client", "server"];

/** The masking key of the examples of RFC 6455, section 5.7. */
export const KEY: Uint8Array<ArrayBuffer> = Uint8Array.of(
  0x37,
  0xfa,
  0x21,
  0x3d,
);

/** The other end. */
export function other(role: Role): Role {
  return role === "client" ? "server" : "client";
}

/** Frames as they arrive at a role: masked at a server, not at a client. */
export function wire(
  role: Role,
  ...frames: FrameInit[]
): Uint8Array<ArrayBuffer> {
  const key = role === "server" ? KEY : undefined;
  return concat(frames.map((frame) => encodeFrame(frame, key)));
}

/** The head of a frame as it arrives at a role, byte by byte as it is given. */
export function head(role: Role, ...bytes: number[]): Uint8Array<ArrayBuffer> {
  if (role === "client") return Uint8Array.from(bytes);
  const [first, second, ...length] = bytes;
  return Uint8Array.of(first, second | 0x80, ...length, ...KEY);
}

/** An event as it is expected, with the usual in the fields that are left out. */
export function event(
  type: string,
  message: string | Uint8Array<ArrayBuffer>,
  rest: Partial<Omit<MadeEvent, "type" | "message">> = {},
): MadeEvent {
  return {
    type,
    message,
    fin: true,
    reserved: [0, 0, 0],
    statusCode: undefined,
    of: undefined,
    ...rest,
  };
}

/** What is kept of a failure: its sentence is for people. */
export function failure(rule: FailureRule, code: number): Seen {
  return { type: "fail", rule, code, message: "" };
}

/** The events that are there now, their bytes copied when they are given. */
export function drain(ws: AnyConnection): Seen[] {
  const seen: Seen[] = [];
  for (const event of ws.events()) {
    const made: Seen = event;
    if ("rule" in made) seen.push(failure(made.rule, made.code));
    else if (typeof made.message === "string") seen.push({ ...made });
    else seen.push({ ...made, message: made.message.slice() });
  }
  return seen;
}

/** The events of chunks that are handed over one after another, `null` the end. */
export function received(
  ws: AnyConnection,
  ...chunks: readonly (Uint8Array | null)[]
): Seen[] {
  return chunks.flatMap((chunk) => {
    // A chunk belongs to the connection, which unmasks it: the caller keeps its own.
    return drainAfter(ws, chunk === null ? null : chunk.slice());
  });
}

function drainAfter(ws: AnyConnection, chunk: Uint8Array | null): Seen[] {
  ws.recv(chunk);
  return drain(ws);
}

/** Joins the neighbouring parts of one message; the bits are the last part's. */
export function joinParts(events: readonly Seen[]): Seen[] {
  const joined: Seen[] = [];
  for (const event of events) {
    const last = joined.at(-1);
    if (
      last === undefined || "rule" in last || "rule" in event || last.fin ||
      event.type !== "continue"
    ) {
      joined.push(event);
      continue;
    }
    const { fin, reserved } = event;
    joined[joined.length - 1] = {
      ...last,
      fin,
      reserved,
      message: joinMessages(last.message, event.message),
    };
  }
  return joined;
}

function joinMessages(
  a: MadeEvent["message"],
  b: MadeEvent["message"],
): MadeEvent["message"] {
  if (typeof a === "string" && typeof b === "string") return a + b;
  if (typeof a !== "string" && typeof b !== "string") return concat([a, b]);
  throw new Error("The parts of one message are of two kinds");
}

/**
 * Asserts which events some bytes give, however they are cut and handed over.
 * Where parts of a message are delivered, neighbouring ones are joined.
 */
export function assertEvents(
  role: Role,
  options: Options,
  bytes: Uint8Array,
  expected: readonly Seen[],
  { atEnd = false, count = 50 }: { atEnd?: boolean; count?: number } = {},
): void {
  const shape = options.delivery === "chunk"
    ? joinParts
    : (events: readonly Seen[]) => events;
  const check = (
    way: string,
    run: (ws: AnyConnection, seen: Seen[]) => void,
  ) => {
    const ws = new Connection(role, options);
    const seen: Seen[] = [];
    run(ws, seen);
    if (atEnd) {
      ws.recv(null);
      seen.push(...drain(ws));
    }
    assertEquals<readonly Seen[]>(
      shape(seen),
      shape(expected),
      `${way} at a ${role}`,
    );
  };
  for (const { name, pieces } of cuts(bytes, count)) {
    check(`${name}, in one buffer`, (ws, seen) => {
      feedReused(pieces, (chunk) => seen.push(...drainAfter(ws, chunk)));
    });
    check(`${name}, all before the first event`, (ws, seen) => {
      for (const piece of pieces) ws.recv(piece.slice());
      seen.push(...drain(ws));
    });
    check(name, (ws, seen) => {
      feed(pieces, (chunk) => seen.push(...drainAfter(ws, chunk)));
    });
  }
}
