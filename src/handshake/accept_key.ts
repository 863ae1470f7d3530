// `Sec-WebSocket-Key` and `Sec-WebSocket-Accept` (RFC 6455, sections 4.1 and
// 4.2.2). The answer is needed synchronously, and `crypto.subtle` is not: hence
// a SHA-1 of our own (RFC 3174). It proves that the peer speaks WebSocket, and
// guards no secret.

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/**
 * Computes the value of `Sec-WebSocket-Accept` that answers a
 * `Sec-WebSocket-Key` (RFC 6455, section 4.2.2).
 *
 * {@linkcode ClientHandshake} and {@linkcode ServerHandshake} do this already.
 *
 * @param key The value of `Sec-WebSocket-Key`, as it was sent
 * @returns The base64 of the SHA-1 of the key and the protocol's GUID
 *
 * @example The key of the RFC
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { acceptKey } from "@noio/ws/handshake";
 *
 * assertEquals(acceptKey("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
 * ```
 */
export function acceptKey(key: string): string {
  return base64(sha1(new TextEncoder().encode(key + GUID)));
}

/**
 * Makes a `Sec-WebSocket-Key`: the base64 of 16 bytes that `random` has filled
 * (RFC 6455, section 4.1).
 */
export function generateKey(
  random: (bytes: Uint8Array<ArrayBuffer>) => unknown,
): string {
  const bytes = new Uint8Array(16);
  random(bytes);
  return base64(bytes);
}

/** The base64 of some few bytes. */
export function base64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/**
 * Whether a text is the base64 of 16 bytes in its one canonical form: 22
 * characters, the last with its 4 surplus bits 0, and the padding.
 */
export function isKey(text: string): boolean {
  if (text.length !== 24 || !text.endsWith("==")) return false;
  for (let i = 0; i < 22; i++) {
    if (!isBase64Code(text.charCodeAt(i))) return false;
  }
  return "AQgw".includes(text[21]);
}

function isBase64Code(code: number): boolean {
  return code >= 0x61 && code <= 0x7a || code >= 0x41 && code <= 0x5a ||
    code >= 0x30 && code <= 0x39 || code === 0x2b || code === 0x2f;
}

/** The SHA-1 of some bytes (RFC 3174, section 6.1). */
export function sha1(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  // The message, a bit 1, zeros, and the length in bits: whole blocks of 64.
  const padded = new Uint8Array((bytes.length + 9 + 63) & ~63);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const words = new DataView(padded.buffer);
  words.setBigUint64(padded.length - 8, BigInt(bytes.length) * 8n);

  const schedule = new Uint32Array(80);
  let h0 = 0x67452301;
  let h1 = 0xefcdab89;
  let h2 = 0x98badcfe;
  let h3 = 0x10325476;
  let h4 = 0xc3d2e1f0;

  for (let block = 0; block < padded.length; block += 64) {
    for (let i = 0; i < 16; i++) schedule[i] = words.getUint32(block + i * 4);
    for (let i = 16; i < 80; i++) {
      schedule[i] = rotateLeft(
        schedule[i - 3] ^ schedule[i - 8] ^ schedule[i - 14] ^ schedule[i - 16],
        1,
      );
    }

    let a = h0;
    let b = h1;
    let c = h2;
    let d = h3;
    let e = h4;
    for (let i = 0; i < 80; i++) {
      const mixed = i < 20
        ? (b & c | ~b & d) + 0x5a827999
        : i < 40
        ? (b ^ c ^ d) + 0x6ed9eba1
        : i < 60
        ? (b & c | b & d | c & d) + 0x8f1bbcdc
        : (b ^ c ^ d) + 0xca62c1d6;
      const next = (rotateLeft(a, 5) + mixed + e + schedule[i]) | 0;
      e = d;
      d = c;
      c = rotateLeft(b, 30);
      b = a;
      a = next;
    }
    h0 = (h0 + a) | 0;
    h1 = (h1 + b) | 0;
    h2 = (h2 + c) | 0;
    h3 = (h3 + d) | 0;
    h4 = (h4 + e) | 0;
  }

  const digest = new DataView(new ArrayBuffer(20));
  [h0, h1, h2, h3, h4].forEach((word, i) => digest.setInt32(i * 4, word));
  return new Uint8Array(digest.buffer);
}

function rotateLeft(word: number, count: number): number {
  return word << count | word >>> (32 - count);
}
