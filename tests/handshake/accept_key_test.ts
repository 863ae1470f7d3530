// The key, and the proof of our own SHA-1 against the engine's.
import { assert, assertEquals } from "@std/assert";
import {
  acceptKey,
  base64,
  generateKey,
  isKey,
  sha1,
} from "../../src/handshake/accept_key.ts";
import { random } from "./helpers.ts";

Deno.test("acceptKey() answers the key of RFC 6455, section 1.3", () => {
  assertEquals(
    acceptKey("dGhlIHNhbXBsZSBub25jZQ=="),
    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
  );
});

Deno.test("sha1() is that of crypto.subtle at every length from 0 to 300", async () => {
  const next = random(1);
  for (let length = 0; length <= 300; length++) {
    const input = Uint8Array.from({ length }, () => next() * 256);
    const expected = new Uint8Array(await crypto.subtle.digest("SHA-1", input));
    assertEquals(sha1(input), expected, `at ${length} bytes`);
  }
});

Deno.test("sha1() is that of crypto.subtle when all bits are set, and over long inputs", async () => {
  for (const length of [55, 56, 63, 64, 119, 120, 4096, 100_001]) {
    const input = new Uint8Array(length).fill(0xff);
    const expected = new Uint8Array(await crypto.subtle.digest("SHA-1", input));
    assertEquals(sha1(input), expected, `at ${length} bytes`);
  }
});

Deno.test("generateKey() encodes 16 bytes of the given randomness", () => {
  const key = generateKey((bytes) => {
    assertEquals(bytes.length, 16);
    bytes.set(new TextEncoder().encode("the sample nonce"));
  });
  assertEquals(key, "dGhlIHNhbXBsZSBub25jZQ==");
  assert(isKey(key));
});

Deno.test("base64() encodes every byte", () => {
  assertEquals(base64(new Uint8Array(0)), "");
  assertEquals(base64(Uint8Array.of(0, 255, 254)), "AP/+");
});

Deno.test("isKey() takes the canonical base64 of 16 bytes and nothing else", () => {
  const next = random(2);
  for (let round = 0; round < 200; round++) {
    assert(
      isKey(
        generateKey((bytes) =>
          bytes.forEach((_, i) => bytes[i] = next() * 256)
        ),
      ),
    );
  }
  assert(isKey("AAAAAAAAAAAAAAAAAAAAAA=="));
  assert(isKey("//////////////////////w==".slice(1)));
  for (
    const key of [
      "",
      "dGhlIHNhbXBsZSBub25jZQ",
      "dGhlIHNhbXBsZSBub25jZQ=",
      "dGhlIHNhbXBsZSBub25jZQ= ",
      "dGhlIHNhbXBsZSBub25jZR==", // surplus bits that are not 0
      "dGhlIHNhbXBsZSBub25jZW==",
      "dGhlIHNhbXBsZSBub25jZWE=", // 17 bytes
      "dGhlIHNhbXBsZSBub25j", // 15 bytes
      "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
      "dGhlIHNhbXBs ZSBub25jZQ==",
      "dGhlIHNhbXBsZSBub2-_ZQ==", // the alphabet of URLs
      "dGhlIHNhbXBsZSBub2\0jZQ==",
      "dGhlIHNhbXBsZSBub2=jZQ==",
      "dGhlIHNhbXBsZSBub2äjZQ==",
      "=======================",
      "========================",
    ]
  ) assertEquals(isKey(key), false, key);
});
