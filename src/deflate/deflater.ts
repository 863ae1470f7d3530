// Compresses with DEFLATE (RFC 1951), message by message, each of which may refer
// to those before it: finds what has been there already (LZ77), and has it written.
//
// It finds as zlib does: bytes that begin as others did are chained, from the last
// one back, and a match is taken only if there is none longer at the next byte.
// Four bytes are hashed, as in JavaScript they are read at once.
//
// Positions count from the first byte on and are never moved: a table that holds
// older ones than can be referred to needs no clean-up, and to forget all is to
// remember from where on.

import { BlockWriter, matchToken, MOST_MATCH } from "./block_writer.ts";

/** How a {@linkcode MessageDeflater} compresses. */
export interface DeflaterSettings {
  /** The base-2 logarithm of the window, 9 to 15. */
  readonly windowBits: number;
  /** How far it searches: from 0, not at all, to 9. */
  readonly level: number;
  /** How much memory it takes to find, 1 to 9. */
  readonly memLevel: number;
}

/** How far is searched. */
interface Effort {
  /** With a match of this length, a better one is searched for with less effort. */
  readonly good: number;
  /** With a match of this length, none is searched for at the next byte. */
  readonly lazy: number;
  /** A match of this length is long enough. */
  readonly nice: number;
  /** How many places are looked at. */
  readonly chain: number;
}

/** The shortest match that is searched for: as many bytes as are hashed. */
const LEAST_MATCH = 4;

/**
 * The efforts of the levels. They are not zlib's, as four bytes are hashed and not
 * three, but the results are about as long as those of its level of the same number.
 */
const EFFORTS: readonly Effort[] = [
  { good: 0, lazy: 0, nice: 0, chain: 0 },
  { good: 4, lazy: 4, nice: 128, chain: 4 },
  { good: 4, lazy: 4, nice: 128, chain: 8 },
  { good: 4, lazy: 4, nice: 128, chain: 16 },
  { good: 4, lazy: 8, nice: 128, chain: 24 },
  { good: 8, lazy: 16, nice: 128, chain: 32 },
  { good: 8, lazy: 16, nice: 128, chain: 56 },
  { good: 8, lazy: 32, nice: 128, chain: 160 },
  { good: 32, lazy: 128, nice: 258, chain: 512 },
  { good: 32, lazy: 258, nice: 258, chain: 4096 },
];

/**
 * The far end of a window, which is not referred to: it may be gone while there are
 * bytes that wait for what comes after them. zlib does so, too, and so nobody may
 * ever have been asked to reach farther.
 */
const UNUSED_WINDOW_BYTES = MOST_MATCH + LEAST_MATCH;

/** How many bytes beyond the last one may be read, though they do not count. */
const MARGIN_BYTES = 8;

/** Knuth's multiplier: spreads four bytes over all bits. */
const SPREAD = 0x9e37_79b1;

/** The first position; 0 is none. */
const FIRST_POSITION = 1;

/** From this position on they begin anew, as they must fit into 31 bits. */
const LAST_POSITION = 0x3f00_0000;

/** The least memory there is, for a level that needs none. */
const LEAST = { windowBits: 9, memLevel: 1 };

/** How many tokens make a block. */
const BLOCK_TOKENS = 16_384;

// What one message needs, nothing of which outlives it.
const tokens = new Uint32Array(BLOCK_TOKENS);
const writer = new BlockWriter();

/** Compresses the messages of one direction of a connection. */
export class MessageDeflater {
  readonly #effort: Effort;
  readonly #blockTokens: number;
  /** How far back a match may be. */
  readonly #reach: number;
  /** The window, and as much again, so that it is moved but once per window. */
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #windowBytes: number;
  /** For each hash, the last position of bytes that have it. */
  readonly #heads: Int32Array;
  /** For each position in a window, the one before it with the same hash. */
  readonly #links: Int32Array;
  /** What turns a spread word into a hash. */
  readonly #shift: number;

  /** The position of the first byte that is here. It is never 0, which is no position. */
  #origin: number;
  /** The index of the first byte that may be referred to, */
  #floor = 0;
  /** of the first one that is not in the tables, */
  #hashed = 0;
  /** of the first one that has no token yet, */
  #at = 0;
  /** and of the end. */
  #end = 0;
  /** The tokens of the block, and the index of its first byte. */
  #count = 0;
  #blockFrom = 0;

  /**
   * @param settings How to compress, in their ranges
   * @param start The position of the first byte, at least 1
   */
  constructor(settings: DeflaterSettings, start: number = FIRST_POSITION) {
    this.#effort = EFFORTS[settings.level];
    const { windowBits, memLevel } = settings.level === 0 ? LEAST : settings;
    const size = 1 << windowBits;
    // No more than there are positions in a window, and not too few for a large one.
    const hashBits = Math.min(windowBits, Math.max(memLevel + 6, 12));
    this.#blockTokens = Math.min(BLOCK_TOKENS, 1 << memLevel + 6);
    this.#windowBytes = size;
    this.#reach = size - UNUSED_WINDOW_BYTES;
    this.#bytes = new Uint8Array(2 * size + MARGIN_BYTES);
    this.#view = new DataView(this.#bytes.buffer);
    this.#heads = new Int32Array(1 << hashBits);
    this.#links = new Int32Array(size);
    this.#shift = 32 - hashBits;
    this.#origin = start;
  }

  /**
   * Compresses a part of a message, up to a byte boundary. Where there is no memory for
   * the result, it throws, and has forgotten everything.
   */
  compress(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    bytes = plain(bytes);
    try {
      if (this.#effort.chain === 0) {
        writer.stored(bytes, 0, bytes.length);
      } else {
        for (let from = 0; from < bytes.length;) {
          from += this.#take(bytes, from);
          this.#find(from === bytes.length);
        }
        this.#endBlock();
      }
      return writer.end();
    } catch (error) {
      // Neither is for the next message, which may be somebody else's.
      this.reset();
      writer.begin();
      throw error;
    }
  }

  /** Takes in what was compressed elsewhere, as if it were here. */
  skip(bytes: Uint8Array): void {
    bytes = plain(bytes);
    // What is further back than a window is out of reach.
    let from = Math.max(0, bytes.length - this.#windowBytes);
    while (from < bytes.length) {
      from += this.#take(bytes, from);
      this.#chain(this.#hashed, this.#end);
      this.#at = this.#end;
      this.#blockFrom = this.#end;
    }
  }

  /** Forgets what was compressed. */
  reset(): void {
    this.#floor = this.#end;
    this.#at = this.#end;
    this.#count = 0;
    this.#blockFrom = this.#end;
  }

  /** Takes as many bytes as there is room for, and answers how many that are. */
  #take(bytes: Uint8Array, from: number): number {
    const room = 2 * this.#windowBytes;
    if (this.#end + bytes.length - from > room) this.#move();
    const count = Math.min(bytes.length - from, room - this.#end);
    const part = count === bytes.length
      ? bytes
      : bytes.subarray(from, from + count);
    this.#bytes.set(part, this.#end);
    this.#end += count;
    return count;
  }

  /** Moves the window to the beginning. */
  #move(): void {
    const by = this.#end - this.#windowBytes;
    if (by <= 0) return;
    this.#bytes.copyWithin(0, by, this.#end);
    this.#origin += by;
    this.#end -= by;
    this.#at -= by;
    this.#hashed -= by;
    this.#floor = Math.max(0, this.#floor - by);
    this.#blockFrom -= by;
    if (this.#origin < LAST_POSITION) return;
    this.#origin = FIRST_POSITION;
    this.#heads.fill(0);
  }

  /**
   * Makes tokens of what was taken: all of it if it is the last of a part; else it stops
   * after a match where the longest one might not be seen to its end. All that it needs
   * is fetched first, as this is where the time goes.
   */
  #find(isLast: boolean): void {
    const { good, lazy, nice, chain } = this.#effort;
    const bytes = this.#bytes;
    const view = this.#view;
    const heads = this.#heads;
    const links = this.#links;
    const mask = links.length - 1;
    const shift = this.#shift;
    const reach = this.#reach;
    const origin = this.#origin;
    const floor = this.#floor;
    const blockTokens = this.#blockTokens;
    const start = this.#at;
    const end = this.#end;
    const longest = MOST_MATCH;
    const pause = isLast ? end : end - longest;
    const hashable = this.#hashable();
    this.#chain(this.#hashed, start);
    let count = this.#count;
    // What was found at the byte before, unless that has a token already.
    let waits = false;
    let waitingLength = LEAST_MATCH - 1;
    let waitingDistance = 0;
    let i = start;
    while (i < pause || i < end && waits) {
      let length = LEAST_MATCH - 1;
      let distance = 0;
      if (i < hashable) {
        const word = view.getUint32(i, true);
        const hash = Math.imul(word, SPREAD) >>> shift;
        const position = i + origin;
        let candidate = heads[hash];
        links[position & mask] = candidate;
        heads[hash] = position;
        const first = (i - floor < reach ? floor : i - reach) + origin;
        const most = end - i < longest ? end - i : longest;
        let best = waitingLength;
        if (candidate >= first && best < lazy && best < most) {
          let looks = best >= good ? chain >> 2 : chain;
          // A longer match has the same last four bytes of what would be its length.
          let last = view.getUint32(i + best - 3, true);
          do {
            const from = candidate - origin;
            if (
              view.getUint32(from + best - 3, true) === last &&
              view.getUint32(from, true) === word
            ) {
              const found = matchLength(view, from, i, most);
              if (found > best) {
                best = found;
                length = found;
                distance = i - from;
                if (found >= nice || found === most) break;
                last = view.getUint32(i + best - 3, true);
              }
            }
            candidate = links[candidate & mask];
          } while (candidate >= first && --looks > 0);
        }
      }
      if (waitingLength >= LEAST_MATCH && length <= waitingLength) {
        tokens[count++] = matchToken(waitingLength, waitingDistance);
        const next = i - 1 + waitingLength;
        this.#chain(i + 1, next);
        i = next;
        waits = false;
        waitingLength = LEAST_MATCH - 1;
      } else {
        if (waits) tokens[count++] = bytes[i - 1];
        waits = true;
        waitingLength = length;
        waitingDistance = distance;
        i++;
      }
      if (count === blockTokens) {
        this.#write(count, waits ? i - 1 : i);
        count = 0;
      }
    }
    if (waits) tokens[count++] = bytes[end - 1];
    this.#count = count;
    this.#at = i;
    this.#hashed = Math.max(this.#hashed, hashable);
    if (count === blockTokens) this.#endBlock();
  }

  /** The index from which on there are fewer than four bytes, until more are taken. */
  #hashable(): number {
    return this.#end - LEAST_MATCH + 1;
  }

  /** Puts the positions of some bytes into the tables, as far as that can be done. */
  #chain(from: number, to: number): void {
    const view = this.#view;
    const heads = this.#heads;
    const links = this.#links;
    const mask = links.length - 1;
    const shift = this.#shift;
    const origin = this.#origin;
    const until = Math.min(to, this.#hashable());
    for (let i = from; i < until; i++) {
      const hash = Math.imul(view.getUint32(i, true), SPREAD) >>> shift;
      const position = i + origin;
      links[position & mask] = heads[hash];
      heads[hash] = position;
    }
    this.#hashed = Math.max(this.#hashed, until);
  }

  #endBlock(): void {
    if (this.#count > 0) this.#write(this.#count, this.#at);
  }

  #write(count: number, to: number): void {
    writer.block(tokens, count, this.#bytes, this.#blockFrom, to);
    this.#count = 0;
    this.#blockFrom = to;
  }
}

/** Bytes that are nothing else: a subclass may do anything when it is asked for them. */
function plain({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}

/** How long the bytes at two places are the same, which they are four bytes long. */
function matchLength(
  view: DataView,
  from: number,
  at: number,
  most: number,
): number {
  let length = LEAST_MATCH;
  while (length < most) {
    const differing = view.getUint32(from + length, true) ^
      view.getUint32(at + length, true);
    if (differing !== 0) {
      // The lowest bit that differs is in the first byte that does.
      length += 31 - Math.clz32(differing & -differing) >> 3;
      break;
    }
    length += 4;
  }
  return length < most ? length : most;
}
