// Gathers a payload that arrives in pieces.
//
// Operations: `append` a piece, `take` the whole.
//
// Goals: O(bytes) time however small the pieces are; each byte is copied once
// where the total is known, twice where it is not; and no buffer ever exceeds
// 64 KiB or 16 times the bytes that have arrived, whichever is more, so that a
// peer cannot reserve memory by announcing a length.
//
// As long as the total is unknown, or too large to be believed yet, pieces go to
// blocks whose sizes grow with what has arrived; nothing is moved. Once the
// total is known and believable (a sixteenth of it has arrived), one buffer of
// exactly that size takes the blocks in, and what follows goes straight there.

import { allocate, EMPTY } from "./slab.ts";

const BELIEVED_BYTES = 65_536;
const BELIEVED_TIMES = 16;
/** No block is smaller, lest a million tiny pieces become a million blocks. */
const BLOCK_BYTES = 512;

/** Gathers the pieces of one payload after another. */
export class Gather {
  /** How many bytes are gathered. */
  length = 0;
  #full: Uint8Array[] = [];
  #block: Uint8Array<ArrayBuffer> = EMPTY;
  #used = 0;
  /** Whether the block is the one buffer for the whole. */
  #exact = false;

  /**
   * Appends a copy of a range.
   *
   * @param due How many bytes are still known to come, these included
   * @param last Whether nothing comes after those
   */
  append(
    bytes: Uint8Array,
    from: number,
    to: number,
    due: number,
    last: boolean,
  ): void {
    if (!this.#exact && last) this.#settle(this.length + due, to - from);
    while (from < to) {
      let room = this.#block.length - this.#used;
      if (room === 0) {
        this.#grow(due);
        room = this.#block.length;
      }
      const count = Math.min(room, to - from);
      copy(this.#block, this.#used, bytes, from, from + count);
      this.#used += count;
      this.length += count;
      from += count;
      due -= count;
    }
  }

  /** Gives what was gathered, in one piece, and begins anew. */
  take(): Uint8Array<ArrayBuffer> {
    const { length } = this;
    let whole = this.#block;
    if (this.#full.length > 0) {
      whole = allocate(length);
      this.#pour(whole);
    } else if (whole.length !== length) {
      whole = new Uint8Array(whole.buffer, whole.byteOffset, length);
    }
    this.clear();
    return whole;
  }

  /** Lets everything go. */
  clear(): void {
    this.length = 0;
    this.#full = [];
    this.#block = EMPTY;
    this.#used = 0;
    this.#exact = false;
  }

  /** Turns to one buffer of the total size, where that may be believed. */
  #settle(total: number, arriving: number): void {
    const arrived = this.length + arriving;
    if (total > Math.max(BELIEVED_BYTES, BELIEVED_TIMES * arrived)) return;
    const whole = allocate(total);
    this.#pour(whole);
    this.#full = [];
    this.#block = whole;
    this.#used = this.length;
    this.#exact = true;
  }

  #grow(due: number): void {
    if (this.#used > 0) this.#full.push(this.#block);
    const most = Math.max(
      BELIEVED_BYTES - this.length,
      (BELIEVED_TIMES - 1) * this.length,
    );
    // An eighth of what is there keeps both the number of blocks and the room
    // that a last block wastes small.
    const eighth = Math.floor(this.length / 8);
    const wanted = Math.max(Math.min(due, most), BLOCK_BYTES, eighth);
    this.#block = allocate(wanted);
    this.#used = 0;
  }

  /** Copies all that is gathered to the beginning of a buffer. */
  #pour(whole: Uint8Array): void {
    let at = 0;
    for (const block of this.#full) {
      whole.set(block, at);
      at += block.length;
    }
    copy(whole, at, this.#block, 0, this.#used);
  }
}

/** Up to this many bytes a loop copies faster than a view and `set`. */
const COPY_BY_HAND = 48;

function copy(
  to: Uint8Array,
  at: number,
  bytes: Uint8Array,
  from: number,
  end: number,
): void {
  if (end - from <= COPY_BY_HAND) {
    for (let i = from; i < end; i++) to[at++] = bytes[i];
  } else {
    const offset = bytes.byteOffset + from;
    to.set(new Uint8Array(bytes.buffer, offset, end - from), at);
  }
}
