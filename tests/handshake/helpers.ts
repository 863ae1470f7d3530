// What the tests of the handshake share.

import { assert } from "@std/assert";
import { timed } from "../helpers/measure.ts";
import type { ByteStream } from "../../src/handshake/transport.ts";
import type { RequestHead, ResponseHead } from "../../src/handshake/head.ts";

/** The bytes of a text, one for each character. */
export function bytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** The text of some bytes, one character for each. */
export function text(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/** A head whose fields are compared too: two `Headers` are always equal. */
export function plain(head: RequestHead | ResponseHead): unknown {
  return { ...head, headers: [...head.headers] };
}

/** Numbers from 0 up to 1 that only look random (mulberry32). */
export function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Ways of cutting some bytes: whole, one by one, at random. */
export function cuttings(input: Uint8Array): Uint8Array[][] {
  const ways = [[input], Array.from(input, (byte) => Uint8Array.of(byte))];
  for (let seed = 1; seed <= 12; seed++) {
    const next = random(seed);
    const way: Uint8Array[] = [];
    for (let at = 0; at < input.length;) {
      const end = at + Math.floor(next() * next() * 40);
      way.push(input.slice(at, end));
      at = end;
    }
    ways.push(way);
  }
  return ways;
}

/** How often some work is done, and how large it is done once, to compare. */
const TIMES = 32;

/**
 * Asserts that some work takes linear time: to do it once on `TIMES` as much takes
 * about as long as to do it `TIMES`, and `TIMES` as long if it is quadratic. Other
 * programs add to either, so that the best of several rounds count; and of more, as
 * long as others are in the way.
 */
export function assertLinear(
  name: string,
  work: (size: number) => void,
  size: number,
): void {
  let [parts, whole] = [Infinity, Infinity];
  for (let round = 0; round < 7 || round < 40 && whole > 4 * parts; round++) {
    parts = Math.min(
      parts,
      timed(() => {
        for (let i = 0; i < TIMES; i++) work(size);
      }),
    );
    whole = Math.min(whole, timed(() => work(size * TIMES)));
  }
  assert(whole < 8 * parts, `${name}: ${whole} ms, in parts ${parts} ms`);
}

/** Two ends of a stream in memory: what one writes, the other reads. */
export function duplex(
  make: () => TransformStream<Uint8Array, Uint8Array> = () =>
    new TransformStream(),
): { near: ByteStream; far: ByteStream } {
  const [up, down] = [make(), make()];
  return {
    near: { readable: down.readable, writable: up.writable },
    far: { readable: up.readable, writable: down.writable },
  };
}

/** Where the handshake of RFC 6455, section 1.3, goes. */
export const ADDRESS = "ws://example.com/chat";

/** Makes its key. */
export function sampleNonce(bytes: Uint8Array): void {
  bytes.set(new TextEncoder().encode("the sample nonce"));
}

/** Its request, as it is sent. */
export const REQUEST: string = "GET /chat HTTP/1.1\r\nHost: example.com\r\n" +
  "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
  "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n\r\n";

/** Its answer, as it is sent. */
export const SWITCHING: string = "HTTP/1.1 101 Switching Protocols\r\n" +
  "Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
  "Upgrade: websocket\r\n\r\n";
