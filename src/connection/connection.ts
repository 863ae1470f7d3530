// The connection: frames to events and data to frames, and the state machine
// between the two. It moves no bytes itself and keeps no output back.

import { concat } from "@std/bytes";
import { LocalProtocolError } from "../errors.ts";
import type { Pipeline } from "../extensions/pipeline.ts";
import { checkChunk } from "../framing/chunk.ts";
import type { Failure } from "../framing/failure.ts";
import { firstByte, type Reserved } from "../framing/frame.ts";
import { type CustomOpcodes, isControl, Opcode } from "../framing/opcode.ts";
import { EMPTY } from "../framing/slab.ts";
import { Information } from "../information.ts";
import {
  ABNORMAL_CLOSURE,
  type CloseInfo,
  closePayload,
  MAX_CONTROL_BYTES,
} from "./close.ts";
import type {
  NoOpcodes,
  NoReserved,
  ReceivedEvent,
  SendData,
} from "./event.ts";
import { type ConnectionOptions, type Role, settingsOf } from "./options.ts";
import { PreparedMessage } from "./prepared.ts";
import { Receiver } from "./receiver.ts";
import { type Plan, Sender } from "./sender.ts";
import {
  type ConnectionState,
  isReading,
  type Phase,
  STATES,
  type Step,
  TRANSITIONS,
} from "./state.ts";

/** How a connection ended: an answer to the question "why 1006?". */
export interface Summary {
  /** Whether both sides have sent a close frame and nobody broke a rule. */
  readonly clean: boolean;
  /** Whose close frame was the first, `null` where there was none. */
  readonly initiator: "us" | "peer" | null;
  /** The close frame that we have sent. */
  readonly sent: CloseInfo | null;
  /** The close frame that we have received. */
  readonly received: CloseInfo | null;
  /** The rule that the peer broke. */
  readonly failure: Failure | null;
}

/**
 * What any connection is, whatever opcodes and reserved bits it has: for
 * functions that take one and do not care.
 *
 * @example A function for any connection
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type AnyConnection, Connection } from "@noio/ws";
 *
 * function goingAway(ws: AnyConnection): Uint8Array {
 *   return ws.send({ type: "close", statusCode: 1001 });
 * }
 * const ws = new Connection("server", { opcodes: { ascii: 3 } });
 * assertEquals(goingAway(ws), new Uint8Array([0x88, 0x02, 0x03, 0xe9]));
 * ```
 */
export interface AnyConnection {
  /** Which end of the connection this is. */
  readonly role: Role;
  /** Where the connection stands. */
  readonly state: ConnectionState;
  /** How the connection ended, `undefined` before it did. */
  readonly summary: Summary | undefined;
  /** Takes bytes as they were received. */
  recv(chunk: Uint8Array | null): void;
  /** Gives the next event. */
  nextEvent(): ReceivedEvent<CustomOpcodes, Reserved> | Information;
  /** Gives the events that are there now. */
  events(): Generator<ReceivedEvent<CustomOpcodes, Reserved>, void, void>;
  /** Encodes what is to be sent. */
  send(
    data:
      | SendData<CustomOpcodes>
      | PreparedMessage<CustomOpcodes>
      | Iterable<SendData<CustomOpcodes> | PreparedMessage<CustomOpcodes>>,
    into?: Uint8Array | undefined,
  ): Uint8Array<ArrayBuffer>;
  /** Encodes what RFC 6455 wants in answer. */
  reply(
    event:
      | ReceivedEvent<CustomOpcodes, Reserved>
      | Iterable<ReceivedEvent<CustomOpcodes, Reserved>>,
  ): Uint8Array<ArrayBuffer>;
}

/**
 * One end of a WebSocket connection, without the bytes' transport: hand it what
 * you received, it hands you events; hand it data, it hands you bytes to write.
 * RFC 6455, sections 5 to 7.
 *
 * It is open at once; how the opening handshake went is not its business. A peer
 * can never make it throw: a broken rule is an event of the type `"fail"`.
 *
 * @typeParam O The opcodes that the application registers
 * @typeParam R The reserved bits that it claims
 *
 * @example A client and a server that talk
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Connection, Information } from "@noio/ws";
 *
 * const client = new Connection("client");
 * const server = new Connection("server");
 *
 * server.recv(client.send({ type: "text", message: "hello" }));
 * const event = server.nextEvent();
 * assertEquals(typeof event === "object" && event.message, "hello");
 * assertEquals(server.nextEvent(), Information.NEED_DATA);
 * ```
 *
 * @example Opcodes and a reserved bit of one's own
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import { Connection } from "@noio/ws";
 *
 * const options = { opcodes: { ascii: 3, time: 11 }, reserved: [1, 0, 0] } as const;
 * const client = new Connection("client", options);
 * const server = new Connection("server", options);
 *
 * const message = new Uint8Array([72, 105]);
 * server.recv(client.send({ type: "ascii", message, reserved: [1, 0, 0] }));
 * const event = server.nextEvent();
 * assert(typeof event === "object" && event.type === "ascii");
 * assertEquals(event.message, message);
 * assertEquals(event.reserved, [1, 0, 0]);
 * ```
 */
export class Connection<
  const O extends CustomOpcodes = NoOpcodes,
  const R extends Reserved = NoReserved,
> {
  /** Which end of the connection this is. */
  readonly role: Role;

  readonly #receiver: Receiver;
  readonly #sender: Sender;
  readonly #pipeline: Pipeline | undefined;
  #phase: Phase = "open";
  /** Whether frames are read in this phase. */
  #isReading = true;
  #atEnd = false;
  #sent: CloseInfo | null = null;
  #received: CloseInfo | null = null;
  #failure: Failure | null = null;
  #initiator: "us" | "peer" | null = null;

  /**
   * Creates a connection, which is open at once.
   *
   * @param role `"client"` or `"server"`: a client masks what it sends
   * @param options Custom opcodes, reserved bits, delivery, limits
   * @throws {RangeError} If an opcode, its name or a limit is out of range
   * @throws {TypeError} If an option is not of the right kind
   */
  constructor(role: Role, options: ConnectionOptions<O, R> = {}) {
    const settings = settingsOf(role, options);
    this.role = role;
    this.#pipeline = settings.pipeline;
    this.#receiver = new Receiver(settings);
    this.#sender = new Sender(settings);
  }

  /**
   * Where the connection stands: `"closing"` from the first close frame or broken
   * rule on, `"closed"` once nothing is left to be sent or received. It changes
   * when an event is given, not when its bytes arrive.
   */
  get state(): ConnectionState {
    return STATES[this.#phase];
  }

  /**
   * How the connection ended; `undefined` until `nextEvent` has given its last
   * event.
   */
  get summary(): Summary | undefined {
    if (this.#isReading) return undefined;
    return {
      clean: this.#sent !== null && this.#received !== null &&
        this.#failure === null,
      initiator: this.#initiator,
      sent: this.#sent,
      received: this.#received,
      failure: this.#failure,
    };
  }

  /**
   * Takes bytes as they were received, or `null` for the end of the stream, as
   * `Deno.Conn.read` gives them. A read that fails is the end of the stream too.
   * Nothing is decoded before `nextEvent` asks. Once nothing more will be
   * received, bytes are ignored.
   *
   * From here until `nextEvent` answers `NEED_DATA` the chunk is the
   * connection's: it is unmasked in place, and messages of bytes are views into
   * it. After that nothing of it is held, so who is done with the events may
   * read into the same buffer again. A small view pins its whole chunk: `slice()`
   * what is kept for long.
   *
   * @param chunk The bytes, or `null`
   * @throws {LocalProtocolError} If bytes follow the end of the stream
   * @throws {TypeError} If the chunk is not a `Uint8Array`, or is shared or
   * detached
   */
  recv(chunk: Uint8Array | null): void {
    if (chunk === null) {
      this.#atEnd = true;
      return;
    }
    checkChunk(chunk);
    if (chunk.length === 0) return;
    if (this.#atEnd) {
      throw new LocalProtocolError(
        "Cannot receive bytes after the end of the stream",
      );
    }
    if (this.#isReading) this.#receiver.push(chunk);
  }

  /**
   * Gives the next event. A peer that breaks a rule makes a `"fail"` of it.
   *
   * @returns The event; or `NEED_DATA` where `recv` must be given more first; or
   * `CONNECTION_CLOSED`, for ever, once nothing more will be received. A reply
   * may still be owed then: `state` is `"closing"` as long as it is.
   * @throws {LocalProtocolError} If one of its extensions asks while it is at work
   */
  nextEvent(): ReceivedEvent<O, R> | Information {
    if (!this.#isReading) return Information.CONNECTION_CLOSED;
    const event = this.#pipeline === undefined
      ? this.#receiver.next()
      : this.#nextDecoded(this.#pipeline);
    if (event !== undefined) {
      if (event.type === "close") {
        this.#received = {
          statusCode: event.statusCode,
          message: event.message as string, // a close's message is its reason
        };
        this.#initiator ??= "peer";
        this.#endReading("receive-close");
      }
      // The receiver takes the names from the table that made the types.
      return event as ReceivedEvent<O, R>;
    }
    const { failure } = this.#receiver;
    if (failure !== undefined) return this.#fail(failure, "receive-failure");
    if (!this.#atEnd) return Information.NEED_DATA;
    return this.#fail(
      {
        rule: "end-of-stream",
        code: ABNORMAL_CLOSURE,
        message: "The stream ended without a closing handshake",
      },
      "receive-end",
    );
  }

  /** What the receiver gives where extensions are asked for it. */
  #nextDecoded(pipeline: Pipeline): ReturnType<Receiver["next"]> {
    if (pipeline.isAtWork) throw usedWithin("give an event");
    // As `working` does, but without a function for each event.
    pipeline.isAtWork = true;
    try {
      const event = this.#receiver.next();
      if (event === undefined && this.#atEnd) this.#receiver.end();
      return event;
    } finally {
      pipeline.isAtWork = false;
    }
  }

  /**
   * Gives the events that are there now, up to `NEED_DATA` or
   * `CONNECTION_CLOSED`.
   *
   * @returns The events, each made when it is asked for
   * @throws {LocalProtocolError} If one of its extensions asks while it is at work
   *
   * @example Everything that one read brought
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Connection } from "@noio/ws";
   *
   * const ws = new Connection("client");
   * ws.recv(new Uint8Array([0x81, 0x01, 0x61, 0x81, 0x01, 0x62]));
   * assertEquals(Array.from(ws.events(), (event) => event.message), ["a", "b"]);
   * ```
   */
  *events(): Generator<ReceivedEvent<O, R>, void, void> {
    for (;;) {
      const event = this.nextEvent();
      if (typeof event === "string") return;
      yield event;
    }
  }

  /**
   * Encodes what is to be sent: write the bytes, whole and in the order of the
   * calls. All or nothing: where one of several cannot be sent, none is, and
   * nothing has changed. The data is not changed.
   *
   * The result is the caller's to read and not to transfer: small results lie in
   * memory that they share.
   *
   * @param data A message, a fragment or a control frame; or several, for one
   * piece of bytes. A {@linkcode PreparedMessage} gives bytes that all share
   * @param into Memory to write to, which spares the allocation: for who writes to
   * a socket from one buffer again and again. It must not overlap with the data.
   * Where it has room enough, the result begins where it does: for one message
   * without extensions, 30 bytes more than that (which may be three bytes for each
   * unit of a text) are enough. Where it has not, and for a prepared message, the
   * result has memory of its own. What lies in it behind the result, or all of it
   * then, may have been written to
   * @returns The bytes to write
   * @throws {LocalProtocolError} If the protocol forbids it as the connection
   * stands: after a close, out of order among fragments, a control frame that is
   * fragmented or has more than 125 bytes, a code or a bit that may not be sent; and
   * anything while one of its extensions is at work
   * @throws {TypeError} If the data is not of the right kind: no such type, text
   * that is not UTF-8 or has a lone surrogate, shared or detached memory
   * @throws {RangeError} If a client sends a prepared message. Besides, what an
   * extension throws as it encodes
   *
   * @example Text, a fragmented message, a close
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Connection } from "@noio/ws";
   *
   * const ws = new Connection("server");
   * assertEquals(
   *   ws.send({ type: "text", message: "hi" }),
   *   new Uint8Array([0x81, 0x02, 0x68, 0x69]),
   * );
   * assertEquals(
   *   ws.send([
   *     { type: "binary", message: new Uint8Array([1]), fin: false },
   *     { type: "continue", message: new Uint8Array([2]) },
   *     { type: "close", statusCode: 1000 },
   *   ]),
   *   new Uint8Array([0x02, 0x01, 1, 0x80, 0x01, 2, 0x88, 0x02, 0x03, 0xe8]),
   * );
   * ```
   *
   * @example Into a buffer that is used again and again
   * ```ts
   * import { assertStrictEquals } from "@std/assert";
   * import { Connection } from "@noio/ws";
   *
   * const ws = new Connection("server");
   * const buffer = new Uint8Array(65_536);
   * const bytes = ws.send({ type: "text", message: "hi" }, buffer);
   * assertStrictEquals(bytes.buffer, buffer.buffer);
   * // await conn.write(bytes): then the buffer is free again
   * ```
   */
  send(
    data:
      | SendData<O>
      | PreparedMessage<O>
      | Iterable<SendData<O> | PreparedMessage<O>>,
    into?: Uint8Array | undefined,
  ): Uint8Array<ArrayBuffer> {
    if (into === undefined) {
      // What a list or a getter sends meanwhile is not for the buffer.
      return this.#sender.hasRoom
        ? this.#sender.within(undefined, () => this.#send(data))
        : this.#send(data);
    }
    checkChunk(into, "send into");
    return this.#sender.within(into, () => this.#send(data));
  }

  #send(
    data:
      | SendData<O>
      | PreparedMessage<O>
      | Iterable<SendData<O> | PreparedMessage<O>>,
  ): Uint8Array<ArrayBuffer> {
    if (typeof data !== "object" || data === null) {
      throw new TypeError(
        `Cannot send ${typeof data}: an object with a \`type\` is needed`,
      );
    }
    if (this.#phase === "open") {
      const bytes = this.#sender.encodeWhole(data as Partial<SendData<O>>);
      // A getter of the data may have closed it.
      if (bytes !== undefined && this.#phase === "open") return bytes;
    }
    if (this.#pipeline?.isAtWork === true) throw usedWithin("send");
    if (data instanceof PreparedMessage) return this.#sendPrepared(data);
    if (!isOne(data)) return this.#sendAll(data);
    const opcode = this.#sender.opcodeOf(data.type);
    // Fragments move more than the phase, and a list knows how to undo that.
    if (data.fin === false || opcode === Opcode.CONTINUATION) {
      return this.#sendAll([data]);
    }
    const began = this.#phase;
    const phase = this.#step(began, opcode, data.type, undefined);
    const plan = this.#sender.plan(opcode, data);
    this.#checkStill(began);
    // There may be no memory for it: what is not encoded is not sent.
    const bytes = this.#sender.encode(plan);
    this.#sending(phase, plan.close);
    return bytes;
  }

  #sendPrepared(message: PreparedMessage<O>): Uint8Array<ArrayBuffer> {
    this.#checkPrepared();
    const opcode = message.opcode ?? this.#sender.opcodeOf(message.type);
    if (this.#phase !== "open") {
      this.#step(this.#phase, opcode, message.type, undefined); // throws
    }
    return this.#sender.encodePrepared(opcode, message);
  }

  #checkPrepared(): void {
    if (this.role === "server") return;
    throw new RangeError(
      "Cannot send a prepared message as a client: each frame needs a masking key of its own",
    );
  }

  #sendAll(
    list: Iterable<SendData<O> | PreparedMessage<O>>,
  ): Uint8Array<ArrayBuffer> {
    // Read before anything is judged: something may be sent as it is read.
    const items = [...list];
    const plans: Plan[] = [];
    const began = this.#phase;
    let phase = began;
    const before = this.#sender.save();
    try {
      for (const item of items) {
        const isPrepared = item instanceof PreparedMessage;
        if (isPrepared) this.#checkPrepared();
        const data = isPrepared ? item.data : item;
        const opcode = this.#sender.opcodeOf(data.type);
        phase = this.#step(phase, opcode, data.type, plans.at(-1)?.close);
        plans.push(this.#sender.plan(opcode, data));
      }
      this.#checkStill(began);
      const bytes = this.#sender.encodeAll(plans);
      // Nothing follows a close, so it can only be the last.
      this.#sending(phase, plans.at(-1)?.close);
      return bytes;
    } catch (error) {
      this.#sender.restore(before);
      throw error;
    }
  }

  /**
   * Encodes what RFC 6455 wants in answer to an event: for a ping, its pong while
   * the connection is open; for a close, a close with the same code; for a fail,
   * a close with its code and message. For anything else, for what was answered
   * already, where our own close is out, and while an extension is at work: no bytes.
   * It never throws.
   *
   * @param event What `nextEvent` gave, or several
   * @returns The bytes to write
   *
   * @example Ping and close
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Connection } from "@noio/ws";
   *
   * const ws = new Connection("server");
   * const peer = new Connection("client");
   * ws.recv(peer.send([{ type: "ping", message: "1" }, { type: "close" }]));
   *
   * const answers = Array.from(ws.events(), (event) => ws.reply(event));
   * assertEquals(answers, [
   *   new Uint8Array([0x8a, 0x01, 0x31]),
   *   new Uint8Array([0x88, 0x00]),
   * ]);
   * assertEquals(ws.state, "closed");
   * ```
   */
  reply(
    event: ReceivedEvent<O, R> | Iterable<ReceivedEvent<O, R>>,
  ): Uint8Array<ArrayBuffer> {
    if (typeof event !== "object" || event === null) return EMPTY;
    if (this.#pipeline?.isAtWork === true) return EMPTY;
    // As with `send`: what is answered within one is not for its buffer.
    return this.#sender.hasRoom
      ? this.#sender.within(undefined, () => this.#replies(event))
      : this.#replies(event);
  }

  #replies(
    event: ReceivedEvent<O, R> | Iterable<ReceivedEvent<O, R>>,
  ): Uint8Array<ArrayBuffer> {
    if (isOne(event)) return this.#replyTo(event);
    return concat(Array.from(event, (one) => this.#replyTo(one)));
  }

  #replyTo(event: ReceivedEvent<O, R>): Uint8Array<ArrayBuffer> {
    if (typeof event !== "object" || event === null) return EMPTY;
    // What is answered is what was received, even if the event was changed.
    switch (event.type) {
      case "ping": {
        const payload: unknown = event.message;
        return this.#phase === "open" && payload instanceof Uint8Array &&
            payload.length <= MAX_CONTROL_BYTES
          ? this.#sender.encode(controlPlan(Opcode.PONG, payload))
          : EMPTY;
      }
      case "close":
        return this.#phase === "close-received" && this.#received !== null
          ? this.#answerClose(this.#received.statusCode, "")
          : EMPTY;
      case "fail":
        return this.#phase === "failed" && this.#failure !== null
          ? this.#answerClose(this.#failure.code, this.#failure.message)
          : EMPTY;
      default:
        return EMPTY;
    }
  }

  /** Sends the close frame that is owed, its reason cut where it is too long. */
  #answerClose(
    statusCode: number | undefined,
    reason: string,
  ): Uint8Array<ArrayBuffer> {
    const payload = closePayload(statusCode, reason);
    const message = new TextDecoder().decode(payload.subarray(2));
    const plan = controlPlan(Opcode.CLOSE, payload, { statusCode, message });
    const bytes = this.#sender.encode(plan);
    this.#sending("closed", plan.close);
    return bytes;
  }

  /** Checks that no getter of the data has brought the connection further. */
  #checkStill(phase: Phase): void {
    if (this.#phase === phase) return;
    throw new LocalProtocolError(
      `Cannot send: the connection is ${this.state} since the data was read`,
    );
  }

  /** Notes what is being sent: nothing but a close leads to another phase. */
  #sending(phase: Phase, close: CloseInfo | undefined): void {
    if (close === undefined) return;
    this.#phase = phase;
    this.#sent = close;
    this.#initiator ??= "us";
  }

  #fail(failure: Failure, step: Step): ReceivedEvent<O, R> {
    this.#failure = { ...failure };
    this.#endReading(step);
    return { type: "fail", ...failure };
  }

  #endReading(step: Step): void {
    // From a phase in which frames are read, what is received always leads on.
    this.#phase = TRANSITIONS[this.#phase][step] as Phase;
    this.#isReading = isReading(this.#phase);
    this.#receiver.release();
    // No message can be sent either: the windows of compression may go.
    this.#pipeline?.close();
  }

  /** The phase that follows when something is sent, perhaps behind a close. */
  #step(
    phase: Phase,
    opcode: number,
    type: string,
    behind: CloseInfo | undefined,
  ): Phase {
    const step = opcode === Opcode.CLOSE
      ? "send-close"
      : isControl(opcode)
      ? "send-control"
      : "send-data";
    const next = TRANSITIONS[phase][step];
    if (next !== null) return next;
    throw new LocalProtocolError(
      `Cannot send "${type}" as the connection is ${STATES[phase]}: ${
        this.#reason(behind)
      }`,
    );
  }

  /** Why the connection is not open, for a person to read. */
  #reason(behind: CloseInfo | undefined): string {
    if (this.#failure !== null) return this.#failure.message;
    const close = this.#initiator === "peer"
      ? this.#received
      : behind ?? this.#sent;
    const verb = this.#initiator === "peer" ? "received" : "sent";
    const code = close?.statusCode;
    return `close frame ${verb} ${
      code === undefined ? "without a code" : `with code ${code}`
    }`;
  }
}

/** A connection was used from within an extension of its own. */
function usedWithin(verb: string): LocalProtocolError {
  return new LocalProtocolError(
    `Cannot ${verb} while an extension is at work on the connection`,
  );
}

/** A control frame that needs no judging. */
function controlPlan(
  opcode: number,
  payload: Uint8Array,
  close: CloseInfo | undefined = undefined,
): Plan {
  return {
    opcode,
    first: firstByte(true, 0, opcode),
    type: "",
    compress: undefined,
    payload,
    close,
  };
}

/** Tells one event or message from several. */
function isOne<T extends { type: string }>(
  data: T | Iterable<T>,
): data is T {
  return "type" in data;
}
