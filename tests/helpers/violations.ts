// What a peer can break: for each row of the table of failures the bytes that
// break it, and which of them decides it.

import type { ConnectionOptions, Role } from "../../src/connection/options.ts";
import type { FailureRule } from "../../src/framing/failure.ts";
import { concat, hex, utf8 } from "./bytes.ts";
import { head, other, wire } from "./events.ts";

/** One way of breaking a rule. */
export interface Violation {
  readonly name: string;
  readonly rule: FailureRule;
  readonly code: number;
  /** What its message must say, for a person to find the rule. */
  readonly says: string;
  readonly options?: ConnectionOptions;
  /** What comes before and is as it should be. */
  readonly before: (role: Role) => Uint8Array<ArrayBuffer>;
  /** The frame that is not. */
  readonly bytes: (role: Role) => Uint8Array<ArrayBuffer>;
  /** The index in it of the byte that decides; the last where it is left out. */
  readonly at?: number;
}

const nothing = () => new Uint8Array(0);

/** A text that has begun. */
const begun = (role: Role) =>
  wire(role, { opcode: 1, fin: false, payload: utf8("a") });

function digits(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

/** Rules that the first byte decides: after a whole message, or within one. */
function first(
  rule: FailureRule,
  says: string,
  before: (role: Role) => Uint8Array<ArrayBuffer>,
  ...bytes: number[]
): Violation[] {
  return bytes.map((byte) => ({
    name: `${rule} (${digits(byte)})`,
    rule,
    code: 1002,
    says,
    before,
    bytes: (role) => head(role, byte, 0),
    at: 0,
  }));
}

/** Rules of the length, and how many bytes of the head decide. */
function length(
  rule: FailureRule,
  code: number,
  says: string,
  at: number,
  bytes: string,
  options: ConnectionOptions = {},
  before: (role: Role) => Uint8Array<ArrayBuffer> = nothing,
): Violation {
  return {
    name: `${rule} (${bytes})`,
    rule,
    code,
    says,
    options,
    before,
    bytes: (role) => head(role, ...hex(bytes)),
    at,
  };
}

/** Rules that a whole close frame decides. */
function close(
  rule: FailureRule,
  code: number,
  says: string,
  payload: string,
): Violation {
  return {
    name: `${rule} (close with ${payload})`,
    rule,
    code,
    says,
    before: nothing,
    bytes: (role) => wire(role, { opcode: 8, payload: hex(payload) }),
  };
}

/** Text whose last byte is the first wrong one. */
function text(payload: string, fin = true): Violation {
  return {
    name: `utf-8 (${payload})`,
    rule: "utf-8",
    code: 1007,
    says: "text that is not UTF-8",
    before: nothing,
    bytes: (role) => wire(role, { opcode: 1, fin, payload: hex(payload) }),
  };
}

const TWO_POW_62 = "82 7f 40 00 00 00 00 00 00 00";

/** The table of DESIGN, row by row. */
export const VIOLATIONS: readonly Violation[] = [
  ...first("reserved-bits", "RSV1", nothing, 0xc1, 0xc2, 0xc8, 0xc9, 0xca),
  ...first("reserved-bits", "RSV2", nothing, 0xa1, 0xa2, 0xa8, 0xa9, 0xaa),
  ...first("reserved-bits", "RSV3", nothing, 0x91, 0x92, 0x98, 0x99, 0x9a),
  ...first("reserved-bits", "RSV1 and RSV2 and RSV3", nothing, 0xf1),
  ...first("reserved-bits", "RSV1", begun, 0x40, 0xc0, 0xc9),
  ...first(
    "opcode",
    "not defined",
    nothing,
    ...[0x83, 0x84, 0x85, 0x86, 0x87, 0x03],
    ...[0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x0b],
  ),
  ...first(
    "fragmented-control",
    "control frames may not be fragmented",
    nothing,
    ...[0x08, 0x09, 0x0a],
  ),
  ...first(
    "unexpected-continuation",
    "no message to continue",
    nothing,
    ...[0x80, 0x00],
  ),
  ...first(
    "unexpected-continuation",
    "no message to continue",
    (role) => wire(role, { opcode: 1 }),
    ...[0x80, 0x00],
  ),
  ...first(
    "unfinished-message",
    "before the fragmented message was finished",
    begun,
    ...[0x81, 0x82, 0x01, 0x02],
  ),
  {
    name: "masked or unmasked",
    rule: "masked-frame",
    code: 1002,
    says: "masked",
    before: nothing,
    bytes: (role) => wire(other(role), { opcode: 1 }),
    at: 1,
  },
  ...["88 7e 00 7e", "89 7e 00 7e", "8a 7f 00 00 00 00 00 01 00 00"].map(
    (bytes) =>
      length(
        "control-length",
        1002,
        "a control frame with more than 125 bytes",
        1,
        bytes,
      ),
  ),
  length("length-form", 1002, "shortest form", 3, "81 7e 00 7d"),
  length("length-form", 1002, "shortest form", 3, "82 7e 00 00"),
  length(
    "length-form",
    1002,
    "shortest form",
    7,
    "82 7f 00 00 00 00 00 00 ff ff",
  ),
  length(
    "length-form",
    1002,
    "shortest form",
    7,
    "82 7f 00 00 00 00 00 00 00 00",
  ),
  length("length-form", 1002, "top bit", 2, "82 7f 80 00 00 00 00 00 00 00"),
  length("length-form", 1002, "top bit", 2, "82 7f ff ff ff ff ff ff ff ff"),
  close("close-length", 1002, "a payload of 1 byte", "03"),
  ...["00 00", "03 e7", "03 ec", "03 ed", "03 ee", "03 f7", "03 f8", "0b b7"]
    .map((code) => close("close-code", 1002, "may not be sent", code)),
  ...["13 88", "ff ff", "03 ed 61"].map((code) =>
    close("close-code", 1002, "may not be sent", code)
  ),
  close("utf-8", 1007, "reason is not UTF-8", "03 e8 61 ff"),
  close("utf-8", 1007, "reason is not UTF-8", "03 e8 e2 82"),
  ...["ff", "80", "c0", "61 c1", "f5", "e0 9f", "ed a0", "f0 8f", "f4 90"].map(
    (payload) => text(payload),
  ),
  ...["61 c3 28", "e2 28", "e2 82 28", "f0 9f 98 28"].map((payload) =>
    text(payload, false)
  ),
  // A text may not end within a code point.
  ...["c3", "e2", "e2 82", "61 f0 9f 98"].map((payload) => text(payload)),
  {
    ...text("9f ff"),
    name: "utf-8 (over two frames)",
    before: (role) =>
      wire(role, { opcode: 1, fin: false, payload: hex("61 f0") }),
    bytes: (role) => wire(role, { opcode: 0, payload: hex("9f 41") }),
  },
  length("frame-limit", 1009, "a frame of at least 11 bytes", 1, "81 0b", {
    maxFrameBytes: 10,
  }),
  length("frame-limit", 1009, "the limit is 10", 2, "82 7e 01 00", {
    maxFrameBytes: 10,
  }),
  length("frame-limit", 1009, "the limit is 300", 3, "82 7e 01 2d", {
    maxFrameBytes: 300,
  }),
  length("message-limit", 1009, "a message of at least 11 bytes", 1, "82 0b", {
    maxMessageBytes: 10,
  }),
  length(
    "message-limit",
    1009,
    "a message of at least 11 bytes",
    1,
    "80 0a",
    { maxMessageBytes: 10 },
    begun,
  ),
  length("message-limit", 1009, "the limit is 16777216", 2, TWO_POW_62),
  length(
    "message-limit",
    1009,
    "the limit is 9007199254740991",
    2,
    TWO_POW_62,
    {
      maxMessageBytes: Infinity,
    },
  ),
];

/** The violation as a role sees it: which mask is wrong depends on who looks. */
export function ruleAt(violation: Violation, role: Role): FailureRule {
  return violation.rule === "masked-frame" && role === "server"
    ? "unmasked-frame"
    : violation.rule;
}

/** All its bytes. */
export function allBytes(
  violation: Violation,
  role: Role,
): Uint8Array<ArrayBuffer> {
  return concat(violation.before(role), violation.bytes(role));
}
