// Masking keys (RFC 6455, section 5.3): fresh for each frame, not predictable.
// Four bytes of `crypto.getRandomValues` cost a microsecond, 4 KiB hardly more,
// so keys come from a pool.

import { packKey } from "./mask.ts";

/** Fills bytes with random values, as `crypto.getRandomValues` does. */
export type RandomSource = (bytes: Uint8Array<ArrayBuffer>) => unknown;

const POOL_BYTES = 4096;

/** A pool of masking keys, filled when one is wanted and none is left. */
export class KeyPool {
  readonly #random: RandomSource;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #at: number;

  constructor(random: RandomSource, size: number = POOL_BYTES) {
    this.#random = random;
    this.#bytes = new Uint8Array(size);
    this.#at = size;
  }

  /** The next key, as one number. */
  next(): number {
    if (this.#at === this.#bytes.length) {
      this.#random(this.#bytes);
      this.#at = 0;
    }
    const key = packKey(this.#bytes, this.#at);
    this.#at += 4;
    return key;
  }
}

/** The pool of all who bring no randomness of their own. */
export const KEYS: KeyPool = new KeyPool((bytes) =>
  crypto.getRandomValues(bytes)
);
