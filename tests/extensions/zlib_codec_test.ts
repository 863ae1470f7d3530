// The codec that takes node:zlib for long messages.
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  DeflateDataError,
  portableCodec,
} from "../../src/extensions/deflate_codec.ts";
import { zlibCodec } from "../../src/extensions/zlib_codec.ts";
import { watchAllocations } from "../helpers/allocations.ts";
import { concat, hex, utf8 } from "../helpers/bytes.ts";
import {
  BUDGET,
  inParts,
  json,
  noise,
  numbers,
  received,
  sent,
  SETTINGS,
  testCodec,
} from "./deflate_conformance.ts";

testCodec("zlibCodec", zlibCodec);

Deno.test("zlibCodec and portableCodec read each other, message by message", () => {
  const next = numbers(3);
  const codecs = [portableCodec, zlibCodec];
  for (const windowBits of [9, 12, 15]) {
    for (const from of codecs) {
      const deflater = from.deflater({ ...SETTINGS, windowBits });
      const inflaters = codecs.map((codec) => codec.inflater({ windowBits }));
      for (let i = 0; i < 60; i++) {
        const size = Math.floor(10 ** (next() * 5.5));
        const message = concat(json(size, i + 1), noise(i * 20, i + 1));
        if (i % 20 === 19) {
          for (const one of [deflater, ...inflaters]) one.reset();
        }
        const body = sent(deflater, message);
        const cut = next() < 0.3 ? 500 : body.length;
        for (const inflater of inflaters) {
          assertEquals(received(inflater, inParts(body, cut)), message);
        }
      }
    }
  }
});

Deno.test("zlibCodec refers to a long message, and not from one", () => {
  const [long, short] = [json(300_000), json(300, 2)];
  const deflater = zlibCodec.deflater(SETTINGS);
  const inflater = zlibCodec.inflater({ windowBits: 15 });
  assertEquals(received(inflater, [sent(deflater, short)]), short);
  const alone = sent(zlibCodec.deflater(SETTINGS), long);
  assertEquals(sent(deflater, long), alone);
  assertEquals(received(inflater, [alone]), long);
  const again = concat(long.slice(-1500), short);
  const body = sent(deflater, again);
  assert(body.length < 200, `${body.length} bytes`);
  assertEquals(received(inflater, [body]), again);
});

Deno.test("zlibCodec makes long messages hardly longer without their context", () => {
  for (const size of [250_000, 262_144, 300_000]) {
    const totals = [portableCodec, zlibCodec].map((codec) => {
      const deflater = codec.deflater(SETTINGS);
      let total = 0;
      for (let i = 0; i < 8; i++) {
        total += sent(deflater, json(size, i + 1)).length;
      }
      return total;
    });
    assert(totals[1] <= 1.02 * totals[0], `${size}: ${totals}`);
  }
});

Deno.test("ZlibInflater leaves stored blocks to the portable codec", () => {
  const message = noise(5000);
  const deflater = zlibCodec.deflater({ ...SETTINGS, level: 0 });
  const inflater = zlibCodec.inflater({ windowBits: 15 });
  assertEquals(received(inflater, [sent(deflater, message)]), message);
});

Deno.test("ZlibInflater hands over what is not simple", () => {
  const message = concat(json(9000), noise(500));
  const inflater = zlibCodec.inflater({ windowBits: 15 });
  const body = sent(zlibCodec.deflater(SETTINGS), message);
  // A final block before the end.
  const final = concat(body, hex("0000ffff f348cdc9c90700"), body);
  assertEquals(
    received(inflater, [final]),
    concat(message, utf8("Hello"), message),
  );
  // More than a fourth of the budget.
  assertEquals(received(inflater, [body], message.length), message);
  assertEquals(received(inflater, [body], 4 * message.length - 4), message);
  assertEquals(received(inflater, [body], BUDGET), message);
  // Corrupt.
  assertThrows(
    () => received(inflater, [concat(body, hex("00 00 ff ff 07"))]),
    DeflateDataError,
    "Cannot decompress: invalid block type",
  );
});

Deno.test("ZlibInflater refuses a message that ends within a block, whatever the bytes behind it mean", async () => {
  // Behind it, `00 00 ff ff 03 00` are a symbol and the end of a final block.
  const path = new URL("testdata/ends_within_block.deflate", import.meta.url);
  const body = await Deno.readFile(path);
  for (const codec of [portableCodec, zlibCodec]) {
    assertThrows(
      () => received(codec.inflater({ windowBits: 15 }), [body]),
      DeflateDataError,
      "Cannot decompress: the message ends within a block",
    );
  }
});

Deno.test("ZlibInflater refuses a stored block that goes on through what is put behind a message", () => {
  const message = noise(4000).map((byte) => byte % 3);
  const good = sent(zlibCodec.deflater(SETTINGS), message);
  for (const [more, isFinal] of [[25, 1], [25, 0], [9, 1], [9, 0], [26, 1]]) {
    const block = [isFinal, more, 0, ~more & 0xff, 0xff];
    const body = concat(good, hex("00 00 ff ff"), Uint8Array.from(block));
    for (const codec of [portableCodec, zlibCodec]) {
      assertThrows(
        () => received(codec.inflater({ windowBits: 15 }), [body]),
        DeflateDataError,
        "Cannot decompress: ",
      );
    }
  }
});

Deno.test("ZlibInflater takes the four bytes that end a message for content where they are", () => {
  // RFC 7692, section 7.2.2, appends them and decompresses what there is then.
  const message = noise(4000).map((byte) => byte % 3);
  const good = sent(zlibCodec.deflater(SETTINGS), message);
  const tail = hex("00 00 ff ff");
  const body = concat(good, tail, hex("00 04 00 fb ff"));
  for (const codec of [portableCodec, zlibCodec]) {
    const inflater = codec.inflater({ windowBits: 15 });
    assertEquals(received(inflater, [body]), concat(message, tail));
  }
});

Deno.test("ZlibInflater gives a message that ends as a seal begins", () => {
  const message = concat(json(5000), hex("01 10 00 ef ff"));
  const body = sent(zlibCodec.deflater(SETTINGS), message);
  const inflater = zlibCodec.inflater({ windowBits: 15 });
  assertEquals(received(inflater, [body]), message);
});

Deno.test("ZlibInflater.gathers() wants whole messages, neither too short nor too long", () => {
  const inflater = zlibCodec.inflater({ windowBits: 15 });
  const mib = 1_048_576;
  const cases = [
    [1023, mib, false],
    [1024, mib, true],
    [mib / 4, mib, true],
    [mib / 4 + 1, mib, false],
    [4 * mib, Infinity, true],
    [4 * mib + 1, Infinity, false],
  ] as const;
  for (const [length, budget, expected] of cases) {
    assertEquals(inflater.gathers?.(length, budget), expected);
  }
});

Deno.test("what has forgotten holds nothing: one past serves all inflaters", () => {
  const message = concat(json(3000), noise(1500));
  const body = sent(zlibCodec.deflater(SETTINGS), message);
  const inflaters = Array.from(
    { length: 100 },
    () => zlibCodec.inflater({ windowBits: 15 }),
  );
  const sizes: number[] = [];
  watchAllocations((size) => sizes.push(size), () => {
    for (const inflater of inflaters) {
      assertEquals(received(inflater, [body]), message);
      inflater.reset();
    }
  });
  // Some are slabs: the messages are copied several times.
  const large = sizes.filter((size) => size >= 65_536);
  assert(large.length < 50, `${large.length}`);
});
