// Several extensions in a row (RFC 6455, section 9.1): what is sent goes through
// them in the order in which the handshake named them, what is received comes
// back through them in the opposite order.

import { RESERVED, reservedBits } from "../framing/frame.ts";
import { EMPTY } from "../framing/slab.ts";
import {
  type Extension,
  ExtensionError,
  type OutgoingMessage,
  type PartPosition,
} from "./extension.ts";

/** The extensions of one connection, and which of them the messages go through. */
export class Pipeline {
  /** The reserved bits that they claim together. */
  readonly bits: number;
  /** Whether one of them is at work: then nobody may use the connection. */
  isAtWork = false;
  readonly #extensions: readonly Extension[];
  /** Those that decode the message that is being received, the last one first. */
  #decoders: Extension[] = [];
  /** How many bytes each of these has made of it, but for the last one. */
  #made: number[] = [];
  /** Those that encode the message that is being sent, in order. */
  #encoders: Extension[] = [];
  /** Those that did so when `save` was called. */
  #saved: Extension[] = [];

  readonly #limit: number;

  /**
   * @param claimed The reserved bits that the application claims
   * @param limit The most bytes of a message between two extensions
   * @throws {RangeError} If two claim the same bit
   */
  constructor(
    extensions: readonly Extension[],
    claimed: number,
    limit: number,
  ) {
    this.#limit = limit;
    let taken = claimed;
    for (const { name, reserved } of extensions) {
      const bits = reservedBits(reserved);
      if ((bits & taken) !== 0) {
        throw new RangeError(
          `Cannot use the extension "${name}": a reserved bit of [${reserved}] is claimed already`,
        );
      }
      taken |= bits;
    }
    this.bits = taken & ~claimed;
    this.#extensions = [...extensions];
  }

  /** Has them at work. */
  working<T>(work: () => T): T {
    this.isAtWork = true;
    try {
      return work();
    } finally {
      this.isAtWork = false;
    }
  }

  /**
   * A message begins to be received. Answers whether it is to be decoded, or
   * which bits are set though their extensions do not want it.
   */
  begin(bits: number, type: string): { decodes: boolean; stray: number } {
    this.#decoders = [];
    this.#made = [];
    let stray = 0;
    for (const extension of this.#extensions) {
      const own = bits & reservedBits(extension.reserved);
      if (extension.begin(RESERVED[own], type)) {
        this.#decoders.unshift(extension);
        this.#made.push(0);
      } else {
        stray |= own;
      }
    }
    return { decodes: this.#decoders.length > 0, stray };
  }

  /** Whether a message that arrives in parts is to be decoded as one. */
  gathers(length: number, budget: number): boolean {
    return this.#decoders[0].gathers?.(length, budget) === true;
  }

  /** Decodes a part of the message, lazily. */
  decode(
    part: Uint8Array<ArrayBuffer>,
    position: PartPosition,
  ): Iterable<Uint8Array<ArrayBuffer>> {
    return this.#through(0, part, position);
  }

  /** What comes of a part after the decoders from `index` on. */
  #through(
    index: number,
    part: Uint8Array<ArrayBuffer>,
    position: PartPosition,
  ): Iterable<Uint8Array<ArrayBuffer>> {
    return index + 1 === this.#decoders.length
      ? this.#decoders[index].decode(part, position)
      : this.#onward(index, part, position);
  }

  /** The same where there are others after the one at `index`. */
  *#onward(
    index: number,
    part: Uint8Array<ArrayBuffer>,
    position: PartPosition,
  ): Generator<Uint8Array<ArrayBuffer>, void, void> {
    const { name } = this.#decoders[index];
    const { frameEnd, messageEnd } = position;
    let { budget } = position;
    // Nobody else counts what does not come out at the end. It is still encoded,
    // and may be longer than the message.
    const room = this.#limit - this.#made[index];
    const own = { frameEnd, messageEnd, budget: room };
    for (const piece of this.#decoders[index].decode(part, own)) {
      const left = this.#limit - this.#made[index];
      this.#made[index] += piece.length;
      const isOver = piece.length > left;
      const good = isOver
        ? new Uint8Array(piece.buffer, piece.byteOffset, left)
        : piece;
      const within = { frameEnd: false, messageEnd: false, budget };
      for (const made of this.#through(index + 1, good, within)) {
        yield made;
        budget -= made.length;
      }
      if (isOver) {
        throw new ExtensionError(
          1009,
          `Received a message that "${name}" decodes to more than ${this.#limit} bytes`,
        );
      }
    }
    // Which piece is the last is known only when there is none after it.
    if (frameEnd) {
      yield* this.#through(index + 1, EMPTY, { frameEnd, messageEnd, budget });
    }
  }

  /** A message is about to be sent. Answers with the bits of its first frame. */
  beginEncoding(message: OutgoingMessage): number {
    this.#encoders = [];
    let bits = 0;
    for (const extension of this.#extensions) {
      const reserved = extension.beginEncoding(message);
      if (reserved === undefined) continue;
      const own = reservedBits(reserved);
      if ((own & ~reservedBits(extension.reserved)) !== 0) {
        throw new RangeError(
          `The extension "${extension.name}" sets a reserved bit of [${reserved}] that it has not claimed`,
        );
      }
      bits |= own;
      this.#encoders.push(extension);
    }
    return bits;
  }

  /** Whether any of them encodes the message that is being sent. */
  get encodes(): boolean {
    return this.#encoders.length > 0;
  }

  /** What the encoding of a whole message depends on, if on nothing before it. */
  sharedKey(message: OutgoingMessage): string | undefined {
    let all = "";
    for (const extension of this.#extensions) {
      const key = extension.sharedKey?.(message);
      if (key === undefined) return undefined;
      // With its length, as a key may look like the end of one and another.
      all += `${extension.name} ${key.length} ${key} `;
    }
    return all;
  }

  /** Encodes the payload of a frame. */
  encode(payload: Uint8Array, fin: boolean): Uint8Array {
    for (const extension of this.#encoders) {
      payload = extension.encode(payload, fin);
    }
    return payload;
  }

  /** Remembers where sending stands, in case that `abandon` is needed. */
  save(): void {
    this.#saved = this.#encoders;
    for (const extension of this.#extensions) extension.save?.();
  }

  /** What was encoded since `save` has not been sent. */
  abandon(): void {
    this.#encoders = this.#saved;
    for (const extension of this.#extensions) {
      try {
        extension.abandon?.();
      } catch {
        // What is to be told is why nothing was sent, and to all.
      }
    }
  }

  /** Lets go of all that the extensions hold. */
  close(): void {
    for (const extension of this.#extensions) {
      try {
        extension.close();
      } catch {
        // It is the end: what one cannot let go of must not keep the others.
      }
    }
    this.#decoders = [];
    this.#encoders = [];
    this.#saved = [];
  }
}
