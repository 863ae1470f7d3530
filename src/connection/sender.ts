// The sending half of a connection: judges what the caller wants to send, and has
// it encoded. It knows the rules of messages (fragments, UTF-8, close payloads)
// but not the state of the connection.
//
// Judging and encoding are apart: everything is judged before any byte is
// written, so that a mistake in the third of four messages sends none of them.

import { LocalProtocolError } from "../errors.ts";
import type { Pipeline } from "../extensions/pipeline.ts";
import { checkMemory } from "../framing/chunk.ts";
import {
  firstByte,
  RESERVED,
  type Reserved,
  reservedBits,
} from "../framing/frame.ts";
import { isControl, Opcode, type OpcodeTable } from "../framing/opcode.ts";
import { EMPTY } from "../framing/slab.ts";
import { utf8Length, Utf8Validator } from "../framing/utf8.ts";
import {
  type CloseInfo,
  closePayload,
  isWireCode,
  MAX_CONTROL_BYTES,
  MAX_REASON_BYTES,
} from "./close.ts";
import { BY_HAND, Encoder, type Written } from "./encoder.ts";
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

  copy(other: Outgoing): this {
    this.opcode = other.opcode;
    this.isText = other.isText;
    this.utf8.copy(other.utf8);
    return this;
  }
}

/** Where they stand when none is under way. */
const NOTHING = new Outgoing();

/** Makes bytes of what is to be sent. */
export class Sender {
  readonly #table: OpcodeTable;
  readonly #claimed: number;
  readonly #encoder: Encoder;
  readonly #pipeline: Pipeline | undefined;
  readonly #outgoing = new Outgoing();

  constructor(settings: Settings) {
    this.#table = settings.table;
    this.#claimed = settings.claimed;
    this.#encoder = new Encoder(settings.keys);
    this.#pipeline = settings.pipeline;
  }

  /** Whether what is sent goes to memory of the caller's, where it fits. */
  get hasRoom(): boolean {
    return this.#encoder.hasRoom;
  }

  /** Does some work whose results go to a buffer, where that fits, or to none. */
  within<T>(buffer: Uint8Array<ArrayBuffer> | undefined, work: () => T): T {
    return this.#encoder.within(buffer, work);
  }

  /** Where the messages stand, in case that `restore` is needed. */
  save(): Outgoing {
    return this.#outgoing.opcode === 0
      ? NOTHING
      : new Outgoing().copy(this.#outgoing);
  }

  /** Forgets what was planned since `save`. */
  restore(before: Outgoing): void {
    this.#outgoing.copy(before);
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
      (reserved !== undefined && reserved !== NONE) ||
      this.#pipeline !== undefined ||
      this.#outgoing.opcode !== 0
    ) return undefined;
    if (typeof message === "string") {
      const first = type === "text" ? WHOLE_TEXT : WHOLE_BINARY;
      if (message.length <= BY_HAND) {
        const encoded = this.#encoder.shortText(first, message);
        if (encoded !== undefined) return encoded;
      }
      return message.isWellFormed()
        ? this.#encoder.text(first, message)
        : undefined;
    }
    if (type === "text" || !(message instanceof Uint8Array)) return undefined;
    const { length } = message;
    // No length may mean that its memory is detached.
    if (length === 0 || !(message.buffer instanceof ArrayBuffer)) {
      return undefined;
    }
    return length <= BY_HAND
      ? this.#encoder.shortBytes(WHOLE_BINARY, message)
      : this.#encoder.bytes(WHOLE_BINARY, message);
  }

  /** Encodes one frame. */
  encode(plan: Plan): Uint8Array<ArrayBuffer> {
    // Control frames pass extensions by.
    const pipeline = isControl(plan.opcode) ? undefined : this.#pipeline;
    return pipeline === undefined
      ? this.#write(plan)
      : encoding(pipeline, () => this.#write(extend(plan, pipeline)));
  }

  #write(written: Written): Uint8Array<ArrayBuffer> {
    // There it takes no more than it needs.
    if (this.#encoder.hasRoom) return this.#encoder.join([written]);
    const { first, payload } = written;
    return typeof payload === "string"
      ? this.#encoder.text(first, payload)
      : this.#encoder.bytes(first, payload);
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
    // The bytes are others' too, and so not for a caller's memory.
    const bytes = this.within(
      undefined,
      () => this.encode(this.plan(opcode, prepared.data)),
    );
    if (isPlain) prepared.plain = bytes;
    else if (key !== undefined) prepared.encoded.set(key, bytes);
    return bytes;
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
    const pipeline = this.#pipeline;
    const key = pipeline.working(() =>
      pipeline.sharedKey({ type, length, fin: true, compress })
    );
    return key === undefined ? undefined : `${opcode} ${key}`;
  }

  /** Encodes several frames into one piece of memory. */
  encodeAll(plans: readonly Plan[]): Uint8Array<ArrayBuffer> {
    const pipeline = this.#pipeline;
    // After their close, there are none but these.
    return pipeline === undefined || plans.every(isControlPlan)
      ? this.#encoder.join(plans)
      : encoding(
        pipeline,
        () => this.#encoder.join(plans.map((plan) => extend(plan, pipeline))),
      );
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

/** Does some work with the extensions, and has them forget it where it fails. */
function encoding<T>(pipeline: Pipeline, work: () => T): T {
  return pipeline.working(() => {
    try {
      pipeline.save();
      return work();
    } catch (error) {
      // The peer will not see what the extensions have encoded so far.
      pipeline.abandon();
      throw error;
    }
  });
}

function isControlPlan({ opcode }: Plan): boolean {
  return isControl(opcode);
}

/** Memory for a text on its way through the extensions. */
let scratch = new Uint8Array(16_384);

/** Sends a frame through the extensions. */
function extend(plan: Plan, pipeline: Pipeline): Written {
  if (isControl(plan.opcode)) return plan;
  if (typeof plan.payload !== "string") {
    return extendBytes(plan, plan.payload, pipeline);
  }
  // What an extension sends elsewhere meanwhile has memory of its own.
  const memory = scratch;
  scratch = EMPTY;
  try {
    const bytes = encodeText(plan.payload, memory);
    const written = extendBytes(plan, bytes, pipeline);
    const { payload } = written;
    // The next text needs the same memory.
    return typeof payload !== "string" && payload.buffer === memory.buffer
      ? { first: written.first, payload: payload.slice() }
      : written;
  } finally {
    scratch = memory;
  }
}

/** Sends the payload of a data frame through the extensions. */
function extendBytes(
  plan: Plan,
  part: Uint8Array,
  pipeline: Pipeline,
): Written {
  const { opcode, first, type, compress } = plan;
  const fin = first >= 0x80;
  const bits = opcode === Opcode.CONTINUATION
    ? 0
    : pipeline.beginEncoding({ type, length: part.length, fin, compress });
  if (!pipeline.encodes) return plan;
  const payload = pipeline.encode(part, fin);
  if (!(payload instanceof Uint8Array)) {
    throw new TypeError("An extension has encoded to what is not a Uint8Array");
  }
  return { first: first | bits << 4, payload };
}

/** The UTF-8 of a text, in some memory if it is large enough. */
function encodeText(
  text: string,
  memory: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  if (3 * text.length > memory.length) return encoder.encode(text);
  const { written } = encoder.encodeInto(text, memory);
  return new Uint8Array(memory.buffer, 0, written);
}

function fragmented(type: string): LocalProtocolError {
  return new LocalProtocolError(
    `Cannot send "${type}" with \`fin: false\`: control frames may not be fragmented`,
  );
}

/** The payload as bytes, or as a well-formed string. */
export function payloadOf(
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
