// Writes DEFLATE blocks (RFC 1951, section 3.2.3): takes what was found (literals,
// and matches with what came before), and writes it in whichever of the three
// ways is shortest: stored, with the fixed codes, or with codes of its own.
//
// Operations: `begin` and `end` around the blocks of a message, `block` for one,
// `stored` for one that is not compressed.

import { allocate, EMPTY } from "../framing/slab.ts";
import { assign, measure, MOST_SYMBOLS } from "./huffman.ts";

/** The shortest and the longest match that DEFLATE can say. */
const LEAST_MATCH = 3;
const MOST_MATCH = 258;

/** A token of a match: its length above its distance. */
const DISTANCE_BITS = 16;
const DISTANCE_MASK = 0xffff;

/** The symbol that ends a block; beyond it are the lengths of matches. */
const END = 256;
const LENGTHS = 257;

/** The symbols that say how far back a match is. */
const DISTANCES = 30;

/** The symbols that say the lengths of the words of the two codes. */
const CODE_LENGTHS = 19;

/** The most bits in a word of a code, and in one that says such a length. */
const MOST_BITS = 15;
const MOST_LENGTH_BITS = 7;

// The types of blocks, with the bit before it that says that it is not the last.
const STORED = 0 << 1;
const FIXED = 1 << 1;
const DYNAMIC = 2 << 1;
const TYPE_BITS = 3;

/** The most bytes in a stored block, and the most before them. */
const MOST_STORED = 65_535;
const STORED_HEAD_BYTES = 5;

/** Up to this many tokens, codes of their own would take more than they save. */
const FEW_TOKENS = 20;

/**
 * A block says its codes before it uses them, in at least so many bits, and so many
 * for each symbol that it uses: guesses that are below nearly all there is.
 */
const CODES_BITS = 50;
const BITS_PER_SYMBOL = 3;

/** A buffer that has grown beyond this is given away rather than copied. */
const KEPT_BYTES = 131_072;

/** What the writer may write beyond what counts. */
const MARGIN_BYTES = 16;

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

const lengthRanges = rangesOf(29, LEAST_MATCH, 4);
// The longest of all has a symbol of its own.
lengthRanges.least[28] = MOST_MATCH;
lengthRanges.extraBits[28] = 0;
const distanceRanges = rangesOf(DISTANCES, 1, 2);

/** The symbol of each length, counted from the first of them. */
const symbolOfLength = new Uint8Array(MOST_MATCH + 1);
for (const [symbol, least] of lengthRanges.least.entries()) {
  symbolOfLength.fill(symbol, least);
}

/**
 * The symbols of distances: of one up to 256 at its index, of a longer one at 256 and
 * one for each 128, as all of these have the same.
 */
const symbolOfDistance = new Uint8Array(513);
for (const [symbol, least] of distanceRanges.least.entries()) {
  symbolOfDistance.fill(symbol, placeOfDistance(least));
}

function placeOfDistance(distance: number): number {
  return distance <= 256 ? distance : 257 + (distance - 1 >> 7);
}

function distanceSymbol(distance: number): number {
  return symbolOfDistance[placeOfDistance(distance)];
}

/** A code: the words of its symbols, and their lengths in bits. */
class Code {
  readonly words: Uint16Array;
  readonly lengths: Uint8Array;

  constructor(symbols: number) {
    this.words = new Uint16Array(symbols);
    this.lengths = new Uint8Array(symbols);
  }

  /** How many symbols there are up to the last one that has a word, or `least`. */
  used(least: number): number {
    let used = this.lengths.length;
    while (used > least && this.lengths[used - 1] === 0) used--;
    return used;
  }

  /** How many bits so many of each symbol take. */
  bits(counts: Uint32Array): number {
    let bits = 0;
    for (let symbol = 0; symbol < counts.length; symbol++) {
      bits += counts[symbol] * this.lengths[symbol];
    }
    return bits;
  }
}

// The fixed codes (section 3.2.6). The last two of its literals never occur.
const fixedLiterals = new Code(288);
fixedLiterals.lengths.fill(8).fill(9, 144, 256).fill(7, 256, 280);
assign(fixedLiterals.lengths, fixedLiterals.words);
const fixedDistances = new Code(DISTANCES);
fixedDistances.lengths.fill(5);
assign(fixedDistances.lengths, fixedDistances.words);

// The codes of the block that is being written.
const literals = new Code(MOST_SYMBOLS);
const distances = new Code(DISTANCES);
const codeLengths = new Code(CODE_LENGTHS);
const literalCounts = new Uint32Array(MOST_SYMBOLS);
const distanceCounts = new Uint32Array(DISTANCES);
const codeLengthCounts = new Uint32Array(CODE_LENGTHS);

// How the lengths of the words are said (section 3.2.7): each by itself, or as a run.
const AGAIN = 16; // the one before it, 3 to 6 times
const ZEROS = 17; // 3 to 10 times
const MANY_ZEROS = 18; // 11 to 138 times
const RUN_BITS = [2, 3, 7];

/** The symbols in the order in which the lengths of their own words come. */
// deno-fmt-ignore
const CODE_LENGTH_ORDER = [
  16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

/** What says the lengths of the words: symbols, and above each how long a run is. */
const runs = new Uint16Array(MOST_SYMBOLS + DISTANCES);
const RUN_SHIFT = 5;

/** What so many of one symbol weigh among others: `n * log2(n)`. */
const WEIGHTS = Float64Array.from(
  { length: 256 },
  (_, n) => n === 0 ? 0 : n * Math.log2(n),
);

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

  /** Begins a message. */
  begin(): void {
    this.#at = 0;
    this.#bits = 0;
    this.#bitCount = 0;
  }

  /** Ends a message at a byte boundary, with an empty stored block. */
  end(): Uint8Array<ArrayBuffer> {
    this.stored(EMPTY, 0, 0);
    const whole = new Uint8Array(this.#bytes.buffer, 0, this.#at);
    if (whole.length > KEPT_BYTES) {
      // Nobody else gets what has grown, and so it need not be copied.
      this.#use(new Uint8Array(KEPT_BYTES));
      return whole;
    }
    const bytes = allocate(whole.length);
    bytes.set(whole);
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
    let least = fixed;
    let runCount = 0;
    if (count > FEW_TOKENS) {
      const extra = tally(tokens, count);
      if (isWorthCodes(count, fixed - extra)) {
        runCount = makeCodes();
        least = Math.min(fixed, extra + dynamicBits(runCount));
      }
    }
    const length = to - from;
    if (
      from >= 0 && length <= MOST_STORED &&
      8 * (STORED_HEAD_BYTES + length) < least
    ) {
      return this.stored(bytes, from, to);
    }
    this.#reserve(least + 7 >> 3);
    if (least === fixed) {
      this.#put(FIXED, TYPE_BITS);
      this.#tokens(tokens, count, fixedLiterals, fixedDistances);
    } else {
      this.#put(DYNAMIC, TYPE_BITS);
      this.#codes(runCount);
      this.#tokens(tokens, count, literals, distances);
    }
  }

  /** Writes the codes of the block (section 3.2.7). */
  #codes(runCount: number): void {
    const used = usedCodeLengths();
    this.#put(literals.used(END + 1) - (END + 1), 5);
    this.#put(distances.used(1) - 1, 5);
    this.#put(used - 4, 4);
    for (let i = 0; i < used; i++) {
      this.#put(codeLengths.lengths[CODE_LENGTH_ORDER[i]], 3);
    }
    for (let i = 0; i < runCount; i++) {
      const symbol = runs[i] & (1 << RUN_SHIFT) - 1;
      this.#put(codeLengths.words[symbol], codeLengths.lengths[symbol]);
      if (symbol >= AGAIN) {
        this.#put(runs[i] >> RUN_SHIFT, RUN_BITS[symbol - AGAIN]);
      }
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
    bytes.set(this.#bytes);
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
  let bits = TYPE_BITS + lengths[END];
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

/**
 * Whether codes of its own may make a block shorter than the fixed ones, which take
 * so many bits. To make them costs as much as all the rest of a short message.
 */
function isWorthCodes(count: number, fixed: number): boolean {
  if (count >= WEIGHTS.length - 1) return true;
  // No code needs less than the entropy of what it says.
  const bits = entropy(literalCounts) + entropy(distanceCounts);
  return CODES_BITS + bits < fixed;
}

/** The entropy of symbols that occur so often, and what it takes to say a code. */
function entropy(counts: Uint32Array): number {
  let bits = 0;
  let total = 0;
  for (let symbol = 0; symbol < counts.length; symbol++) {
    const count = counts[symbol];
    if (count === 0) continue;
    bits += BITS_PER_SYMBOL - WEIGHTS[count];
    total += count;
  }
  return bits + WEIGHTS[total];
}

/** Makes the codes of the block. Answers how many runs say them. */
function makeCodes(): number {
  measure(literalCounts, literals.lengths, MOST_BITS);
  assign(literals.lengths, literals.words);
  measure(distanceCounts, distances.lengths, MOST_BITS);
  assign(distances.lengths, distances.words);
  const runCount = makeRuns();
  measure(codeLengthCounts, codeLengths.lengths, MOST_LENGTH_BITS);
  assign(codeLengths.lengths, codeLengths.words);
  return runCount;
}

/** Puts the lengths of both codes, one after the other, into runs. */
function makeRuns(): number {
  codeLengthCounts.fill(0);
  const literalsUsed = literals.used(END + 1);
  const all = literalsUsed + distances.used(1);
  const lengthAt = (i: number) =>
    i < literalsUsed
      ? literals.lengths[i]
      : distances.lengths[i - literalsUsed];
  let runCount = 0;
  const add = (symbol: number, more: number) => {
    runs[runCount++] = symbol | more << RUN_SHIFT;
    codeLengthCounts[symbol]++;
  };
  for (let i = 0; i < all;) {
    const length = lengthAt(i);
    let left = 1;
    while (i + left < all && lengthAt(i + left) === length) left++;
    i += left;
    if (length > 0) {
      add(length, 0);
      left--;
    }
    while (left >= 3) {
      const symbol = length > 0 ? AGAIN : left > 10 ? MANY_ZEROS : ZEROS;
      const least = symbol === MANY_ZEROS ? 11 : 3;
      const most = least - 1 + (1 << RUN_BITS[symbol - AGAIN]);
      const run = Math.min(left, most);
      add(symbol, run - least);
      left -= run;
    }
    for (; left > 0; left--) add(length, 0);
  }
  return runCount;
}

/** How many lengths of the words that say lengths have to be said. */
function usedCodeLengths(): number {
  let used = CODE_LENGTHS;
  while (used > 4 && codeLengths.lengths[CODE_LENGTH_ORDER[used - 1]] === 0) {
    used--;
  }
  return used;
}

/** How many bits a block takes with codes of its own, without the extra bits. */
function dynamicBits(runCount: number): number {
  let bits = TYPE_BITS + 14 + 3 * usedCodeLengths();
  for (let i = 0; i < runCount; i++) {
    const symbol = runs[i] & (1 << RUN_SHIFT) - 1;
    bits += codeLengths.lengths[symbol];
    if (symbol >= AGAIN) bits += RUN_BITS[symbol - AGAIN];
  }
  return bits + literals.bits(literalCounts) + distances.bits(distanceCounts);
}
