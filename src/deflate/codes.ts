// The codes that a block brings along (RFC 1951, section 3.2.7): they are made for what
// is in it, and have to be said themselves, with a third one.
//
// Operations: `ownBits` makes them and tells how long the block is with them. After
// that, `ownLiterals` and `ownDistances` are the codes, and `sayCodes` says them.

import { Code, MOST_SYMBOLS } from "./huffman.ts";

/** The symbol that ends a block: before it are the literals, after it the lengths. */
export const END = 256;

/** How many symbols there are for literals, the end and lengths: the largest code. */
export const LITERALS = MOST_SYMBOLS;

/** How many there are for distances. */
export const DISTANCES = 30;

/** The symbols that say the lengths of the words of the two codes. */
const CODE_LENGTHS = 19;

/** The most bits in a word that says the length of a word. */
const MOST_LENGTH_BITS = 7;

/**
 * A block says its codes before it uses them, in at least so many bits, and so many
 * for each symbol that it uses: guesses that are below nearly all there is.
 */
const CODES_BITS = 50;
const BITS_PER_SYMBOL = 3;

// The codes of the block that is being written.
export const ownLiterals: Code = new Code(LITERALS);
export const ownDistances: Code = new Code(DISTANCES);
const codeLengths = new Code(CODE_LENGTHS);
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
const runs = new Uint16Array(LITERALS + DISTANCES);
const RUN_SHIFT = 5;
const RUN_MASK = (1 << RUN_SHIFT) - 1;
let runCount = 0;

/**
 * Makes the codes for symbols that occur so often, and answers how many bits the
 * symbols and the codes take. Where these would hardly be less than `enough`, it makes
 * none, and answers `Infinity`: that costs as much as all the rest of a short message.
 */
export function ownBits(
  literalCounts: Uint32Array,
  distanceCounts: Uint32Array,
  enough: number,
): number {
  // No code needs less than the entropy of what it says.
  const bits = entropy(literalCounts) + entropy(distanceCounts);
  if (CODES_BITS + bits >= enough) return Infinity;
  ownLiterals.fit(literalCounts);
  ownDistances.fit(distanceCounts);
  makeRuns();
  codeLengths.fit(codeLengthCounts, MOST_LENGTH_BITS);
  return codesBits() + ownLiterals.bits(literalCounts) +
    ownDistances.bits(distanceCounts);
}

/** The entropy of symbols that occur so often, and what it takes to say a code. */
function entropy(counts: Uint32Array): number {
  let bits = 0;
  let total = 0;
  for (let symbol = 0; symbol < counts.length; symbol++) {
    const count = counts[symbol];
    if (count === 0) continue;
    bits += BITS_PER_SYMBOL - weightOf(count);
    total += count;
  }
  return bits + weightOf(total);
}

/** What so many of one symbol weigh among others. */
function weightOf(count: number): number {
  return count < WEIGHTS.length ? WEIGHTS[count] : count * Math.log2(count);
}

const WEIGHTS = Float64Array.from(
  { length: 256 },
  (_, count) => count === 0 ? 0 : count * Math.log2(count),
);

/** Puts the lengths of both codes, one after the other, into runs. */
function makeRuns(): void {
  runCount = 0;
  codeLengthCounts.fill(0);
  const literalsUsed = ownLiterals.used;
  const all = literalsUsed + ownDistances.used;
  const lengthAt = (i: number) =>
    i < literalsUsed
      ? ownLiterals.lengths[i]
      : ownDistances.lengths[i - literalsUsed];
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
}

/** How many lengths of the words that say lengths have to be said. */
function usedCodeLengths(): number {
  let used = CODE_LENGTHS;
  while (used > 4 && codeLengths.lengths[CODE_LENGTH_ORDER[used - 1]] === 0) {
    used--;
  }
  return used;
}

/** How many bits say the codes. */
function codesBits(): number {
  let bits = 0;
  sayCodes((_, count) => bits += count);
  return bits;
}

/**
 * Says the codes of the block.
 *
 * @param put Takes a number and in how many bits it is said
 */
export function sayCodes(put: (value: number, count: number) => void): void {
  const used = usedCodeLengths();
  put(ownLiterals.used - (END + 1), 5);
  put(ownDistances.used - 1, 5);
  put(used - 4, 4);
  for (let i = 0; i < used; i++) {
    put(codeLengths.lengths[CODE_LENGTH_ORDER[i]], 3);
  }
  for (let i = 0; i < runCount; i++) {
    const symbol = runs[i] & RUN_MASK;
    put(codeLengths.words[symbol], codeLengths.lengths[symbol]);
    if (symbol >= AGAIN) put(runs[i] >> RUN_SHIFT, RUN_BITS[symbol - AGAIN]);
  }
}
