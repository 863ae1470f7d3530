// Several extensions in a row (RFC 6455, section 9.1): what is sent goes through
// them in the order in which the handshake named them, what is received comes
// back through them in the opposite order.

import { RESERVED, type Reserved, reservedBits } from "../framing/frame.ts";
import { EMPTY } from "../framing/slab.ts";
import type { Extension, OutgoingMessage, PartPosition } from "./extension.ts";

/** The extensions of one connection, and which of them the messages go through. */
export class Pipeline {
  /** The reserved bits that they claim together. */
  readonly bits: number;
  readonly #extensions: readonly Extension[];
  /** Those that decode the message that is being received, the last one first. */
  #decoders: Extension[] = [];
  /** Those that encode the message that is being sent, in order. */
  #encoders: Extension[] = [];

  /**
   * @param claimed The reserved bits that the application claims
   * @throws {RangeError} If two claim the same bit
   */
  constructor(extensions: readonly Extension[], claimed: number) {
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

  /**
   * A message begins to be received. Answers whether it is to be decoded, or
   * which bits are set though their extensions do not want it.
   */
  begin(bits: number, type: string): { decodes: boolean; stray: number } {
    this.#decoders = [];
    let stray = 0;
    for (const extension of this.#extensions) {
      const own = bits & reservedBits(extension.reserved);
      if (extension.begin(RESERVED[own], type)) {
        this.#decoders.unshift(extension);
      } else {
        stray |= own;
      }
    }
    return { decodes: this.#decoders.length > 0, stray };
  }

  /** Decodes a part of the message, lazily. */
  decode(
    part: Uint8Array<ArrayBuffer>,
    position: PartPosition,
  ): Iterable<Uint8Array<ArrayBuffer>> {
    return through(this.#decoders, 0, part, position);
  }

  /** A message is about to be sent. Answers with the bits of its first frame. */
  beginEncoding(message: OutgoingMessage): number {
    this.#encoders = [];
    let bits = 0;
    for (const extension of this.#extensions) {
      const reserved = extension.beginEncoding(message);
      if (reserved === undefined) continue;
      bits |= reservedBits(reserved) & reservedBits(extension.reserved);
      this.#encoders.push(extension);
    }
    return bits;
  }

  /** What the encoding of a whole message depends on, if on nothing before it. */
  sharedKey(message: OutgoingMessage): string | undefined {
    const keys: string[] = [];
    for (const extension of this.#extensions) {
      const key = extension.sharedKey?.(message);
      if (key === undefined) return undefined;
      keys.push(`${extension.name}=${key}`);
    }
    return keys.join();
  }

  /** Encodes the payload of a frame. */
  encode(payload: Uint8Array, fin: boolean): Uint8Array {
    for (const extension of this.#encoders) {
      payload = extension.encode(payload, fin);
    }
    return payload;
  }

  /** Lets go of all that the extensions hold. */
  close(): void {
    for (const extension of this.#extensions) extension.close();
    this.#decoders = [];
    this.#encoders = [];
  }
}

/** What comes of a part after the decoders from `index` on. */
function through(
  decoders: readonly Extension[],
  index: number,
  part: Uint8Array<ArrayBuffer>,
  position: PartPosition,
): Iterable<Uint8Array<ArrayBuffer>> {
  const pieces = decoders[index].decode(part, position);
  return index + 1 === decoders.length
    ? pieces
    : onward(decoders, index + 1, pieces, position);
}

function* onward(
  decoders: readonly Extension[],
  index: number,
  pieces: Iterable<Uint8Array<ArrayBuffer>>,
  position: PartPosition,
): Generator<Uint8Array<ArrayBuffer>, void, void> {
  const { budget } = position;
  const within = { frameEnd: false, messageEnd: false, budget };
  for (const piece of pieces) yield* through(decoders, index, piece, within);
  // Which piece is the last is known only when there is none after it.
  if (position.frameEnd) yield* through(decoders, index, EMPTY, position);
}
