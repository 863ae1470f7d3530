// Huffman codes as DEFLATE has them (RFC 1951, section 3.2.2): a code is all said
// with the lengths of its words, which are given out in the order of the symbols.
//
// Operations: a `Code`, of which `measure` finds the lengths that make counted symbols
// shortest, and `assign` the words that belong to the lengths.

/** The most symbols that a code has here. */
export const MOST_SYMBOLS = 286;

/** Above the count, the symbol has room for its nine bits. */
const SYMBOL_BITS = 9;

/** The most bits in any word (RFC 1951, section 3.2.7). */
const MOST_BITS = 15;

// What one call needs, nothing of which outlives it.
const leaves = new Uint32Array(MOST_SYMBOLS);
const weights = new Uint32Array(2 * MOST_SYMBOLS);
const parents = new Uint16Array(2 * MOST_SYMBOLS);
const depths = new Uint16Array(2 * MOST_SYMBOLS);
const lengthCounts = new Uint16Array(MOST_BITS + 1);
const nextWords = new Uint16Array(MOST_BITS + 1);

/** A code: the words of its symbols, and their lengths in bits. */
export class Code {
  readonly words: Uint16Array;
  readonly lengths: Uint8Array;

  constructor(symbols: number) {
    this.words = new Uint16Array(symbols);
    this.lengths = new Uint8Array(symbols);
  }

  /** Becomes the best code for symbols that occur so often, of so many bits at most. */
  fit(counts: Uint32Array, most: number = MOST_BITS): void {
    measure(counts, this.lengths, most);
    assign(this.lengths, this.words);
  }

  /** How many symbols there are up to the last one that has a word. */
  get used(): number {
    let used = this.lengths.length;
    while (this.lengths[used - 1] === 0) used--;
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

/**
 * How long the words of a code should be. At least two symbols get one: not all
 * receivers take a code that could say more than it does.
 *
 * @param counts How often each symbol occurs; together less than 2^23
 * @param lengths Receives the length for each symbol, 0 for what does not occur
 * @param most The length of the longest word, at most 15
 */
export function measure(
  counts: Uint32Array,
  lengths: Uint8Array,
  most: number,
): void {
  lengths.fill(0);
  let size = 0;
  for (let symbol = 0; symbol < counts.length; symbol++) {
    const count = counts[symbol];
    if (count > 0) leaves[size++] = count << SYMBOL_BITS | symbol;
  }
  for (let symbol = 0; size < 2; symbol++) {
    if (counts[symbol] === 0) leaves[size++] = 1 << SYMBOL_BITS | symbol;
  }
  const sorted = leaves.subarray(0, size).sort();
  if (grow(sorted) > most) shorten(most);
  // The rarest comes first, and gets one of the longest.
  let at = 0;
  for (let length = MOST_BITS; length > 0; length--) {
    for (let count = lengthCounts[length]; count > 0; count--) {
      lengths[sorted[at++] & (1 << SYMBOL_BITS) - 1] = length;
    }
  }
}

/** Builds the tree of Huffman over the leaves, and answers how deep it is. */
function grow(sorted: Uint32Array): number {
  const size = sorted.length;
  for (let i = 0; i < size; i++) weights[i] = sorted[i] >>> SYMBOL_BITS;
  // Inner nodes come to be in the order of their weight, as the leaves stand: the
  // lightest of all is the first of either that has no parent yet.
  let leaf = 0;
  let inner = size;
  const root = 2 * size - 2;
  for (let node = size; node <= root; node++) {
    let weight = 0;
    for (let child = 0; child < 2; child++) {
      const isLeaf = leaf < size &&
        (inner === node || weights[leaf] <= weights[inner]);
      const lightest = isLeaf ? leaf++ : inner++;
      parents[lightest] = node;
      weight += weights[lightest];
    }
    weights[node] = weight;
  }
  lengthCounts.fill(0);
  depths[root] = 0;
  let deepest = 0;
  for (let node = root - 1; node >= 0; node--) {
    const depth = depths[node] = depths[parents[node]] + 1;
    if (node >= size) continue;
    if (depth > deepest) deepest = depth;
    lengthCounts[Math.min(depth, MOST_BITS)]++;
  }
  return deepest;
}

/** Makes the tree no deeper than it may be, at the cost of some that are less deep. */
function shorten(most: number): void {
  for (let length = most + 1; length <= MOST_BITS; length++) {
    lengthCounts[most] += lengthCounts[length];
    lengthCounts[length] = 0;
  }
  // A word of a length takes its share of all there are of the longest length.
  let taken = 0;
  for (let length = 1; length <= most; length++) {
    taken += lengthCounts[length] << most - length;
  }
  // One of the longest goes where a shorter one was, which moves down beside it.
  for (; taken > 1 << most; taken--) {
    let length = most - 1;
    while (lengthCounts[length] === 0) length--;
    lengthCounts[most]--;
    lengthCounts[length]--;
    lengthCounts[length + 1] += 2;
  }
}

/**
 * The words that belong to lengths, with their first bit lowest, as they are sent.
 *
 * @param lengths The length for each symbol, 0 for what has no word
 * @param words Receives the word for each symbol that has one
 */
export function assign(lengths: Uint8Array, words: Uint16Array): void {
  lengthCounts.fill(0);
  for (let symbol = 0; symbol < lengths.length; symbol++) {
    lengthCounts[lengths[symbol]]++;
  }
  let word = 0;
  for (let length = 1; length <= MOST_BITS; length++) {
    nextWords[length] = word;
    word = word + lengthCounts[length] << 1;
  }
  for (let symbol = 0; symbol < lengths.length; symbol++) {
    const length = lengths[symbol];
    if (length > 0) words[symbol] = reversed(nextWords[length]++, length);
  }
}

/** Each byte with its bits in the opposite order. */
const MIRRORED = Uint8Array.from({ length: 256 }, (_, byte) => {
  let mirrored = 0;
  for (let bit = 0; bit < 8; bit++) mirrored |= (byte >> bit & 1) << 7 - bit;
  return mirrored;
});

function reversed(word: number, length: number): number {
  const all = MIRRORED[word & 0xff] << 8 | MIRRORED[word >> 8];
  return all >> 16 - length;
}
