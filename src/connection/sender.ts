// The sending half of a connection: judges what the caller wants to send, and
// encodes it. It knows the rules of messages (fragments, UTF-8, close payloads)
// but not the state of the connection.
//
// Judging and encoding are apart: everything is judged before any byte is
// written, so that a mistake in the third of four messages sends none of them.

import { LocalProtocolError } from "../errors.ts";
import type { Pipeline } from "../extensions/pipeline.ts";
import { checkMemory } from "../framing/chunk.ts";
import {
  ALIGN_BYTES,
  alignedStart,
  firstByte,
  headBytes,
  maskRange,
  RESERVED,
  type Reserved,
  reservedBits,
  writeHead,
  writePayload,
} from "../framing/frame.ts";
import type { KeyPool } from "../framing/keys.ts";
import { isControl, Opcode, type OpcodeTable } from "../framing/opcode.ts";
import { CARVE_BYTES, EMPTY, Space, spaceFor } from "../framing/slab.ts";
import { copyMasked, xorBytes } from "../framing/mask.ts";
import { utf8Length, Utf8Validator } from "../framing/utf8.ts";
import {
  type CloseInfo,
  closePayload,
  isWireCode,
  MAX_CONTROL_BYTES,
  MAX_REASON_BYTES,
} from "./close.ts";
import type { Settings } from "./options.ts";
import type { PreparedMessage } from "./prepared.ts";

/** What is to be sent, as it comes: the types of `event.ts` narrow it by the names. */
export interface DataToSend {
  type: string;
  message?: string | ArrayBufferView | ArrayBuffer | undefined;
  fin?: boolean | undefined;
  reserved?: Reserved | undefined;
  statusCode?: number | undefined;
  compress?: boolean | undefined;
}

/** A message that was prepared, whatever opcodes its connections have. */
type Prepared = Omit<PreparedMessage, "type" | "data"> & {
  readonly data: DataToSend;
};

/** One frame that has been judged: what to write. */
export interface Plan {
  readonly opcode: number;
  readonly first: number;
  /** What the extensions need to know; for control frames it has no meaning. */
  readonly type: string;
  readonly compress: boolean | undefined;
  /** A well-formed text, or bytes. */
  readonly payload: string | Uint8Array;
  /** What a close says, for the summary; `undefined` for all others. */
  readonly close: CloseInfo | undefined;
}

/** Up to this length the UTF-8 of a text in a list is counted before it is written. */
const SHORT_TEXT = 1300;

/** Up to this length a text of ASCII is encoded faster by hand. */
const BY_HAND = 32;

/** The head of a frame of up to 125 bytes: two, and four of key. */
const SHORT_HEAD = 6;

/** The longest head: two bytes, eight of length, four of key. */
const LONG_HEAD = 14;

/** By how much the longest head is longer than the next one. */
const HEAD_GROWTH = 6;

const NONE = RESERVED[0];
const WHOLE_TEXT = firstByte(true, 0, Opcode.TEXT);
const WHOLE_BINARY = firstByte(true, 0, Opcode.BINARY);

const encoder = new TextEncoder();

/** Where the messages that go out stand: what a list of them moves tentatively. */
class Outgoing {
  /** The opcode of a message that has begun and not ended, else 0. */
  opcode = 0;
  /** Whether it is text that must be UTF-8. */
  isText = false;
  readonly utf8 = new Utf8Validator();

  copy(other: Outgoing): void {
    this.opcode = other.opcode;
    this.isText = other.isText;
    this.utf8.copy(other.utf8);
  }
}

/** Makes bytes of what is to be sent. */
export class Sender {
  readonly #table: OpcodeTable;
  readonly #claimed: number;
  readonly #keys: KeyPool | undefined;
  readonly #pipeline: Pipeline | undefined;
  /** Whether there are no extensions. */
  readonly #isPlain: boolean;
  readonly #outgoing = new Outgoing();
  readonly #before = new Outgoing();
  /** Memory of the caller's to write to. */
  #room: Space | undefined = undefined;

  constructor(settings: Settings) {
    this.#table = settings.table;
    this.#claimed = settings.claimed;
    this.#keys = settings.keys;
    this.#pipeline = settings.pipeline;
    this.#isPlain = settings.pipeline === undefined;
  }

  /** Has the next frames written to a buffer, where they fit, or no longer. */
  writeTo(buffer: Uint8Array<ArrayBuffer> | undefined): void {
    this.#room = buffer && roomOf(buffer);
  }

  /** Remembers where the messages stand, in case that `restore` is needed. */
  save(): void {
    this.#before.copy(this.#outgoing);
  }

  /** Forgets what was planned since `save`. */
  restore(): void {
    this.#outgoing.copy(this.#before);
  }

  /**
   * The opcode of a name.
   *
   * @throws {TypeError} If there is none
   */
  opcodeOf(type: string): number {
    if (type === "text") return Opcode.TEXT;
    if (type === "binary") return Opcode.BINARY;
    const opcode = this.#table.opcode(type);
    if (opcode === undefined) {
      throw new TypeError(`Cannot send "${type}": no opcode has this name`);
    }
    return opcode;
  }

  /**
   * Judges one frame.
   *
   * @throws {LocalProtocolError} If the protocol forbids it
   * @throws {TypeError} If the data is not of the right kind
   */
  plan(opcode: number, data: DataToSend): Plan {
    const { type, fin = true, reserved, statusCode, compress } = data;
    if (typeof fin !== "boolean") {
      throw new TypeError(
        `Cannot send "${type}": its \`fin\` is not a boolean`,
      );
    }
    const bits = reserved === undefined ? 0 : this.#bitsOf(reserved);
    const first = firstByte(fin, bits, opcode);
    if (opcode === Opcode.CLOSE) {
      if (!fin) throw fragmented(type);
      const close = this.#closeOf(data);
      const payload = closePayload(close.statusCode, close.message);
      return { opcode, first, type, compress, payload, close };
    }
    if (statusCode !== undefined) {
      throw new TypeError(
        `Cannot send a status code with "${type}": only a close has one`,
      );
    }
    const payload = payloadOf(type, data.message);
    if (isControl(opcode)) {
      if (!fin) throw fragmented(type);
      const length = typeof payload === "string"
        ? utf8Length(payload)
        : payload.length;
      if (length > MAX_CONTROL_BYTES) {
        throw new LocalProtocolError(
          `Cannot send "${type}" with ${length} bytes: a control frame has ${MAX_CONTROL_BYTES} at most`,
        );
      }
    } else {
      this.#follow(type, opcode, bits, fin, payload);
    }
    return { opcode, first, type, compress, payload, close: undefined };
  }

  /**
   * Encodes what is sent most: a whole text or binary message without reserved
   * bits, and where there are no extensions. Everything else, and everything that
   * is wrong, gives `undefined`: it has to be planned.
   *
   * To make no plan, and to write a short head and a short ASCII text by hand, is
   * three times as fast for 16 bytes.
   */
  encodeWhole(
    data: Partial<DataToSend>,
  ): Uint8Array<ArrayBuffer> | undefined {
    const { type, message, fin, reserved, statusCode } = data;
    if (
      (type !== "text" && type !== "binary") ||
      (fin !== undefined && fin !== true) ||
      statusCode !== undefined ||
      (reserved !== undefined && reserved !== NONE) || !this.#isPlain ||
      this.#outgoing.opcode !== 0
    ) return undefined;
    if (typeof message === "string") {
      const first = type === "text" ? WHOLE_TEXT : WHOLE_BINARY;
      if (message.length <= BY_HAND) {
        const encoded = this.#encodeAscii(first, message);
        if (encoded !== undefined) return encoded;
      }
      return message.isWellFormed()
        ? this.#encodeText(first, message)
        : undefined;
    }
    if (type === "text" || !(message instanceof Uint8Array)) return undefined;
    const { length } = message;
    // No length may mean that its memory is detached.
    if (length === 0 || !(message.buffer instanceof ArrayBuffer)) {
      return undefined;
    }
    return length <= BY_HAND
      ? this.#encodeShort(message, length)
      : this.#encodeBytes(WHOLE_BINARY, message);
  }

  /** Encodes a short binary message. */
  #encodeShort(payload: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
    const key = this.#keys?.next();
    const space = this.#spaceFor(length + SHORT_HEAD);
    const { bytes, at } = space;
    bytes[at] = WHOLE_BINARY;
    if (key === undefined) {
      bytes[at + 1] = length;
      const from = at + 2;
      for (let i = 0; i < length; i++) bytes[from + i] = payload[i];
      return space.carve(at, from + length);
    }
    bytes[at + 1] = 0x80 | length;
    const { data } = space;
    data.setInt32(at + 2, key, true);
    copyMasked(bytes, data, at + SHORT_HEAD, payload, key);
    return space.carve(at, at + SHORT_HEAD + length);
  }

  /** Encodes one frame. */
  encode(plan: Plan): Uint8Array<ArrayBuffer> {
    if (this.#pipeline !== undefined) return this.encodeAll([plan]);
    const { first, payload } = plan;
    return typeof payload === "string"
      ? this.#encodeText(first, payload)
      : this.#encodeBytes(first, payload);
  }

  #encodeBytes(first: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
    const { length } = payload;
    const key = this.#keys?.next();
    const head = headBytes(length, key !== undefined);
    const space = this.#spaceFor(head + length + ALIGN_BYTES);
    const start = this.#startIn(space, head, key !== undefined);
    const at = writeHead(space.bytes, start, first, length, key);
    return space.carve(start, writePayload(space, at, payload, key));
  }

  /** Encodes a short text of ASCII; `undefined` where it is something else. */
  #encodeAscii(
    first: number,
    text: string,
  ): Uint8Array<ArrayBuffer> | undefined {
    const { length } = text;
    const space = this.#spaceFor(length + SHORT_HEAD);
    const { bytes } = space;
    const start = space.at;
    const from = start + (this.#keys === undefined ? 2 : 6);
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) return undefined; // nothing was carved yet
      bytes[from + i] = unit;
    }
    const key = this.#keys?.next();
    writeHead(bytes, start, first, length, key);
    if (key !== undefined) xorBytes(bytes, from, from + length, key);
    return space.carve(start, from + length);
  }

  /**
   * Encodes a text straight into its frame. The length stands before the text, and
   * how many bytes a text takes shows only once it is written: so the guess is
   * that it is ASCII, and a text that makes the head longer is moved.
   */
  #encodeText(first: number, text: string): Uint8Array<ArrayBuffer> {
    const isMasked = this.#keys !== undefined;
    const { length } = text;
    const guess = headBytes(length, isMasked);
    const most = 3 * length + LONG_HEAD + ALIGN_BYTES;
    // A short one has room for the worst; a long one, where that would be much,
    // has room for ASCII at first.
    let space = this.#spaceFor(
      most <= CARVE_BYTES ? most : length + LONG_HEAD + ALIGN_BYTES,
    );
    let start = this.#startIn(space, guess, isMasked);
    // What is not ASCII may make the head longer, and the text moves by that.
    const ascii = encodeInto(text, space, start + guess, HEAD_GROWTH);
    const { read } = ascii;
    let { written } = ascii;
    if (read < length) {
      const rest = text.slice(read);
      // Less than twice of what will be needed, as most of the text is written.
      const larger = new Space(LONG_HEAD + written + 3 * rest.length);
      larger.bytes.set(
        new Uint8Array(space.bytes.buffer, start + guess, written),
        guess,
      );
      written += encodeInto(rest, larger, guess + written).written;
      space = larger;
      start = 0;
    }
    const end = this.#finishText(space, start, start + guess, written, first);
    return space.carve(start, end);
  }

  /**
   * Encodes a message that was prepared, or takes what was encoded before.
   *
   * @throws {LocalProtocolError} If the protocol forbids it
   * @throws {TypeError} If the data is not of the right kind
   */
  encodePrepared(
    opcode: number,
    prepared: Prepared,
  ): Uint8Array<ArrayBuffer> {
    const isPlain = this.#pipeline === undefined && prepared.opcode === opcode;
    const key = isPlain ? undefined : this.#keyOf(opcode, prepared);
    const encoded = isPlain
      ? prepared.plain
      : key === undefined
      ? undefined
      : prepared.encoded.get(key);
    if (encoded !== undefined) {
      // The data was judged when it was encoded; what is left is what differs
      // from connection to connection.
      if ((prepared.bits & ~this.#claimed) === 0 && this.#isFree(opcode)) {
        return encoded;
      }
    }
    const bytes = this.encode(this.plan(opcode, prepared.data));
    if (isPlain) prepared.plain = bytes;
    else if (key !== undefined) prepared.encoded.set(key, bytes);
    return bytes;
  }

  /** Where a frame begins: in memory of ours, so that masking is fastest. */
  #startIn(space: Space, head: number, isMasked: boolean): number {
    return isMasked && space !== this.#room
      ? alignedStart(space, head)
      : space.at;
  }

  /** A space with room for so many bytes: the caller's, or one of ours. */
  #spaceFor(size: number): Space {
    const room = this.#room;
    return room !== undefined && room.end - room.at >= size
      ? room
      : spaceFor(size);
  }

  /** Whether a frame may be sent without regard to what was sent before. */
  #isFree(opcode: number): boolean {
    return isControl(opcode) || this.#outgoing.opcode === 0;
  }

  /** What the encoding of a message depends on, if it can be shared. */
  #keyOf(opcode: number, prepared: Prepared): string | undefined {
    if (this.#pipeline === undefined || isControl(opcode)) return `${opcode}`;
    const { type, compress, message = "" } = prepared.data;
    const length = prepared.length ??= typeof message === "string"
      ? utf8Length(message)
      : message.byteLength;
    const key = this.#pipeline.sharedKey({ type, length, fin: true, compress });
    return key === undefined ? undefined : `${opcode} ${key}`;
  }

  /** Encodes several frames into one piece of memory. */
  encodeAll(plans: readonly Plan[]): Uint8Array<ArrayBuffer> {
    const pipeline = this.#pipeline;
    if (pipeline === undefined) return this.#join(plans.map(inBytes));
    pipeline.save();
    try {
      return this.#join(plans.map((plan) => inBytes(extend(plan, pipeline))));
    } catch (error) {
      // The peer will not see what the extensions have encoded so far.
      pipeline.abandon();
      throw error;
    }
  }

  /** Writes several frames into one piece of memory. */
  #join(plans: readonly Plan[]): Uint8Array<ArrayBuffer> {
    if (plans.length === 0) return EMPTY;
    let total = 0;
    for (const { payload } of plans) {
      const length = typeof payload === "string"
        ? utf8Length(payload)
        : payload.length;
      total += headBytes(length, this.#keys !== undefined) + length;
    }
    const space = this.#spaceFor(total);
    const start = space.at;
    let at = start;
    for (const plan of plans) at = this.#write(space, at, plan);
    return space.carve(start, at);
  }

  /** Writes a frame at `at`, where there is room for it, and answers where it ends. */
  #write(space: Space, at: number, { first, payload }: Plan): number {
    if (typeof payload === "string") {
      const guess = at + headBytes(payload.length, this.#keys !== undefined);
      const { written } = encodeInto(payload, space, guess);
      return this.#finishText(space, at, guess, written, first);
    }
    const key = this.#keys?.next();
    at = writeHead(space.bytes, at, first, payload.length, key);
    return writePayload(space, at, payload, key);
  }

  /** Makes a frame of a text that was written at `guess`. Answers where it ends. */
  #finishText(
    space: Space,
    start: number,
    guess: number,
    written: number,
    first: number,
  ): number {
    const { bytes } = space;
    const key = this.#keys?.next();
    const from = start + headBytes(written, key !== undefined);
    if (from !== guess) bytes.copyWithin(from, guess, guess + written);
    writeHead(bytes, start, first, written, key);
    maskRange(space, from, from + written, key);
    return from + written;
  }

  #bitsOf(reserved: Reserved): number {
    const bits = reservedBits(reserved);
    if ((bits & ~this.#claimed) !== 0) {
      throw new LocalProtocolError(
        `Cannot send the reserved bits [${reserved}]: the application has not claimed them`,
      );
    }
    return bits;
  }

  #closeOf(data: DataToSend): CloseInfo {
    const { statusCode, message = "" } = data;
    if (typeof message !== "string") {
      throw new TypeError("Cannot send a close whose reason is not a string");
    }
    checkString(message, "close");
    if (statusCode === undefined) {
      if (message === "") return { statusCode, message };
      throw new LocalProtocolError(
        "Cannot send a close with a reason and without a status code",
      );
    }
    if (!isWireCode(statusCode)) {
      throw new LocalProtocolError(
        `Cannot send a close with the status code ${statusCode}: 1000 to 1003, 1007 to 1014 and 3000 to 4999 may be sent`,
      );
    }
    const length = utf8Length(message);
    if (length > MAX_REASON_BYTES) {
      throw new LocalProtocolError(
        `Cannot send a close with a reason of ${length} bytes: it has ${MAX_REASON_BYTES} at most`,
      );
    }
    return { statusCode, message };
  }

  /** Moves the message that goes out by one frame. */
  #follow(
    type: string,
    opcode: number,
    bits: number,
    fin: boolean,
    payload: string | Uint8Array,
  ): void {
    const out = this.#outgoing;
    if (opcode === Opcode.CONTINUATION) {
      if (out.opcode === 0) {
        throw new LocalProtocolError(
          'Cannot send "continue": no message has begun',
        );
      }
    } else if (out.opcode !== 0) {
      throw new LocalProtocolError(
        `Cannot send "${type}" before the fragmented message has ended`,
      );
    }
    const isText = opcode === Opcode.CONTINUATION
      ? out.isText
      : opcode === Opcode.TEXT && bits === 0;
    if (isText) this.#checkText(payload, fin);
    // Nothing moves before everything is judged.
    if (opcode !== Opcode.CONTINUATION) {
      out.opcode = opcode;
      out.isText = isText;
    }
    if (fin) out.opcode = 0;
  }

  /** Judges a fragment of text: over all fragments it must be UTF-8. */
  #checkText(payload: string | Uint8Array, fin: boolean): void {
    const { utf8 } = this.#outgoing;
    if (typeof payload === "string") {
      // A string is well formed, and so begins and ends at a code point.
      if (utf8.due === 0 || payload === "" && !fin) return;
    } else {
      const before = utf8.clone();
      const isGood = utf8.check(payload, 0, payload.length) === -1 &&
        (!fin || utf8.due === 0);
      if (isGood) return;
      utf8.copy(before);
    }
    throw new TypeError("Cannot send bytes as text that are not UTF-8");
  }
}

/** The space of a caller's buffer, from where that begins to where it ends. */
function roomOf(buffer: Uint8Array<ArrayBuffer>): Space {
  const space = new Space(buffer.buffer);
  space.at = buffer.byteOffset;
  space.end = buffer.byteOffset + buffer.length;
  return space;
}

/** Takes a text for bytes where it is long: its length is not worth counting. */
function inBytes(plan: Plan): Plan {
  const { payload } = plan;
  return typeof payload === "string" && payload.length > SHORT_TEXT
    ? { ...plan, payload: encoder.encode(payload) }
    : plan;
}

/** Writes as much of a text as there is room for from `at` on. */
function encodeInto(
  text: string,
  { bytes, end }: Space,
  at: number,
  spare = 0,
): TextEncoderEncodeIntoResult {
  const room = new Uint8Array(bytes.buffer, at, end - at - spare);
  return encoder.encodeInto(text, room);
}

/** Sends the payload of a data frame through the extensions. */
function extend(plan: Plan, pipeline: Pipeline): Plan {
  const { opcode, first, type, compress } = plan;
  if (isControl(opcode)) return plan;
  const part = typeof plan.payload === "string"
    ? encodeText(plan.payload)
    : plan.payload;
  const fin = first >= 0x80;
  const bits = opcode === Opcode.CONTINUATION
    ? 0
    : pipeline.beginEncoding({ type, length: part.length, fin, compress });
  if (!pipeline.encodes) return plan;
  const payload = pipeline.encode(part, fin);
  if (!(payload instanceof Uint8Array)) {
    throw new TypeError("An extension has encoded to what is not a Uint8Array");
  }
  return {
    ...plan,
    first: first | bits << 4,
    // The next text needs the same memory.
    payload: payload.buffer === scratch.buffer ? payload.slice() : payload,
  };
}

/** Memory for a text on its way through the extensions. */
const scratch = new Uint8Array(16_384);

/** The UTF-8 of a text, good until the next one. */
function encodeText(text: string): Uint8Array<ArrayBuffer> {
  if (3 * text.length > scratch.length) return encoder.encode(text);
  const { written } = encoder.encodeInto(text, scratch);
  return new Uint8Array(scratch.buffer, 0, written);
}

function fragmented(type: string): LocalProtocolError {
  return new LocalProtocolError(
    `Cannot send "${type}" with \`fin: false\`: control frames may not be fragmented`,
  );
}

/** The payload as bytes, or as a well-formed string. */
function payloadOf(
  type: string,
  message: DataToSend["message"],
): string | Uint8Array {
  if (message === undefined) return EMPTY;
  if (typeof message === "string") {
    checkString(message, type);
    return message;
  }
  if (ArrayBuffer.isView(message)) {
    checkMemory(message, "send");
    if (message instanceof Uint8Array) return message;
    return new Uint8Array(
      message.buffer,
      message.byteOffset,
      message.byteLength,
    );
  }
  if (Object.prototype.toString.call(message) !== "[object ArrayBuffer]") {
    throw new TypeError(
      `Cannot send "${type}": its message is neither a string nor bytes`,
    );
  }
  const bytes = new Uint8Array(message);
  checkMemory(bytes, "send");
  return bytes;
}

function checkString(text: string, type: string): void {
  if (!text.isWellFormed()) {
    throw new TypeError(
      `Cannot send "${type}": its string has a lone surrogate`,
    );
  }
}
