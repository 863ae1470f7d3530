// What must hold for any bytes: the checks of one input, which throw a `Wrong`
// that says what did not. The fuzzer runs them on millions of inputs, the tests
// beside it on some thousands that are always the same.

import {
  type AnyConnection,
  Connection,
} from "../../src/connection/connection.ts";
import { LocalProtocolError } from "../../src/errors.ts";
import { FrameDecoder } from "../../src/framing/decoder.ts";
import { formatFrame } from "../../src/framing/format.ts";
import { encodeFrame, reservedBits } from "../../src/framing/frame.ts";
import { Information } from "../../src/information.ts";
import { watchAllocations } from "../helpers/allocations.ts";
import { other, type Seen } from "../helpers/events.ts";
import { type Dice, join } from "./dice.ts";
import { modelEvents } from "./model.ts";
import { optionsOf, type Setup } from "./traffic.ts";

/** Something that must hold did not. */
export class Wrong extends Error {
  override readonly name = "Wrong";
}

/** Throws a `Wrong` where something does not hold. */
export function holds(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Wrong(what);
}

/**
 * What came out, as a number: events are many and long, and to compare them all
 * as objects would take most of the time. With `lines` it keeps them readable.
 */
export class Trace {
  readonly lines: string[] | undefined;
  readonly #joins: boolean;
  #one = 0x2545f491;
  #two = 0x1b873593;
  #event: Seen | undefined;

  /** @param joins Whether neighbouring parts of one message count as one */
  constructor(joins: boolean, lines: boolean) {
    this.#joins = joins;
    this.lines = lines ? [] : undefined;
  }

  /** An event was given. */
  add(event: Seen): void {
    const last = this.#event;
    const goesOn = this.#joins && last !== undefined && !("rule" in last) &&
      !last.fin && event.type === "continue";
    if (!goesOn) {
      this.#close();
      this.#text(event.type);
    }
    this.#event = event;
    if ("rule" in event) {
      this.#text(event.rule);
      this.#mix(event.code);
      this.#line(() => `fail ${event.rule} ${event.code}`);
      return;
    }
    const { message } = event;
    if (!goesOn) {
      this.#text(event.of ?? "");
      this.#mix(event.statusCode ?? -1);
      this.#line(() => `${event.type} ${event.of} ${event.statusCode} `);
    }
    if (typeof message === "string") this.#text(message);
    else for (let i = 0; i < message.length; i++) this.#mix(message[i]);
    this.#more(() =>
      typeof message === "string" ? JSON.stringify(message) : `<${message}>`
    );
  }

  /** A number for all of it. */
  get sum(): number {
    this.#close();
    return (this.#one >>> 0) * 0x20_0000 + (this.#two >>> 11);
  }

  #close(): void {
    const event = this.#event;
    this.#event = undefined;
    if (event === undefined || "rule" in event) return;
    this.#mix(event.fin ? 0x10 : 0x20);
    this.#mix(reservedBits(event.reserved));
    this.#more(() => ` ${event.fin ? "fin" : "more"} ${event.reserved}`);
  }

  #text(text: string): void {
    for (let i = 0; i < text.length; i++) this.#mix(text.charCodeAt(i));
  }

  #mix(value: number): void {
    this.#one = Math.imul(this.#one ^ value, 0x01000193);
    this.#two = Math.imul(this.#two ^ value + (this.#one >>> 15), 0x5bd1e995);
  }

  #line(line: () => string): void {
    this.lines?.push(line());
  }

  #more(text: () => string): void {
    if (this.lines === undefined || this.lines.length === 0) return;
    const last = this.lines.length - 1;
    const line = this.lines[last] + text();
    this.lines[last] = line.replaceAll(`""`, "").replaceAll(`<>`, "");
  }
}

/** Pieces of some bytes, cut at places; one buffer takes them all in turn. */
function* pieces(
  bytes: Uint8Array,
  places: readonly number[] | "each",
  reuse: boolean,
): Generator<Uint8Array<ArrayBuffer>> {
  const { length } = bytes;
  const count = places === "each" ? length : places.length + 1;
  const buffer = reuse ? new Uint8Array(length) : undefined;
  let from = 0;
  for (let i = 0; i < count; i++) {
    const to = places === "each" ? i + 1 : places[i] ?? length;
    const piece = bytes.subarray(from, to);
    from = to;
    if (buffer === undefined) {
      yield new Uint8Array(piece);
    } else {
      buffer.set(piece);
      yield buffer.subarray(0, piece.length);
      buffer.fill(0xa5, 0, piece.length);
    }
  }
}

/** How the bytes are handed over. */
interface Way {
  readonly places: readonly number[] | "each";
  readonly reuse: boolean;
  /** Whether all is received before the first event is asked for. */
  readonly late: boolean;
}

const WHOLE: Way = { places: [], reuse: false, late: false };
const BYTES: Way = { places: "each", reuse: true, late: false };

/** What a connection made of the bytes. */
interface Run {
  readonly trace: Trace;
  readonly answers: Uint8Array<ArrayBuffer>;
}

function run(setup: Setup, bytes: Uint8Array, way: Way, lines = false): Run {
  const ws = new Connection(setup.role, optionsOf(setup));
  const trace = new Trace(setup.delivery === "chunk", lines);
  const answered: Uint8Array[] = [];
  let last: Seen | undefined;
  const take = () => {
    for (const event of ws.events()) {
      const made: Seen = event;
      holds(!isLast(last), `"${made.type}" follows the last event`);
      if (last !== undefined) checkOrder(setup, made);
      last = made;
      trace.add(made);
      const answer = ws.reply(event);
      if (answer.length > 0) answered.push(answer);
      if (isLast(made)) holds(ws.reply(event).length === 0, "two replies");
    }
  };
  for (const piece of pieces(bytes, way.places, way.reuse && !way.late)) {
    ws.recv(piece);
    if (!way.late) take();
  }
  take();
  if (isLast(last)) {
    const { state } = ws;
    ws.recv(Uint8Array.of(0x81, 0x00, 0x89, 0x00));
    const next = ws.nextEvent();
    holds(next === Information.CONNECTION_CLOSED, "the end does not stick");
    holds(ws.state === state, "what follows the end changes the state");
  } else {
    holds(ws.state === "open", `open is ${ws.state}`);
    holds(ws.summary === undefined, "there is a summary before the end");
  }
  ws.recv(null);
  take();
  // An error takes as long as all of that, so not every run makes one.
  checkEnd(ws, last, (bytes.length & 7) === 0);
  return { trace, answers: join(...answered) };
}

function isLast(event: Seen | undefined): event is Seen {
  return event?.type === "fail" || event?.type === "close";
}

/** What an event may be, whatever was received. */
function checkOrder({ delivery }: Setup, event: Seen): void {
  if ("rule" in event || delivery !== "message") return;
  holds(event.fin && event.type !== "continue", "a part where all was wanted");
}

function checkEnd(
  ws: AnyConnection,
  last: Seen | undefined,
  sends: boolean,
): void {
  const { summary, state } = ws;
  holds(isLast(last), "a stream ends without a word");
  holds(
    ws.nextEvent() === Information.CONNECTION_CLOSED,
    "there is more after the end",
  );
  holds(state === "closed", `the end is answered, and the state is ${state}`);
  holds(summary !== undefined, "there is no summary at the end");
  const rule = "rule" in last ? last.rule : undefined;
  holds(summary.failure?.rule === rule, `summary: ${summary.failure?.rule}`);
  holds(summary.clean === (rule === undefined), "the summary is wrong: clean");
  holds(
    (summary.received !== null) === (rule === undefined),
    "the summary is wrong: received",
  );
  holds(
    (summary.sent === null) === (rule === "end-of-stream"),
    "the summary is wrong: sent",
  );
  if (!sends) return;
  try {
    ws.send({ type: "ping" });
  } catch (error) {
    holds(error instanceof LocalProtocolError, `send() throws ${error}`);
    return;
  }
  throw new Wrong("send() works after the end");
}

/** The answers of a connection must be right themselves: its peer takes them. */
function checkAnswers({ role }: Setup, answers: Uint8Array<ArrayBuffer>): void {
  const peer = new Connection(other(role));
  peer.recv(answers.slice());
  for (const { type } of peer.events()) {
    holds(type === "pong" || type === "close", `an answer is a "${type}"`);
  }
}

/** Memory for some bytes: how much of it in one piece. */
function checkMemory(setup: Setup, bytes: Uint8Array, way: Way): void {
  let most = 0;
  const watch = (size: number) => void (most = Math.max(most, size));
  watchAllocations(watch, () => run(setup, bytes, way));
  holds(
    most <= Math.max(65_536, 16 * bytes.length),
    `a buffer of ${most} bytes for ${bytes.length}`,
  );
}

/** Says how two runs differ, which have different sums. */
function differ(
  what: string,
  expected: (lines: boolean) => Trace,
  actual: (lines: boolean) => Trace,
): never {
  const [wanted, got] = [expected(true), actual(true)];
  // A sum closes the last event.
  void [wanted.sum, got.sum];
  const show = ({ lines = [] }: Trace) =>
    lines.map((line) => `\n    ${line.slice(0, 300)}`).join("");
  throw new Wrong(`${what} gives${show(got)}\n  and not${show(wanted)}`);
}

/**
 * Checks what holds of a connection for any bytes: it never throws, gives the same
 * events for each way of cutting, the same as the model gives, ends for good, and
 * answers rightly.
 *
 * @param at A place to cut at, such as that of a mutation
 */
export function checkConnection(
  dice: Dice,
  setup: Setup,
  bytes: Uint8Array,
  at: number,
): void {
  const whole = run(setup, bytes, WHOLE);
  const places = at === 0 || at >= bytes.length
    ? dice.places(bytes.length, 8)
    : [at];
  const cutting = dice.below(8);
  const way: Way = cutting < 2 && bytes.length <= 400
    ? BYTES
    : { places, reuse: cutting % 2 === 0, late: cutting === 3 };
  const cut = run(setup, bytes, way);
  if (cut.trace.sum !== whole.trace.sum) {
    differ(
      `cutting at ${way.places}${way.reuse ? " in one buffer" : ""}${
        way.late ? " beforehand" : ""
      }`,
      (lines) => run(setup, bytes, WHOLE, lines).trace,
      (lines) => run(setup, bytes, way, lines).trace,
    );
  }
  holds(
    same(cut.answers, whole.answers),
    `cutting at ${way.places} changes the answers`,
  );
  if (setup.extensions === "none") {
    if (bytes.length < 1000 || dice.once(20)) {
      const model = modelOf(setup, bytes, false);
      if (model.sum !== whole.trace.sum) {
        differ(
          "the connection",
          (lines) => modelOf(setup, bytes, lines),
          (lines) => run(setup, bytes, WHOLE, lines).trace,
        );
      }
    }
    if (dice.once(200)) checkMemory(setup, bytes, way);
  }
  if (whole.answers.length > 0 && dice.once(4)) {
    checkAnswers(setup, whole.answers);
  }
}

function modelOf(setup: Setup, bytes: Uint8Array, lines: boolean): Trace {
  const trace = new Trace(setup.delivery === "chunk", lines);
  for (const event of modelEvents(setup, bytes)) trace.add(event);
  return trace;
}

export function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The frames that a decoder makes, and what they are when they are written again. */
function framesOf(
  dice: Dice,
  bytes: Uint8Array,
  options: ConstructorParameters<typeof FrameDecoder>[0],
  way: Way,
): {
  readonly again: Uint8Array;
  readonly end: string;
  readonly lengths: number[];
} {
  const decoder = new FrameDecoder(options);
  const written: Uint8Array[] = [];
  const lengths: number[] = [];
  let end = "";
  for (const piece of pieces(bytes, way.places, way.reuse)) {
    decoder.recv(piece);
    for (;;) {
      const frame = decoder.next();
      if (frame === Information.NEED_DATA) break;
      if ("type" in frame) {
        holds(end === "" || end === frame.rule, "another failure follows");
        end = frame.rule;
        break;
      }
      holds(end === "", "a frame follows a failure");
      written.push(encodeFrame(frame, frame.maskKey));
      lengths.push(frame.payload.length);
      if (dice.once(50)) {
        holds(!/[\n\r\u2028]/.test(formatFrame(frame)), "a line is several");
      }
    }
  }
  return { again: join(...written), end, lengths };
}

/** Checks what holds of a frame decoder for any bytes. */
export function checkDecoder(dice: Dice, bytes: Uint8Array): void {
  const options = {
    masked: dice.of([undefined, true, false]),
    opcodes: dice.once(3) ? "any" as const : [3, 11],
    reserved: dice.once(2) ? [1, 1, 1] as const : [0, 0, 0] as const,
    control: !dice.once(3),
    fragmentation: !dice.once(3),
    shortestLength: !dice.once(4),
    maxFrameBytes: dice.of([0, 10, 200, 16_777_216, Infinity]),
  };
  const whole = framesOf(dice, bytes, options, WHOLE);
  const places = dice.places(bytes.length, 8);
  const way: Way = dice.once(4) && bytes.length <= 400
    ? BYTES
    : { places, reuse: true, late: false };
  const cut = framesOf(dice, bytes, options, way);
  holds(
    cut.end === whole.end && same(cut.again, whole.again) &&
      cut.lengths.join() === whole.lengths.join(),
    `cutting at ${way.places} gives other frames`,
  );
  // Where lengths have one form only, frames can be written in one way only.
  if (options.shortestLength) {
    holds(
      same(whole.again, bytes.subarray(0, whole.again.length)),
      "the frames are not what was received",
    );
  }
}
