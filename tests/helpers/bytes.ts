// Bytes as tests write them down.

/** The bytes of hexadecimal digits; white space is only for the reader. */
export function hex(digits: string): Uint8Array<ArrayBuffer> {
  const bare = digits.replace(/\s+/g, "");
  if (!/^([0-9a-f]{2})*$/i.test(bare)) {
    throw new TypeError(`Cannot read "${digits}" as hexadecimal bytes`);
  }
  const bytes = new Uint8Array(bare.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = Number.parseInt(bare.slice(2 * i, 2 * i + 2), 16);
  }
  return bytes;
}

/** The hexadecimal digits of bytes, two each, with spaces between: what `hex` reads. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"))
    .join(" ");
}

/** The UTF-8 of a text. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** Several bytes in one piece. */
export function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A payload of a length, in which no two neighbours are the same. */
export function payloadOf(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = i * 7 + (i >>> 8);
  return bytes;
}

/** Masks or unmasks a copy, one byte after the other (RFC 6455, section 5.3). */
export function masked(
  payload: Uint8Array,
  key: Uint8Array,
  offset = 0,
): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(
    payload,
    (byte, i) => byte ^ key[(i + offset) % 4],
  );
}
