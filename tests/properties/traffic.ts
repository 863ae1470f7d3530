// What a peer may send: streams of frames that keep the rules of a connection, or
// nearly so, and the connections that they are for. The frames are written here by
// hand, so that a mistake of the encoder under test cannot hide in them.

import { constants, deflateRawSync } from "node:zlib";
import type { Delivery, Role } from "../../src/connection/options.ts";
import { permessageDeflate } from "../../src/extensions/permessage_deflate.ts";
import type { Extension } from "../../src/extensions/extension.ts";
import { zlibCodec } from "../../src/extensions/zlib_codec.ts";
import type { Reserved } from "../../src/framing/frame.ts";
import { utf8 } from "../helpers/bytes.ts";
import type { Options } from "../helpers/events.ts";
import { Twice, Xor } from "../helpers/extensions.ts";
import { type Dice, join } from "./dice.ts";

/** Which extensions a connection has. */
export type ExtensionName =
  | "none"
  | "deflate"
  | "deflate without context"
  | "deflate by zlib"
  | "xor"
  | "twice"
  | "twice and xor";

/** A connection, as plain values: enough to make it again. */
export interface Setup {
  readonly role: Role;
  readonly delivery: Delivery;
  /** Whether the opcodes 3 and 11 are registered. */
  readonly custom: boolean;
  readonly reserved: Reserved;
  readonly maxMessageBytes: number;
  readonly maxFrameBytes: number | undefined;
  readonly unmaskedClient: boolean;
  readonly paddedLength: boolean;
  readonly extensions: ExtensionName;
}

const deflate = permessageDeflate();
const forgetful = permessageDeflate({
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
});
const zlib = permessageDeflate({ codec: zlibCodec });

function extensionsOf({ role, extensions }: Setup): Extension[] {
  const parameters = [
    ["server_no_context_takeover", null],
    ["client_no_context_takeover", null],
  ] as const;
  switch (extensions) {
    case "none":
      return [];
    case "xor":
      return [new Xor(0x55)];
    case "twice":
      return [new Twice()];
    case "twice and xor":
      return [new Twice(), new Xor(0x55)];
    case "deflate without context":
      return [
        role === "client"
          ? forgetful.accept(parameters)
          : answered(forgetful, parameters),
      ];
    default: {
      const factory = extensions === "deflate" ? deflate : zlib;
      return [role === "client" ? factory.accept([]) : answered(factory, [])];
    }
  }
}

function answered(
  factory: ReturnType<typeof permessageDeflate>,
  parameters: Parameters<typeof factory.answer>[0],
): Extension {
  const answer = factory.answer(parameters);
  if (answer === undefined) throw new Error("permessage-deflate declined");
  return answer.extension;
}

/** The options of a connection, which has its own extensions. */
export function optionsOf(setup: Setup): Options {
  const { unmaskedClient, paddedLength } = setup;
  return {
    opcodes: setup.custom ? { own: 3, time: 11 } : undefined,
    reserved: setup.reserved,
    delivery: setup.delivery,
    maxMessageBytes: setup.maxMessageBytes,
    maxFrameBytes: setup.maxFrameBytes,
    lenient: { unmaskedClient, paddedLength },
    extensions: extensionsOf(setup),
    // Always the same, so that two runs write the same answers.
    random: () => undefined,
  };
}

const NO_BITS: Reserved = [0, 0, 0];

/** Some connection, of those with extensions or of those without. */
export function anySetup(dice: Dice, extensions: boolean): Setup {
  const extension: ExtensionName = !extensions
    ? "none"
    : dice.of<ExtensionName>([
      ...["deflate", "deflate", "deflate without context"] as const,
      ...["deflate by zlib", "xor", "twice", "twice and xor"] as const,
    ]);
  return {
    role: dice.once(2) ? "client" : "server",
    delivery: dice.of(["message", "frame", "chunk"] as const),
    custom: dice.once(2),
    reserved: extension !== "none" || !dice.once(4)
      ? NO_BITS
      : dice.of<Reserved>([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]]),
    maxMessageBytes: dice.once(3)
      ? dice.of([0, 1, 10, 64, 130, 300, Infinity])
      : 16_777_216,
    maxFrameBytes: dice.once(5)
      ? dice.of([0, 5, 60, 126, Infinity])
      : undefined,
    unmaskedClient: dice.once(8),
    paddedLength: dice.once(8),
    extensions: extension,
  };
}

/** Words of text: of each length in bytes, and at each bound of UTF-8. */
const WORDS = [
  ...["a", "hello ", "{}", "\u0000", "\u007f", "\u0080", "\u00e9", "\u07ff"],
  ...["\u0800", "\u20ac", "\ud7ff", "\ue000", "\ufffd", "\ufeff", "\uffff"],
  ...["\u{10000}", "\u{1f600}", "\u{10ffff}", "0123456789".repeat(5)],
].map(utf8);

/** Bytes that are no UTF-8, or only the beginning of some. */
const WRONG = [
  ...[[0xff], [0x80], [0xc0, 0x80], [0xc3], [0xe0, 0x9f], [0xe2, 0x82]],
  ...[[0xed, 0xa0, 0x80], [0xf0, 0x8f], [0xf0, 0x9f, 0x98], [0xf4, 0x90]],
].map((bytes) => Uint8Array.from(bytes));

function anyText(dice: Dice, rightly: boolean): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let i = dice.below(6); i > 0; i--) parts.push(dice.of(WORDS));
  if (!rightly && dice.once(12)) parts.push(dice.of(WRONG));
  return join(...parts);
}

function anyPayload(dice: Dice): Uint8Array {
  if (dice.once(1000)) return dice.bytes(dice.of([65_535, 65_536, 66_000]));
  if (dice.once(12)) return dice.bytes(dice.between(120, 300));
  return dice.bytes(dice.once(4) ? 0 : dice.below(24));
}

/** What zlib makes of some messages, as RFC 7692 sends it, and some that is not. */
const COMPRESSED: readonly (readonly [text: boolean, bytes: Uint8Array])[] = [
  ...["", "a", "hello hello hello hello", "\u20ac".repeat(100)].map((text) =>
    [true, compressed(utf8(text))] as const
  ),
  ...[0, 1, 50, 1000].map((length) =>
    [false, compressed(new Uint8Array(length))] as const
  ),
  [false, compressed(Uint8Array.from({ length: 400 }, (_, i) => i * i >> 3))],
  [true, compressed(Uint8Array.of(0x61, 0xff))],
  [false, Uint8Array.of(0xff, 0xff, 0xff)],
  [false, Uint8Array.of(0x03, 0x00)],
  [false, Uint8Array.of(0x4b, 0x04, 0x00)],
];

/** The same of long ones, which come out in several pieces. */
const LARGE: typeof COMPRESSED = [
  ...["abc".repeat(2000), "\u{1f600}x".repeat(20_000)].map((text) =>
    [true, compressed(utf8(text))] as const
  ),
  ...[70_000, 300_000].map((length) =>
    [false, compressed(new Uint8Array(length))] as const
  ),
];

function compressed(bytes: Uint8Array): Uint8Array {
  const whole = deflateRawSync(bytes, {
    flush: constants.Z_SYNC_FLUSH,
    finishFlush: constants.Z_SYNC_FLUSH,
  });
  return new Uint8Array(whole).subarray(0, whole.length - 4);
}

/** A frame, each part as it is to be on the wire. */
interface Wire {
  readonly first: number;
  readonly payload: Uint8Array;
}

/** Writes a frame; how is the dice's to say where more than one way is right. */
function write(
  dice: Dice,
  setup: Setup,
  wire: Wire,
  nearly: boolean,
): Uint8Array {
  const { first, payload } = wire;
  const { length } = payload;
  const masked = setup.role === "server"
    ? !(setup.unmaskedClient && dice.once(2))
    : false;
  const isMasked = nearly && dice.once(60) ? !masked : masked;
  let form = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const mayPad = setup.paddedLength || nearly && dice.once(20);
  if (mayPad && dice.once(3) && (first & 8) === 0) {
    form = dice.of(form === 0 ? [0, 2, 8] : [8]);
  }
  const head = [
    first,
    (isMasked ? 0x80 : 0) | (form === 0 ? length : form === 2 ? 126 : 127),
  ];
  for (let i = form - 1; i >= 0; i--) {
    head.push(i > 3 ? 0 : length >>> 8 * i & 0xff);
  }
  if (!isMasked) return join(Uint8Array.from(head), payload);
  const key = dice.once(16) ? new Uint8Array(4) : dice.bytes(4);
  return join(
    Uint8Array.from(head),
    key,
    payload.map((byte, i) => byte ^ key[i & 3]),
  );
}

/** Cuts a message into fragments, and puts control frames between them. */
function* framesOf(
  dice: Dice,
  setup: Setup,
  opcode: number,
  bits: number,
  message: Uint8Array,
): Generator<Wire> {
  if (!dice.once(3)) {
    yield { first: 0x80 | bits << 4 | opcode, payload: message };
    return;
  }
  const places = dice.places(message.length, 4);
  const claimed = bitsOf(setup.reserved);
  for (const [i, end] of [...places, message.length].entries()) {
    const own = i === 0 ? bits : dice.next() >>> 16 & claimed;
    const fin = i === places.length ? 0x80 : 0;
    const payload = message.subarray(i === 0 ? 0 : places[i - 1], end);
    yield { first: fin | own << 4 | (i === 0 ? opcode : 0), payload };
    if (fin === 0 && dice.once(3)) yield anyControl(dice, setup);
  }
}

function anyControl(dice: Dice, setup: Setup, nearly = false): Wire {
  const opcode = setup.custom && dice.once(3) ? 11 : dice.of([9, 10]);
  const bits = dice.once(3) ? dice.next() >>> 16 & bitsOf(setup.reserved) : 0;
  const length = dice.once(8)
    ? dice.between(120, nearly ? 127 : 125)
    : dice.below(12);
  return { first: 0x80 | bits << 4 | opcode, payload: dice.bytes(length) };
}

function anyClose(dice: Dice, nearly: boolean): Wire {
  if (dice.once(3)) return { first: 0x88, payload: new Uint8Array(0) };
  if (nearly && dice.once(3)) {
    return { first: 0x88, payload: dice.bytes(dice.below(6)) };
  }
  const code = dice.of([1000, 1001, 1003, 1007, 1014, 3000, 4999]);
  const reason = dice.once(2) ? new Uint8Array(0) : anyText(dice, !nearly);
  return {
    first: 0x88,
    payload: join(
      Uint8Array.of(code >> 8, code & 0xff),
      reason.subarray(0, 123),
    ),
  };
}

/** The bits of a tuple, RSV1 being 4. */
export function bitsOf([a, b, c]: Reserved): number {
  return a << 2 | b << 1 | c;
}

/**
 * A stream for a connection. Where it is `nearly` right, some of its frames break
 * a rule; else none does, but for the limits.
 */
export function anyTraffic(
  dice: Dice,
  setup: Setup,
  nearly: boolean,
): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  const put = (wire: Wire) => {
    let { first } = wire;
    if (nearly && dice.once(40)) first ^= 1 << dice.below(8);
    parts.push(write(dice, setup, { ...wire, first }, nearly));
  };
  for (let i = dice.below(6); i >= 0; i--) {
    if (dice.once(4)) {
      put(anyControl(dice, setup, nearly));
      continue;
    }
    let opcode = setup.custom ? dice.of([1, 2, 1, 2, 3]) : dice.of([1, 2]);
    let bits = dice.once(3) ? dice.next() >>> 16 & bitsOf(setup.reserved) : 0;
    let message = opcode === 1 && bits === 0
      ? anyText(dice, !nearly)
      : anyPayload(dice);
    if (setup.extensions.startsWith("deflate") && !dice.once(4)) {
      const [isText, bytes] = dice.of(dice.once(30) ? LARGE : COMPRESSED);
      opcode = isText ? 1 : 2;
      bits = 4;
      message = bytes;
    } else if (setup.extensions === "xor" && dice.once(2)) {
      bits = dice.of([2, 3]);
      message = message.map((byte) => byte ^ 0x55);
    }
    for (const wire of framesOf(dice, setup, opcode, bits, message)) put(wire);
  }
  if (dice.once(3)) put(anyClose(dice, nearly));
  if (dice.once(12)) parts.push(dice.bytes(dice.below(8)));
  return join(...parts);
}
