// Masking is XOR with four bytes in turn (RFC 6455, section 5.3). The fast ways
// of doing it are proved against a loop over bytes.
import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { Buffer } from "node:buffer";
import { runInNewContext } from "node:vm";
import * as fc from "fast-check";
import {
  mask,
  maskKey,
  packKey,
  rotate,
  wordBase,
  WORDS_FROM,
  wordsOver,
  xorBytes,
  xorData,
  xorWhole,
  xorWords,
} from "../../src/framing/mask.ts";
import { hex, masked, payloadOf, toHex, utf8 } from "../helpers/bytes.ts";

const KEY = hex("37 fa 21 3d");

/** The definition: octet i is XORed with octet i mod 4 of the key. */
function naive(
  bytes: Uint8Array,
  from: number,
  to: number,
  key: Uint8Array,
  offset: number,
): void {
  for (let i = from; i < to; i++) {
    bytes[i] = bytes[i] ^ key[(i - from + offset) % 4];
  }
}

/** Compares without a diff, of which there would be many thousands. */
function assertSame(actual: Uint8Array, expected: Uint8Array, what: string) {
  let same = actual.length === expected.length;
  for (let i = 0; same && i < actual.length; i++) {
    same = actual[i] === expected[i];
  }
  assert(same, `${what}: ${toHex(actual)} instead of ${toHex(expected)}`);
}

Deno.test('mask() makes the masked "Hello" of RFC 6455, section 5.7', () => {
  assertEquals(mask(utf8("Hello"), KEY), hex("7f 9f 4d 51 58"));
});

Deno.test("mask() changes the bytes in place and returns the same object", () => {
  const bytes = utf8("Hello");
  assertStrictEquals(mask(bytes, KEY), bytes);
  assertEquals(bytes, hex("7f 9f 4d 51 58"));
  assertEquals(KEY, hex("37 fa 21 3d"));
});

Deno.test("mask() undoes itself", () => {
  fc.assert(fc.property(
    fc.uint8Array({ maxLength: 300 }),
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.maxSafeNat(),
    (bytes, key, offset) => {
      const once = mask(new Uint8Array(bytes), key, offset);
      assertEquals(mask(once, key, offset), bytes);
    },
  ));
});

Deno.test("mask() does as a byte loop does at every length, offset and alignment", () => {
  // The room around the range has to stay as it was.
  const room = payloadOf(16 + 300 + 16);
  for (let length = 0; length <= 300; length++) {
    for (let at = 0; at < 16; at++) {
      for (let offset = 0; offset < 4; offset++) {
        const expected = new Uint8Array(room);
        naive(expected, at, at + length, KEY, offset);
        const actual = new Uint8Array(room);
        mask(actual.subarray(at, at + length), KEY, offset);
        assertSame(actual, expected, `${length} bytes at ${at}`);
      }
    }
  }
});

Deno.test("mask() does as a byte loop does at large offsets", () => {
  const offsets = [
    2 ** 31 - 1,
    2 ** 31,
    2 ** 31 + 1,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 32 + 3,
    Number.MAX_SAFE_INTEGER - 1,
    Number.MAX_SAFE_INTEGER,
  ];
  for (const offset of offsets) {
    for (const length of [1, 5, 63, 64, 65, 200]) {
      const expected = masked(payloadOf(length), KEY, offset % 4);
      assertSame(mask(payloadOf(length), KEY, offset), expected, `${offset}`);
    }
  }
});

Deno.test("mask() in parts is mask() of the whole, wherever it is parted", () => {
  const whole = toHex(mask(payloadOf(200), KEY));
  for (let cut = 0; cut <= 200; cut++) {
    const bytes = payloadOf(200);
    mask(bytes.subarray(cut), KEY, cut);
    mask(bytes.subarray(0, cut), KEY);
    assertEquals(toHex(bytes), whole);
  }
});

Deno.test("mask() leaves bytes as they are when the key is zero", () => {
  assertEquals(mask(payloadOf(200), new Uint8Array(4)), payloadOf(200));
});

Deno.test("mask() uses every bit of the key", () => {
  for (
    const key of ["ff ff ff ff", "80 00 00 00", "00 00 00 80", "fe dc ba 98"]
  ) {
    for (const length of [7, 100]) {
      const expected = masked(payloadOf(length), hex(key));
      assertEquals(mask(payloadOf(length), hex(key)), expected);
    }
  }
});

Deno.test("mask() takes a Buffer of Node, and only its own part of the pool", () => {
  const pool = Buffer.from(payloadOf(300));
  const buffer = pool.subarray(5, 205);
  assertStrictEquals(mask(buffer, KEY), buffer);
  const expected = payloadOf(300);
  naive(expected, 5, 205, KEY, 0);
  assertSame(pool, expected, "Buffer");
});

Deno.test("mask() takes shared memory", () => {
  for (const length of [10, 200]) {
    const bytes = new Uint8Array(new SharedArrayBuffer(length + 8), 3, length);
    bytes.set(payloadOf(length));
    mask(bytes, KEY, 1);
    assertSame(bytes, masked(payloadOf(length), KEY, 1), `${length} bytes`);
  }
});

Deno.test("mask() takes bytes of another realm", () => {
  const bytes: Uint8Array = runInNewContext("new Uint8Array(200)");
  bytes.set(payloadOf(200));
  mask(bytes, KEY);
  assertSame(bytes, masked(payloadOf(200), KEY), "foreign");
});

Deno.test("mask() takes a key that is a part of a buffer", () => {
  const key = hex("00 37 fa 21 3d 00").subarray(1, 5);
  assertEquals(mask(utf8("Hello"), key), hex("7f 9f 4d 51 58"));
});

Deno.test("mask() throws when the key is not four bytes, and changes nothing", () => {
  for (const length of [0, 1, 3, 5, 8]) {
    const bytes = utf8("Hello");
    assertThrows(
      () => mask(bytes, new Uint8Array(length).fill(1)),
      RangeError,
      `Cannot mask with a key of ${length} bytes: a masking key has 4`,
    );
    assertEquals(bytes, utf8("Hello"));
  }
});

Deno.test("mask() throws when the offset is not a whole number from 0 on", () => {
  for (const offset of [-1, 0.5, NaN, Infinity, -Infinity, 2 ** 53]) {
    const bytes = utf8("Hello");
    assertThrows(
      () => mask(bytes, KEY, offset),
      RangeError,
      `Cannot mask at the offset ${offset}`,
    );
    assertEquals(bytes, utf8("Hello"));
  }
});

Deno.test("packKey() makes one number of four bytes, lowest first", () => {
  assertEquals(packKey(hex("01 02 03 04"), 0), 0x04030201);
  assertEquals(packKey(hex("00 37 fa 21 3d"), 1), 0x3d21fa37);
  assertEquals(packKey(hex("ff ff ff ff"), 0) >>> 0, 0xffffffff);
});

Deno.test("maskKey() is the same, for a key that a caller gave", () => {
  assertEquals(maskKey(hex("37 fa 21 3d")), 0x3d21fa37);
  assertThrows(() => maskKey(hex("37 fa 21")), RangeError);
});

Deno.test("rotate() turns a key to the next byte of the payload", () => {
  const turned = [0, 1, 2, 3, 4, 5].map((count) =>
    rotate(0x3d21fa37, count) >>> 0
  );
  assertEquals(turned, [
    0x3d21fa37,
    0x373d21fa,
    0xfa373d21,
    0x21fa373d,
    0x3d21fa37,
    0x373d21fa,
  ]);
  assertEquals(rotate(0x3d21fa37, 2 ** 40 + 1) >>> 0, 0x373d21fa);
});

Deno.test("rotate() keeps keys with the top bit set", () => {
  assertEquals(rotate(0xff000080 | 0, 1) >>> 0, 0x80ff0000);
  assertEquals(rotate(0xff000080 | 0, 3) >>> 0, 0x000080ff);
});

Deno.test("wordBase() and wordsOver() find the aligned words within bytes", () => {
  const buffer = new ArrayBuffer(64);
  for (let offset = 0; offset <= 24; offset++) {
    for (let length = 0; length <= 40; length++) {
      const bytes = new Uint8Array(buffer, offset, length);
      const base = wordBase(bytes);
      assertEquals((offset + base) % 8, 0);
      assert(base >= 0 && base < 8);
      const words = wordsOver(bytes);
      assertStrictEquals(words.buffer, buffer);
      assertEquals(words.length, Math.max(0, Math.floor((length - base) / 8)));
      if (words.length > 0) assertEquals(words.byteOffset, offset + base);
    }
  }
});

Deno.test("xorBytes(), xorData() and xorWords() change a range and nothing else", () => {
  const room = payloadOf(120);
  const key = packKey(KEY, 0);
  for (let start = 0; start < 8; start++) {
    for (let from = 0; from <= 20; from++) {
      for (let to = from; to <= 100; to++) {
        const expected = new Uint8Array(room);
        naive(expected, start + from, start + to, KEY, 0);

        const byBytes = new Uint8Array(room);
        xorBytes(byBytes.subarray(start), from, to, key);
        assertSame(byBytes, expected, `xorBytes ${start} ${from} ${to}`);

        const byData = new Uint8Array(room);
        const range = byData.subarray(start);
        const data = new DataView(byData.buffer, start);
        xorData(data, range, from, to, key);
        assertSame(byData, expected, `xorData ${start} ${from} ${to}`);

        const byWords = new Uint8Array(room);
        const part = byWords.subarray(start);
        xorWords(part, wordsOver(part), wordBase(part), from, to, key);
        assertSame(byWords, expected, `xorWords ${start} ${from} ${to}`);
      }
    }
  }
});

Deno.test("xorWhole() masks both halves of a long range, and what is left over", () => {
  for (const count of [255, 256, 257, 263, 264, 271, 272, 1000]) {
    for (const from of [0, 1, 5]) {
      const bytes = payloadOf(8 * (count + from + 2));
      const expected = bytes.slice();
      naive(expected, 8 * from, 8 * (from + count), KEY, 0);
      xorWhole(wordsOver(bytes), from, from + count, packKey(KEY, 0));
      assertSame(bytes, expected, `${count} from ${from}`);
    }
  }
});

Deno.test("xorWords() and mask() go on where words can no longer be numbered", () => {
  // Only the pages that are touched take memory.
  const bytes = new Uint8Array(2 ** 32 + 256);
  const from = 2 ** 32 + 3;
  xorWords(bytes, wordsOver(bytes), 0, from, from + 100, packKey(KEY, 0));
  const expected = new Uint8Array(100);
  naive(expected, 0, 100, KEY, 0);
  assertEquals(bytes.slice(from, from + 100), expected);
  assertEquals(bytes.slice(0, 200), new Uint8Array(200));
  assertEquals(bytes.slice(from + 100), new Uint8Array(153));
});

Deno.test("WORDS_FROM is 64 where a word has its lowest byte first", () => {
  const little = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
  assertEquals(WORDS_FROM, little ? 64 : Infinity);
});
