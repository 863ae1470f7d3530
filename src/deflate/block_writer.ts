// Writes DEFLATE blocks (RFC 1951, section 3.2.3): takes what was found, and writes it
// in whichever of the three ways is shortest: stored, with the fixed codes, or with
// codes of its own.
//
// Operations: `block` for each, `stored` for one that is not compressed, and `end` for
// the bytes of the message; `begin` where it is not to be ended.

import { allocate, EMPTY } from "../framing/slab.ts";
import {
  DISTANCES,
  END,
  LITERALS,
  ownBits,
  ownDistances,
  ownLiterals,
  sayCodes,
} from "./codes.ts";
import { assign, Code } from "./huffman.ts";

/** The shortest and the longest match that DEFLATE can say (section 3.2.5). */
const LEAST_MATCH = 3;
export const MOST_MATCH = 258;

/** The symbol of the shortest matches, after which come those of longer ones. */
const LENGTHS = END + 1;

/** A token of a match is its length above its distance; a literal is less. */
const DISTANCE_BITS = 16;
const DISTANCE_MASK = 0xffff;

/** Up to this many tokens, codes of their own would take more than they save. */
const FEW_TOKENS = 20;

// The types of blocks, with the bit before it that says that it is not the last.
const STORED = 0 << 1;
const FIXED = 1 << 1;
const DYNAMIC = 2 << 1;
const TYPE_BITS = 3;

/** The most bytes in a stored block, and the most before them. */
const MOST_STORED = 65_535;
const STORED_HEAD_BYTES = 5;

/** A buffer that has grown beyond this is not kept. */
const KEPT_BYTES = 131_072;

/** What is needed beyond what is reserved: four bytes are written for the last bit. */
const MARGIN_BYTES = 8;

/** Which symbol says a length or a distance, and how much the symbol leaves open. */
interface Ranges {
  /** The least value of each symbol. */
  readonly least: Uint16Array;
  /** How many bits beside each symbol say which value of it is meant. */
  readonly extraBits: Uint8Array;
}

/** Ranges of 1, then of 2, 4 and so on, the same number of each (section 3.2.5). */
function rangesOf(symbols: number, first: number, each: number): Ranges {
  const least = new Uint16Array(symbols);
  const extraBits = new Uint8Array(symbols);
  let value = first;
  for (let symbol = 0; symbol < symbols; symbol++) {
    const bits = Math.max(0, Math.floor(symbol / each) - 1);
    least[symbol] = value;
    extraBits[symbol] = bits;
    value += 1 << bits;
  }
  return { least, extraBits };
}

/** The lengths, by their symbols from `LENGTHS` on. */
const lengthRanges = rangesOf(LITERALS - LENGTHS, LEAST_MATCH, 4);
// The longest of all has a symbol of its own.
lengthRanges.least[28] = MOST_MATCH;
lengthRanges.extraBits[28] = 0;
/** The distances, by their symbols. */
const distanceRanges = rangesOf(DISTANCES, 1, 2);

/** The symbol of each length, counted from `LENGTHS`. */
const symbolOfLength = new Uint8Array(MOST_MATCH + 1);
for (const [symbol, least] of lengthRanges.least.entries()) {
  symbolOfLength.fill(symbol, least);
}

/**
 * The symbols of distances: of those up to 256 each by itself, of longer ones for each
 * 128 together, as all of these have the same.
 */
const symbolOfDistance = new Uint8Array(513);
for (const [symbol, least] of distanceRanges.least.entries()) {
  symbolOfDistance.fill(symbol, placeOfDistance(least));
}

function placeOfDistance(distance: number): number {
  return distance <= 256 ? distance : 257 + (distance - 1 >> 7);
}

/** The symbol of a distance. */
function distanceSymbol(distance: number): number {
  return symbolOfDistance[placeOfDistance(distance)];
}

// The fixed codes (section 3.2.6). The last two of its literals never occur.
const fixedLiterals = new Code(288);
fixedLiterals.lengths.fill(8).fill(9, 144, 256).fill(7, 256, 280);
assign(fixedLiterals.lengths, fixedLiterals.words);
const fixedDistances = new Code(DISTANCES);
fixedDistances.lengths.fill(5);
assign(fixedDistances.lengths, fixedDistances.words);

// The symbols of the block that is being written.
const literalCounts = new Uint32Array(LITERALS);
const distanceCounts = new Uint32Array(DISTANCES);

/** Makes the token of a match; a literal is its own. */
export function matchToken(length: number, distance: number): number {
  return length << DISTANCE_BITS | distance;
}

/** Writes the blocks of a message, one message at a time. */
export class BlockWriter {
  #bytes = new Uint8Array(KEPT_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;
  /** Fewer than eight bits that do not make a byte yet. */
  #bits = 0;
  #bitCount = 0;

  /** Begins anew, whatever there is. */
  begin(): void {
    this.#at = 0;
    this.#bits = 0;
    this.#bitCount = 0;
    if (this.#bytes.length > KEPT_BYTES) this.#use(new Uint8Array(KEPT_BYTES));
  }

  /** Ends a message at a byte boundary, with an empty stored block. */
  end(): Uint8Array<ArrayBuffer> {
    this.stored(EMPTY, 0, 0);
    const bytes = allocate(this.#at);
    bytes.set(new Uint8Array(this.#bytes.buffer, 0, this.#at));
    this.begin();
    return bytes;
  }

  /** Writes some bytes as they are. */
  stored(bytes: Uint8Array, from: number, to: number): void {
    do {
      const length = Math.min(to - from, MOST_STORED);
      this.#reserve(STORED_HEAD_BYTES + length);
      this.#put(STORED, TYPE_BITS);
      if (this.#bitCount > 0) this.#put(0, 8 - this.#bitCount);
      this.#view.setUint16(this.#at, length, true);
      this.#view.setUint16(this.#at + 2, ~length, true);
      this.#at += 4;
      this.#bytes.set(bytes.subarray(from, from + length), this.#at);
      this.#at += length;
      from += length;
    } while (from < to);
  }

  /**
   * Writes a block.
   *
   * @param tokens Literals, and matches as `matchToken` makes them
   * @param count How many there are
   * @param bytes Where the bytes are that they stand for
   * @param from Where these begin; negative if they are no longer there
   * @param to Where they end
   */
  block(
    tokens: Uint32Array,
    count: number,
    bytes: Uint8Array,
    from: number,
    to: number,
  ): void {
    const fixed = fixedBits(tokens, count);
    let own = Infinity;
    if (count > FEW_TOKENS) {
      const extra = tally(tokens, count);
      own = extra + ownBits(literalCounts, distanceCounts, fixed - extra);
    }
    const least = TYPE_BITS + Math.min(fixed, own);
    const length = to - from;
    if (
      from >= 0 && length <= MOST_STORED &&
      8 * (STORED_HEAD_BYTES + length) < least
    ) {
      return this.stored(bytes, from, to);
    }
    this.#reserve(least + 7 >> 3);
    if (fixed <= own) {
      this.#put(FIXED, TYPE_BITS);
      this.#tokens(tokens, count, fixedLiterals, fixedDistances);
    } else {
      this.#put(DYNAMIC, TYPE_BITS);
      sayCodes((value, count) => this.#put(value, count));
      this.#tokens(tokens, count, ownLiterals, ownDistances);
    }
  }

  /** Writes what was found, and the end of the block. */
  #tokens(
    tokens: Uint32Array,
    count: number,
    { words, lengths }: Code,
    distances: Code,
  ): void {
    const view = this.#view;
    const { least: leastLength, extraBits: lengthBits } = lengthRanges;
    const { least: leastDistance, extraBits: distanceBits } = distanceRanges;
    // As `#put` does it, with less to fetch: 7 bits wait at most, a length takes 15
    // and 5, a distance 15 and then 13.
    let at = this.#at;
    let bits = this.#bits;
    let bitCount = this.#bitCount;
    for (let i = 0; i < count; i++) {
      const token = tokens[i];
      if (token < END) {
        bits |= words[token] << bitCount;
        bitCount += lengths[token];
      } else {
        const length = token >>> DISTANCE_BITS;
        const symbol = symbolOfLength[length];
        const wordLength = lengths[LENGTHS + symbol];
        const open = length - leastLength[symbol];
        bits |= (words[LENGTHS + symbol] | open << wordLength) << bitCount;
        bitCount += wordLength + lengthBits[symbol];
        view.setUint32(at, bits, true);
        at += bitCount >>> 3;
        bits >>>= bitCount & 0x18;
        bitCount &= 7;
        const distance = token & DISTANCE_MASK;
        const far = distanceSymbol(distance);
        bits |= distances.words[far] << bitCount;
        bitCount += distances.lengths[far];
        view.setUint32(at, bits, true);
        at += bitCount >>> 3;
        bits >>>= bitCount & 0x18;
        bitCount &= 7;
        bits |= distance - leastDistance[far] << bitCount;
        bitCount += distanceBits[far];
      }
      view.setUint32(at, bits, true);
      at += bitCount >>> 3;
      bits >>>= bitCount & 0x18;
      bitCount &= 7;
    }
    this.#at = at;
    this.#bits = bits;
    this.#bitCount = bitCount;
    this.#put(words[END], lengths[END]);
  }

  /** Writes up to 24 bits, the lowest first. */
  #put(value: number, count: number): void {
    const bits = this.#bits | value << this.#bitCount;
    const bitCount = this.#bitCount + count;
    this.#view.setUint32(this.#at, bits, true);
    this.#at += bitCount >>> 3;
    this.#bits = bits >>> (bitCount & 0x18);
    this.#bitCount = bitCount & 7;
  }

  /** Makes room for so many bytes, and for what is written beyond the end. */
  #reserve(count: number): void {
    const size = this.#at + count + MARGIN_BYTES;
    if (size <= this.#bytes.length) return;
    const bytes = new Uint8Array(Math.max(size, 2 * this.#bytes.length));
    bytes.set(this.#bytes.subarray(0, this.#at));
    this.#use(bytes);
  }

  #use(bytes: Uint8Array<ArrayBuffer>): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}

/** How many bits the tokens of a block and its end take with the fixed codes. */
function fixedBits(tokens: Uint32Array, count: number): number {
  const { lengths } = fixedLiterals;
  let bits = lengths[END];
  for (let i = 0; i < count; i++) {
    const token = tokens[i];
    if (token < END) {
      bits += lengths[token];
    } else {
      const symbol = symbolOfLength[token >>> DISTANCE_BITS];
      const far = distanceSymbol(token & DISTANCE_MASK);
      bits += lengths[LENGTHS + symbol] + lengthRanges.extraBits[symbol] +
        fixedDistances.lengths[far] + distanceRanges.extraBits[far];
    }
  }
  return bits;
}

/** Counts the symbols. Answers how many bits stand beside them, whatever the codes. */
function tally(tokens: Uint32Array, count: number): number {
  literalCounts.fill(0);
  distanceCounts.fill(0);
  literalCounts[END] = 1;
  let extra = 0;
  for (let i = 0; i < count; i++) {
    const token = tokens[i];
    if (token < END) {
      literalCounts[token]++;
    } else {
      const symbol = symbolOfLength[token >>> DISTANCE_BITS];
      const far = distanceSymbol(token & DISTANCE_MASK);
      literalCounts[LENGTHS + symbol]++;
      distanceCounts[far]++;
      extra += lengthRanges.extraBits[symbol] + distanceRanges.extraBits[far];
    }
  }
  return extra;
}
