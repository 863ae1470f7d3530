// A certificate for 127.0.0.1 and localhost, and the authority that has signed it:
// as much of X.509 (RFC 5280) as a test needs.

import { concat } from "@std/bytes";

const DAY = 86_400_000;
const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** What a server and its clients need; all in PEM. */
export interface Certificate {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** One element of DER: its tag, and what is in it. */
function der(tag: number, ...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const content = concat(parts);
  const { length } = content;
  const head = length < 128
    ? [tag, length]
    : length < 256
    ? [tag, 0x81, length]
    : [tag, 0x82, length >> 8, length & 255];
  return concat([Uint8Array.from(head), content]);
}

const text = (string: string) => new TextEncoder().encode(string);
const sequence = (...parts: Uint8Array[]) => der(0x30, ...parts);
const oid = (hex: string) => der(0x06, Uint8Array.fromHex(hex));
const octets = (...parts: Uint8Array[]) => der(0x04, ...parts);
const bits = (bytes: Uint8Array) => der(0x03, Uint8Array.of(0), bytes);
const TRUE = der(0x01, Uint8Array.of(0xff));

/** A whole number of 32 bytes, which is not to look negative. */
function integer(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const from = bytes.findIndex((byte) => byte !== 0);
  const short = bytes.slice(Math.max(from, 0));
  return der(0x02, short[0] > 127 ? concat([Uint8Array.of(0), short]) : short);
}

function name(commonName: string): Uint8Array<ArrayBuffer> {
  const value = der(0x0c, text(commonName));
  return sequence(der(0x31, sequence(oid("550403"), value)));
}

function time(date: number): Uint8Array<ArrayBuffer> {
  const digits = new Date(date).toISOString().replace(/[-:T]|\.\d+/g, "");
  return der(0x18, text(digits));
}

function pem(label: string, bytes: Uint8Array): string {
  const lines = bytes.toBase64().match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${
    lines.join("\n")
  }\n-----END ${label}-----\n`;
}

const exported = async (format: "spki" | "pkcs8", key: CryptoKey) =>
  new Uint8Array(await crypto.subtle.exportKey(format, key));

/** A certificate, signed. */
async function sign(
  subject: string,
  publicKey: CryptoKey,
  issuer: string,
  issuerKey: CryptoKey,
  extensions: Uint8Array,
): Promise<string> {
  const algorithm = sequence(oid("2a8648ce3d040302"));
  const now = Date.now();
  const signed = sequence(
    der(0xa0, integer(Uint8Array.of(2))), // version 3
    integer(crypto.getRandomValues(new Uint8Array(8))),
    algorithm,
    name(issuer),
    sequence(time(now - DAY), time(now + DAY)),
    name(subject),
    await exported("spki", publicKey),
    der(0xa3, extensions),
  );
  const raw = new Uint8Array(
    await crypto.subtle.sign(ECDSA, issuerKey, signed),
  );
  const signature = sequence(
    integer(raw.subarray(0, 32)),
    integer(raw.subarray(32)),
  );
  return pem("CERTIFICATE", sequence(signed, algorithm, bits(signature)));
}

/** Makes a certificate that is good for a day. */
export async function makeCertificate(): Promise<Certificate> {
  const generate = () =>
    crypto.subtle.generateKey(ECDSA, true, ["sign", "verify"]);
  const [authority, server] = await Promise.all([generate(), generate()]);
  const isAuthority = sequence(oid("551d13"), TRUE, octets(sequence(TRUE)));
  const names = sequence(
    oid("551d11"),
    octets(sequence(
      der(0x82, text("localhost")),
      der(0x87, Uint8Array.of(127, 0, 0, 1)),
    )),
  );
  const { privateKey } = authority;
  return {
    ca: await sign(
      "Test authority",
      authority.publicKey,
      "Test authority",
      privateKey,
      sequence(isAuthority),
    ),
    cert: await sign(
      "localhost",
      server.publicKey,
      "Test authority",
      privateKey,
      sequence(names),
    ),
    key: pem("PRIVATE KEY", await exported("pkcs8", server.privateKey)),
  };
}
