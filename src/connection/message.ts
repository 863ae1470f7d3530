// One data message after another, from the parts in which they arrive to the
// events that tell of them: whole, by frames or by chunks. Text is judged here.

import type { Failure } from "../framing/failure.ts";
import { RESERVED, type Reserved } from "../framing/frame.ts";
import { Gather } from "../framing/gather.ts";
import { EMPTY } from "../framing/slab.ts";
import {
  decodeText,
  decodeValid,
  NoText,
  Utf8Validator,
} from "../framing/utf8.ts";
import type { Delivery } from "./options.ts";

/** An event as it is made: the types of `event.ts` narrow it by the names. */
export interface MadeEvent {
  type: string;
  message: string | Uint8Array<ArrayBuffer>;
  fin: boolean;
  reserved: Reserved;
  statusCode: number | undefined;
  of: string | undefined;
}

/** All events are made here, so that they have one hidden class. */
export function makeEvent(
  type: string,
  message: string | Uint8Array<ArrayBuffer>,
  fin: boolean,
  bits: number,
  statusCode: number | undefined = undefined,
  of: string | undefined = undefined,
): MadeEvent {
  return { type, message, fin, reserved: RESERVED[bits], statusCode, of };
}

/** What ends with a part of a message. */
export const End = {
  /** Nothing: more of the frame follows. */
  NONE: 0,
  /** The frame, and the message goes on. */
  FRAME: 1,
  /** The message. */
  MESSAGE: 2,
} as const;

/** One of the things that may end with a part. */
export type End = typeof End[keyof typeof End];

const NOT_UTF8: Failure = {
  rule: "utf-8",
  code: 1007,
  message: "Received text that is not UTF-8",
};

/** Makes events of the parts of messages. */
export class MessageReader {
  /** The rule that was broken, once one was. */
  failure: Failure | undefined = undefined;
  /**
   * The reserved bits that the next event tells of: of the frame in `"frame"`
   * delivery, else of all frames so far.
   */
  bits = 0;

  readonly #delivery: Delivery;
  /** What kind of message goes on, `undefined` where none does. */
  #type: string | undefined = undefined;
  /** Whether it is text, to be judged and given as such. */
  #isText = false;
  /** Whether an event has told of it. */
  #isTold = false;
  /** The parts of it, or of its frame, that have not been given. */
  readonly #gather = new Gather();
  readonly #utf8 = new Utf8Validator();
  /** The bytes of a code point that was not complete when a text was given. */
  #held: Uint8Array<ArrayBuffer> = EMPTY;

  constructor(delivery: Delivery) {
    this.#delivery = delivery;
  }

  /** Whether a message has begun and not ended. */
  get isUnderWay(): boolean {
    return this.#type !== undefined;
  }

  /** Begins a message. */
  begin(type: string, isText: boolean): void {
    this.#type = type;
    this.#isText = isText;
    this.#isTold = false;
  }

  /** Lets go of all that is held. */
  clear(): void {
    this.#gather.clear();
    this.#held = EMPTY;
  }

  /** Gives a text that lies in a chunk as a whole: the shortest way. */
  giveText(
    type: string,
    bits: number,
    bytes: Uint8Array<ArrayBuffer>,
    from: number,
    to: number,
  ): MadeEvent | undefined {
    const text = decodeText(bytes, from, to);
    if (typeof text === "string") return makeEvent(type, text, true, bits);
    this.bits = bits;
    this.begin(type, true);
    return this.take(bytes, from, to, 0, true, End.MESSAGE);
  }

  /**
   * Takes a part of the message, and gives an event where it is time for one.
   *
   * @param rest How many bytes are known to follow
   * @param isLast Whether nothing follows those
   * @param end What ends with the part
   */
  take(
    bytes: Uint8Array<ArrayBuffer>,
    from: number,
    to: number,
    rest: number,
    isLast: boolean,
    end: End,
  ): MadeEvent | undefined {
    const isFresh = this.#gather.length === 0 && this.#held.length === 0;
    if (end === End.MESSAGE && isFresh) {
      // Nothing was kept of what came before: what is here stands for itself.
      if (!this.#isText) return this.#giveBytes(bytes, from, to, true);
      const text = decodeText(bytes, from, to);
      if (text !== NoText.INVALID || this.#delivery !== "chunk") {
        return this.#giveText(text, to - from, true);
      }
    }
    if (this.#isText) {
      const wrong = this.#utf8.check(bytes, from, to);
      if (wrong !== -1 || end === End.MESSAGE && this.#utf8.due > 0) {
        this.failure = NOT_UTF8;
        // In smaller chunks the text before the wrong byte would have been given.
        return this.#delivery === "chunk"
          ? this.#takeChunk(bytes, from, wrong === -1 ? to : wrong, false)
          : undefined;
      }
    }
    const ends = end === End.MESSAGE;
    if (this.#delivery === "chunk") {
      return this.#takeChunk(bytes, from, to, ends);
    }
    const isDue = this.#delivery === "frame" ? end !== End.NONE : ends;
    // A whole frame in one chunk need not be gathered.
    if (isDue && isFresh) return this.#give(bytes, from, to, ends);
    try {
      this.#keepHeld();
      this.#gather.append(bytes, from, to, to - from + rest, isLast);
      if (!isDue) return undefined;
      const whole = this.#gather.take();
      return this.#give(whole, 0, whole.length, ends);
    } catch (error) {
      // The limits allow more than the engine has room for.
      if (!(error instanceof RangeError)) throw error;
      return this.#fail(tooLarge(this.#gather.length + to - from + rest));
    }
  }

  #fail(failure: Failure): undefined {
    this.failure = failure;
  }

  /** Gives what has arrived of a message, where that is anything. */
  #takeChunk(
    bytes: Uint8Array<ArrayBuffer>,
    from: number,
    to: number,
    ends: boolean,
  ): MadeEvent | undefined {
    if (this.#held.length > 0) {
      this.#keepHeld();
      this.#gather.append(bytes, from, to, to - from, true);
      bytes = this.#gather.take();
      from = 0;
      to = bytes.length;
    }
    return from === to && !ends ? undefined : this.#give(bytes, from, to, ends);
  }

  /** Puts the bytes of a split code point before those that follow it. */
  #keepHeld(): void {
    const held = this.#held;
    if (held.length === 0) return;
    this.#gather.append(held, 0, held.length, held.length, false);
    this.#held = EMPTY;
  }

  /** Gives a range that has been judged, but for a code point that it splits. */
  #give(
    bytes: Uint8Array<ArrayBuffer>,
    from: number,
    to: number,
    ends: boolean,
  ): MadeEvent | undefined {
    if (!this.#isText) return this.#giveBytes(bytes, from, to, ends);
    const cut = to - this.#utf8.pending;
    const text = decodeValid(bytes, from, cut);
    if (cut < to) this.#held = bytes.slice(cut, to);
    if (text === "" && !ends && this.#delivery === "chunk") return undefined;
    return this.#giveText(text, cut - from, ends);
  }

  #giveBytes(
    bytes: Uint8Array<ArrayBuffer>,
    from: number,
    to: number,
    ends: boolean,
  ): MadeEvent {
    const { buffer, byteOffset } = bytes;
    const message = new Uint8Array(buffer, byteOffset + from, to - from);
    return this.#tell(message, ends);
  }

  #giveText(
    text: string | NoText,
    length: number,
    ends: boolean,
  ): MadeEvent | undefined {
    if (text === NoText.INVALID) return this.#fail(NOT_UTF8);
    if (text === NoText.TOO_LONG) return this.#fail(tooLarge(length));
    return this.#tell(text, ends);
  }

  /** Makes the event for a message or for a part of one. */
  #tell(message: string | Uint8Array<ArrayBuffer>, ends: boolean): MadeEvent {
    const type = this.#type as string; // a part is of a message that has begun
    const isTold = this.#isTold;
    this.#isTold = true;
    if (ends) this.#type = undefined;
    return isTold
      ? makeEvent("continue", message, ends, this.bits, undefined, type)
      : makeEvent(type, message, ends, this.bits);
  }
}

/** The failure of a message that no limit forbids, but the engine cannot hold. */
export function tooLarge(length: number): Failure {
  return {
    rule: "message-limit",
    code: 1009,
    message: `Received a message of ${length} bytes: more than can be held`,
  };
}
