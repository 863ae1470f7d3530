// Where new bytes come from. `new Uint8Array(n)` costs about a microsecond in
// Deno however small n is, a view on memory that is there already some 40 ns. So
// small results are carved from a slab that is shared by all; carved bytes are
// never written again, and what is left of a full slab is let go with it.

import { type Words, wordsOver } from "./mask.ts";

const SLAB_BYTES = 65_536;

/** Up to this many bytes are carved from the slab. */
export const CARVE_BYTES = 4096;

/** Memory to write to, from `at` on. */
export class Space {
  readonly bytes: Uint8Array<ArrayBuffer>;
  // To ask a view for its buffer costs as much as half a carve.
  readonly #buffer: ArrayBuffer;
  /** The index of the next free byte. */
  at = 0;
  /** Where the free bytes end. */
  end: number;
  #words: Words | undefined = undefined;
  #data: DataView | undefined = undefined;

  constructor(size: number | ArrayBuffer) {
    this.bytes = new Uint8Array(size as number); // the compiler takes one or the other
    this.#buffer = this.bytes.buffer;
    this.end = this.bytes.length;
  }

  /** The words of the buffer; the first begins at byte 0. */
  get words(): Words {
    return this.#words ??= wordsOver(this.bytes);
  }

  /** The same bytes, four at a time. */
  get data(): DataView {
    return this.#data ??= new DataView(this.#buffer);
  }

  /** Gives the bytes from `from` to `to` away: they are not written again. */
  carve(from: number, to: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#buffer, from, to - from);
    this.at = to;
    return bytes;
  }
}

let slab = new Space(0);

/** A space with at least `size` free bytes: the slab, or one of its own. */
export function spaceFor(size: number): Space {
  // What is no size must not come near the slab, which is everybody's.
  if (size > CARVE_BYTES || size >>> 0 !== size) return new Space(size);
  // A slab that somebody transferred away has no length left, and is replaced:
  // even where nothing is asked of it, as detached memory cannot be viewed.
  if (slab.bytes.length - slab.at <= size) slab = new Space(SLAB_BYTES);
  return slab;
}

/** New bytes, zero or not: the caller fills them all. */
export function allocate(size: number): Uint8Array<ArrayBuffer> {
  const space = spaceFor(size);
  return space.carve(space.at, space.at + size);
}

/** No bytes. There is nothing in it to change, so one serves all. */
export const EMPTY: Uint8Array<ArrayBuffer> = new Uint8Array(0);
