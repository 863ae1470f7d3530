// Masking (RFC 6455, section 5.3): every byte of a payload is XORed with one of
// the four bytes of a key, in turn.
//
// A byte loop does 1 GB/s, a loop over 64-bit words 10 and more; but a view over
// words costs some 30 ns to make. So short ranges go byte by byte, and those who
// mask many ranges of one buffer make the wide view once (`wordsOver`); or a
// `DataView`, for ranges that have hardly a word between their ends.
//
// A key is carried as one number whose lowest byte comes first; `rotate` turns
// it to where the next byte of the payload stands.

/** The words of a buffer, for `xor`. */
export type Words = BigUint64Array<ArrayBuffer>;

const WORD = 8;

/**
 * From how many bytes on words pay. (On a big-endian machine, where the number
 * in a word is not the order of its bytes, the division gives `Infinity`: the
 * byte loop serves all.)
 */
export const WORDS_FROM: number = 64 /
  new Uint8Array(new Uint16Array([1]).buffer)[0];

/** Up to where bytes can be numbered in 32 bits; beyond, they go one by one. */
export const MOST_BYTES = 0xffff_ffff;

// Both halves of one word, to make a 64-bit key of a number without a BigInt.
const halves = new Uint32Array(2);
const whole = new BigUint64Array(halves.buffer);

/** The index in `bytes` at which the first aligned word begins. */
export function wordBase(bytes: Uint8Array<ArrayBuffer>): number {
  return -bytes.byteOffset & (WORD - 1);
}

/** A view over the aligned words that lie wholly within `bytes`. */
export function wordsOver(bytes: Uint8Array<ArrayBuffer>): Words {
  const base = wordBase(bytes);
  const count = Math.floor(Math.max(0, bytes.length - base) / WORD);
  return new BigUint64Array(
    bytes.buffer,
    count === 0 ? 0 : bytes.byteOffset + base,
    count,
  );
}

/** The number for the four bytes at `at`. */
export function packKey(bytes: Uint8Array, at: number): number {
  return bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 |
    bytes[at + 3] << 24;
}

/** The key as it applies `count` bytes further on. */
export function rotate(key: number, count: number): number {
  const bits = (count & 3) << 3;
  // A shift by 32 is a shift by none, so that 0 bits need no case of their own.
  return key >>> bits | key << (32 - bits);
}

/** XORs a range byte by byte. */
export function xorBytes(
  bytes: Uint8Array,
  from: number,
  to: number,
  key: number,
): void {
  const k0 = key & 0xff;
  const k1 = key >>> 8 & 0xff;
  const k2 = key >>> 16 & 0xff;
  const k3 = key >>> 24;
  let i = from;
  for (const end = to - 3; i < end; i += 4) {
    bytes[i] ^= k0;
    bytes[i + 1] ^= k1;
    bytes[i + 2] ^= k2;
    bytes[i + 3] ^= k3;
  }
  if (i < to) bytes[i] ^= k0;
  if (i + 1 < to) bytes[i + 1] ^= k1;
  if (i + 2 < to) bytes[i + 2] ^= k2;
}

/** From how many bytes on four at a time pay, by a `DataView`. */
export const DATA_FROM = 12;

/** XORs a range four bytes at a time. `data` must view the same as `bytes`. */
export function xorData(
  data: DataView,
  bytes: Uint8Array,
  from: number,
  to: number,
  key: number,
): void {
  let i = from;
  for (const end = to - 3; i < end; i += 4) {
    data.setInt32(i, data.getInt32(i, true) ^ key, true);
  }
  if (i < to) bytes[i] ^= key;
  if (i + 1 < to) bytes[i + 1] ^= key >>> 8;
  if (i + 2 < to) bytes[i + 2] ^= key >>> 16;
}

/** Copies a payload to `at`, XORed four bytes at a time. `data` views `bytes`. */
export function copyMasked(
  bytes: Uint8Array,
  data: DataView,
  at: number,
  payload: Uint8Array,
  key: number,
): void {
  const { length } = payload;
  let i = 0;
  for (const end = length - 3; i < end; i += 4) {
    const quad = payload[i] | payload[i + 1] << 8 | payload[i + 2] << 16 |
      payload[i + 3] << 24;
    data.setInt32(at + i, quad ^ key, true);
  }
  if (i < length) bytes[at + i] = payload[i] ^ key;
  if (i + 1 < length) bytes[at + i + 1] = payload[i + 1] ^ key >>> 8;
  if (i + 2 < length) bytes[at + i + 2] = payload[i + 2] ^ key >>> 16;
}

/**
 * XORs a range by words: bytes up to the first aligned word, then words, then
 * the bytes that are left. `words` must be `wordsOver(bytes)`, `base` its
 * `wordBase`.
 */
export function xorWords(
  bytes: Uint8Array,
  words: Words,
  base: number,
  from: number,
  to: number,
  key: number,
): void {
  const first = from + (base - from & (WORD - 1));
  const last = to - (to - base & (WORD - 1));
  if (first >= last || to > MOST_BYTES) return xorBytes(bytes, from, to, key);
  xorBytes(bytes, from, first, key);
  const turned = rotate(key, first - from);
  xorWhole(words, first - base >>> 3, last - base >>> 3, turned);
  // A word is twice the key, so the key stands as it did at the first word.
  xorBytes(bytes, last, to, turned);
}

/**
 * From how many words on both halves are masked at once: while a line of memory is
 * on its way for the one, another is for the other. 1.7 times as fast where the
 * bytes are not in the cache, and no slower where they are.
 */
const HALVES_FROM = 256;

/** XORs whole words, from one index to another. */
export function xorWhole(
  words: Words,
  from: number,
  to: number,
  key: number,
): void {
  halves[0] = key;
  halves[1] = key;
  const wide = whole[0];
  let i = from;
  if (to - from >= HALVES_FROM) {
    const half = to - from >>> 3 << 2;
    let j = from + half;
    for (const most = j; i < most; i += 4) {
      words[i] ^= wide;
      words[i + 1] ^= wide;
      words[i + 2] ^= wide;
      words[i + 3] ^= wide;
      words[j] ^= wide;
      words[j + 1] ^= wide;
      words[j + 2] ^= wide;
      words[j + 3] ^= wide;
      j += 4;
    }
    i = j;
  }
  // Four at a time: half as long again per word goes to the loop otherwise.
  for (const most = to - 3; i < most; i += 4) {
    words[i] ^= wide;
    words[i + 1] ^= wide;
    words[i + 2] ^= wide;
    words[i + 3] ^= wide;
  }
  for (; i < to; i++) words[i] ^= wide;
}

/**
 * Masks bytes in place, or unmasks them, which is the same (RFC 6455,
 * section 5.3).
 *
 * @param bytes The bytes to change
 * @param key The masking key, four bytes
 * @param offset How many bytes of the payload came before these
 * @default {0}
 * @returns The same bytes
 * @throws {RangeError} If the key is not four bytes, or the offset is not a
 * whole number from 0 on
 *
 * @example Masking in two parts
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { mask } from "@noio/ws";
 *
 * const key = new Uint8Array([0x37, 0xfa, 0x21, 0x3d]);
 * const hello = new TextEncoder().encode("Hello");
 * mask(hello.subarray(0, 3), key);
 * mask(hello.subarray(3), key, 3);
 * assertEquals(hello, new Uint8Array([0x7f, 0x9f, 0x4d, 0x51, 0x58]));
 * ```
 */
export function mask<B extends Uint8Array>(
  bytes: B,
  key: Uint8Array,
  offset: number = 0,
): B {
  const packed = rotate(maskKey(key), wholeNumber(offset));
  const { buffer, byteOffset, length } = bytes;
  if (length < WORDS_FROM || !(buffer instanceof ArrayBuffer)) {
    xorBytes(bytes, 0, length, packed);
  } else {
    const plain = new Uint8Array(buffer, byteOffset, length);
    xorWords(plain, wordsOver(plain), wordBase(plain), 0, length, packed);
  }
  return bytes;
}

/**
 * The number for a masking key that a caller gave.
 *
 * @throws {RangeError} If it is not four bytes
 */
export function maskKey(key: Uint8Array): number {
  if (key.length !== 4) {
    throw new RangeError(
      `Cannot mask with a key of ${key.length} bytes: a masking key has 4`,
    );
  }
  return packKey(key, 0);
}

function wholeNumber(offset: number): number {
  if (!Number.isSafeInteger(offset) || offset < 0) {
    throw new RangeError(`Cannot mask at the offset ${offset}`);
  }
  // Only the place within the key matters, and that must survive 32 bits.
  return offset % 4;
}
