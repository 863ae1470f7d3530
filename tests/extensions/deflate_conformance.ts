// What every DEFLATE codec must do, whichever it is.
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type DeflateCodec,
  DeflateDataError,
  type Deflater,
  type Inflater,
  PIECE_BYTES,
} from "../../src/extensions/deflate_codec.ts";
import { concat, hex, toHex, utf8 } from "../helpers/bytes.ts";

/** zlib's own settings. */
export const SETTINGS = { windowBits: 15, level: 6, memLevel: 8 };

/** More than any message here. */
export const BUDGET = 16_777_216;

/** Numbers that look random and are always the same. */
export function numbers(seed: number): () => number {
  let state = seed * 2654435761 >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 4_294_967_296;
  };
}

/** Bytes that do not compress. */
export function noise(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const next = numbers(seed);
  return Uint8Array.from({ length }, () => next() * 256);
}

/** Text that compresses as JSON does. */
export function json(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const next = numbers(seed);
  const words = ["order", "price", "status", "open", "Amsterdam", "pending"];
  const word = () => words[Math.floor(next() * words.length)];
  let text = "[";
  while (text.length < length) {
    const id = Math.floor(next() * 1e9);
    const value = Math.round(next() * 1e5) / 100;
    text += JSON.stringify({ id, type: word(), value, tags: [word(), word()] });
  }
  return utf8(text.slice(0, length));
}

/** A message as it is sent: what is left of its parts without the last tail. */
export function sent(deflater: Deflater, ...parts: Uint8Array[]) {
  const whole = concat(...parts.map((part) => deflater.compress(part)));
  assertEquals(toHex(whole.subarray(-4)), "00 00 ff ff");
  return whole.slice(0, -4);
}

/** What a message is, received in parts. */
export function received(
  inflater: Inflater,
  parts: Uint8Array[],
  budget = BUDGET,
): Uint8Array<ArrayBuffer> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let left = budget;
  for (const [i, part] of parts.entries()) {
    const before = part.slice();
    const view = part.slice();
    const last = i === parts.length - 1;
    for (const piece of inflater.decompress(view, { last, budget: left })) {
      assert(piece.length > 0 && piece.length <= PIECE_BYTES);
      pieces.push(piece);
      left -= piece.length;
    }
    assertEquals(view, before, "the input is as it was");
    view.fill(0xaa);
  }
  return concat(...pieces);
}

/** Cuts bytes into parts of one size. */
export function inParts(bytes: Uint8Array, size: number): Uint8Array[] {
  const parts = [];
  for (let from = 0; from === 0 || from < bytes.length; from += size) {
    parts.push(bytes.slice(from, from + size));
  }
  return parts;
}

/** Defines the tests that any codec must pass. */
export function testCodec(name: string, codec: DeflateCodec): void {
  const test = (does: string, run: () => void) =>
    Deno.test(`${name} ${does}`, run);
  const deflater = (settings = {}) =>
    codec.deflater({ ...SETTINGS, ...settings });
  const inflater = (windowBits = 15) => codec.inflater({ windowBits });

  test("gives the bytes of RFC 7692, section 7.2.3", () => {
    const out = deflater();
    assertEquals(toHex(sent(out, utf8("Hello"))), "f2 48 cd c9 c9 07 00");
    // 7.2.3.2 has a literal and a match, `f2 00 11 00 00`; the match alone is shorter.
    assertEquals(toHex(sent(out, utf8("Hello"))), "02 13 00 00");
    // 7.2.3.6: an empty message is one byte.
    assertEquals(toHex(sent(out, utf8(""))), "00");
    assertEquals(toHex(sent(out, utf8(""))), "00");
  });

  test("reads the bytes of RFC 7692, section 7.2.3", () => {
    const hello = utf8("Hello");
    const into = inflater();
    // 7.2.3.1, and in two fragments
    assertEquals(received(into, [hex("f248cdc9c90700")]), hello);
    assertEquals(received(into, [hex("f248cd"), hex("c9c90700")]), hello);
    // 7.2.3.2, which refers back
    assertEquals(received(into, [hex("f200110000")]), hello);
    assertEquals(received(into, [hex("02130000")]), hello);
    // 7.2.3.3, not compressed
    assertEquals(received(into, [hex("000500faff48656c6c6f00")]), hello);
    // 7.2.3.4, a final block
    assertEquals(received(into, [hex("f348cdc9c9070000")]), hello);
    // 7.2.3.5, two blocks
    assertEquals(received(into, [hex("f248050000 00ffffcac9c90700")]), hello);
    // 7.2.3.6, empty
    assertEquals(received(into, [hex("00")]), utf8(""));
    assertEquals(received(into, [hex("f200110000")]), hello);
  });

  test("keeps the context over a final block", () => {
    const into = inflater();
    assertEquals(received(into, [hex("f348cdc9c9070000")]), utf8("Hello"));
    assertEquals(received(into, [hex("f200110000")]), utf8("Hello"));
    // In one message: a final block, then one that refers to it.
    const twice = hex("f348cdc9c90700 f200110000");
    assertEquals(received(into, [twice]), utf8("HelloHello"));
    for (let cut = 0; cut <= twice.length; cut++) {
      const parts = [twice.slice(0, cut), twice.slice(cut)];
      assertEquals(received(into, parts), utf8("HelloHello"));
    }
  });

  test("takes a message that ends with a final block", () => {
    const into = inflater();
    const final = hex("f348cdc9c90700");
    assertEquals(received(into, [final]), utf8("Hello"));
    assertEquals(received(into, [final, utf8("")]), utf8("Hello"));
    // The tail is the end of a final empty block.
    assertEquals(received(into, [hex("f348cdc9c9070001")]), utf8("Hello"));
    assertEquals(received(into, [hex("f200110000")]), utf8("Hello"));
  });

  test("takes one final block for each message, and refuses a flood", () => {
    const into = inflater();
    for (let i = 0; i < 500; i++) {
      assertEquals(received(into, [hex("f348cdc9c9070000")]), utf8("Hello"));
    }
    const some = concat(...Array(60).fill(hex("0300")), hex("00"));
    assertEquals(received(into, [some]).length, 0);
    const flood = concat(...Array(5000).fill(hex("0300")), hex("00"));
    for (const size of [flood.length, 2000, 1]) {
      assertThrows(
        () => received(inflater(), inParts(flood, size)),
        DeflateDataError,
        "Cannot decompress: too many final blocks",
      );
    }
  });

  test("gives back what was compressed, whatever the settings", () => {
    const messages = [0, 1, 5, 100, 1000, 3500, 20_000, 70_000, 250_000]
      .flatMap((size) => [json(size, size + 1), noise(size, size + 2)]);
    messages.push(json(100), json(5000), json(20), utf8(""), json(2000, 9));
    for (
      const settings of [
        {},
        { windowBits: 9 },
        { windowBits: 10, memLevel: 1, level: 1 },
        { level: 0 },
        { level: 9, memLevel: 9 },
      ]
    ) {
      const { windowBits = 15 } = settings as { windowBits?: number };
      for (const takeover of [true, false]) {
        const out = deflater(settings);
        const whole = inflater(windowBits);
        const parts = inflater(windowBits === 9 ? 8 : windowBits);
        for (const message of messages) {
          const body = sent(out, message);
          assertEquals(received(whole, [body]), message);
          assertEquals(received(parts, inParts(body, 777)), message);
          if (takeover) continue;
          for (const one of [out, whole, parts]) one.reset();
        }
      }
    }
  });

  test("compresses the parts of a message", () => {
    const out = deflater();
    const into = inflater();
    const message = json(500_000);
    for (const size of [1, 100, 5000, 100_000, 250_000]) {
      const part = message.subarray(0, Math.min(message.length, 1000 * size));
      const body = sent(out, ...inParts(part, size));
      assertEquals(received(into, [body]), part);
      assertEquals(
        received(into, [sent(out, utf8("a"), utf8(""), part)]),
        concat(utf8("a"), part),
      );
    }
  });

  test("reads a message cut anywhere", () => {
    const out = deflater();
    const message = concat(json(3000), noise(100), json(3000, 2));
    const body = sent(out, message);
    const into = inflater();
    for (let cut = 0; cut <= body.length; cut += 7) {
      const parts = [body.slice(0, cut), body.slice(cut)];
      assertEquals(received(into, parts), message);
      assertEquals(received(into, [body]), message);
    }
    assertEquals(received(into, inParts(body, 1)), message);
  });

  test("forgets the context with reset, and everything with close", () => {
    const [one, two] = [json(5000), json(300, 2)];
    for (const forget of ["reset", "close"] as const) {
      const out = deflater();
      const into = inflater();
      const bodies = [sent(out, one), sent(out, two)];
      out[forget]();
      out[forget]();
      assertEquals([sent(out, one), sent(out, two)], bodies);
      // What refers back has nothing to refer to.
      assertEquals(received(into, [bodies[0]]), one);
      into[forget]();
      into[forget]();
      assertThrows(() => received(into, [bodies[1]]), DeflateDataError);
      into.close();
      assertEquals(received(into, [bodies[0]]), one);
      assertEquals(received(into, [bodies[1]]), two);
    }
  });

  test("keeps streams apart", () => {
    const messages = [1, 2, 3].map((seed) => json(200_000, seed));
    const bodies = messages.map((message) => sent(deflater(), message));
    const results: Uint8Array[][] = [[], [], []];
    // Each iteration is at its middle while the others go on.
    const running = bodies.map((body) =>
      inflater().decompress(body, { last: true, budget: BUDGET })
        [Symbol.iterator]()
    );
    for (let ended = 0; ended < 3;) {
      for (const [i, pieces] of running.entries()) {
        const { done, value } = pieces.next();
        if (done) ended++;
        else results[i].push(value);
        if (ended === 3) break;
      }
    }
    for (const [i, message] of messages.entries()) {
      assertEquals(concat(...results[i]), message);
    }
  });

  test("gives new memory, which may be written to", () => {
    const out = deflater();
    const into = inflater();
    const kept = [];
    for (let i = 0; i < 50; i++) {
      const message = json(i * i * 10, i + 1);
      const body = sent(out, message);
      const piece = received(into, [body]);
      kept.push({ message, piece });
      for (
        const given of into.decompress(sent(out, message), {
          last: true,
          budget: BUDGET,
        })
      ) given.fill(0);
    }
    for (const { message, piece } of kept) assertEquals(piece, message);
  });

  test("gives up to the budget, and at most one piece beyond it", () => {
    for (const size of [0, 1, 100, 20_000, 65_535, 65_536, 65_537, 300_000]) {
      for (const message of [json(size), noise(size), new Uint8Array(size)]) {
        const body = sent(deflater(), message);
        for (const partSize of [body.length, 1 + (body.length >> 1), 100]) {
          for (const budget of [size - 1, size, size + 1, size + 2, Infinity]) {
            if (budget < 0) continue;
            const parts = inParts(body, partSize);
            const into = inflater();
            let count = 0;
            let over = false;
            for (const [i, part] of parts.entries()) {
              const last = i === parts.length - 1;
              const info = { last, budget: budget - count };
              for (const piece of into.decompress(part, info)) {
                count += piece.length;
              }
              over = count > budget;
              if (over) break;
            }
            assertEquals(over, budget < size, `${size} bytes of ${budget}`);
            if (!over) assertEquals(count, size);
            assert(count <= budget + PIECE_BYTES);
          }
        }
      }
    }
  });

  test("stops a bomb at the budget", () => {
    const out = deflater();
    const zeros = new Uint8Array(1_048_576);
    const bomb = sent(out, ...Array(10).fill(zeros));
    for (const parts of [[bomb], inParts(bomb, 1000), inParts(bomb, 7)]) {
      const into = inflater();
      let left = 100_000;
      let count = 0;
      for (const [i, part] of parts.entries()) {
        const last = i === parts.length - 1;
        for (const piece of into.decompress(part, { last, budget: left })) {
          count += piece.length;
          left -= piece.length;
        }
        if (left < 0) break;
      }
      assert(count > 100_000 && count <= 100_000 + PIECE_BYTES);
    }
  });

  test("refuses a message that ends within a block", () => {
    for (const message of [json(100), json(30_000), noise(3000)]) {
      const body = sent(deflater(), message);
      for (let end = 0; end < body.length; end += 1 + body.length / 200 | 0) {
        for (const size of [body.length, 50]) {
          const parts = inParts(body.slice(0, end), size);
          assertThrows(() => received(inflater(), parts), DeflateDataError);
        }
      }
    }
    for (const nothing of [[utf8("")], [utf8(""), utf8("")]]) {
      assertThrows(
        () => received(inflater(), nothing),
        DeflateDataError,
        "Cannot decompress: the message ends within a block",
      );
    }
  });

  test("throws nothing but DeflateDataError, and stays failed", () => {
    const next = numbers(7);
    for (const message of [json(60), json(2000), noise(1200), json(30_000)]) {
      const body = sent(deflater(), message, message);
      for (let round = 0; round < 600; round++) {
        const bad = body.slice();
        const at = round < bad.length ? round : Math.floor(next() * bad.length);
        bad[at] ^= 1 << (round % 8);
        const outcomes = [body.length, 1 + (body.length >> 1), 60].map(
          (size) => outcome(inflater(), inParts(bad, size)),
        );
        // However it is cut, it comes to the same.
        for (const one of outcomes) assertEquals(one, outcomes[0]);
      }
    }
    for (let round = 0; round < 2000; round++) {
      outcome(inflater(), [noise(1 + round % 300, round + 1)]);
    }
    const into = inflater();
    for (let again = 0; again < 3; again++) {
      assertThrows(
        () => received(into, [hex("ff")]),
        DeflateDataError,
        "Cannot decompress: invalid block type",
      );
    }
  });

  test("begins anew after an error, if it is asked to", () => {
    const whole = sent(deflater(), json(3000));
    const flood = concat(...Array(5000).fill(hex("0300")), hex("00"));
    for (const forget of ["reset", "close"] as const) {
      const into = inflater();
      for (const bad of [hex("ff"), whole.slice(0, 200)]) {
        assertThrows(() => received(into, [bad]), DeflateDataError);
        into[forget]();
        assertEquals(received(into, [whole]), json(3000));
        into[forget]();
      }
      // A final block in the midst of a message is not of the next one.
      const part = { last: false, budget: BUDGET };
      assertEquals(Array.from(into.decompress(hex("0300"), part)), []);
      into[forget]();
      assertThrows(() => received(into, [utf8("")]), DeflateDataError);
    }
    const into = inflater();
    assertThrows(() => received(into, [flood]), DeflateDataError);
    into.close();
    assertEquals(received(into, [hex("0300")]), utf8(""));
  });

  test("keeps to itself what is not taken to the end", () => {
    const [long, other] = [json(300_000), json(300_000, 2)];
    for (const forget of ["reset", "close"] as const) {
      for (
        const [taken, last] of [[0, true], [1, true], [1, false], [
          5,
          true,
        ]] as const
      ) {
        const [into, next] = [inflater(), inflater()];
        const body = sent(deflater(), long);
        const left = into.decompress(body, { last, budget: BUDGET })
          [Symbol.iterator]();
        for (let i = 0; i < taken; i++) left.next();
        into[forget]();
        const bodies = inParts(sent(deflater(), other), 20_000);
        const pieces: Uint8Array[] = [];
        for (const [i, bytes] of bodies.entries()) {
          const last = i === bodies.length - 1;
          for (
            const piece of next.decompress(bytes, { last, budget: BUDGET })
          ) {
            pieces.push(piece);
            // Whatever is left of it, it is not what the other one has.
            left.next();
          }
        }
        assertEquals(concat(...pieces), other);
        assertEquals(left.next().done, true);
      }
    }
  });

  test("refuses settings out of range", () => {
    for (const windowBits of [8, 16, 0, -15, 9.5, NaN]) {
      assertThrows(
        () => deflater({ windowBits }),
        RangeError,
        `Cannot compress with window bits ${windowBits}: from 9 to 15`,
      );
    }
    assertThrows(() => deflater({ level: 10 }), RangeError, "level 10");
    assertThrows(() => deflater({ memLevel: 0 }), RangeError, "memLevel 0");
    for (const windowBits of [7, 16]) {
      assertThrows(
        () => inflater(windowBits),
        RangeError,
        `Cannot decompress with window bits ${windowBits}: from 8 to 15`,
      );
    }
  });
}

/** What becomes of a message: its hash, or that it is corrupt. */
function outcome(inflater: Inflater, parts: Uint8Array[]): string {
  try {
    let sum = 0;
    for (const byte of received(inflater, parts)) sum = sum * 31 + byte | 0;
    return `${sum}`;
  } catch (error) {
    if (error instanceof DeflateDataError) return error.name;
    throw error;
  }
}
