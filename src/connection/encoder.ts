// Frames as bytes: writes what has been judged, masked where it must be, into memory
// of ours or of the caller's. It knows nothing of messages and of their rules.
//
// Operations: `text` and `bytes` for one frame, `shortText` and `shortBytes` for what
// is sent most, `join` for several in one piece, `within` to use other memory.

import {
  ALIGN_BYTES,
  alignedStart,
  headBytes,
  maskRange,
  writeHead,
  writePayload,
} from "../framing/frame.ts";
import type { KeyPool } from "../framing/keys.ts";
import { copyMasked, xorBytes } from "../framing/mask.ts";
import { CARVE_BYTES, EMPTY, Space, spaceFor } from "../framing/slab.ts";
import { utf8Length } from "../framing/utf8.ts";

/** A frame that has been judged: what to write. */
export interface Written {
  /** Its first byte. */
  readonly first: number;
  /** A well-formed text, or bytes. */
  readonly payload: string | Uint8Array;
}

/** Up to this length the UTF-8 of a text in a list is counted before it is written. */
const SHORT_TEXT = 1300;

/** Up to this many units or bytes a message is encoded faster by hand. */
export const BY_HAND = 32;

/** The head of a frame of up to 125 bytes: two, and four of key. */
const SHORT_HEAD = 6;

/** The longest head: two bytes, eight of length, four of key. */
const LONG_HEAD = 14;

/** By how much the longest head is longer than the next one. */
const HEAD_GROWTH = 6;

const encoder = new TextEncoder();

/** Writes the frames of one connection. */
export class Encoder {
  readonly #keys: KeyPool | undefined;
  /** Memory of the caller's to write to. */
  #room: Space | undefined = undefined;

  /** @param keys Where masking keys come from; `undefined` where nothing is masked */
  constructor(keys: KeyPool | undefined) {
    this.#keys = keys;
  }

  /** Whether what follows is written to memory of the caller's, where it fits. */
  get hasRoom(): boolean {
    return this.#room !== undefined;
  }

  /** Does some work that writes to a buffer, where that fits, or to none. */
  within<T>(buffer: Uint8Array<ArrayBuffer> | undefined, work: () => T): T {
    const before = this.#room;
    this.#room = buffer && roomOf(buffer);
    try {
      return work();
    } finally {
      this.#room = before;
    }
  }

  /** Encodes a frame of few bytes. */
  shortBytes(first: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
    const { length } = payload;
    const key = this.#keys?.next();
    const space = this.#spaceFor(length + SHORT_HEAD);
    const { bytes, at } = space;
    bytes[at] = first;
    if (key === undefined) {
      bytes[at + 1] = length;
      const from = at + 2;
      for (let i = 0; i < length; i++) bytes[from + i] = payload[i];
      return space.carve(at, from + length);
    }
    bytes[at + 1] = 0x80 | length;
    const { data } = space;
    data.setInt32(at + 2, key, true);
    copyMasked(bytes, data, at + SHORT_HEAD, payload, key);
    return space.carve(at, at + SHORT_HEAD + length);
  }

  /** Encodes a frame of bytes. */
  bytes(first: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
    const { length } = payload;
    const key = this.#keys?.next();
    const head = headBytes(length, key !== undefined);
    const space = this.#spaceFor(head + length + ALIGN_BYTES);
    const start = this.#startIn(space, head, key !== undefined);
    const at = writeHead(space.bytes, start, first, length, key);
    return space.carve(start, writePayload(space, at, payload, key));
  }

  /** Encodes a frame of a short text of ASCII; `undefined` where it is something else. */
  shortText(
    first: number,
    text: string,
  ): Uint8Array<ArrayBuffer> | undefined {
    const { length } = text;
    const space = this.#spaceFor(length + SHORT_HEAD);
    const { bytes } = space;
    const start = space.at;
    const from = start + (this.#keys === undefined ? 2 : 6);
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) return undefined; // nothing was carved yet
      bytes[from + i] = unit;
    }
    const key = this.#keys?.next();
    writeHead(bytes, start, first, length, key);
    if (key !== undefined) xorBytes(bytes, from, from + length, key);
    return space.carve(start, from + length);
  }

  /**
   * Encodes a text straight into its frame. The length stands before the text, and
   * how many bytes a text takes shows only once it is written: so the guess is
   * that it is ASCII, and a text that makes the head longer is moved.
   */
  text(first: number, text: string): Uint8Array<ArrayBuffer> {
    const isMasked = this.#keys !== undefined;
    const { length } = text;
    const guess = headBytes(length, isMasked);
    const most = 3 * length + LONG_HEAD + ALIGN_BYTES;
    // A short one has room for the worst; a long one, where that would be much,
    // has room for ASCII at first.
    let space = this.#spaceFor(
      most <= CARVE_BYTES ? most : length + LONG_HEAD + ALIGN_BYTES,
    );
    let start = this.#startIn(space, guess, isMasked);
    // What is not ASCII may make the head longer, and the text moves by that.
    const ascii = encodeInto(text, space, start + guess, HEAD_GROWTH);
    const { read } = ascii;
    let { written } = ascii;
    if (read < length) {
      const rest = text.slice(read);
      // Less than twice of what will be needed, as most of the text is written.
      const larger = new Space(LONG_HEAD + written + 3 * rest.length);
      larger.bytes.set(
        new Uint8Array(space.bytes.buffer, start + guess, written),
        guess,
      );
      written += encodeInto(rest, larger, guess + written).written;
      space = larger;
      start = 0;
    }
    const end = this.#finishText(space, start, start + guess, written, first);
    return space.carve(start, end);
  }

  /** Writes several frames into one piece of memory. */
  join(list: readonly Written[]): Uint8Array<ArrayBuffer> {
    if (list.length === 0) return EMPTY;
    const frames = list.map(inBytes);
    let total = 0;
    for (const { payload } of frames) {
      const length = typeof payload === "string"
        ? utf8Length(payload)
        : payload.length;
      total += headBytes(length, this.#keys !== undefined) + length;
    }
    const space = this.#spaceFor(total);
    const start = space.at;
    let at = start;
    for (const frame of frames) at = this.#write(space, at, frame);
    return space.carve(start, at);
  }

  /** Writes a frame at `at`, where there is room for it, and answers where it ends. */
  #write(space: Space, at: number, { first, payload }: Written): number {
    if (typeof payload === "string") {
      const guess = at + headBytes(payload.length, this.#keys !== undefined);
      const { written } = encodeInto(payload, space, guess);
      return this.#finishText(space, at, guess, written, first);
    }
    const key = this.#keys?.next();
    at = writeHead(space.bytes, at, first, payload.length, key);
    return writePayload(space, at, payload, key);
  }

  /** Makes a frame of a text that was written at `guess`. Answers where it ends. */
  #finishText(
    space: Space,
    start: number,
    guess: number,
    written: number,
    first: number,
  ): number {
    const { bytes } = space;
    const key = this.#keys?.next();
    const from = start + headBytes(written, key !== undefined);
    if (from !== guess) bytes.copyWithin(from, guess, guess + written);
    writeHead(bytes, start, first, written, key);
    maskRange(space, from, from + written, key);
    return from + written;
  }

  /** Where a frame begins: in memory of ours, so that masking is fastest. */
  #startIn(space: Space, head: number, isMasked: boolean): number {
    return isMasked && space !== this.#room
      ? alignedStart(space, head)
      : space.at;
  }

  /** A space with room for so many bytes: the caller's, or one of ours. */
  #spaceFor(size: number): Space {
    const room = this.#room;
    return room !== undefined && room.end - room.at >= size
      ? room
      : spaceFor(size);
  }
}

/** Takes a text for bytes where it is long: its length is not worth counting. */
function inBytes(frame: Written): Written {
  const { first, payload } = frame;
  return typeof payload === "string" && payload.length > SHORT_TEXT
    ? { first, payload: encoder.encode(payload) }
    : frame;
}

/** The space of a caller's buffer, from where that begins to where it ends. */
function roomOf(buffer: Uint8Array<ArrayBuffer>): Space {
  const space = new Space(buffer.buffer);
  space.at = buffer.byteOffset;
  space.end = buffer.byteOffset + buffer.length;
  return space;
}

/** Writes as much of a text as there is room for from `at` on. */
function encodeInto(
  text: string,
  { bytes, end }: Space,
  at: number,
  spare = 0,
): TextEncoderEncodeIntoResult {
  const room = new Uint8Array(bytes.buffer, at, end - at - spare);
  return encoder.encodeInto(text, room);
}
