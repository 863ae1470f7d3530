// A DEFLATE codec that takes `node:zlib` where that is faster, and the portable
// one where it is not. Only what `node:zlib` documents is used: its one-shot
// calls, which cost some 25 us to set up and then run faster.
//
// A call knows nothing of the one before it:
//
// - To decompress, the last 32 KiB of plaintext, all that DEFLATE remembers, go
//   first, as a stored block. (`dictionary` would do the same, but Deno 2.9
//   ignores it.)
// - What is compressed so is so long that the context would hardly shorten it.
// - The portable codec is told what passed it by: at once where it was compressed, and
//   when its turn comes where it was decompressed.

import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import {
  type DeflateCodec,
  type InflateInfo,
  type Inflater,
  type InflateSettings,
  PakoInflater,
  PIECE_BYTES,
  PortableDeflater,
  TAIL,
} from "./deflate_codec.ts";
import { EMPTY } from "../framing/slab.ts";

/** All that DEFLATE can refer back to (RFC 1951, section 2). */
const WINDOW_BYTES = 32_768;

/** From how many compressed bytes on a message is inflated at once. */
const INFLATE_FROM = 1024;

/** Up to how many bytes a message is inflated at once; beyond, it is streamed. */
const INFLATE_MOST = 4_194_304;

/**
 * What is inflated at once may be this part of the budget. The call holds it up
 * to three times: the chunks, one more of them, and all in one.
 */
const INFLATE_SHARE = 4;

/** From how many bytes on a part is deflated at once: of most, context saves 2 %. */
const DEFLATE_FROM = 262_144;

/** A deflater that takes `node:zlib` for what is long. */
class ZlibDeflater extends PortableDeflater {
  override compress(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    if (bytes.length < DEFLATE_FROM) return super.compress(bytes);
    const { windowBits, level, memLevel } = this.settings;
    const result = deflateRawSync(bytes, {
      windowBits,
      level,
      memLevel,
      finishFlush: constants.Z_SYNC_FLUSH,
      chunkSize: PIECE_BYTES,
    });
    this.skip(bytes);
    return own(result, 0, result.length);
  }
}

/** Memory for the past of one who has forgotten it: the next takes it. */
let idleBytes: Uint8Array<ArrayBuffer> | undefined = undefined;

/** The last plaintext that was received. */
class Past {
  /** How many bytes of it the portable codec has not seen. */
  missed = 0;
  #bytes: Uint8Array<ArrayBuffer> = EMPTY;
  #end = 0;

  /** How many bytes are remembered. */
  get length(): number {
    return Math.min(this.#end, WINDOW_BYTES);
  }

  append(bytes: Uint8Array): void {
    const count = Math.min(bytes.length, WINDOW_BYTES);
    // Twice the size, so that what is kept is moved only once per window.
    if (this.#bytes === EMPTY) {
      this.#bytes = idleBytes ?? new Uint8Array(2 * WINDOW_BYTES);
      idleBytes = undefined;
    }
    if (this.#end + count > this.#bytes.length) {
      this.#bytes.copyWithin(0, this.#end - WINDOW_BYTES, this.#end);
      this.#end = WINDOW_BYTES;
    }
    const isAll = count === bytes.length;
    const last = isAll ? bytes : bytes.subarray(bytes.length - count);
    this.#bytes.set(last, this.#end);
    this.#end += count;
  }

  /** The last bytes: a view, good until the next `append`. */
  last(count: number): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(this.#end - count, this.#end);
  }

  /** What the portable codec has not seen, and has now. */
  catchUp(): Uint8Array<ArrayBuffer> {
    const count = Math.min(this.missed, this.length);
    this.missed = 0;
    return this.last(count);
  }

  clear(): void {
    if (this.#bytes !== EMPTY) idleBytes = this.#bytes;
    this.free();
  }

  free(): void {
    this.missed = 0;
    this.#end = 0;
    this.#bytes = EMPTY;
  }
}

/** Plain bytes of what `node:zlib` made, without the room that was left over. */
function own(
  made: Uint8Array,
  from: number,
  to: number,
): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, length } = made;
  // Never shared: `node:zlib` has just made it.
  const plain = buffer as ArrayBuffer;
  const bytes = new Uint8Array(plain, byteOffset + from, to - from);
  return length > PIECE_BYTES ? bytes : bytes.slice();
}

// The type of a block, in its first byte (RFC 1951, section 3.2.3).
const BLOCK_TYPE_BITS = 6;
const STORED = 0;

const STORED_HEAD_BYTES = 5;

/**
 * A final stored block of bytes that nobody can guess: where the result ends with
 * them, the message has ended between two blocks. (An empty block would not do: in
 * the midst of one, its bytes can be a symbol and an end.)
 */
const SEAL_BYTES = 16;
const SEAL = new Uint8Array(STORED_HEAD_BYTES + SEAL_BYTES);
SEAL.set([1, SEAL_BYTES, 0, ~SEAL_BYTES & 0xff, 0xff]);
crypto.getRandomValues(SEAL.subarray(STORED_HEAD_BYTES));

// What is inflated at once is put together here, if it fits.
const room = new Uint8Array(2 * PIECE_BYTES);

/** How many bytes are inflated at once, and how many may come of them. */
function mostOf(budget: number): number {
  return Math.min(INFLATE_MOST, budget / INFLATE_SHARE);
}

/** Whether so many bytes are neither too few nor too many for that. */
function fits(length: number, budget: number): boolean {
  return length >= INFLATE_FROM && length <= mostOf(budget);
}

/** An inflater that takes `node:zlib` for what is long and in one part. */
class ZlibInflater implements Inflater {
  readonly #portable: PakoInflater;
  readonly #past = new Past();
  #withinMessage = false;

  /** Creates one. Throws a RangeError where a setting is out of range. */
  constructor(settings: InflateSettings) {
    this.#portable = new PakoInflater(settings);
  }

  decompress(
    bytes: Uint8Array,
    info: InflateInfo,
  ): Iterable<Uint8Array<ArrayBuffer>> {
    const whole = info.last && !this.#withinMessage;
    this.#withinMessage = !info.last;
    const isFit = fits(bytes.length, info.budget);
    // Stored blocks are copied, and need no help with that.
    if (whole && isFit && (bytes[0] & BLOCK_TYPE_BITS) !== STORED) {
      const pieces = this.#atOnce(bytes, Math.floor(mostOf(info.budget)));
      if (pieces !== undefined) return pieces;
    }
    const past = this.#past;
    if (past.missed > 0) this.#portable.skip(past.catchUp());
    const pieces = this.#portable.decompress(bytes, info);
    if (!Array.isArray(pieces)) return remembered(pieces, past);
    for (const piece of pieces) past.append(piece);
    return pieces;
  }

  gathers(length: number, budget: number): boolean {
    return fits(length, budget);
  }

  reset(): void {
    this.#portable.reset();
    this.#past.clear();
  }

  close(): void {
    this.#portable.close();
    this.#past.free();
    this.#withinMessage = false;
  }

  /**
   * The pieces of a whole message, or `undefined` where it is not as simple: it
   * is corrupt, it is too long, or it has a final block before its end. All of
   * that the portable codec finds out anew, so that both judge alike.
   */
  #atOnce(
    bytes: Uint8Array,
    most: number,
  ): Uint8Array<ArrayBuffer>[] | undefined {
    const past = this.#past;
    const { length } = past;
    const input = this.#primed(bytes, length);
    let result: { buffer: Uint8Array; engine: { bytesWritten: number } };
    try {
      // The types do not know that `info` changes what is returned; Node's
      // documentation does.
      result = inflateRawSync(input, {
        info: true,
        maxOutputLength: length + most + SEAL_BYTES,
        chunkSize: length + Math.min(8 * bytes.length, most) + SEAL_BYTES,
      }) as unknown as typeof result;
    } catch {
      return undefined;
    }
    const { buffer, engine } = result;
    const end = buffer.length - SEAL_BYTES;
    if (
      engine.bytesWritten !== input.length || end < length ||
      !isSealed(buffer, end)
    ) return undefined;
    const message = own(buffer, length, end);
    past.append(message);
    past.missed += message.length;
    return cut(message);
  }

  /** The past as a stored block, the message, its tail, and the seal. */
  #primed(bytes: Uint8Array, length: number): Uint8Array {
    const body = length === 0 ? 0 : STORED_HEAD_BYTES + length;
    const tail = body + bytes.length;
    const end = tail + TAIL.length;
    const total = end + SEAL.length;
    const input = total <= room.length
      ? new Uint8Array(room.buffer, 0, total)
      : new Uint8Array(total);
    if (length > 0) {
      // Not final, stored; the length and its complement (RFC 1951, 3.2.4).
      input[0] = 0;
      input[1] = length & 0xff;
      input[2] = length >>> 8;
      input[3] = ~length & 0xff;
      input[4] = ~length >>> 8 & 0xff;
      input.set(this.#past.last(length), STORED_HEAD_BYTES);
    }
    input.set(bytes, body);
    input.set(TAIL, tail);
    input.set(SEAL, end);
    return input;
  }
}

/**
 * Whether what was decompressed ends with what the seal seals, and not with the
 * seal: a stored block that goes on through the end would take it all for content.
 */
function isSealed(bytes: Uint8Array, end: number): boolean {
  let differs = 0;
  for (let i = STORED_HEAD_BYTES; i < SEAL.length; i++) {
    differs |= bytes[end - STORED_HEAD_BYTES + i] ^ SEAL[i];
  }
  let headDiffers = 0;
  for (let i = 0; i < STORED_HEAD_BYTES; i++) {
    headDiffers |= bytes[end - STORED_HEAD_BYTES + i] ^ SEAL[i];
  }
  return differs === 0 && headDiffers !== 0;
}

/** The pieces as they are, once they are part of the past. */
function* remembered(
  pieces: Iterable<Uint8Array<ArrayBuffer>>,
  past: Past,
): Generator<Uint8Array<ArrayBuffer>> {
  for (const piece of pieces) {
    past.append(piece);
    yield piece;
  }
}

/** The pieces of a message. */
function cut(message: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
  const pieces = [];
  for (let from = 0; from < message.length; from += PIECE_BYTES) {
    pieces.push(message.subarray(from, from + PIECE_BYTES));
  }
  return pieces;
}

/**
 * A codec that takes `node:zlib` for long messages, and the portable codec for
 * short ones. It runs in Deno, Node and Bun, and needs no permission.
 *
 * What it gives is the same, but for how long messages are compressed: parts of 256 KiB
 * and more by `node:zlib`, without what went before them. That makes most of them hardly
 * longer, and several times as long those that repeat what went before.
 *
 * @example There and back
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { zlibCodec } from "@noio/ws/zlib-codec";
 *
 * const deflater = zlibCodec.deflater({ windowBits: 15, level: 6, memLevel: 8 });
 * const inflater = zlibCodec.inflater({ windowBits: 15 });
 * const message = new TextEncoder().encode("to be or not to be".repeat(1000));
 * const sent = deflater.compress(message).slice(0, -4);
 * const pieces = inflater.decompress(sent, { last: true, budget: 65_536 });
 * assertEquals(Array.from(pieces), [message]);
 * ```
 */
export const zlibCodec: DeflateCodec = {
  deflater: (settings) => new ZlibDeflater(settings),
  inflater: (settings) => new ZlibInflater(settings),
};
