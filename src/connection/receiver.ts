// The receiving half of a connection: drives the cursor over the frames, makes
// messages of them, and gives events. It knows the rules of messages (fragments,
// UTF-8, close payloads) but not the state of the connection.

import { Cursor, Head } from "../framing/cursor.ts";
import type { Failure } from "../framing/failure.ts";
import { RESERVED, type Reserved } from "../framing/frame.ts";
import { Gather } from "../framing/gather.ts";
import { isControl, Opcode } from "../framing/opcode.ts";
import { EMPTY } from "../framing/slab.ts";
import {
  decodeText,
  decodeValid,
  NoText,
  Utf8Validator,
} from "../framing/utf8.ts";
import { parseClose } from "./close.ts";
import type { Delivery, Settings } from "./options.ts";

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
function makeEvent(
  type: string,
  message: string | Uint8Array<ArrayBuffer>,
  fin: boolean,
  bits: number,
  statusCode: number | undefined = undefined,
  of: string | undefined = undefined,
): MadeEvent {
  return { type, message, fin, reserved: RESERVED[bits], statusCode, of };
}

const NOT_UTF8: Failure = {
  rule: "utf-8",
  code: 1007,
  message: "Received text that is not UTF-8",
};

/** Makes events of received bytes. */
export class Receiver {
  /** The rule that was broken, once one was. Nothing can be read after it. */
  failure: Failure | undefined = undefined;

  readonly #delivery: Delivery;
  readonly #claimed: number;
  readonly #names: readonly (string | undefined)[];
  readonly #cursor: Cursor;

  /** Whether a head was read whose payload has not been taken to its end. */
  #inFrame = false;
  /** The parts of a control frame. */
  readonly #control = new Gather();

  /** The opcode of the data message that goes on, 0 where there is none. */
  #opcode = 0;
  /** The reserved bits of its frames so far. */
  #bits = 0;
  /** Whether it is text, and to be judged and given as such. */
  #isText = false;
  /** Whether an event has told of it. */
  #isTold = false;
  /** The parts of it, or of its frame, that have not been given. */
  readonly #gather = new Gather();
  readonly #utf8 = new Utf8Validator();
  /** The bytes of a code point that was not complete when a text was given. */
  #held: Uint8Array<ArrayBuffer> = EMPTY;

  constructor(settings: Settings) {
    this.#delivery = settings.delivery;
    this.#claimed = settings.claimed;
    this.#names = settings.table.names;
    this.#cursor = new Cursor(settings.rules);
  }

  /** Takes a chunk that is not empty. */
  push(chunk: Uint8Array<ArrayBuffer>): void {
    this.#cursor.push(chunk);
  }

  /** Lets go of all that is held. */
  release(): void {
    this.#cursor.release();
    this.#control.clear();
    this.#gather.clear();
    this.#held = EMPTY;
  }

  /**
   * The next event. Where there is none, `failure` tells of a broken rule, or
   * more bytes are needed and no chunk is held any longer.
   */
  next(): MadeEvent | undefined {
    // The good part of a text that is wrong further on may have been given.
    if (this.failure !== undefined) return undefined;
    const cursor = this.#cursor;
    for (;;) {
      if (!this.#inFrame) {
        const head = cursor.readHead();
        if (head !== Head.READY) {
          this.failure = cursor.failure;
          return undefined;
        }
        this.#inFrame = true;
        if (!isControl(cursor.opcode)) this.#beginData();
      }
      if (!cursor.take()) return undefined;
      if (cursor.remaining === 0) this.#inFrame = false;
      const event = isControl(cursor.opcode)
        ? this.#takeControl()
        : this.#takeData();
      if (event !== undefined || this.failure !== undefined) return event;
    }
  }

  #fail(failure: Failure): undefined {
    this.failure = failure;
  }

  /** A control frame is given whole, however it arrived. */
  #takeControl(): MadeEvent | undefined {
    const { opcode, bits, from, to, length, remaining } = this.#cursor;
    let { bytes } = this.#cursor;
    let payload: Uint8Array<ArrayBuffer>;
    if (to - from === length) {
      const { buffer, byteOffset } = bytes;
      payload = new Uint8Array(buffer, byteOffset + from, length);
    } else {
      const due = to - from + remaining;
      this.#control.append(bytes, from, to, due, true);
      if (remaining > 0) return undefined;
      payload = bytes = this.#control.take();
    }
    if (opcode !== Opcode.CLOSE) {
      return makeEvent(this.#nameOf(opcode), payload, true, bits);
    }
    const close = parseClose(payload);
    if ("rule" in close) return this.#fail(close);
    return makeEvent("close", close.message, true, bits, close.statusCode);
  }

  #beginData(): void {
    const { opcode, bits } = this.#cursor;
    if (opcode === Opcode.CONTINUATION) {
      this.#bits |= bits;
    } else {
      this.#opcode = opcode;
      this.#bits = bits;
      // What an application's own bit says of a text only the application knows.
      this.#isText = opcode === Opcode.TEXT && (bits & this.#claimed) === 0;
      this.#isTold = false;
    }
  }

  /** A part of a data frame has been taken. */
  #takeData(): MadeEvent | undefined {
    const { bytes, from, to, remaining, fin } = this.#cursor;
    const ends = fin && remaining === 0;
    if (ends && this.#gather.length === 0 && this.#held.length === 0) {
      // Nothing was kept of what came before: what is here stands for itself.
      if (!this.#isText) return this.#giveBytes(bytes, from, to, true);
      const text = decodeText(bytes, from, to);
      if (text !== NoText.INVALID || this.#delivery !== "chunk") {
        return this.#giveText(text, to - from, true);
      }
    }
    if (this.#isText) {
      const wrong = this.#utf8.check(bytes, from, to);
      if (wrong !== -1 || ends && this.#utf8.due > 0) {
        this.failure = NOT_UTF8;
        // In smaller chunks the text before the wrong byte would have been given.
        return this.#delivery === "chunk"
          ? this.#takePart(wrong === -1 ? to : wrong, false)
          : undefined;
      }
    }
    if (this.#delivery === "chunk") return this.#takePart(to, ends);
    if (this.#delivery === "frame" && remaining === 0) {
      // A whole frame in one chunk need not be gathered.
      if (this.#gather.length === 0 && this.#held.length === 0) {
        return this.#give(bytes, from, to, ends);
      }
    }
    this.#keepHeld();
    const isDue = this.#delivery === "frame" ? remaining === 0 : ends;
    const whole = this.#gatherPart(isDue);
    return whole === undefined
      ? undefined
      : this.#give(whole, 0, whole.length, ends);
  }

  /** Keeps a part, and gives all that was kept where that is due. */
  #gatherPart(isDue: boolean): Uint8Array<ArrayBuffer> | undefined {
    const { bytes, from, to, length, remaining, fin } = this.#cursor;
    try {
      this.#gather.append(bytes, from, to, to - from + remaining, fin);
      return isDue ? this.#gather.take() : undefined;
    } catch (error) {
      // The limits allow more than the engine has room for.
      if (!(error instanceof RangeError)) throw error;
      return this.#fail(tooLarge(this.#gather.length + length));
    }
  }

  /** Gives what has arrived of a message up to `to`, where that is anything. */
  #takePart(to: number, ends: boolean): MadeEvent | undefined {
    let { bytes, from } = this.#cursor;
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
    const name = this.#nameOf(this.#opcode);
    const bits = this.#delivery === "frame" ? this.#cursor.bits : this.#bits;
    if (!this.#isTold) {
      this.#isTold = true;
      return makeEvent(name, message, ends, bits);
    }
    return makeEvent("continue", message, ends, bits, undefined, name);
  }

  #nameOf(opcode: number): string {
    // The cursor lets no opcode through that has no name.
    return this.#names[opcode] as string;
  }
}

/** The failure of a message that no limit forbids, but the engine cannot hold. */
function tooLarge(length: number): Failure {
  return {
    rule: "message-limit",
    code: 1009,
    message: `Received a message of ${length} bytes: more than can be held`,
  };
}
