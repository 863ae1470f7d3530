// Rules that are broken, by the peer and by us, and limits that are passed.

import { assertEquals } from "@std/assert";
import { concat } from "@std/bytes";
import {
  encodeFrame,
  type FailureRule,
  type FrameInit,
  Opcode,
  type Role,
} from "../../mod.ts";
import { payloadOf, utf8 } from "../helpers/bytes.ts";
import { textOf } from "./helpers.ts";
import { assertEnds, type Case, echo, type Ends } from "./stage.ts";

/** Bytes that are not UTF-8: there is a surrogate among them. */
const NOT_UTF8 = Uint8Array.of(0xce, 0xba, 0xed, 0xa0, 0x80, 0x65);

/** A rule that a frame breaks, and what it is called. */
interface Violation {
  readonly rule: FailureRule;
  readonly code: number;
  /** Frames, for the sender to mask or not as it must; or bytes as they are. */
  frames(key: Uint8Array | undefined): readonly (FrameInit | Uint8Array)[];
  /** Whether this one is let pass by those that read leniently. */
  readonly isSubtle?: boolean;
}

/** The longest message where one is limited. */
const LIMIT = 1000;

const KEY = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d);

const VIOLATIONS: readonly Violation[] = [
  {
    rule: "reserved-bits",
    code: 1002,
    frames: () => [{ opcode: Opcode.TEXT, reserved: [0, 1, 0] }],
  },
  { rule: "opcode", code: 1002, frames: () => [{ opcode: 3 }] },
  { rule: "opcode", code: 1002, frames: () => [{ opcode: 11 }] },
  {
    rule: "fragmented-control",
    code: 1002,
    frames: () => [{ opcode: Opcode.PING, fin: false }],
  },
  {
    rule: "unexpected-continuation",
    code: 1002,
    frames: () => [{ opcode: Opcode.CONTINUATION }],
  },
  {
    rule: "unfinished-message",
    code: 1002,
    frames:
      () => [{ opcode: Opcode.TEXT, fin: false }, { opcode: Opcode.TEXT }],
  },
  {
    rule: "control-length",
    code: 1002,
    frames: (key) => [head(0x89, key, 126, 0, 126), new Uint8Array(126)],
  },
  {
    rule: "length-form",
    code: 1002,
    frames: (key) => [head(0x82, key, 126, 0, 1), Uint8Array.of(0)],
    isSubtle: true,
  },
  {
    rule: "close-length",
    code: 1002,
    frames: () => [{ opcode: Opcode.CLOSE, payload: Uint8Array.of(3) }],
  },
  ...[999, 1005, 1006, 1015, 2999, 5000].map((code): Violation => ({
    rule: "close-code",
    code: 1002,
    frames: () => [
      { opcode: Opcode.CLOSE, payload: Uint8Array.of(code >> 8, code) },
    ],
  })),
  {
    rule: "utf-8",
    code: 1007,
    frames: () => [{ opcode: Opcode.TEXT, payload: NOT_UTF8 }],
  },
  {
    rule: "utf-8",
    code: 1007,
    frames: () => [
      { opcode: Opcode.TEXT, payload: NOT_UTF8.subarray(0, 3), fin: false },
      { opcode: Opcode.CONTINUATION, payload: NOT_UTF8.subarray(3) },
    ],
  },
  {
    rule: "utf-8",
    code: 1007,
    frames: () => [
      {
        opcode: Opcode.CLOSE,
        payload: concat([Uint8Array.of(3, 232), NOT_UTF8]),
      },
    ],
  },
  {
    rule: "message-limit",
    code: 1009,
    frames: () => [
      { opcode: Opcode.BINARY, payload: new Uint8Array(LIMIT), fin: false },
      { opcode: Opcode.CONTINUATION, payload: new Uint8Array(1) },
    ],
  },
];

/** A head written by hand: the bytes that may be masked follow it. */
function head(
  first: number,
  key: Uint8Array | undefined,
  ...length: number[]
): Uint8Array {
  const [second, ...rest] = length;
  return key === undefined
    ? Uint8Array.of(first, second, ...rest)
    // Zeros that are masked with zeros are zeros.
    : Uint8Array.of(first, second | 0x80, ...rest, 0, 0, 0, 0);
}

/** The bytes of a violation, masked as the sender has to. */
function bytesOfViolation(violation: Violation, sender: Role): Uint8Array {
  const key = sender === "client" ? KEY : undefined;
  return concat(
    violation.frames(key).map((frame) =>
      frame instanceof Uint8Array ? frame : encodeFrame(frame, key)
    ),
  );
}

/** A frame that is masked though it may not be, or the other way round. */
function wronglyMasked(sender: Role): Uint8Array {
  const key = sender === "client" ? undefined : KEY;
  return encodeFrame({ opcode: Opcode.TEXT, payload: utf8("hi") }, key);
}

function otherRole(role: Role): Role {
  return role === "client" ? "server" : "client";
}

/** Asserts that bytes of the peer make us fail, and that the peer is told why. */
async function assertFails(
  { ours, theirs }: Ends,
  bytes: Uint8Array,
  { rule, code }: { readonly rule: FailureRule; readonly code: number },
): Promise<void> {
  theirs.raw(bytes);
  const { clean, initiator, sent, received, failure } = await ours.finish();
  assertEquals([failure?.rule, failure?.code], [rule, code]);
  assertEquals([clean, initiator, received], [false, "us", null]);
  assertEquals(sent, { statusCode: code, message: failure?.message ?? "" });
  await assertEnds(theirs, code, sent?.message ?? "");
}

/** Asserts that bytes of ours make the peer fail, and that we are told why. */
async function assertIsFailed(
  { ours, theirs }: Ends,
  bytes: Uint8Array,
  code: number,
): Promise<void> {
  await ours.write(bytes);
  const { clean, initiator, received, failure } = await ours.finish();
  assertEquals(received?.statusCode, code);
  assertEquals([clean, initiator, failure], [true, "peer", null]);
  await assertEnds(theirs, 1006, ""); // it does not look at our answer
}

/** The cases. */
export const VIOLATION_CASES: readonly Case[] = [
  [
    "what the peer does wrong fails the connection",
    { connection: { maxMessageBytes: LIMIT } },
    async (stage) => {
      const sender = otherRole(stage.role);
      for (const [index, violation] of VIOLATIONS.entries()) {
        stage.scope.at = `${violation.rule}, violation ${index}`;
        const bytes = bytesOfViolation(violation, sender);
        await assertFails(await stage.open(), bytes, violation);
      }
      const rule = stage.role === "client" ? "masked-frame" : "unmasked-frame";
      stage.scope.at = rule;
      const bytes = wronglyMasked(sender);
      await assertFails(await stage.open(), bytes, { rule, code: 1002 });
    },
  ],

  [
    "what we do wrong fails the connection",
    { theirs: { maxMessageBytes: LIMIT } },
    async (stage) => {
      for (const [index, violation] of VIOLATIONS.entries()) {
        if (violation.isSubtle) continue;
        stage.scope.at = `${violation.rule}, violation ${index}`;
        const bytes = bytesOfViolation(violation, stage.role);
        await assertIsFailed(await stage.open(), bytes, violation.code);
      }
      stage.scope.at = "masking";
      const bytes = wronglyMasked(stage.role);
      await assertIsFailed(await stage.open(), bytes, 1002);
    },
  ],

  [
    "a message at our limit is accepted, a longer one fails with 1009",
    { connection: { maxMessageBytes: 65_536 } },
    async (stage) => {
      const ends = await stage.open();
      const { ours, theirs } = ends;
      await echo(ends, payloadOf(65_536));
      await echo(ends, textOf(65_536));
      theirs.send(payloadOf(5_000_000));
      const { clean, initiator, failure } = await ours.finish();
      assertEquals([clean, initiator], [false, "us"]);
      assertEquals([failure?.rule, failure?.code], ["message-limit", 1009]);
      await assertEnds(theirs, 1009, failure?.message ?? "");
    },
  ],

  [
    "a message at the peer's limit is accepted, a longer one fails with 1009",
    { theirs: { maxMessageBytes: LIMIT } },
    async (stage) => {
      const ends = await stage.open();
      await echo(ends, payloadOf(LIMIT));
      const tooLong = { opcode: Opcode.BINARY, payload: payloadOf(LIMIT + 1) };
      const key = stage.role === "client" ? KEY : undefined;
      await assertIsFailed(ends, encodeFrame(tooLong, key), 1009);
    },
  ],
];
