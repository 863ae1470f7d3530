// Frames as bytes: the same whichever way they are encoded, and where they are
// written. What may be sent, and when, is in `sender_test.ts`.
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { BY_HAND, Encoder } from "../../src/connection/encoder.ts";
import { encodeFrame } from "../../src/framing/frame.ts";
import { KeyPool } from "../../src/framing/keys.ts";
import { concat, payloadOf, utf8 } from "../helpers/bytes.ts";
import { KEY } from "../helpers/events.ts";

const FIRST = 0x82;

const WAYS = [
  ["masked", () => new Encoder(new KeyPool((bytes) => fill(bytes)))],
  ["unmasked", () => new Encoder(undefined)],
] as const;

/** Makes every key that of RFC 6455, section 5.7. */
function fill(bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i++) bytes[i] = KEY[i % 4];
}

/** Texts of so many units whose code points take one to four bytes. */
function textsOf(length: number): string[] {
  const texts = ["a", "\u00e9", "\u20ac"].map((unit) => unit.repeat(length));
  if (length < 2) return texts;
  return [
    ...texts,
    "\u{1f30d}".repeat(length >> 1) + (length % 2 === 1 ? "a" : ""),
    `${"a".repeat(length - 1)}\u20ac`,
    `\u20ac${"a".repeat(length - 1)}`,
  ];
}

const LENGTHS = [
  ...[0, 1, 2, 3, 4, 31, 32, 33, 41, 42, 62, 63, 64, 65, 124, 125, 126, 127],
  ...[1000, 1300, 1301, 1357, 1358, 4080, 4096, 21_845, 65_535, 65_536, 70_000],
];

for (const [name, make] of WAYS) {
  const key = name === "masked" ? KEY : undefined;
  const frame = (payload: Uint8Array) =>
    encodeFrame({ opcode: 2, payload }, key);

  Deno.test(`Encoder encodes bytes of every form of length, ${name}`, () => {
    for (const length of LENGTHS) {
      const payload = payloadOf(length);
      assertEquals(make().bytes(FIRST, payload), frame(payload));
      if (length > BY_HAND) continue;
      assertEquals(make().shortBytes(FIRST, payload), frame(payload));
    }
  });

  Deno.test(`Encoder encodes text of every form of length, ${name}`, () => {
    for (const text of LENGTHS.flatMap(textsOf)) {
      assertEquals(make().text(FIRST, text), frame(utf8(text)));
    }
  });

  Deno.test(`Encoder.shortText() encodes ASCII and nothing else, ${name}`, () => {
    for (let length = 0; length <= BY_HAND; length++) {
      const ascii = "\x7f".repeat(length);
      assertEquals(make().shortText(FIRST, ascii), frame(utf8(ascii)));
      for (let at = 0; at < length; at++) {
        const other = `${ascii.slice(0, at)}\x80${ascii.slice(at + 1)}`;
        assertEquals(make().shortText(FIRST, other), undefined);
      }
    }
  });

  Deno.test(`Encoder.join() puts frames one behind the other, ${name}`, () => {
    const payloads = [
      ...[payloadOf(3), "Hi", "", payloadOf(0), "\u20ac".repeat(42)],
      ...[payloadOf(70_000), "\u00e9".repeat(1300), "a".repeat(1301)],
    ];
    assertEquals(
      make().join(payloads.map((payload) => ({ first: FIRST, payload }))),
      concat(
        ...payloads.map((payload) =>
          frame(typeof payload === "string" ? utf8(payload) : payload)
        ),
      ),
    );
    assertEquals(make().join([]).length, 0);
  });

  Deno.test(`Encoder.within() has frames written to a buffer while there is room, ${name}`, () => {
    const encoder = make();
    const buffer = new Uint8Array(300);
    const into = buffer.subarray(10, 200);
    const writes = [
      () => encoder.shortBytes(FIRST, payloadOf(20)),
      () => encoder.shortText(FIRST, "twenty units of text") ?? buffer,
      () => encoder.bytes(FIRST, payloadOf(100)),
      () => encoder.text(FIRST, "twenty units of text"),
      () => encoder.join([{ first: FIRST, payload: payloadOf(100) }]),
    ];
    for (const write of writes) {
      buffer.fill(0xee);
      const own = write();
      assert(own.buffer !== buffer.buffer);
      assert(!encoder.hasRoom);
      const [bytes, next] = encoder.within(into, () => {
        assert(encoder.hasRoom);
        const first = write();
        // Work within work is apart.
        assertEquals(encoder.within(undefined, write), own);
        return [first, write()];
      });
      assert(!encoder.hasRoom);
      assertStrictEquals(bytes.buffer, buffer.buffer);
      assertEquals(bytes.byteOffset, 10);
      assertEquals(bytes, own);
      // The next one goes behind it, as long as it fits.
      const fits = 10 + 2 * bytes.length + 30 <= 200;
      if (fits) assertEquals(next.byteOffset, 10 + bytes.length);
      assertEquals(next, own);
      assert(buffer.subarray(0, 10).every((byte) => byte === 0xee));
      assert(buffer.subarray(200).every((byte) => byte === 0xee));
    }
  });
}

Deno.test("Encoder takes a fresh key for each frame", () => {
  let next = 0;
  const encoder = new Encoder(
    new KeyPool((bytes) => {
      for (let i = 0; i < bytes.length; i++) bytes[i] = next++;
    }, 4),
  );
  const keys = [
    encoder.shortBytes(FIRST, payloadOf(1)),
    encoder.shortText(FIRST, "a") ?? new Uint8Array(0),
    encoder.bytes(FIRST, payloadOf(40)),
    encoder.text(FIRST, "a"),
    encoder.join([{ first: FIRST, payload: "" }]),
  ].map((bytes) => Array.from(bytes.subarray(2, 6)));
  assertEquals(keys, [
    [0, 1, 2, 3],
    [4, 5, 6, 7],
    [8, 9, 10, 11],
    [12, 13, 14, 15],
    [16, 17, 18, 19],
  ]);
});
