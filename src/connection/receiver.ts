// The receiving half of a connection: drives the cursor over the frames, keeps
// control frames and data frames apart, and sends the latter through the
// extensions. It knows nothing of the state of the connection.

import type { Pipeline } from "../extensions/pipeline.ts";
import { ExtensionError } from "../extensions/extension.ts";
import { Cursor, Head } from "../framing/cursor.ts";
import type { Failure } from "../framing/failure.ts";
import { Gather } from "../framing/gather.ts";
import { isControl, Opcode } from "../framing/opcode.ts";
import { tooLong, unclaimed } from "../framing/rules.ts";
import { EMPTY } from "../framing/slab.ts";
import { isWireCode, parseClose } from "./close.ts";
import {
  End,
  type MadeEvent,
  makeEvent,
  MessageReader,
  tooLarge,
} from "./message.ts";
import type { Delivery, Settings } from "./options.ts";

/** Makes events of received bytes. */
export class Receiver {
  /** The rule that was broken, once one was. Nothing can be read after it. */
  failure: Failure | undefined = undefined;

  readonly #delivery: Delivery;
  readonly #claimed: number;
  readonly #names: readonly (string | undefined)[];
  readonly #cursor: Cursor;
  readonly #message: MessageReader;
  /** Whether a head was read whose payload has not been taken to its end. */
  #inFrame = false;
  /** The parts of a control frame. */
  readonly #control = new Gather();

  /** The extensions, `undefined` where there are none. */
  readonly #pipeline: Pipeline | undefined;
  readonly #maxMessageBytes: number;
  /** Whether the message goes through the extensions. */
  #isEncoded = false;
  /** Whether a message of one frame is decoded as one, and its parts until then. */
  #isGathered = false;
  readonly #encoded = new Gather();
  /** How many bytes the message has, as far as they are known. */
  #length = 0;
  /** What the extensions still have to give of a part, one piece ahead. */
  #pieces: Iterator<Uint8Array<ArrayBuffer>> | undefined = undefined;
  #piece: Uint8Array<ArrayBuffer> | undefined = undefined;
  #pieceFailure: Failure | undefined = undefined;
  /** What ends with that part. */
  #end: End = End.NONE;

  constructor(settings: Settings) {
    this.#delivery = settings.delivery;
    this.#claimed = settings.claimed;
    this.#names = settings.table.names;
    this.#cursor = new Cursor(settings.rules);
    this.#message = new MessageReader(settings.delivery);
    this.#pipeline = settings.pipeline;
    this.#maxMessageBytes = settings.maxMessageBytes;
  }

  /** Takes a chunk that is not empty. */
  push(chunk: Uint8Array<ArrayBuffer>): void {
    this.#cursor.push(chunk);
  }

  /** Lets go of all that is held. */
  release(): void {
    this.#cursor.release();
    this.#control.clear();
    this.#message.clear();
    this.#encoded.clear();
    this.#stop();
    this.#piece = undefined;
  }

  /**
   * The next event. Where there is none, `failure` tells of a broken rule, or
   * more bytes are needed and no chunk is held any longer.
   */
  next(): MadeEvent | undefined {
    const cursor = this.#cursor;
    const message = this.#message;
    for (;;) {
      // The good part of a text that is wrong further on may have been given.
      if (message.failure !== undefined) this.failure = message.failure;
      if (this.failure !== undefined) return undefined;
      if (this.#pieces !== undefined) {
        const event = this.#takePiece(this.#pieces);
        if (event !== undefined) return event;
        continue;
      }
      if (!this.#inFrame) {
        if (
          this.#pipeline === undefined && !message.isUnderWay &&
          cursor.readMessage()
        ) {
          const event = this.#takeWhole();
          if (event !== undefined) return event;
          continue;
        }
        if (cursor.readHead() !== Head.READY) {
          this.failure = cursor.failure;
          return undefined;
        }
        this.#inFrame = true;
        if (!isControl(cursor.opcode)) {
          this.#beginFrame();
          continue;
        }
      }
      if (!cursor.take()) return undefined;
      if (cursor.remaining === 0) this.#inFrame = false;
      const event = isControl(cursor.opcode)
        ? this.#takeControl()
        : this.#takeData();
      if (event !== undefined) return event;
    }
  }
  /** A message that lies in the chunk as a whole: it goes the shortest way. */
  #takeWhole(): MadeEvent | undefined {
    const cursor = this.#cursor;
    const { opcode, bits } = cursor;
    const type = this.#nameOf(opcode);
    if (opcode !== Opcode.TEXT || (bits & this.#claimed) !== 0) {
      return makeEvent(type, cursor.view(), true, bits);
    }
    const { bytes, from, to } = cursor;
    return this.#message.giveText(type, bits, bytes, from, to);
  }

  /** A control frame is given whole, however it arrived. */
  #takeControl(): MadeEvent | undefined {
    const { bytes, opcode, bits, from, to, length, remaining } = this.#cursor;
    let payload: Uint8Array<ArrayBuffer>;
    if (to - from === length) {
      payload = this.#cursor.view();
    } else {
      const due = to - from + remaining;
      this.#control.append(bytes, from, to, due, true);
      if (remaining > 0) return undefined;
      payload = this.#control.take();
    }
    if (opcode !== Opcode.CLOSE) {
      return makeEvent(this.#nameOf(opcode), payload, true, bits);
    }
    const close = parseClose(payload);
    if (!("rule" in close)) {
      return makeEvent("close", close.message, true, bits, close.statusCode);
    }
    this.failure = close;
    return undefined;
  }

  /** The head of a data frame has been read. */
  #beginFrame(): void {
    const { opcode, bits, length, fin } = this.#cursor;
    const message = this.#message;
    const own = bits & this.#claimed;
    const isFirst = opcode !== Opcode.CONTINUATION;
    if (isFirst) {
      const type = this.#nameOf(opcode);
      // What an application's own bit says of a text only the application knows.
      message.begin(type, opcode === Opcode.TEXT && own === 0);
      this.#length = 0;
      this.#beginDecoding(type);
    }
    const isAlone = isFirst || this.#delivery === "frame";
    message.bits = isAlone ? own : message.bits | own;
    if (this.#pipeline !== undefined && !this.#isEncoded) {
      // The cursor cannot know that this one counts.
      this.#length += length;
      if (this.#length > this.#maxMessageBytes) {
        const limit = this.#maxMessageBytes;
        this.failure ??= tooLong("message", this.#length, limit);
      }
    }
    this.#isGathered = isFirst && fin && this.#isEncoded &&
      this.#gathers(length);
  }

  /** Whether the extensions want a message of such a length as one. */
  #gathers(length: number): boolean {
    if (this.#pipeline === undefined || this.#delivery !== "message") {
      return false;
    }
    try {
      const budget = this.#maxMessageBytes - this.#length;
      return this.#pipeline.gathers(length, budget);
    } catch (error) {
      this.failure ??= failureOf(error);
      return false;
    }
  }

  /** Asks the extensions whether the message that begins is theirs. */
  #beginDecoding(type: string): void {
    if (this.#pipeline === undefined) return;
    const { opcode, bits } = this.#cursor;
    try {
      const begun = this.#pipeline.begin(bits & ~this.#claimed, type);
      this.#isEncoded = begun.decodes;
      if (begun.stray !== 0) this.failure = unclaimed(opcode, begun.stray);
    } catch (error) {
      this.failure = failureOf(error);
    }
  }

  /** A part of a data frame has been taken. */
  #takeData(): MadeEvent | undefined {
    const { bytes, from, to, remaining, fin } = this.#cursor;
    const end = remaining > 0 ? End.NONE : fin ? End.MESSAGE : End.FRAME;
    if (this.#pipeline === undefined || !this.#isEncoded) {
      return this.#message.take(bytes, from, to, remaining, fin, end);
    }
    this.#end = end;
    if (!this.#isGathered || end !== End.NONE && this.#encoded.length === 0) {
      this.#decode(this.#pipeline, this.#cursor.view(), end);
      return undefined;
    }
    const due = to - from + remaining;
    try {
      this.#encoded.append(bytes, from, to, due, true);
    } catch {
      // An extension may ask for more than the engine has room for.
      this.failure = tooLarge(this.#encoded.length + due);
      return undefined;
    }
    if (end !== End.NONE) {
      this.#decode(this.#pipeline, this.#encoded.take(), end);
    }
    return undefined;
  }

  /**
   * The stream has ended, and there was no event: what has been gathered of a frame
   * is decoded now, as it may be wrong.
   */
  end(): void {
    if (
      this.#pipeline === undefined || this.#encoded.length === 0 ||
      this.failure !== undefined
    ) return;
    this.#decode(this.#pipeline, this.#encoded.take(), End.NONE);
    this.next(); // no message ends here, so this is no event
  }

  /** Has a part decoded by the extensions, as far as the first piece. */
  #decode(
    pipeline: Pipeline,
    part: Uint8Array<ArrayBuffer>,
    end: End,
  ): void {
    try {
      const pieces = pipeline.decode(part, {
        frameEnd: end !== End.NONE,
        messageEnd: end === End.MESSAGE,
        budget: this.#maxMessageBytes - this.#length,
      });
      this.#pieces = pieces[Symbol.iterator]();
    } catch (error) {
      this.failure = failureOf(error);
      return;
    }
    this.#piece = this.#pull(this.#pieces);
  }

  /** Stops what the extensions are at. */
  #stop(): void {
    const pieces = this.#pieces;
    this.#pieces = undefined;
    leave(pieces);
  }

  /** Takes a piece of what the extensions make of a part. */
  #takePiece(
    pieces: Iterator<Uint8Array<ArrayBuffer>>,
  ): MadeEvent | undefined {
    // Which piece is the last is known only when there is none after it.
    const piece = this.#piece ?? EMPTY;
    this.#piece = this.#piece && this.#pull(pieces);
    let end: End = End.NONE;
    if (this.#piece === undefined) {
      this.#pieces = undefined;
      // What came before something wrong is given all the same: in smaller chunks
      // it would have been.
      this.failure = this.#pieceFailure;
      if (this.failure === undefined) end = this.#end;
    }
    const isLast = end === End.MESSAGE;
    return this.#message.take(piece, 0, piece.length, 0, isLast, end);
  }

  /** The next piece, `undefined` where there is none or something is wrong. */
  #pull(
    pieces: Iterator<Uint8Array<ArrayBuffer>>,
  ): Uint8Array<ArrayBuffer> | undefined {
    if (this.#pieceFailure !== undefined) return undefined;
    try {
      const { value, done } = pieces.next();
      if (done === true) return undefined;
      if (!(value instanceof Uint8Array)) {
        throw new TypeError(
          "An extension has decoded to what is no Uint8Array",
        );
      }
      const room = this.#maxMessageBytes - this.#length;
      this.#length += value.length;
      if (value.length <= room) return value;
      leave(pieces);
      this.#pieceFailure = {
        rule: "message-limit",
        code: 1009,
        message:
          `Received a message that decodes to more than ${this.#maxMessageBytes} bytes`,
      };
      return viewOf(value, 0, room);
    } catch (error) {
      leave(pieces);
      this.#pieceFailure = failureOf(error);
      return undefined;
    }
  }

  #nameOf(opcode: number): string {
    // The cursor lets no opcode through that has no name.
    return this.#names[opcode] as string;
  }
}

/** Takes no more of what an extension makes: a generator may have to clean up. */
function leave(pieces: Iterator<unknown> | undefined): void {
  try {
    pieces?.return?.();
  } catch {
    // It is the end, and there is a reason for it already.
  }
}

function viewOf(
  { buffer, byteOffset }: Uint8Array<ArrayBuffer>,
  from: number,
  to: number,
): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer, byteOffset + from, to - from);
}

/** What an extension threw, as a failure. */
function failureOf(error: unknown): Failure {
  if (error instanceof ExtensionError && isWireCode(error.code)) {
    const { code, message } = error;
    return { rule: "extension", code, message, cause: error };
  }
  // What else went wrong in there is not the peer's to know.
  const message = "An extension has failed";
  return { rule: "extension", code: 1011, message, cause: error };
}
