// Frames (RFC 6455, section 5.2) and how they are written.

import {
  copyMasked,
  maskKey,
  MOST_BYTES,
  WORDS_FROM,
  xorBytes,
  xorWhole,
  xorWords,
} from "./mask.ts";
import { type Space, spaceFor } from "./slab.ts";

/** The three reserved bits RSV1, RSV2 and RSV3 (RFC 6455, section 5.2). */
export type Reserved = readonly [rsv1: 0 | 1, rsv2: 0 | 1, rsv3: 0 | 1];

/** The eight values of {@linkcode Reserved}, frozen, by their bits: RSV1 is 4. */
export const RESERVED: readonly Reserved[] = Array.from(
  { length: 8 },
  (_, bits) =>
    Object.freeze(
      [bits >> 2 & 1, bits >> 1 & 1, bits & 1],
    ) as unknown as Reserved, // a list of numbers, each 0 or 1 by the `& 1`
);

/**
 * The bits of a tuple, RSV1 being 4.
 *
 * @throws {TypeError} If it is not three bits
 */
export function reservedBits(reserved: Reserved): number {
  // By index, as an iterator takes several times as long.
  const rsv1 = reserved[0], rsv2 = reserved[1], rsv3 = reserved[2];
  if (reserved.length !== 3 || !isBit(rsv1) || !isBit(rsv2) || !isBit(rsv3)) {
    throw new TypeError(
      `Cannot use [${reserved}] as reserved bits: three of 0 or 1 are needed`,
    );
  }
  return rsv1 << 2 | rsv2 << 1 | rsv3;
}

function isBit(value: unknown): boolean {
  return value === 0 || value === 1;
}

/** One frame, as it stands on the wire but for the masking. */
export interface Frame {
  /** Whether this is the last frame of its message. */
  fin: boolean;
  /** The bits RSV1, RSV2 and RSV3. */
  reserved: Reserved;
  /** What kind of frame this is, 0 to 15. */
  opcode: number;
  /** The four bytes it was masked with, `undefined` where it was not masked. */
  maskKey: Uint8Array<ArrayBuffer> | undefined;
  /** The payload, unmasked. */
  payload: Uint8Array<ArrayBuffer>;
}

/** What {@linkcode encodeFrame} takes: a {@linkcode Frame}, most of it optional. */
export interface FrameInit {
  /**
   * Whether this is the last frame of its message.
   *
   * @default {true}
   */
  fin?: boolean | undefined;
  /**
   * The bits RSV1, RSV2 and RSV3.
   *
   * @default {[0, 0, 0]}
   */
  reserved?: Reserved | undefined;
  /** What kind of frame this is, 0 to 15. */
  opcode: number;
  /**
   * The payload. It is not changed.
   *
   * @default {new Uint8Array(0)}
   */
  payload?: Uint8Array | undefined;
}

/** The first byte of a frame. */
export function firstByte(fin: boolean, bits: number, opcode: number): number {
  return (fin ? 0x80 : 0) | bits << 4 | opcode;
}

/** How many bytes the head of a frame takes. */
export function headBytes(length: number, masked: boolean): number {
  return (length < 126 ? 2 : length < 65_536 ? 4 : 10) + (masked ? 4 : 0);
}

/**
 * Writes a head and answers where the payload begins. The length takes its
 * shortest form, as RFC 6455 demands; `key` is `undefined` for no masking.
 */
export function writeHead(
  bytes: Uint8Array,
  at: number,
  first: number,
  length: number,
  key: number | undefined,
): number {
  const masked = key === undefined ? 0 : 0x80;
  bytes[at] = first;
  if (length < 126) {
    bytes[at + 1] = masked | length;
    at += 2;
  } else if (length < 65_536) {
    bytes[at + 1] = masked | 126;
    bytes[at + 2] = length >>> 8;
    bytes[at + 3] = length;
    at += 4;
  } else {
    const high = Math.floor(length / 0x1_0000_0000);
    bytes[at + 1] = masked | 127;
    bytes[at + 2] = high >>> 24;
    bytes[at + 3] = high >>> 16;
    bytes[at + 4] = high >>> 8;
    bytes[at + 5] = high;
    bytes[at + 6] = length >>> 24;
    bytes[at + 7] = length >>> 16;
    bytes[at + 8] = length >>> 8;
    bytes[at + 9] = length;
    at += 10;
  }
  if (key !== undefined) {
    bytes[at] = key;
    bytes[at + 1] = key >>> 8;
    bytes[at + 2] = key >>> 16;
    bytes[at + 3] = key >>> 24;
    at += 4;
  }
  return at;
}

/** Up to this many bytes a loop copies faster than `set` does. */
const COPY_BY_HAND = 32;

/** Copies a payload to `at`, masking it on the way where there is a key. */
export function writePayload(
  space: Space,
  at: number,
  payload: Uint8Array,
  key: number | undefined,
): number {
  const { bytes } = space;
  const { length } = payload;
  const end = at + length;
  if (length > COPY_BY_HAND) {
    bytes.set(payload, at);
    maskRange(space, at, end, key);
  } else if (key === undefined) {
    for (let i = 0; i < length; i++) bytes[at + i] = payload[i];
  } else {
    copyMasked(bytes, space.data, at, payload, key);
  }
  return end;
}

/** Room for a frame to begin later, and for the last word of its payload. */
export const ALIGN_BYTES = 16;

/** Where a frame begins whose payload is to begin with a word. */
export function alignedStart(space: Space, head: number): number {
  return space.at + (-(space.at + head) & 7);
}

/**
 * Masks what has been written between two indices. Nothing has been written behind
 * it yet: where the payload begins with a word, its last word is masked as a whole.
 */
export function maskRange(
  space: Space,
  from: number,
  to: number,
  key: number | undefined,
): void {
  if (key === undefined) return;
  if (to - from < WORDS_FROM) return xorBytes(space.bytes, from, to, key);
  const { words } = space;
  const end = to + 7 >>> 3;
  if ((from & 7) === 0 && 8 * end <= space.end && to <= MOST_BYTES - 7) {
    xorWhole(words, from >>> 3, end, key);
  } else {
    xorWords(space.bytes, words, 0, from, to, key);
  }
}

/**
 * Encodes one frame and nothing else: no rule about which frames may follow
 * which is applied (RFC 6455, section 5.2). A {@linkcode Connection} is what
 * keeps the rules.
 *
 * @param frame The frame
 * @param key The four bytes to mask the payload with; a client's frames are
 * masked, a server's are not
 * @returns The bytes of the frame
 * @throws {RangeError} If the opcode is not 0 to 15, or the key not four bytes
 * @throws {TypeError} If the reserved bits are not three of 0 or 1, or the payload
 * is not a `Uint8Array`
 *
 * @example The masked "Hello" of RFC 6455, section 5.7
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { encodeFrame, Opcode } from "@noio/ws";
 *
 * const bytes = encodeFrame(
 *   { opcode: Opcode.TEXT, payload: new TextEncoder().encode("Hello") },
 *   new Uint8Array([0x37, 0xfa, 0x21, 0x3d]),
 * );
 * assertEquals(
 *   bytes,
 *   new Uint8Array([0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]),
 * );
 * ```
 */
export function encodeFrame(
  frame: FrameInit,
  key?: Uint8Array | undefined,
): Uint8Array<ArrayBuffer> {
  const { fin = true, opcode, reserved = RESERVED[0], payload } = frame;
  if (!Number.isInteger(opcode) || opcode < 0 || opcode > 15) {
    throw new RangeError(
      `Cannot encode a frame with the opcode ${opcode}: it has 4 bits`,
    );
  }
  if (payload !== undefined && !(payload instanceof Uint8Array)) {
    throw new TypeError("Cannot encode a payload that is not a Uint8Array");
  }
  const first = firstByte(fin, reservedBits(reserved), opcode);
  const packed = key === undefined ? undefined : maskKey(key);
  const length = payload === undefined ? 0 : payload.length;
  const space = spaceFor(headBytes(length, packed !== undefined) + length);
  const start = space.at;
  let end = writeHead(space.bytes, start, first, length, packed);
  if (payload !== undefined) end = writePayload(space, end, payload, packed);
  return space.carve(start, end);
}
