// UTF-8 (RFC 3629), judged byte by byte, against the engine's own judgement.
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import * as fc from "fast-check";
import {
  decodeText,
  decodeValid,
  isValid,
  NoText,
  utf8Length,
  Utf8Validator,
} from "../../src/framing/utf8.ts";
import { concat, hex, toHex, utf8 } from "../helpers/bytes.ts";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What the engine says: the text, or `undefined` where it is not UTF-8. */
function oracle(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Whether something may follow that makes UTF-8 of it. */
function isPrefix(bytes: Uint8Array): boolean {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    decoder.decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

/** The index of the first byte with which the engine sees that it is wrong. */
function firstWrong(bytes: Uint8Array): number {
  for (let end = 1; end <= bytes.length; end++) {
    if (!isPrefix(bytes.subarray(0, end))) return end - 1;
  }
  return -1;
}

/** The index of the first wrong byte when the bytes come in two parts. */
function checkInTwo(bytes: Uint8Array, cut: number): number {
  const validator = new Utf8Validator();
  const wrong = validator.check(bytes, 0, cut);
  return wrong === -1 ? validator.check(bytes, cut, bytes.length) : wrong;
}

/** The first and the last code point of each length and around the surrogates. */
const BOUNDARIES = [
  0x0000,
  0x007f,
  0x0080,
  0x07ff,
  0x0800,
  0x0fff,
  0x1000,
  0xcfff,
  0xd000,
  0xd7ff,
  0xe000,
  0xfeff,
  0xfffd,
  0xffff,
  0x1_0000,
  0x3_ffff,
  0x4_0000,
  0xf_ffff,
  0x10_0000,
  0x10_ffff,
];

/** Bytes that are not UTF-8, and the index of the first byte that shows it. */
const WRONG: [what: string, digits: string, index: number][] = [
  ["a lone continuation", "80", 0],
  ["a lone continuation", "bf", 0],
  ["a continuation too many", "c3 a4 a4", 2],
  ["U+0000 in 2 bytes", "c0 80", 0],
  ["U+002F in 2 bytes", "c0 af", 0],
  ["U+007F in 2 bytes", "c1 bf", 0],
  ["U+0000 in 3 bytes", "e0 80 80", 1],
  ["U+002F in 3 bytes", "e0 80 af", 1],
  ["U+07FF in 3 bytes", "e0 9f bf", 1],
  ["U+0000 in 4 bytes", "f0 80 80 80", 1],
  ["U+002F in 4 bytes", "f0 80 80 af", 1],
  ["U+FFFF in 4 bytes", "f0 8f bf bf", 1],
  ["U+0000 in 5 bytes", "f8 80 80 80 80", 0],
  ["U+0000 in 6 bytes", "fc 80 80 80 80 80", 0],
  ["U+D800, a surrogate", "ed a0 80", 1],
  ["U+DBFF, a surrogate", "ed af bf", 1],
  ["U+DC00, a surrogate", "ed b0 80", 1],
  ["U+DFFF, a surrogate", "ed bf bf", 1],
  ["a pair of surrogates", "ed a0 bd ed b8 80", 1],
  ["U+110000", "f4 90 80 80", 1],
  ["U+13FFFF", "f4 bf bf bf", 1],
  ["U+140000", "f5 80 80 80", 0],
  ["U+1FFFFF", "f7 bf bf bf", 0],
  ["FE", "fe", 0],
  ["FF", "ff", 0],
  ["ASCII where the second of 2 is due", "c3 41", 1],
  ["a first byte where the second of 2 is due", "c3 c3 a4", 1],
  ["ASCII where the second of 3 is due", "e2 41", 1],
  ["ASCII where the third of 3 is due", "e2 82 41", 2],
  ["ASCII where the second of 4 is due", "f0 41", 1],
  ["ASCII where the third of 4 is due", "f0 9f 41", 2],
  ["ASCII where the fourth of 4 is due", "f0 9f 98 41", 3],
  ["the third of 3 out of bounds", "e0 a0 c0", 2],
  ["the fourth of 4 out of bounds", "f4 8f bf c0", 3],
  ["RFC 6455 test: kappa, omega and a surrogate", "ce ba e1 bd b9 ed a0 80", 6],
];

Deno.test("Utf8Validator.check() finds nothing wrong with any code point, wherever it is cut", () => {
  for (const point of BOUNDARIES) {
    const char = String.fromCodePoint(point);
    for (const text of [char, "a" + char, char + "z", char + char]) {
      const bytes = utf8(text);
      assertStrictEquals(oracle(bytes), text);
      for (let cut = 0; cut <= bytes.length; cut++) {
        assertEquals(checkInTwo(bytes, cut), -1, `U+${point.toString(16)}`);
      }
    }
  }
});

Deno.test("Utf8Validator.check() finds the first wrong byte, wherever it is cut", () => {
  for (const [what, digits, index] of WRONG) {
    for (const before of ["", "a", "\u00e4\u20ac", "\u{1f600}"]) {
      for (const after of ["", "z", "\u{1f600}"]) {
        const start = utf8(before);
        const bytes = concat(start, hex(digits), utf8(after));
        const expected = start.length + index;
        assertStrictEquals(oracle(bytes), undefined, what);
        assertEquals(firstWrong(bytes), expected, `the engine: ${what}`);
        for (let cut = 0; cut <= bytes.length; cut++) {
          assertEquals(checkInTwo(bytes, cut), expected, what);
        }
      }
    }
  }
});

Deno.test("Utf8Validator.check() agrees with the engine on all sequences of 2 bytes", () => {
  const bytes = new Uint8Array(2);
  const validator = new Utf8Validator();
  for (let pair = 0; pair < 0x1_0000; pair++) {
    bytes[0] = pair >> 8;
    bytes[1] = pair;
    validator.reset();
    const wrong = validator.check(bytes, 0, 2);
    const whole = wrong === -1 && validator.due === 0;
    assert(whole === (oracle(bytes) !== undefined), toHex(bytes));
    if (wrong === 1) assert(isPrefix(bytes.subarray(0, 1)), toHex(bytes));
    if (wrong === 0) assert(!isPrefix(bytes.subarray(0, 1)), toHex(bytes));
    if (wrong === -1) assert(isPrefix(bytes), toHex(bytes));
  }
});

Deno.test("Utf8Validator.check() keeps the bounds of RFC 3629 on all sequences of 3 bytes from E0 to EF", () => {
  const bytes = new Uint8Array(3);
  const validator = new Utf8Validator();
  let right = 0;
  for (let first = 0xe0; first <= 0xef; first++) {
    for (let rest = 0; rest < 0x1_0000; rest++) {
      bytes[0] = first;
      bytes[1] = rest >> 8;
      bytes[2] = rest;
      validator.reset();
      const wrong = validator.check(bytes, 0, 3);
      // The syntax of RFC 3629, section 4, written out.
      const second = bytes[1];
      const secondOk = second >= 0x80 && second <= 0xbf &&
        (first !== 0xe0 || second >= 0xa0) &&
        (first !== 0xed || second <= 0x9f);
      const thirdOk = bytes[2] >= 0x80 && bytes[2] <= 0xbf;
      const expected = !secondOk ? 1 : !thirdOk ? 2 : -1;
      if (wrong !== expected) assertEquals(wrong, expected, toHex(bytes));
      if (wrong === -1) {
        right++;
        const point = (first & 15) << 12 | (second & 63) << 6 | bytes[2] & 63;
        assert(oracle(bytes) === String.fromCharCode(point), toHex(bytes));
      }
    }
  }
  assertEquals(
    right,
    0x1_0000 - 0x800 - 2048,
    "U+0800 to U+FFFF less surrogates",
  );
});

Deno.test("Utf8Validator.check() agrees with the engine on 4 bytes at every bound", () => {
  const edges = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff];
  for (let first = 0xf0; first <= 0xff; first++) {
    for (const second of edges) {
      for (const third of edges) {
        for (const fourth of edges) {
          const bytes = Uint8Array.of(first, second, third, fourth);
          const validator = new Utf8Validator();
          const wrong = validator.check(bytes, 0, 4);
          assert(wrong === firstWrong(bytes), toHex(bytes));
          const whole = wrong === -1 && validator.due === 0;
          assert(whole === (oracle(bytes) !== undefined), toHex(bytes));
        }
      }
    }
  }
});

Deno.test("Utf8Validator.check() agrees with the engine on random bytes in random parts", () => {
  const byte = fc.oneof(
    fc.integer({ min: 0, max: 255 }),
    fc.constantFrom(0x41, 0x80, 0xbf, 0xc2, 0xe0, 0xa0, 0xed, 0x9f, 0xf0, 0xf4),
  );
  fc.assert(
    fc.property(
      fc.array(byte, { maxLength: 24 }),
      fc.array(fc.nat(24), { maxLength: 4 }),
      (list, at) => {
        const bytes = Uint8Array.from(list);
        const validator = new Utf8Validator();
        let wrong = -1;
        let from = 0;
        const ends = [...at].sort((a, b) => a - b).concat(bytes.length);
        for (const end of ends) {
          const to = Math.min(end, bytes.length);
          if (wrong === -1) wrong = validator.check(bytes, from, to);
          from = to;
        }
        assertEquals(wrong, firstWrong(bytes));
        const whole = wrong === -1 && validator.due === 0;
        assertEquals(whole, oracle(bytes) !== undefined);
      },
    ),
    { numRuns: 2000 },
  );
});

Deno.test("Utf8Validator.check() looks at its range only", () => {
  const bytes = hex("ff 41 c3 a4 ff");
  assertEquals(new Utf8Validator().check(bytes, 1, 4), -1);
  assertEquals(new Utf8Validator().check(bytes, 1, 5), 4);
  assertEquals(new Utf8Validator().check(bytes, 2, 2), -1);
});

Deno.test("Utf8Validator.pending and .due tell of a code point that is not complete", () => {
  const seen = (digits: string) => {
    const validator = new Utf8Validator();
    assertEquals(validator.check(hex(digits), 0, hex(digits).length), -1);
    return [validator.pending, validator.due];
  };
  assertEquals(seen(""), [0, 0]);
  assertEquals(seen("41"), [0, 0]);
  assertEquals(seen("41 c3"), [1, 1]);
  assertEquals(seen("c3 a4"), [0, 0]);
  assertEquals(seen("e2"), [1, 2]);
  assertEquals(seen("e2 82"), [2, 1]);
  assertEquals(seen("e2 82 ac"), [0, 0]);
  assertEquals(seen("f0"), [1, 3]);
  assertEquals(seen("f0 9f"), [2, 2]);
  assertEquals(seen("f0 9f 98"), [3, 1]);
  assertEquals(seen("f0 9f 98 80"), [0, 0]);
  assertEquals(seen("f0 9f 98 80 c3"), [1, 1]);
});

Deno.test("Utf8Validator.reset() begins a new text", () => {
  for (const half of ["e0", "ed", "f0", "f4", "f0 9f 98"]) {
    const validator = new Utf8Validator();
    validator.check(hex(half), 0, hex(half).length);
    validator.reset();
    assertEquals([validator.pending, validator.due], [0, 0]);
    assertEquals(validator.check(hex("80"), 0, 1), 0);
    validator.reset();
    // Both ends of the range of a second byte, which a narrow bound would refuse.
    assertEquals(validator.check(hex("e1 80 80 e1 bf bf"), 0, 6), -1);
  }
});

Deno.test("Utf8Validator.clone() and .copy() go on from where the other stands", () => {
  for (const [first, rest] of [["e0", "9f bf"], ["f0 9f", "98 80"]]) {
    const original = new Utf8Validator();
    original.check(hex(first), 0, hex(first).length);
    const clone = original.clone();
    const copied = new Utf8Validator();
    copied.check(hex("f4"), 0, 1);
    copied.copy(original);
    const expected = original.check(hex(rest), 0, 2);
    const { pending, due } = original;
    for (const other of [clone, copied]) {
      assertEquals(other.check(hex(rest), 0, 2), expected);
      assertEquals([other.pending, other.due], [pending, due]);
    }
  }
});

Deno.test("Utf8Validator.clone() does not move the original", () => {
  const original = new Utf8Validator();
  original.check(hex("e2"), 0, 1);
  assertEquals(original.clone().check(hex("82 ac"), 0, 2), -1);
  assertEquals([original.pending, original.due], [1, 2]);
});

Deno.test("isValid() is true for UTF-8 that is complete", () => {
  assert(isValid(hex(""), 0, 0));
  assert(isValid(utf8("a\u00e4\u20ac\u{1f600}"), 0, 10));
  for (const [what, digits] of WRONG) {
    assert(!isValid(hex(digits), 0, hex(digits).length), what);
  }
});

Deno.test("isValid() is false for UTF-8 that is cut off", () => {
  for (const text of ["\u00e4", "\u20ac", "\u{1f600}"]) {
    const bytes = utf8("a" + text);
    assert(isValid(bytes, 0, bytes.length));
    for (let to = 2; to < bytes.length; to++) {
      assert(!isValid(bytes, 0, to), toHex(bytes.subarray(0, to)));
    }
  }
});

Deno.test("isValid() is not moved by what it saw before", () => {
  assert(!isValid(hex("e0"), 0, 1));
  assert(isValid(hex("41"), 0, 1));
  assert(!isValid(hex("ff"), 0, 1));
  assert(isValid(hex("e1 80 80"), 0, 3));
});

Deno.test("decodeText() gives the text of ASCII of every length", () => {
  const alphabet = Array.from(
    { length: 128 },
    (_, i) => String.fromCharCode(i),
  );
  for (let length = 0; length <= 40; length++) {
    for (let start = 0; start < 128; start += 8) {
      const text = Array.from(
        { length },
        (_, i) => alphabet[(start + i) % 128],
      ).join("");
      assertStrictEquals(decodeText(utf8(text), 0, length), text);
    }
  }
});

Deno.test("decodeText() gives the text with a code point at every place", () => {
  for (const char of ["\u0080", "\u00e4", "\u20ac", "\uffff", "\u{1f600}"]) {
    for (let length = 0; length <= 40; length++) {
      for (let at = 0; at <= length; at++) {
        const text = "x".repeat(at) + char + "y".repeat(length - at);
        const bytes = utf8(text);
        assertStrictEquals(decodeText(bytes, 0, bytes.length), text);
      }
    }
  }
});

Deno.test("decodeText() refuses one wrong byte at every place", () => {
  for (const byte of [0x80, 0xc3, 0xff]) {
    for (let length = 1; length <= 40; length++) {
      for (let at = 0; at < length; at++) {
        const bytes = new Uint8Array(length).fill(0x78);
        bytes[at] = byte;
        assertStrictEquals(decodeText(bytes, 0, length), NoText.INVALID);
      }
    }
  }
});

Deno.test("decodeText() refuses all that is not UTF-8", () => {
  for (const [what, digits] of WRONG) {
    for (const around of ["", "a", "a".repeat(40), "\ufffd"]) {
      const bytes = concat(utf8(around), hex(digits), utf8(around));
      const text = decodeText(bytes, 0, bytes.length);
      assertStrictEquals(text, NoText.INVALID, what);
    }
  }
});

Deno.test("decodeText() takes U+FFFD as content", () => {
  for (const text of ["\ufffd", "a\ufffdb", "\ufffd".repeat(50)]) {
    const bytes = utf8(text);
    assertStrictEquals(decodeText(bytes, 0, bytes.length), text);
  }
});

Deno.test("decodeText() keeps a byte order mark", () => {
  for (const text of ["\ufeff", "\ufeffhi", "\ufeff\ufeff", "hi\ufeff"]) {
    const bytes = utf8(text);
    assertStrictEquals(decodeText(bytes, 0, bytes.length), text);
  }
});

Deno.test("decodeText() looks at its range only, in a view of a part", () => {
  const inner = (text: string) =>
    concat(hex("ff ff ff"), utf8(text), hex("ff"));
  for (const text of ["hi", "h\u00ef", "x".repeat(50), "\u00ef".repeat(50)]) {
    const bytes = inner(text).subarray(1);
    assertStrictEquals(decodeText(bytes, 2, bytes.length - 1), text);
    assertStrictEquals(decodeValid(bytes, 2, bytes.length - 1), text);
  }
});

Deno.test("decodeText() agrees with the engine on random bytes", () => {
  const part = fc.oneof(
    fc.string({ unit: "binary", maxLength: 20 }).map(utf8),
    fc.uint8Array({ maxLength: 3 }),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
      const bytes = concat(...parts);
      assertStrictEquals(
        decodeText(bytes, 0, bytes.length),
        oracle(bytes) ?? NoText.INVALID,
      );
    }),
    { numRuns: 2000 },
  );
});

Deno.test("decodeText() and decodeValid() give TOO_LONG when no string can hold the text", () => {
  // V8's longest string has 2^29-24 characters. The memory is never touched.
  const length = 2 ** 29;
  const bytes = new Uint8Array(length);
  assertStrictEquals(decodeText(bytes, 0, length), NoText.TOO_LONG);
  assertStrictEquals(decodeValid(bytes, 0, length), NoText.TOO_LONG);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
});

Deno.test("utf8Length() is the number of bytes of a text", () => {
  assertEquals(utf8Length(""), 0);
  for (const point of BOUNDARIES) {
    const text = String.fromCodePoint(point);
    assertEquals(utf8Length(text), utf8(text).length, point.toString(16));
    assertEquals(utf8Length(`a${text}z`), utf8(text).length + 2);
  }
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    assertEquals(utf8Length(text), utf8(text).length);
  }));
});

Deno.test("Utf8Validator.check() finds a byte in long ASCII wherever it stands", () => {
  for (let alignment = 0; alignment < 8; alignment++) {
    for (let at = 0; at < 150; at++) {
      const bytes = new Uint8Array(alignment + 200).subarray(alignment);
      bytes.fill(0x61);
      bytes[at] = 0xff;
      const validator = new Utf8Validator();
      assertEquals(validator.check(bytes, 0, bytes.length), at);
      // A code point there is no reason to stop, nor is one that is split.
      bytes[at] = 0xc3;
      bytes[at + 1] = 0xa9;
      validator.reset();
      assertEquals(validator.check(bytes, 0, bytes.length), -1);
      assertEquals(validator.due, 0);
      assertEquals(validator.check(bytes, 0, at + 1), -1);
      assertEquals(validator.due, 1);
    }
  }
});
