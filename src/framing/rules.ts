// The rules that the head of a frame must keep (RFC 6455, section 5), and at
// which of its bytes each of them is decided.

import type { Failure } from "./failure.ts";
import { isControl, Opcode } from "./opcode.ts";

/** Which rules are applied. */
export interface HeadRules {
  /** Whether frames must be masked (`true`), must not (`false`), or may (`undefined`). */
  readonly masked: boolean | undefined;
  /** The opcodes that are defined, one bit each. */
  readonly opcodes: number;
  /** The reserved bits that may be set in a frame of each opcode, by opcode. */
  readonly reserved: readonly number[];
  /** Whether control frames must be whole and short. */
  readonly control: boolean;
  /** Whether data frames must follow each other as messages do. */
  readonly fragmentation: boolean;
  /** Whether lengths must be in their shortest form. */
  readonly shortestLength: boolean;
  /** The most bytes of a data frame's payload. */
  readonly maxFrameBytes: number;
  /** The most bytes of a message's frames together. */
  readonly maxMessageBytes: number;
}

function violation(rule: Failure["rule"], message: string): Failure {
  return { rule, code: 1002, message };
}

/** The failure of a frame with reserved bits that nobody wants. */
export function unclaimed(opcode: number, stray: number): Failure {
  const names = [4, 2, 1]
    .flatMap((bit, i) => (stray & bit) === 0 ? [] : [`RSV${i + 1}`]);
  return violation(
    "reserved-bits",
    `Received a frame with the opcode ${opcode} and ${
      names.join(" and ")
    } set, which nothing has claimed`,
  );
}

/** The rule that the first byte of a frame breaks, before or within a message. */
function judgeFirst(
  first: number,
  inMessage: boolean,
  rules: HeadRules,
): Failure | undefined {
  const opcode = first & 15;
  const stray = first >> 4 & 7 & ~rules.reserved[opcode];
  if (stray !== 0) return unclaimed(opcode, stray);
  if ((rules.opcodes >> opcode & 1) === 0) {
    return violation(
      "opcode",
      `Received a frame with the opcode ${opcode}, which is not defined`,
    );
  }
  if (isControl(opcode)) {
    return rules.control && first < 0x80
      ? violation(
        "fragmented-control",
        `Received a control frame with the opcode ${opcode} without FIN: control frames may not be fragmented`,
      )
      : undefined;
  }
  if (!rules.fragmentation) return undefined;
  if (opcode === Opcode.CONTINUATION) {
    return inMessage ? undefined : violation(
      "unexpected-continuation",
      "Received a continuation frame with no message to continue",
    );
  }
  return inMessage
    ? violation(
      "unfinished-message",
      `Received a data frame with the opcode ${opcode} before the fragmented message was finished`,
    )
    : undefined;
}

/** For each first byte, 1 where it breaks no rule: before and within a message. */
export type FirstBytes = readonly [before: Uint8Array, within: Uint8Array];

// As many as there are configurations in the program, and most share one.
const tables = new Map<string, FirstBytes>();

export function firstBytes(rules: HeadRules): FirstBytes {
  const { opcodes, reserved, control, fragmentation } = rules;
  const name = [opcodes, reserved, control, fragmentation].join();
  let table = tables.get(name);
  if (table === undefined) {
    const judge = (inMessage: boolean) =>
      Uint8Array.from(
        { length: 256 },
        (_, first) => judgeFirst(first, inMessage, rules) === undefined ? 1 : 0,
      );
    table = [judge(false), judge(true)];
    tables.set(name, table);
  }
  return table;
}

/** Whether a frame is longer than the limits allow. Short control frames never are. */
export function isOver(
  opcode: number,
  length: number,
  messageBytes: number,
  rules: HeadRules,
): boolean {
  return (opcode < 8 || length > 125) &&
    (length > rules.maxFrameBytes ||
      messageBytes + length > rules.maxMessageBytes);
}

/**
 * The rule that the last of the first `have` bytes of a head decides, in this
 * order: reserved bits, opcode, FIN on control, continuation state (byte 1);
 * mask direction, control length (byte 2); form of the length, limits.
 *
 * @param inMessage Whether a fragmented message has begun and not ended
 * @param messageBytes How many bytes its frames have announced
 */
export function judge(
  head: Uint8Array,
  have: number,
  inMessage: boolean,
  messageBytes: number,
  rules: HeadRules,
): Failure | undefined {
  if (have === 1) return judgeFirst(head[0], inMessage, rules);
  const opcode = head[0] & 15;
  const end = lengthEnd(head[1]);
  if (have === 2) {
    const masked = head[1] >= 0x80;
    if (rules.masked === false && masked) {
      return violation("masked-frame", "Received a masked frame from a server");
    }
    if (rules.masked === true && !masked) {
      return violation(
        "unmasked-frame",
        "Received a frame from a client that is not masked",
      );
    }
    if (rules.control && isControl(opcode) && end > 2) {
      return violation(
        "control-length",
        "Received a control frame with more than 125 bytes of payload",
      );
    }
    if (end > 2) return undefined;
  } else if (have > end) {
    return undefined;
  }
  if (have === 3 && end === 10 && head[2] >= 0x80) {
    return violation(
      "length-form",
      "Received a length of 64 bits with its top bit set",
    );
  }
  // What the length is at least, the bytes to come being zero.
  const least = readLength(head, have) * 256 ** (end - have);
  // Six zeros in front of the last two bytes of ten say enough.
  const padded = end === 4 && have === 4 && least < 126 ||
    end === 10 && have === 8 && least === 0;
  if (padded && rules.shortestLength) {
    return violation(
      "length-form",
      "Received a length that is not in its shortest form",
    );
  }
  if (!isOver(opcode, least, messageBytes, rules)) return undefined;
  const total = messageBytes + least;
  return total > rules.maxMessageBytes
    ? tooLong("message", total, rules.maxMessageBytes)
    : tooLong("frame", least, rules.maxFrameBytes);
}

/** The failure of what is longer than a limit allows. */
export function tooLong(
  what: "frame" | "message",
  length: number,
  limit: number,
): Failure {
  return {
    rule: `${what}-limit`,
    code: 1009,
    message:
      `Received a ${what} of at least ${length} bytes: the limit is ${limit}`,
  };
}

/** Where the length ends in a head with this second byte. */
export function lengthEnd(second: number): number {
  const length = second & 0x7f;
  return length === 127 ? 10 : length === 126 ? 4 : 2;
}

/** The number that the bytes of a length up to `end` make. */
export function readLength(head: Uint8Array, end: number): number {
  if (end === 2) return head[1] & 0x7f;
  let length = 0;
  for (let i = 2; i < end; i++) length = length * 256 + head[i];
  return length;
}

/**
 * A limit that a caller gave, in bytes. Lengths over 2^53-1 are always over.
 *
 * @throws {RangeError} If it is not a whole number from 0 on, or `Infinity`
 */
export function limit(name: string, bytes: number): number {
  if (bytes === Infinity) return Number.MAX_SAFE_INTEGER;
  if (!Number.isSafeInteger(bytes) || bytes < 0) {
    throw new RangeError(
      `Cannot use ${bytes} as ${name}: a whole number of bytes or Infinity is needed`,
    );
  }
  return bytes;
}
