// The cursor: walks over the chunks that were received, reads one head after
// another and hands out the payload behind it, unmasked in place. Both the
// `FrameDecoder` and the `Connection` are driven by it; it makes no objects.
//
// Operations: `push` a chunk; `readHead`, after which the fields `fin`, `bits`,
// `opcode`, `length` tell of the frame; `take`, after which `from` and `to` tell
// which bytes of `bytes` are the next part of its payload; `readMessage`, which is
// both at once for the common case; `release`.
//
// A head is read by one of two ways. Where all of it lies in the chunk and all of
// it is as it should be, at once. Otherwise byte by byte, each judged as it comes:
// every rule fires at the first byte that decides it, and so the way in which the
// bytes were cut cannot change what comes out.

import type { Failure } from "./failure.ts";
import { isControl } from "./opcode.ts";
import {
  DATA_FROM,
  packKey,
  rotate,
  wordBase,
  type Words,
  WORDS_FROM,
  wordsOver,
  xorBytes,
  xorData,
  xorWords,
} from "./mask.ts";
import {
  type FirstBytes,
  firstBytes,
  type HeadRules,
  isOver,
  judge,
  lengthEnd,
  readLength,
} from "./rules.ts";
import { EMPTY } from "./slab.ts";

/** What `readHead` answers. */
export const Head = {
  /** More bytes are needed. */
  NEED_DATA: 0,
  /** The fields tell of a frame. */
  READY: 1,
  /** The field `failure` tells of a broken rule. */
  FAILED: 2,
} as const;

/** One of the answers of `readHead`. */
export type Head = typeof Head[keyof typeof Head];

/** The longest head: two bytes, eight of length, four of key. */
const LONGEST_HEAD = 14;

/** Walks over the bytes of one direction of one connection. */
export class Cursor {
  /** The chunk under the cursor. */
  bytes: Uint8Array<ArrayBuffer> = EMPTY;
  /** Where the part that `take` handed out begins in `bytes`. */
  from = 0;
  /** Where it ends. */
  to = 0;

  /** Whether the frame is the last of its message. */
  fin = false;
  /** Its reserved bits, RSV1 being 4. */
  bits = 0;
  /** Its opcode. */
  opcode = 0;
  /** The length of its payload in bytes. */
  length = 0;
  /** How many of them have not been taken yet. */
  remaining = 0;
  /** Whether it is masked. */
  masked = false;
  /** The key for the next byte of the payload; 0 changes nothing. */
  key = 0;
  /** The rule that was broken, once one was. */
  failure: Failure | undefined = undefined;

  readonly #rules: HeadRules;
  readonly #firstBytes: FirstBytes;
  /** The row of the table that holds now. */
  #good: Uint8Array;
  /** `second & #maskMust` must be `#maskBit`. */
  readonly #maskMust: number;
  readonly #maskBit: number;
  /** The longest message in one frame. */
  readonly #mostOfMessage: number;

  #at = 0;
  #end = 0;
  #queue: Uint8Array<ArrayBuffer>[] = [];
  #next = 0;
  #words: Words | undefined = undefined;
  #base = 0;
  // To ask a view for its buffer costs as much as half of making one.
  #buffer: ArrayBuffer | undefined = undefined;
  #data: DataView | undefined = undefined;
  #offset = 0;

  /** The bytes of a head that lies in several chunks, or is not as it should be. */
  #head: Uint8Array = EMPTY;
  #have = 0;

  /** How many bytes the frames of a message that has not ended have announced. */
  #messageBytes = 0;

  constructor(rules: HeadRules) {
    this.#rules = rules;
    this.#firstBytes = firstBytes(rules);
    this.#good = this.#firstBytes[0];
    this.#mostOfMessage = Math.min(rules.maxFrameBytes, rules.maxMessageBytes);
    this.#maskMust = rules.masked === undefined ? 0 : 0x80;
    this.#maskBit = rules.masked === true ? 0x80 : 0;
  }

  /** Takes a chunk that is not empty. It belongs to the cursor until all is read. */
  push(chunk: Uint8Array<ArrayBuffer>): void {
    if (this.#at === this.#end && this.#next === this.#queue.length) {
      this.#use(chunk);
    } else {
      this.#queue.push(chunk);
    }
  }

  /** Lets go of all chunks. */
  release(): void {
    if (this.#queue.length > 0) this.#queue = [];
    this.#next = 0;
    this.#use(EMPTY);
  }

  /**
   * Reads a whole message at once: an unfragmented data frame that lies in the
   * chunk with all of its payload. Only `opcode`, `bits`, `from` and `to` tell of
   * it. Where something else comes next, answers `false` and has done nothing.
   * The payload before must be taken, and no message may be under way.
   *
   * This is what most frames are. To set no more fields than these, and to call
   * nothing on the way, makes 16-byte messages 1.7 times as fast.
   */
  readMessage(): boolean {
    const at = this.#at;
    const there = this.#end - at;
    if (there < 2 || this.#have !== 0) return false;
    const { bytes } = this;
    const first = bytes[at];
    const second = bytes[at + 1];
    if (
      // FIN, an opcode of a data frame that is no continuation, and no rule broken.
      (first & 0x88) !== 0x80 || this.#good[first] === 0 ||
      (second & this.#maskMust) !== this.#maskBit
    ) return false;
    let length = second & 0x7f;
    let from = at + 2;
    if (length > 125) {
      if (length === 127 || there < 4) return false;
      length = bytes[at + 2] << 8 | bytes[at + 3];
      if (length < 126) return false;
      from = at + 4;
    }
    if (second >= 0x80) from += 4;
    const to = from + length;
    if (to > this.#end || length > this.#mostOfMessage) return false;
    if (second >= 0x80) this.#unmask(from, to, packKey(bytes, from - 4));
    this.opcode = first & 15;
    this.bits = first >> 4 & 7;
    this.from = from;
    this.to = to;
    this.#at = to;
    return true;
  }

  /** Reads a head, or what there is of one. The payload before must be taken. */
  readHead(): Head {
    if (this.#at === this.#end && !this.#advance()) return Head.NEED_DATA;
    const { bytes } = this;
    const at = this.#at;
    const there = this.#end - at;
    if (this.#have === 0 && there >= 2) {
      const first = bytes[at];
      const second = bytes[at + 1];
      if (
        this.#good[first] === 1 && (second & this.#maskMust) === this.#maskBit
      ) {
        const opcode = first & 15;
        let length = second & 0x7f;
        let size = 2;
        if (length === 126) {
          size = 4;
          length = there < 4 ? 0 : bytes[at + 2] << 8 | bytes[at + 3];
          if (length < 126 || isControl(opcode)) return this.#readSlowly();
        } else if (length === 127) {
          size = 10;
          length = there < 10 ? 0 : readUint64(bytes, at + 2);
          if (length < 65_536 || isControl(opcode)) return this.#readSlowly();
        }
        let key = 0;
        if (second >= 0x80) {
          if (there >= size + 4) key = packKey(bytes, at + size);
          size += 4;
        }
        if (
          there >= size &&
          !isOver(opcode, length, this.#messageBytes, this.#rules)
        ) {
          this.#at = at + size;
          this.#begin(first, second, length, key);
          return Head.READY;
        }
      }
    }
    return this.#readSlowly();
  }

  /**
   * Makes the next part of the payload known by `from` and `to`, unmasked: all
   * that is left of it or of the chunk. Answers `false` where there is nothing.
   */
  take(): boolean {
    const { remaining } = this;
    if (this.#at === this.#end && remaining > 0 && !this.#advance()) {
      return false;
    }
    const from = this.#at;
    const there = this.#end - from;
    const count = remaining < there ? remaining : there;
    const to = from + count;
    this.from = from;
    this.to = to;
    this.#at = to;
    this.remaining = remaining - count;
    const { key } = this;
    if (key !== 0) {
      this.#unmask(from, to, key);
      if (count < remaining) this.key = rotate(key, count);
    }
    return true;
  }

  /** A view of what `readMessage` or `take` has made known. */
  view(): Uint8Array<ArrayBuffer> {
    if (this.#buffer === undefined) {
      this.#buffer = this.bytes.buffer;
      this.#offset = this.bytes.byteOffset;
    }
    const { from } = this;
    return new Uint8Array(this.#buffer, this.#offset + from, this.to - from);
  }

  #unmask(from: number, to: number, key: number): void {
    if (to - from < DATA_FROM) {
      xorBytes(this.bytes, from, to, key);
    } else if (to - from < WORDS_FROM) {
      const data = this.#data ??= this.#dataOfChunk();
      xorData(data, this.bytes, from, to, key);
    } else {
      const words = this.#words ??= this.#wordsOfChunk();
      xorWords(this.bytes, words, this.#base, from, to, key);
    }
  }

  #dataOfChunk(): DataView {
    const { buffer, byteOffset, length } = this.bytes;
    return new DataView(buffer, byteOffset, length);
  }

  #wordsOfChunk(): Words {
    this.#base = wordBase(this.bytes);
    return wordsOver(this.bytes);
  }

  #use(chunk: Uint8Array<ArrayBuffer>): void {
    this.bytes = chunk;
    this.#at = 0;
    this.#end = chunk.length;
    this.#words = undefined;
    this.#buffer = undefined;
    this.#data = undefined;
  }

  /** Goes on to the next chunk; where there is none, lets go of all. */
  #advance(): boolean {
    if (this.#next === this.#queue.length) {
      if (this.#end > 0) this.release();
      return false;
    }
    this.#use(this.#queue[this.#next]);
    this.#queue[this.#next++] = EMPTY;
    // Somebody who always hands over more than is read must not pile up what
    // was read: once half of the queue is behind the cursor, it goes.
    if (this.#next * 2 > this.#queue.length) {
      this.#queue.splice(0, this.#next);
      this.#next = 0;
    }
    return true;
  }

  /** Takes over a head that is complete and breaks no rule. */
  #begin(first: number, second: number, length: number, key: number): void {
    this.fin = first >= 0x80;
    this.bits = first >> 4 & 7;
    this.opcode = first & 15;
    this.length = length;
    this.remaining = length;
    this.masked = second >= 0x80;
    this.key = key;
    if (this.opcode >= 8) return;
    if (!this.fin) {
      this.#messageBytes += length;
      this.#good = this.#firstBytes[1];
    } else {
      this.#messageBytes = 0;
      this.#good = this.#firstBytes[0];
    }
  }

  /** Reads a head byte by byte. */
  #readSlowly(): Head {
    if (this.#head === EMPTY) this.#head = new Uint8Array(LONGEST_HEAD);
    const head = this.#head;
    for (;;) {
      if (this.#at === this.#end && !this.#advance()) return Head.NEED_DATA;
      head[this.#have++] = this.bytes[this.#at++];
      if (!this.#isFine(head) && this.#isBroken(head)) return Head.FAILED;
      if (this.#have < 2) continue;
      const end = lengthEnd(head[1]);
      if (this.#have === end + (head[1] >= 0x80 ? 4 : 0)) {
        const key = head[1] >= 0x80 ? packKey(head, end) : 0;
        this.#have = 0;
        this.#begin(head[0], head[1], readLength(head, end), key);
        return Head.READY;
      }
    }
  }

  /**
   * Whether the last byte of a head plainly breaks no rule, as in most heads: for
   * what is not plain there is the judge.
   */
  #isFine(head: Uint8Array): boolean {
    if (this.#have === 1) return this.#good[head[0]] === 1;
    const second = head[1];
    const length = second & 0x7f;
    if (this.#have > 2) return length < 126;
    return length < 126 && (second & this.#maskMust) === this.#maskBit &&
      this.#messageBytes + length <= this.#mostOfMessage;
  }

  #isBroken(head: Uint8Array): boolean {
    const inMessage = this.#good === this.#firstBytes[1];
    const have = this.#have;
    this.failure = judge(
      head,
      have,
      inMessage,
      this.#messageBytes,
      this.#rules,
    );
    return this.failure !== undefined;
  }
}

function readUint64(bytes: Uint8Array, at: number): number {
  const high = bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 |
    bytes[at + 3];
  const low = bytes[at + 4] << 24 | bytes[at + 5] << 16 | bytes[at + 6] << 8 |
    bytes[at + 7];
  return (high >>> 0) * 0x1_0000_0000 + (low >>> 0);
}
