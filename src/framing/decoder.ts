// The framer alone: bytes in, frames out.

import { checkChunk } from "./chunk.ts";
import { Cursor, Head } from "./cursor.ts";
import type { Failure } from "./failure.ts";
import { type Frame, RESERVED, type Reserved, reservedBits } from "./frame.ts";
import { Gather } from "./gather.ts";
import { STANDARD_OPCODES } from "./opcode.ts";
import { type HeadRules, limit } from "./rules.ts";
import { Information } from "../information.ts";

/** Options for {@linkcode FrameDecoder}: which rules it applies. */
export interface FrameDecoderOptions {
  /**
   * Whether every frame must be masked (`true`: they come from a client), must
   * not be (`false`: they come from a server), or may be (`undefined`). RFC
   * 6455, section 5.1.
   *
   * @default {undefined}
   */
  masked?: boolean | undefined;
  /**
   * The opcodes that are let through besides the standard ones, or `"any"`.
   *
   * @default {[]}
   */
  opcodes?: readonly number[] | "any" | undefined;
  /**
   * The reserved bits that may be set.
   *
   * @default {[0, 0, 0]}
   */
  reserved?: Reserved | undefined;
  /**
   * Whether control frames must be whole and have 125 bytes at most. RFC 6455,
   * section 5.5.
   *
   * @default {true}
   */
  control?: boolean | undefined;
  /**
   * Whether continuations must continue something, and nothing else may come
   * within a fragmented message. RFC 6455, section 5.4.
   *
   * @default {true}
   */
  fragmentation?: boolean | undefined;
  /**
   * Whether lengths must be in their shortest form. RFC 6455, section 5.2.
   *
   * @default {true}
   */
  shortestLength?: boolean | undefined;
  /**
   * The longest payload of a frame, in bytes; `Infinity` for no limit.
   *
   * @default {16_777_216}
   */
  maxFrameBytes?: number | undefined;
}

/** What {@linkcode FrameDecoder.next} answers when a rule was broken. */
export interface FrameFailure extends Failure {
  /** Tells a failure from a {@linkcode Frame}. */
  readonly type: "fail";
}

/**
 * Decodes frames, and nothing else: no messages, no state of a connection. For
 * proxies, analysers, and authors of other protocols. RFC 6455, section 5.
 *
 * It never throws on what a peer sent. What {@linkcode Connection.recv} says of
 * who owns a chunk holds here too: until `next` answers `NEED_DATA` it belongs
 * to the decoder, is unmasked in place, and payloads may be views into it.
 *
 * @example The "Hello" of RFC 6455, section 5.7
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import { FrameDecoder, Information } from "@noio/ws";
 *
 * const decoder = new FrameDecoder();
 * decoder.recv(new Uint8Array([0x81, 0x05, 0x48, 0x65, 0x6c]));
 * assertEquals(decoder.next(), Information.NEED_DATA);
 * decoder.recv(new Uint8Array([0x6c, 0x6f]));
 * const frame = decoder.next();
 * assert(frame !== Information.NEED_DATA && !("type" in frame));
 * assertEquals(new TextDecoder().decode(frame.payload), "Hello");
 * ```
 */
export class FrameDecoder {
  readonly #cursor: Cursor;
  readonly #gather = new Gather();
  #inPayload = false;
  #maskKey: Uint8Array<ArrayBuffer> | undefined = undefined;
  #failure: FrameFailure | undefined = undefined;

  /**
   * Creates a decoder for one direction of one stream.
   *
   * @param options Which rules to apply
   * @throws {RangeError} If `maxFrameBytes` is not a whole number from 0 on, or
   * an opcode is not 0 to 15
   * @throws {TypeError} If the reserved bits are not three of 0 or 1
   */
  constructor(options: FrameDecoderOptions = {}) {
    this.#cursor = new Cursor(rulesOf(options));
  }

  /**
   * Takes bytes as they were received. Nothing is decoded before `next` asks.
   *
   * @param chunk The bytes; they belong to the decoder until `next` answers
   * `NEED_DATA`
   * @throws {TypeError} If the chunk is not a `Uint8Array`, or is shared or
   * detached
   */
  recv(chunk: Uint8Array): void {
    checkChunk(chunk);
    if (chunk.length > 0 && this.#failure === undefined) {
      this.#cursor.push(chunk);
    }
  }

  /**
   * Gives the next frame.
   *
   * @returns The frame; or which rule was broken, and the same again from then
   * on; or `NEED_DATA`
   */
  next(): Frame | FrameFailure | typeof Information.NEED_DATA {
    if (this.#failure !== undefined) return this.#failure;
    const cursor = this.#cursor;
    if (!this.#inPayload) {
      const head = cursor.readHead();
      if (head === Head.NEED_DATA) return Information.NEED_DATA;
      if (cursor.failure !== undefined) return this.#fail(cursor.failure);
      this.#inPayload = true;
      this.#maskKey = cursor.masked ? unpackKey(cursor.key) : undefined;
    }
    let payload: Uint8Array<ArrayBuffer>;
    if (!cursor.take()) return Information.NEED_DATA;
    if (cursor.to - cursor.from === cursor.length) {
      const { bytes, from, length } = cursor;
      payload = new Uint8Array(bytes.buffer, bytes.byteOffset + from, length);
    } else {
      try {
        for (;;) {
          const { bytes, from, to } = cursor;
          const due = to - from + cursor.remaining;
          this.#gather.append(bytes, from, to, due, true);
          if (cursor.remaining === 0) break;
          if (!cursor.take()) return Information.NEED_DATA;
        }
      } catch (error) {
        // The engine has no room for a buffer of that size.
        if (!(error instanceof RangeError)) throw error;
        return this.#fail({
          rule: "frame-limit",
          code: 1009,
          message: `Received a frame of ${cursor.length} bytes: out of memory`,
        });
      }
      payload = this.#gather.take();
    }
    this.#inPayload = false;
    return {
      fin: cursor.fin,
      reserved: RESERVED[cursor.bits],
      opcode: cursor.opcode,
      maskKey: this.#maskKey,
      payload,
    };
  }

  #fail(failure: Failure): FrameFailure {
    this.#failure = { type: "fail", ...failure };
    this.#cursor.release();
    return this.#failure;
  }
}

function rulesOf(options: FrameDecoderOptions): HeadRules {
  const {
    masked,
    opcodes = [],
    reserved = RESERVED[0],
    control = true,
    fragmentation = true,
    shortestLength = true,
    maxFrameBytes = 16_777_216,
  } = options;
  let defined = opcodes === "any" ? 0xffff : 0;
  STANDARD_OPCODES.names.forEach((name, opcode) => {
    if (name !== undefined) defined |= 1 << opcode;
  });
  for (const opcode of opcodes === "any" ? [] : opcodes) {
    if (!Number.isInteger(opcode) || opcode < 0 || opcode > 15) {
      throw new RangeError(`Cannot let the opcode ${opcode} through`);
    }
    defined |= 1 << opcode;
  }
  return {
    masked,
    opcodes: defined,
    reserved: new Array<number>(16).fill(reservedBits(reserved)),
    control,
    fragmentation,
    shortestLength,
    maxFrameBytes: limit("maxFrameBytes", maxFrameBytes),
    // There are no messages here, only frames.
    maxMessageBytes: Infinity,
  };
}

function unpackKey(key: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array([key, key >>> 8, key >>> 16, key >>> 24]);
}
