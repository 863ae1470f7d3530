// What permessage-deflate asks of a DEFLATE implementation (RFC 1951, RFC 7692),
// and the one that is used unless another is given. It runs anywhere, in a page too:
//
// - To compress, the deflater of this package (`../deflate/deflater.ts`).
// - To decompress, the low-level zlib calls that `pako` exports: no wrapper, no
//   output buffer per call, one buffer that all streams write to and from which
//   what was made is copied.
//
// How fast that is, against the permessage-deflate of `npm:ws` 8 (node:zlib
// streams on another thread, all messages handed over at once) in the same process
// of Deno 2.9, level 6, memLevel 8: messages per second, ours / theirs. JSON, and
// in brackets random bytes.
//
//   with context               100 B        1 KB        20 KB       1 MB
//   compress    portable    3.0  (2.6)  0.96 (1.7)  0.94 (0.6)  0.90 (0.6)
//               zlib        3.0  (2.7)  0.96 (1.7)  0.94 (0.6)  1.0  (1.0)
//   decompress  portable    1.4  (1.9)  0.70 (1.7)  0.61 (1.1)  0.58 (1.2)
//               zlib        1.5  (1.8)  0.68 (1.6)  1.3  (1.1)  1.3  (0.9)
//   without context
//   compress    portable    1.4  (4.5)  0.98 (2.9)  0.80 (0.6)  0.89 (0.6)
//               zlib        1.4  (4.9)  0.99 (2.8)  0.81 (0.6)  0.98 (1.0)
//   decompress  portable    0.6  (0.9)  0.58 (0.9)  0.60 (1.2)  0.57 (1.1)
//               zlib        0.5  (0.8)  0.57 (0.5)  1.2  (1.0)  1.3  (0.9)
//   length of compressed JSON, ours / theirs, with context
//               portable    1.003       1.001       1.004       1.004
//               zlib        1.003       1.001       1.004       1.002
//
// `zlib` is `zlib_codec.ts`, which is `portable` for what is short. Of libraries to
// compress, with context: the low-level calls of pako 3 (0.96, 0.67, 0.60, 0.58), its
// class (0.60, 0.52, 0.43, 0.41) and that of pako 2 (a tenth slower), fflate 0.8 (0.2,
// 0.4, 0.5, 0.6, and 5 % longer results), zlib built to WebAssembly (about 1.2 times
// pako; no such package that is kept up also embeds its module and lets the window and
// the memory be set), and minizlib 3, which runs the streams of node:zlib synchronously
// (1.1, 1.0, 1.0, 1.0): through what is private to these, and what is not closed is
// never freed in Deno. node:zlib by itself compresses nothing synchronously with a
// context, as Deno ignores the `dictionary` of `deflateRawSync`.

import {
  Z_BUF_ERROR,
  Z_OK,
  Z_STREAM_END,
  Z_SYNC_FLUSH,
  zlibInflate,
  zlibInflateInit2,
  zlibInflateReset,
  zlibInflateResetKeep,
  zlibInflateSetDictionary,
  ZStream,
} from "pako";
import { MessageDeflater } from "../deflate/deflater.ts";
import { allocate, CARVE_BYTES, EMPTY } from "../framing/slab.ts";

/** How a {@linkcode Deflater} compresses. */
export interface DeflateSettings {
  /**
   * The base-2 logarithm of the window in bytes, 9 to 15: at most what was agreed on as
   * `server_max_window_bits` or `client_max_window_bits` (RFC 7692, section 7.1.2), and
   * one of {@linkcode DeflateCodec.windowBits}. Not 8, unless the codec says
   * that it can: zlib has no such window for raw DEFLATE, and compresses with 9 where 8
   * is asked for, so that the peer would find distances longer than it can reach.
   */
  readonly windowBits: number;
  /** From 0 (store only) over 1 (fastest) to 9 (smallest); zlib's default is 6. */
  readonly level: number;
  /** The memory for the compression state, 1 to 9; zlib's default is 8. */
  readonly memLevel: number;
}

/** How an {@linkcode Inflater} decompresses. */
export interface InflateSettings {
  /**
   * The base-2 logarithm of the largest window in bytes that the peer compresses
   * with, 8 to 15 (RFC 7692, section 7.1.2). A codec may reach further.
   */
  readonly windowBits: number;
}

/** Compresses the messages of one direction of one connection, in order. */
export interface Deflater {
  /**
   * Compresses a part of a message and flushes it to a byte boundary. If it throws, as
   * there may be no memory for the result, the context is lost: then `reset` must come
   * next.
   *
   * @param bytes The part; it is neither changed nor kept
   * @returns New memory, ending with `00 00 ff ff`. The end of a message is sent
   * without these four bytes (RFC 7692, section 7.2.1); what is left of an empty
   * message is one byte `00` (section 7.2.3.6)
   */
  compress(bytes: Uint8Array): Uint8Array<ArrayBuffer>;
  /** Forgets what was compressed: the next part refers to nothing before it. */
  reset(): void;
  /** Frees what is held. Used again, it begins anew. */
  close(): void;
}

/** What an {@linkcode Inflater} must know of a part of a message. */
export interface InflateInfo {
  /**
   * Whether the message ends with this part: then the codec supplies the four
   * bytes that the sender cut off (RFC 7692, section 7.2.2).
   */
  readonly last: boolean;
  /**
   * How many bytes the message may still grow by. Once the pieces of this part
   * are more than that together, the iteration ends, and the inflater is good
   * for nothing but `close`.
   */
  readonly budget: number;
}

/** Decompresses the messages of one direction of one connection, in order. */
export interface Inflater {
  /**
   * Decompresses a part of a message, lazily where it makes more than one piece.
   * The pieces must be taken to the end before the next call, unless the
   * connection fails.
   *
   * @param bytes The part. It is never changed, and not kept once the iteration
   * has ended
   * @param info Whether this is the last part, and how much may come of it
   * @returns Pieces of new memory of 1 to 65,536 bytes. All together, they are
   * never more than one piece beyond the budget
   * @throws {DeflateDataError} At the call or in the iteration, if the data is
   * corrupt, or if the message ends within a block. Nothing else is thrown,
   * whatever the bytes
   */
  decompress(
    bytes: Uint8Array,
    info: InflateInfo,
  ): Iterable<Uint8Array<ArrayBuffer>>;
  /**
   * Whether a message that arrives in several parts had better be decompressed as
   * one, if it is to be delivered as one.
   *
   * @param length How many compressed bytes there are
   * @param budget How many bytes the message may grow by
   * @returns Whether to wait for all of them; without this method, nobody waits
   */
  gathers?(length: number, budget: number): boolean;
  /** Forgets what was decompressed (no context takeover). Between messages. */
  reset(): void;
  /** Frees what is held. Used again, it begins anew. */
  close(): void;
}

/**
 * A DEFLATE implementation for permessage-deflate (RFC 7692).
 *
 * @example Compressing a message
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { portableCodec } from "@noio/ws/permessage-deflate";
 *
 * const deflater = portableCodec.deflater({ windowBits: 15, level: 6, memLevel: 8 });
 * const bytes = deflater.compress(new TextEncoder().encode("Hello"));
 * // RFC 7692, section 7.2.3.1
 * assertEquals(bytes.slice(0, -4), new Uint8Array([0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]));
 * ```
 */
export interface DeflateCodec {
  /**
   * The windows that its compressors can keep to, as base-2 logarithms of bytes. Which
   * one is allowed may be the peer's choice; the largest of these is used that is within
   * it, and where there is none, messages are sent as they are.
   *
   * @default {[9, 10, 11, 12, 13, 14, 15]}
   */
  readonly windowBits?: readonly number[] | undefined;
  /**
   * Makes a compressor.
   *
   * @param settings How to compress
   * @returns The compressor
   * @throws {RangeError} If a setting is out of its range
   */
  deflater(settings: DeflateSettings): Deflater;
  /**
   * Makes a decompressor.
   *
   * @param settings How the peer compresses. The window may be the peer's choice, so
   * that a codec must have them all; it may take a larger one
   * @returns The decompressor
   * @throws {RangeError} If a setting is out of its range
   */
  inflater(settings: InflateSettings): Inflater;
}

/**
 * What a peer sent is no DEFLATE data, or a message ends within a block.
 *
 * @example Corrupt data
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { DeflateDataError, portableCodec } from "@noio/ws/permessage-deflate";
 *
 * const inflater = portableCodec.inflater({ windowBits: 15 });
 * const bytes = new Uint8Array([0xff]);
 * assertThrows(
 *   () => Array.from(inflater.decompress(bytes, { last: true, budget: 1024 })),
 *   DeflateDataError,
 * );
 * ```
 */
export class DeflateDataError extends Error {
  /** The name of the error, `"DeflateDataError"`. */
  override readonly name = "DeflateDataError";
}

/** The bytes in the largest piece. */
export const PIECE_BYTES = 65_536;

/** What a sender cuts off, and a receiver puts back (RFC 7692, section 7.2.1). */
export const TAIL: Uint8Array<ArrayBuffer> = new Uint8Array([0, 0, 0xff, 0xff]);

/** Beyond the range of any other window. */
const MAX_WINDOW_BITS = 15;

/** Up to this many bytes a message and its tail are made one input. */
const JOIN_BYTES = 16_384;

// All inflaters write to the first. What it holds is copied before anything else
// can run, as is what the second held before an iteration can be suspended.
const output = new Uint8Array(PIECE_BYTES);
const joined = new Uint8Array(JOIN_BYTES + TAIL.length);

/** A copy of the first bytes of the output. */
function made(count: number): Uint8Array<ArrayBuffer> {
  if (count > CARVE_BYTES) return output.slice(0, count);
  const bytes = allocate(count);
  bytes.set(new Uint8Array(output.buffer, 0, count));
  return bytes;
}

/** Points a stream at its input. */
function feed(stream: ZStream, bytes: Uint8Array, from: number, to: number) {
  stream.input = bytes;
  stream.next_in = from;
  stream.avail_in = to - from;
}

/** Points a stream at the output. */
function drain(stream: ZStream, most: number): void {
  stream.output = output;
  stream.next_out = 0;
  stream.avail_out = most;
}

/**
 * One deflater of each kind that nobody uses. To make one takes 256 KiB, which those
 * who forget after each message need not hold between two.
 */
const idleDeflaters = new Map<string, MessageDeflater>();

/** A {@linkcode Deflater} of this package. What it holds is made when first needed. */
export class PortableDeflater implements Deflater {
  protected readonly settings: DeflateSettings;
  readonly #kind: string;
  #deflater: MessageDeflater | undefined = undefined;

  /** Creates one. Throws a RangeError where a setting is out of range. */
  constructor(settings: DeflateSettings) {
    inRange("compress", "window bits", settings.windowBits, 9, 15);
    inRange("compress", "level", settings.level, 0, 9);
    inRange("compress", "memLevel", settings.memLevel, 1, 9);
    this.settings = settings;
    const { windowBits, level, memLevel } = settings;
    this.#kind = `${windowBits} ${level} ${memLevel}`;
  }

  compress(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    return this.#ready().compress(bytes);
  }

  /** Takes in what was compressed elsewhere, as if it were here. */
  skip(bytes: Uint8Array): void {
    this.#ready().skip(bytes);
  }

  reset(): void {
    if (this.#deflater === undefined) return;
    this.#deflater.reset();
    idleDeflaters.set(this.#kind, this.#deflater);
    this.#deflater = undefined;
  }

  close(): void {
    this.#deflater = undefined;
  }

  #ready(): MessageDeflater {
    if (this.#deflater !== undefined) return this.#deflater;
    const idle = idleDeflaters.get(this.#kind);
    idleDeflaters.delete(this.#kind);
    return this.#deflater = idle ?? new MessageDeflater(this.settings);
  }
}

/**
 * How many final blocks a peer may send beyond one for each message, and one for
 * each so many bytes. Each costs a reset, some 5 us: without a limit, two bytes
 * after two bytes, a peer would have us work a hundred times as long as it does
 * with any other data.
 */
const FINALS = 64;
const BYTES_PER_FINAL = 64;

/** What zlib says in `data_type` between two blocks, no bit of the next read. */
const BETWEEN_BLOCKS = 128;

/** A stream that nobody uses, in the same way. */
let idleStream: ZStream | undefined = undefined;

/** An {@linkcode Inflater} over pako. The stream is made when first needed. */
export class PakoInflater implements Inflater {
  #stream: ZStream | undefined = undefined;
  #budget = 0;
  /** Whether the last that was read of this message is the end of a final block. */
  #final = false;
  #finals = 0;
  #read = 0;
  /** What is wrong behind all that has been given. */
  #error: DeflateDataError | undefined = undefined;

  /** Creates one. Throws a RangeError where a setting is out of range. */
  constructor(settings: InflateSettings) {
    inRange("decompress", "window bits", settings.windowBits, 8, 15);
  }

  decompress(
    bytes: Uint8Array,
    info: InflateInfo,
  ): Iterable<Uint8Array<ArrayBuffer>> {
    const stream = this.#ready();
    const { length } = bytes;
    this.#budget = info.budget;
    if (!info.last || this.#final || length > JOIN_BYTES) {
      return this.#pieces(stream, bytes, 0, info.last, undefined);
    }
    // One input, and so one call: most messages make no more than one piece.
    joined.set(bytes);
    joined.set(TAIL, length);
    feed(stream, joined, 0, length + TAIL.length);
    const piece = this.#step(stream);
    const isDone = this.#done(stream);
    if (isDone) this.#end(stream);
    if (!isDone || this.#error !== undefined) {
      // The joined input is not ours once we return: what is left of it comes
      // from what it was made of.
      return this.#pieces(stream, bytes, stream.next_in, true, piece);
    }
    return piece === undefined ? [] : [piece];
  }

  /** Takes in what was decompressed elsewhere, as if it were here. */
  skip(bytes: Uint8Array): void {
    zlibInflateSetDictionary(this.#ready(), bytes);
  }

  reset(): void {
    this.#final = false;
    this.#error = undefined;
    if (this.#stream === undefined) return;
    zlibInflateReset(this.#stream);
    idleStream = this.#stream;
    this.#stream = undefined;
  }

  close(): void {
    this.#stream = undefined;
    this.#final = false;
    this.#finals = 0;
    this.#read = 0;
    this.#error = undefined;
  }

  /** The pieces of the bytes and, if they are the last, of the tail. */
  *#pieces(
    stream: ZStream,
    bytes: Uint8Array,
    from: number,
    last: boolean,
    first: Uint8Array<ArrayBuffer> | undefined,
  ): Generator<Uint8Array<ArrayBuffer>> {
    const { length } = bytes;
    const ofTail = Math.max(0, from - length);
    // After a reset, the stream may be somebody else's.
    if (this.#stream !== stream) return;
    try {
      feed(stream, bytes, Math.min(from, length), length);
      if (first !== undefined) yield first;
      yield* this.#steps(stream);
      if (!last || this.#stream !== stream) return;
      // A message that ends with a final block, and not with the empty block
      // that RFC 7692, section 7.2.3.4, puts after it, is as complete without.
      if (!this.#final || ofTail > 0) feed(stream, TAIL, ofTail, TAIL.length);
      yield* this.#steps(stream);
      this.#end(stream);
      if (this.#error !== undefined) throw this.#error;
    } finally {
      if (this.#stream === stream) stream.input = EMPTY;
    }
  }

  /** The pieces of the input. */
  *#steps(stream: ZStream): Generator<Uint8Array<ArrayBuffer>> {
    while (this.#stream === stream && !this.#done(stream)) {
      const piece = this.#step(stream);
      if (piece !== undefined) yield piece;
    }
  }

  /** One call of zlib, and the piece that it made. */
  #step(stream: ZStream): Uint8Array<ArrayBuffer> | undefined {
    if (this.#error !== undefined) throw this.#error;
    // One byte beyond the budget tells that there is more, and keeps zlib from
    // stopping for want of room just before the end.
    drain(stream, Math.min(PIECE_BYTES, this.#budget + 1));
    const before = stream.avail_in;
    const status = zlibInflate(stream, Z_SYNC_FLUSH);
    this.#read += before - stream.avail_in;
    this.#final = status === Z_STREAM_END;
    if (this.#final) {
      // The stream goes on after a final block (section 7.2.3.4), and what it
      // refers to may lie before it: the window is kept.
      zlibInflateResetKeep(stream);
      if (++this.#finals > FINALS + this.#read / BYTES_PER_FINAL) {
        this.#error = new DeflateDataError(
          "Cannot decompress: too many final blocks",
        );
      }
    } else if (status !== Z_OK && status !== Z_BUF_ERROR) {
      // What zlib made before that is given first: in smaller parts it would have
      // been, and how a message is cut must not show.
      this.#error = new DeflateDataError(`Cannot decompress: ${stream.msg}`);
    }
    const count = stream.next_out;
    this.#budget -= count;
    return count === 0 ? undefined : made(count);
  }

  /** Whether nothing more comes of the input, or nothing more may. */
  #done(stream: ZStream): boolean {
    if (this.#budget < 0) return true;
    if (this.#error !== undefined) return false;
    return stream.avail_in === 0 &&
      (stream.avail_out > 0 || this.#final ||
        stream.data_type === BETWEEN_BLOCKS);
  }

  /** The message has ended: it must not have ended within a block. */
  #end(stream: ZStream): void {
    const whole = this.#final || stream.data_type === BETWEEN_BLOCKS;
    this.#final = false;
    this.#finals = Math.max(0, this.#finals - 1);
    if (!whole && this.#budget >= 0) {
      this.#error = new DeflateDataError(
        "Cannot decompress: the message ends within a block",
      );
    }
  }

  #ready(): ZStream {
    if (this.#stream !== undefined) return this.#stream;
    const idle = idleStream;
    idleStream = undefined;
    if (idle !== undefined) return this.#stream = idle;
    const stream = new ZStream();
    // The window is the widest whatever the peer has promised. In a narrower
    // one, zlib finds that a distance is too long only where the piece or the
    // part that it reaches into has passed, so that how a message is cut would
    // decide whether it fails.
    zlibInflateInit2(stream, -MAX_WINDOW_BITS);
    return this.#stream = stream;
  }
}

function inRange(
  verb: string,
  name: string,
  value: number,
  least: number,
  most: number,
): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new RangeError(
    `Cannot ${verb} with ${name} ${value}: from ${least} to ${most}`,
  );
}

/**
 * The default codec, in JavaScript alone: it runs wherever that does, in a page too.
 *
 * A compressor holds 256 KiB with a `memLevel` of 8 and a window of 15 bits, from its
 * first message on, and a decompressor some 40 KiB, with a window of 32 KiB whatever was
 * negotiated. Those that forget after each message hold nothing between two.
 *
 * @example There and back
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { portableCodec } from "@noio/ws/permessage-deflate";
 *
 * const deflater = portableCodec.deflater({ windowBits: 15, level: 6, memLevel: 8 });
 * const inflater = portableCodec.inflater({ windowBits: 15 });
 * const message = new TextEncoder().encode("to be or not to be");
 * const sent = deflater.compress(message).slice(0, -4);
 * const pieces = inflater.decompress(sent, { last: true, budget: 1024 });
 * assertEquals(Array.from(pieces), [message]);
 * ```
 */
export const portableCodec: DeflateCodec = {
  deflater: (settings) => new PortableDeflater(settings),
  inflater: (settings) => new PakoInflater(settings),
};
