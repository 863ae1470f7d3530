// A second connection, written for nothing but to be obviously right: it has all
// bytes at once, keeps all of a message, and asks each rule of RFC 6455 in turn.
// It knows no extensions. What a `Connection` makes of the same bytes, however
// they are cut, must be the same.

import type { FailureRule } from "../../src/framing/failure.ts";
import { RESERVED } from "../../src/framing/frame.ts";
import type { Seen } from "../helpers/events.ts";
import { join } from "./dice.ts";
import { bitsOf, type Setup } from "./traffic.ts";

const NAMES = new Map([
  [1, "text"],
  [2, "binary"],
  [8, "close"],
  [9, "ping"],
  [10, "pong"],
]);

/** A rule was broken: what is thrown here, and becomes the last event. */
class Broken extends Error {
  constructor(readonly rule: FailureRule, readonly code: number) {
    super(rule);
  }
}

interface Message {
  readonly type: string;
  /** What judges its text, `undefined` if it is none. */
  readonly decoder: TextDecoder | undefined;
  /** How many bytes its frames have announced. */
  length: number;
  bits: number;
  /** What has not been given. */
  text: string;
  bytes: Uint8Array<ArrayBuffer>;
  told: boolean;
}

/** The events of a whole stream, its end included. */
export function modelEvents(setup: Setup, bytes: Uint8Array): Seen[] {
  const seen: Seen[] = [];
  try {
    readAll(setup, bytes, seen);
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    const { rule, code } = error;
    seen.push({ type: "fail", rule, code, message: "" });
  }
  return seen;
}

function readAll(setup: Setup, bytes: Uint8Array, seen: Seen[]): void {
  const names = new Map(NAMES);
  if (setup.custom) names.set(3, "own").set(11, "time");
  let at = 0;
  /** The next byte, if there is one. */
  const next = (): number => {
    if (at === bytes.length) throw new Broken("end-of-stream", 1006);
    return bytes[at++];
  };
  let message: Message | undefined;
  for (;;) {
    const first = next();
    const opcode = first & 15;
    const bits = first >> 4 & 7;
    const fin = first >= 0x80;
    const isControl = opcode >= 8;
    if ((bits & ~bitsOf(setup.reserved)) !== 0) {
      throw new Broken("reserved-bits", 1002);
    }
    if (opcode !== 0 && !names.has(opcode)) throw new Broken("opcode", 1002);
    if (isControl && !fin) throw new Broken("fragmented-control", 1002);
    if (opcode === 0 && message === undefined) {
      throw new Broken("unexpected-continuation", 1002);
    }
    if (opcode !== 0 && !isControl && message !== undefined) {
      throw new Broken("unfinished-message", 1002);
    }

    const second = next();
    const isMasked = second >= 0x80;
    if (setup.role === "client" && isMasked) {
      throw new Broken("masked-frame", 1002);
    }
    if (setup.role === "server" && !isMasked && !setup.unmaskedClient) {
      throw new Broken("unmasked-frame", 1002);
    }
    if (isControl && (second & 0x7f) > 125) {
      throw new Broken("control-length", 1002);
    }
    const length = readLength(setup, second & 0x7f, next, (least) => {
      if (isControl) return;
      const total = BigInt(message?.length ?? 0) + least;
      if (isOver(total, setup.maxMessageBytes)) {
        throw new Broken("message-limit", 1009);
      }
      const most = setup.maxFrameBytes ?? setup.maxMessageBytes;
      if (isOver(least, most)) throw new Broken("frame-limit", 1009);
    });
    const key = isMasked ? [next(), next(), next(), next()] : [0, 0, 0, 0];

    const arrived = bytes.subarray(at, at + length);
    at += arrived.length;
    const payload = Uint8Array.from(arrived, (byte, i) => byte ^ key[i % 4]);
    const isWhole = payload.length === length;
    if (isControl) {
      if (!isWhole) throw new Broken("end-of-stream", 1006);
      const type = names.get(opcode) ?? "";
      if (opcode === 8) return void seen.push(closeEvent(payload, bits));
      seen.push(made(type, payload, true, bits));
      continue;
    }
    if (opcode !== 0) {
      const decoder = opcode === 1 && bits === 0
        ? new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
        : undefined;
      const type = names.get(opcode) ?? "";
      message = {
        type,
        decoder,
        length: 0,
        bits: 0,
        text: "",
        bytes: new Uint8Array(0),
        told: false,
      };
    }
    if (message === undefined) throw new Error("there is always one here");
    message.length += length;
    message.bits = setup.delivery === "frame" ? bits : message.bits | bits;
    take(setup, message, payload, isWhole, fin, seen);
    if (!isWhole) throw new Broken("end-of-stream", 1006);
    if (fin) message = undefined;
  }
}

/** A limit in bytes: lengths over 2^53-1 are always over. */
function isOver(length: bigint, limit: number): boolean {
  return length > BigInt(Math.min(limit, Number.MAX_SAFE_INTEGER));
}

/** Reads a length; after each byte `judge` is told what it is at least. */
function readLength(
  setup: Setup,
  short: number,
  next: () => number,
  judge: (least: bigint) => void,
): number {
  if (short < 126) {
    judge(BigInt(short));
    return short;
  }
  const size = short === 126 ? 2 : 8;
  let length = 0n;
  for (let left = size - 1; left >= 0; left--) {
    length |= BigInt(next()) << BigInt(8 * left);
    if (length >= 1n << 63n) throw new Broken("length-form", 1002);
    // The most that it can become: if that is too little, the form is wrong.
    const most = length | (1n << BigInt(8 * left)) - 1n;
    const isPadded = most < (size === 2 ? 126n : 65_536n);
    if (isPadded && !setup.paddedLength) throw new Broken("length-form", 1002);
    judge(length);
  }
  return Number(length);
}

/** A part of a message has arrived: the payload of a frame, or what is there of it. */
function take(
  { delivery }: Setup,
  message: Message,
  payload: Uint8Array,
  isWhole: boolean,
  fin: boolean,
  seen: Seen[],
): void {
  const { decoder } = message;
  const ends = isWhole && fin;
  let isWrong = false;
  if (decoder === undefined) {
    message.bytes = join(message.bytes, payload);
  } else {
    try {
      // In parts of one byte, so that all before the first wrong one is there.
      for (let i = 0; i < payload.length; i++) {
        const byte = payload.subarray(i, i + 1);
        message.text += decoder.decode(byte, { stream: true });
      }
      if (ends) decoder.decode();
    } catch {
      isWrong = true;
    }
  }
  const content = decoder === undefined ? message.bytes : message.text;
  const isDue = delivery === "chunk"
    ? content.length > 0 || ends && !isWrong
    : !isWrong && isWhole && (fin || delivery === "frame");
  if (isDue) {
    const [type, of] = message.told
      ? ["continue", message.type]
      : [message.type, undefined];
    seen.push(made(type, content, ends && !isWrong, message.bits, of));
    message.told = true;
    message.text = "";
    message.bytes = new Uint8Array(0);
  }
  if (isWrong) throw new Broken("utf-8", 1007);
}

function closeEvent(payload: Uint8Array<ArrayBuffer>, bits: number): Seen {
  if (payload.length === 0) return made("close", "", true, bits);
  if (payload.length === 1) throw new Broken("close-length", 1002);
  const code = payload[0] * 256 + payload[1];
  const isRegistered = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011]
    .concat([1012, 1013, 1014]).includes(code);
  if (!isRegistered && (code < 3000 || code > 4999)) {
    throw new Broken("close-code", 1002);
  }
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    const reason = decoder.decode(payload.subarray(2));
    return made("close", reason, true, bits, undefined, code);
  } catch {
    throw new Broken("utf-8", 1007);
  }
}

function made(
  type: string,
  message: string | Uint8Array<ArrayBuffer>,
  fin: boolean,
  bits: number,
  of: string | undefined = undefined,
  statusCode: number | undefined = undefined,
): Seen {
  return { type, message, fin, reserved: RESERVED[bits], statusCode, of };
}
