// Chance for those who need much of it: `fast-check` shrinks and explains, which
// costs; this gives ten million inputs in minutes. What it gives depends on two
// numbers alone, so a failing input is repeated by naming them.

/** Numbers that look random and are the same for the same seed (sfc32). */
export class Dice {
  #a: number;
  #b: number;
  #c: number;
  #count = 1;

  /** Dice for the input of this index in the run with this seed. */
  constructor(seed: number, index: number) {
    this.#a = seed | 0;
    this.#b = index | 0;
    this.#c = Math.floor(index / 2 ** 32) ^ 0x9e3779b9;
    for (let i = 0; i < 12; i++) this.next();
  }

  /** 32 bits. */
  next(): number {
    const sum = (this.#a + this.#b | 0) + this.#count | 0;
    this.#count = this.#count + 1 | 0;
    this.#a = this.#b ^ this.#b >>> 9;
    this.#b = this.#c + (this.#c << 3) | 0;
    this.#c = (this.#c << 21 | this.#c >>> 11) + sum | 0;
    return sum >>> 0;
  }

  /** A whole number from 0 up to, not including, `end`. */
  below(end: number): number {
    return Math.floor(this.next() / 2 ** 32 * end);
  }

  /** A whole number between two, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** Whether something happens that does once in so many times. */
  once(inTimes: number): boolean {
    return this.below(inTimes) === 0;
  }

  /** One of several. */
  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)];
  }

  /** Random bytes. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.next() >>> 24;
    return bytes;
  }

  /** Places between 0 and `length` to cut at, ascending. */
  places(length: number, most: number): number[] {
    const count = this.between(1, most);
    const places: number[] = [];
    for (let i = 0; i < count; i++) places.push(this.between(0, length));
    return places.sort((a, b) => a - b);
  }
}

/** Values of a byte at which something turns. */
const TURNS = [
  ...[0x00, 0x01, 0x7d, 0x7e, 0x7f, 0x80, 0x81, 0x82, 0x88, 0x89, 0xc1],
  ...[0xed, 0xf4, 0xfd, 0xfe, 0xff],
];

/** Bytes with one thing changed, and from where on they are others. */
export interface Mutant {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What was done. */
  readonly how: string;
  /** Everything before this index is as it was. */
  readonly at: number;
}

/**
 * Changes one thing: flips a bit, sets a byte, inserts, deletes, doubles a part,
 * cuts off the end, or puts a part of it somewhere else.
 */
export function mutate(dice: Dice, bytes: Uint8Array): Mutant {
  const { length } = bytes;
  const at = dice.below(length + 1);
  const end = Math.min(length, at + 1 + dice.below(dice.once(3) ? 40 : 4));
  const before = bytes.subarray(0, at);
  const part = bytes.subarray(at, end);
  const after = bytes.subarray(end);
  switch (dice.below(7)) {
    case 0: {
      const copy = new Uint8Array(bytes);
      if (at < length) copy[at] ^= 1 << dice.below(8);
      return { bytes: copy, how: "flip", at };
    }
    case 1: {
      const copy = new Uint8Array(bytes);
      if (at < length) copy[at] = dice.of(TURNS);
      return { bytes: copy, how: "set", at };
    }
    case 2: {
      const more = dice.once(2)
        ? Uint8Array.of(dice.of(TURNS))
        : dice.bytes(dice.between(1, 6));
      return { bytes: join(before, more, part, after), how: "insert", at };
    }
    case 3:
      return { bytes: join(before, after), how: "delete", at };
    case 4:
      return { bytes: join(before, part, part, after), how: "duplicate", at };
    case 5:
      return { bytes: join(before), how: "truncate", at };
    default: {
      const from = dice.below(length + 1);
      const other = bytes.subarray(from, from + dice.below(20));
      return { bytes: join(before, other, after), how: "splice", at };
    }
  }
}

/** Several bytes in one piece. */
export function join(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * Makes a failing input shorter, as far as that is cheap: takes parts out of it,
 * halves first and single bytes last, as long as it still fails.
 */
export function shorten(
  bytes: Uint8Array<ArrayBuffer>,
  fails: (bytes: Uint8Array<ArrayBuffer>) => boolean,
): Uint8Array<ArrayBuffer> {
  let tries = 3000;
  for (let size = bytes.length >> 1; size > 0; size >>= 1) {
    for (let at = 0; at < bytes.length && tries-- > 0;) {
      const less = join(bytes.subarray(0, at), bytes.subarray(at + size));
      if (fails(less)) bytes = less;
      else at += size;
    }
  }
  return bytes;
}
