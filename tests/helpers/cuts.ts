// Ways of cutting bytes: however a stream is cut into chunks, the same must come
// out of it.

import { assertEquals } from "@std/assert";

/** Numbers from 0 up to 1 that look random and are the same for the same seed (mulberry32). */
export function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One way of cutting: its name for messages, and the pieces, each a copy. */
export interface Cut {
  readonly name: string;
  readonly pieces: Uint8Array<ArrayBuffer>[];
}

/** Cuts at the indices given, which ascend. */
export function cutAt(
  bytes: Uint8Array,
  ...at: number[]
): Uint8Array<ArrayBuffer>[] {
  return [...at, bytes.length].map((end, i) =>
    new Uint8Array(bytes.subarray(i === 0 ? 0 : at[i - 1], end))
  );
}

/** Every byte a piece of its own. */
export function byteByByte(bytes: Uint8Array): Uint8Array<ArrayBuffer>[] {
  return Array.from(bytes, (byte) => Uint8Array.of(byte));
}

/** Pieces of random lengths, mostly short; some are empty. */
export function cutAtRandom(
  bytes: Uint8Array,
  seed: number,
): Uint8Array<ArrayBuffer>[] {
  const next = random(seed);
  const longest = 2 + next() * Math.min(bytes.length, 4096);
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + Math.floor(next() * next() * longest);
    pieces.push(new Uint8Array(bytes.subarray(at, end)));
    at = end;
  }
  return pieces;
}

/** Whole, byte by byte, and `count` times at random. */
export function* cuts(bytes: Uint8Array, count = 50): Generator<Cut> {
  yield { name: "whole", pieces: [new Uint8Array(bytes)] };
  yield { name: "byte by byte", pieces: byteByByte(bytes) };
  for (let seed = 1; seed <= count; seed++) {
    yield { name: `cut by seed ${seed}`, pieces: cutAtRandom(bytes, seed) };
  }
}

/** Takes a chunk and all that it gives, until more is needed. */
export type Deliver = (chunk: Uint8Array<ArrayBuffer>) => void;

/** Delivers the pieces, each in memory of its own. */
export function feed(
  pieces: readonly Uint8Array<ArrayBuffer>[],
  deliver: Deliver,
): void {
  for (const piece of pieces) deliver(piece);
}

/**
 * Delivers the pieces through one read buffer, as a reading loop does, which is
 * overwritten with garbage after each: whoever still looks into it then is wrong.
 */
export function feedReused(
  pieces: readonly Uint8Array<ArrayBuffer>[],
  deliver: Deliver,
): void {
  const size = pieces.reduce((most, { length }) => Math.max(most, length), 0);
  const buffer = new Uint8Array(size);
  for (const piece of pieces) {
    buffer.set(piece);
    deliver(buffer.subarray(0, piece.length));
    buffer.fill(0xa5);
  }
}

/**
 * Runs something on the bytes in every way of cutting, with fresh and with reused
 * buffers, asserts that the results are equal, and returns them. `run` is to make
 * a new decoder, pass a `Deliver` to `feed`, and return what came out, nothing of
 * which may be a view into a chunk.
 *
 * @example
 * ```ts ignore
 * const events = sameHoweverCut(bytes, (feed) => {
 *   const ws = new Connection("server");
 *   const seen: string[] = [];
 *   feed((chunk) => {
 *     ws.recv(chunk);
 *     for (const event of ws.events()) seen.push(Deno.inspect(event));
 *   });
 *   return seen;
 * });
 * ```
 */
export function sameHoweverCut<T>(
  bytes: Uint8Array,
  run: (feed: (deliver: Deliver) => void) => T,
  count = 50,
): T {
  const expected = run((deliver) => deliver(new Uint8Array(bytes)));
  for (const { name, pieces } of cuts(bytes, count)) {
    // The reused one copies, so it goes first: chunks may be changed in place.
    const reused = run((deliver) => feedReused(pieces, deliver));
    assertEquals(reused, expected, `${name}, in one buffer`);
    assertEquals(run((deliver) => feed(pieces, deliver)), expected, name);
  }
  return expected;
}
