// Close frames: their codes and their payload (RFC 6455, sections 5.5.1, 7.4).

import { decodeText } from "../framing/utf8.ts";
import type { Failure } from "../framing/failure.ts";

/** The longest payload of a control frame (section 5.5). */
export const MAX_CONTROL_BYTES = 125;

/** The longest reason: that less two bytes for the code. */
export const MAX_REASON_BYTES: number = MAX_CONTROL_BYTES - 2;

/** The close code of those who saw the stream end: never on the wire. */
export const ABNORMAL_CLOSURE = 1006;

/**
 * Whether a close code may be on the wire: 1000 to 1003 and 1007 to 1014, which
 * are registered, and 3000 to 4999, which are for libraries and applications
 * (RFC 6455, section 7.4, and the registry it set up).
 */
export function isWireCode(code: number): boolean {
  return Number.isInteger(code) &&
    (code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 ||
      code >= 3000 && code <= 4999);
}

/** What a close frame says. */
export interface CloseInfo {
  /** The close code, `undefined` where the frame had none. */
  readonly statusCode: number | undefined;
  /** The reason, `""` where the frame had none. */
  readonly message: string;
}

/** What the payload of a close frame says, or the rule that it breaks. */
export function parseClose(
  bytes: Uint8Array<ArrayBuffer>,
): CloseInfo | Failure {
  if (bytes.length === 0) return { statusCode: undefined, message: "" };
  if (bytes.length === 1) {
    return {
      rule: "close-length",
      code: 1002,
      message: "Received a close frame with a payload of 1 byte",
    };
  }
  const statusCode = bytes[0] << 8 | bytes[1];
  if (!isWireCode(statusCode)) {
    return {
      rule: "close-code",
      code: 1002,
      message:
        `Received a close frame with the code ${statusCode}, which may not be sent`,
    };
  }
  const message = decodeText(bytes, 2, bytes.length);
  if (typeof message !== "string") {
    return {
      rule: "utf-8",
      code: 1007,
      message: "Received a close frame whose reason is not UTF-8",
    };
  }
  return { statusCode, message };
}

const encoder = new TextEncoder();

/** The payload of a close frame. Of a longer reason the beginning is kept. */
export function closePayload(
  statusCode: number | undefined,
  reason: string,
): Uint8Array<ArrayBuffer> {
  if (statusCode === undefined) return new Uint8Array(0);
  const payload = new Uint8Array(2 + MAX_REASON_BYTES);
  payload[0] = statusCode >> 8;
  payload[1] = statusCode;
  // `encodeInto` never writes a part of a code point.
  const { written } = encoder.encodeInto(reason, payload.subarray(2));
  return payload.subarray(0, 2 + written);
}
