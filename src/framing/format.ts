// One readable line for a frame, for logs and for those who debug.

import type { Frame, FrameInit } from "./frame.ts";
import { isControl, Opcode, STANDARD_OPCODES } from "./opcode.ts";
import { isValid, Utf8Validator } from "./utf8.ts";

/** How many characters of a payload a line shows. */
const SHOWN = 60;

/** Options for {@linkcode formatFrame}. */
export interface FormatFrameOptions {
  /** Names for opcodes of one's own, as given to the connection. */
  opcodes?: { readonly [name: string]: number } | undefined;
}

/**
 * One line for one frame: its opcode, its flags where they are not the usual
 * ones, its length in bytes, and its payload, elided in the middle where it is
 * long. Control characters are escaped, so a line is always one line.
 *
 * @param frame The frame
 * @param options Names for opcodes of one's own
 * @returns The line, without an end of line
 *
 * @example Text, a fragment, a close
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formatFrame, Opcode } from "@noio/ws";
 *
 * const payload = new TextEncoder().encode("hello");
 * assertEquals(formatFrame({ opcode: Opcode.TEXT, payload }), 'text 5 B "hello"');
 * assertEquals(
 *   formatFrame({ opcode: Opcode.BINARY, fin: false, payload }),
 *   "binary more 5 B 68 65 6c 6c 6f",
 * );
 * assertEquals(
 *   formatFrame({ opcode: Opcode.CLOSE, payload: new Uint8Array([0x03, 0xe8]) }),
 *   'close 2 B 1000 ""',
 * );
 * ```
 */
export function formatFrame(
  frame: Frame | FrameInit,
  options: FormatFrameOptions = {},
): string {
  const { opcode, fin = true, reserved, payload = new Uint8Array(0) } = frame;
  const parts = [nameOf(opcode, options.opcodes)];
  if (!fin) parts.push("more");
  reserved?.forEach((bit, i) => {
    if (bit === 1) parts.push(`rsv${i + 1}`);
  });
  parts.push(`${payload.length} B`);
  if (opcode === Opcode.CLOSE && payload.length >= 2) {
    parts.push(String(payload[0] << 8 | payload[1]), show(payload.subarray(2)));
  } else if (payload.length > 0) {
    // A close payload of one byte is half a code, not text.
    const binary = opcode === Opcode.BINARY || opcode === Opcode.CLOSE ||
      reserved !== undefined && reserved.includes(1);
    parts.push(binary ? hex(payload) : show(payload));
  }
  return parts.join(" ");
}

function nameOf(
  opcode: number,
  opcodes: FormatFrameOptions["opcodes"],
): string {
  const custom = opcodes === undefined
    ? undefined
    : Object.entries(opcodes).find(([, number]) => number === opcode);
  if (custom !== undefined) return quote(custom[0]).slice(1, -1);
  return STANDARD_OPCODES.names[opcode] ??
    `${isControl(opcode) ? "control" : "data"} ${opcode}`;
}

// A BOM is content.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Quoted where it is text, hexadecimal where it is not. */
function show(payload: Uint8Array): string {
  if (payload.length <= 4 * SHOWN) {
    if (!isValid(payload, 0, payload.length)) return hex(payload);
    return quote(elide(decoder.decode(payload), ""));
  }
  // Of a long payload only the two ends are looked at, cut at code points.
  const head = payload.subarray(0, 4 * SHOWN);
  const tail = payload.subarray(-4 * SHOWN);
  const end = tail.subarray(tail.findIndex(isBoundary));
  const validator = new Utf8Validator();
  if (
    validator.check(head, 0, head.length) !== -1 ||
    !isValid(end, 0, end.length)
  ) return hex(payload);
  const start = head.subarray(0, head.length - validator.pending);
  return quote(elide(decoder.decode(start), decoder.decode(end)));
}

function isBoundary(byte: number): boolean {
  return (byte & 0xc0) !== 0x80;
}

function elide(start: string, end: string): string {
  const points = Array.from(start);
  const last = Array.from(end);
  if (last.length === 0 && points.length <= SHOWN) return start;
  const rest = last.length === 0 ? points : last;
  return points.slice(0, SHOWN - 20).join("") + " ... " +
    rest.slice(-15).join("");
}

function quote(text: string): string {
  // JSON escapes what lies below U+0020; DEL, C1 and the two separators of
  // lines are ours to escape, and so are the marks that turn the direction or
  // are not seen.
  return JSON.stringify(text).replace(
    /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"),
  );
}

function hex(payload: Uint8Array): string {
  const digits = (part: Uint8Array) =>
    Array.from(part, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const shown = SHOWN / 3;
  if (payload.length <= shown) return digits(payload);
  return digits(payload.subarray(0, shown - 4)) + " ... " +
    digits(payload.subarray(-4));
}
