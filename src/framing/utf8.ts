// UTF-8 (RFC 3629) as RFC 6455 wants it: text fails at its first wrong byte,
// even in the middle of a message, and is never cut inside a code point.

/**
 * Follows a text over any number of parts.
 *
 * The state is what the next byte may be: how many continuation bytes are due,
 * and between which bounds the next of them must lie. The bounds are narrower
 * than 80..BF only behind E0, ED, F0 and F4, which rules out overlong forms,
 * surrogates and what lies above U+10FFFF (RFC 3629, section 4).
 */
export class Utf8Validator {
  #due = 0;
  #low = 0x80;
  #high = 0xbf;
  #seen = 0;

  /** How many bytes of a code point that is not complete have been seen, 0 to 3. */
  get pending(): number {
    return this.#seen;
  }

  /** How many bytes the code point that is not complete still wants, 0 to 3. */
  get due(): number {
    return this.#due;
  }

  /** Begins a new text. */
  reset(): void {
    this.#due = 0;
    this.#low = 0x80;
    this.#high = 0xbf;
    this.#seen = 0;
  }

  /** Takes over where another validator stands. */
  copy(other: Utf8Validator): void {
    this.#due = other.#due;
    this.#low = other.#low;
    this.#high = other.#high;
    this.#seen = other.#seen;
  }

  /** Another one that stands where this one does. */
  clone(): Utf8Validator {
    const other = new Utf8Validator();
    other.copy(this);
    return other;
  }

  /** The index of the first wrong byte of a part, or -1 where there is none. */
  check(bytes: Uint8Array, from: number, to: number): number {
    let i = from;
    while (i < to) {
      if (this.#due === 0) {
        i = skipValid(bytes, i, to);
        if (i === to) break;
      }
      if (!this.#follow(bytes[i])) return i;
      i++;
    }
    return -1;
  }

  /** Takes one byte. Answers whether it may stand there. */
  #follow(byte: number): boolean {
    if (this.#due > 0) {
      if (byte < this.#low || byte > this.#high) return false;
      this.#low = 0x80;
      this.#high = 0xbf;
      this.#due--;
      this.#seen = this.#due === 0 ? 0 : this.#seen + 1;
    } else if (byte >= 0x80) {
      if (byte < 0xc2 || byte > 0xf4) return false;
      this.#due = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
      this.#seen = 1;
      if (byte === 0xe0) this.#low = 0xa0;
      else if (byte === 0xed) this.#high = 0x9f;
      else if (byte === 0xf0) this.#low = 0x90;
      else if (byte === 0xf4) this.#high = 0x8f;
    }
    return true;
  }
}

/**
 * Where the whole code points at the beginning of a range end that are plainly
 * right: all but a few, and those the validator looks at byte by byte.
 */
function skipValid(bytes: Uint8Array, from: number, to: number): number {
  let i = from;
  let run = 0;
  while (i < to) {
    const byte = bytes[i];
    if (byte < 0x80) {
      i++;
      // Behind some ASCII there is more of it.
      if (++run === RUN && to - i >= WORDS_FROM) {
        i = skipAscii(bytes, i, to);
        run = 0;
      }
      continue;
    }
    run = 0;
    if (i + 3 >= to) return i;
    const next = bytes[i + 1];
    if ((next & 0xc0) !== 0x80) return i;
    if (byte < 0xe0) {
      if (byte < 0xc2) return i;
      i += 2;
      continue;
    }
    if ((bytes[i + 2] & 0xc0) !== 0x80) return i;
    // Those with narrower bounds are E0, ED, F0 and F4.
    if (byte < 0xf0) {
      if (byte === 0xe0 && next < 0xa0 || byte === 0xed && next > 0x9f) {
        return i;
      }
      i += 3;
      continue;
    }
    if (
      (bytes[i + 3] & 0xc0) !== 0x80 || byte > 0xf4 ||
      byte === 0xf0 && next < 0x90 || byte === 0xf4 && next > 0x8f
    ) return i;
    i += 4;
  }
  return i;
}

/** How many bytes of ASCII promise more. */
const RUN = 16;

/** From how many bytes on a view over words pays. */
const WORDS_FROM = 64;

/** The words that a look takes at a time. */
const AT_ONCE = 4;

const NOT_ASCII = 0x8080_8080 | 0;

/** Where a run of ASCII ends, or somewhat before. */
function skipAscii(bytes: Uint8Array, from: number, to: number): number {
  const first = from + (-(bytes.byteOffset + from) & 3);
  const words = new Int32Array(
    bytes.buffer,
    bytes.byteOffset + first,
    to - first >>> 2,
  );
  const last = words.length - AT_ONCE;
  let i = 0;
  while (i <= last) {
    const any = words[i] | words[i + 1] | words[i + 2] | words[i + 3];
    if ((any & NOT_ASCII) !== 0) break;
    i += AT_ONCE;
  }
  if (i === 0) return from;
  // The bytes before the first word have not been looked at yet.
  for (let j = from; j < first; j++) if (bytes[j] >= 0x80) return j;
  return first + 4 * i;
}

// A BOM is content. Not fatal: that costs three times as much, and a result
// without U+FFFD proves the input valid all the same.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const judge = new Utf8Validator();

/** Up to this length a text of ASCII is built faster by hand. */
const SHORT = 32;

/** The string of ASCII bytes, `undefined` where one is not ASCII. */
function decodeShort(
  bytes: Uint8Array,
  from: number,
  to: number,
): string | undefined {
  let text = "";
  let i = from;
  for (; i + 8 <= to; i += 8) {
    const a = bytes[i], b = bytes[i + 1], c = bytes[i + 2], d = bytes[i + 3];
    const e = bytes[i + 4],
      f = bytes[i + 5],
      g = bytes[i + 6],
      h = bytes[i + 7];
    if ((a | b | c | d | e | f | g | h) > 0x7f) return undefined;
    text += String.fromCharCode(a, b, c, d, e, f, g, h);
  }
  for (; i < to; i++) {
    if (bytes[i] > 0x7f) return undefined;
    text += String.fromCharCode(bytes[i]);
  }
  return text;
}

/** Why there is no text. */
export const NoText = {
  /** The bytes are not UTF-8. */
  INVALID: 0,
  /** The text is longer than a string of this engine can be. */
  TOO_LONG: 1,
} as const;

/** One of the reasons why there is no text. */
export type NoText = typeof NoText[keyof typeof NoText];

/** The text of a whole range, or why there is none. */
export function decodeText(
  bytes: Uint8Array<ArrayBuffer>,
  from: number,
  to: number,
): string | NoText {
  if (to - from <= SHORT) {
    // ASCII needs no second look.
    const short = decodeShort(bytes, from, to);
    if (short !== undefined) return short;
  }
  const text = decodeLong(bytes, from, to);
  return typeof text === "string" && text.includes("\ufffd") &&
      !isValid(bytes, from, to)
    ? NoText.INVALID
    : text;
}

/** The text of a range that is known to be UTF-8. */
export function decodeValid(
  bytes: Uint8Array<ArrayBuffer>,
  from: number,
  to: number,
): string | typeof NoText.TOO_LONG {
  if (to - from <= SHORT) {
    const short = decodeShort(bytes, from, to);
    if (short !== undefined) return short;
  }
  return decodeLong(bytes, from, to);
}

/** The same by the engine's decoder; what is not UTF-8 becomes U+FFFD. */
function decodeLong(
  bytes: Uint8Array<ArrayBuffer>,
  from: number,
  to: number,
): string | typeof NoText.TOO_LONG {
  try {
    const { buffer, byteOffset } = bytes;
    return decoder.decode(new Uint8Array(buffer, byteOffset + from, to - from));
  } catch {
    return NoText.TOO_LONG;
  }
}

/** Whether a whole range is UTF-8. */
export function isValid(bytes: Uint8Array, from: number, to: number): boolean {
  judge.reset();
  return judge.check(bytes, from, to) === -1 && judge.due === 0;
}

/** How many bytes a well-formed string takes as UTF-8. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // Each half of a surrogate pair stands for two of the pair's four bytes.
    if (unit > 0x7ff) length += unit >= 0xd800 && unit <= 0xdfff ? 1 : 2;
    else if (unit > 0x7f) length++;
  }
  return length;
}
