// The codec that is used unless another is given.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { deflateRawSync } from "node:zlib";
import {
  DeflateDataError,
  PakoInflater,
  portableCodec,
  PortableDeflater,
} from "../../src/extensions/deflate_codec.ts";
import { watchAllocations } from "../helpers/allocations.ts";
import { concat } from "../helpers/bytes.ts";
import {
  BUDGET,
  inParts,
  json,
  noise,
  received,
  sent,
  SETTINGS,
  testCodec,
} from "./deflate_conformance.ts";

testCodec("portableCodec", portableCodec);

Deno.test("portableCodec streams: a piece comes out before the rest is read", () => {
  const body = sent(portableCodec.deflater(SETTINGS), json(1_000_000));
  const pieces = portableCodec.inflater({ windowBits: 15 })
    .decompress(body, { last: true, budget: BUDGET })[Symbol.iterator]();
  assertEquals(pieces.next().value?.length, 65_536);
  // Whoever stops early is not owed the rest.
  pieces.return?.();
  assertEquals(pieces.next(), { done: true, value: undefined });
});

Deno.test("portableCodec compresses what fills its output exactly", () => {
  // Stored blocks make the length of the result a matter of arithmetic.
  for (let size = 65_490; size < 65_560; size++) {
    const message = noise(size);
    const body = sent(
      portableCodec.deflater({ ...SETTINGS, level: 0 }),
      message,
    );
    assertEquals(
      received(portableCodec.inflater({ windowBits: 15 }), [body]),
      message,
    );
  }
});

Deno.test("portableCodec compresses as well as zlib does", () => {
  for (const size of [100, 1000, 20_000, 200_000]) {
    const message = json(size);
    const ours = sent(portableCodec.deflater(SETTINGS), message).length + 4;
    const zlib = deflateRawSync(message, { finishFlush: 2 }).length;
    assert(ours <= 1.02 * zlib, `${ours} bytes where zlib has ${zlib}`);
  }
});

Deno.test("skip() takes in what was compressed elsewhere", () => {
  for (const size of [1, 2, 3, 100, 20_000, 32_768, 50_000, 300_000]) {
    const [past, message] = [json(size), json(400, 2)];
    const deflater = new PortableDeflater(SETTINGS);
    const inflater = new PakoInflater({ windowBits: 15 });
    for (let again = 0; again < 4; again++) {
      const first = sent(deflater, message);
      assertEquals(received(inflater, [first]), message);
      deflater.skip(past);
      inflater.skip(past);
      const body = sent(deflater, concat(past.slice(-400), message));
      assert(body.length < 200 || size < 400);
      assertEquals(
        received(inflater, inParts(body, 10)),
        concat(past.slice(-400), message),
      );
    }
  }
});

Deno.test("portableCodec gives what came before the end of a long message that ends within a block", () => {
  const noise = new Uint8Array(200_000);
  for (let i = 0; i < noise.length; i += 50_000) {
    crypto.getRandomValues(noise.subarray(i, i + 50_000));
  }
  const settings = { windowBits: 15, level: 0, memLevel: 8 };
  const bytes = portableCodec.deflater(settings).compress(noise);
  const pieces = portableCodec.inflater({ windowBits: 15 }).decompress(
    bytes.slice(0, 150_000),
    { last: true, budget: 1_000_000 },
  );
  let length = 0;
  const error = assertThrows(() => {
    for (const piece of pieces) length += piece.length;
  }, DeflateDataError);
  assertEquals(error.message.includes("ends within a block"), true);
  assertEquals(length > 131_072, true);
});

Deno.test("what has forgotten holds nothing: one deflater and one window serve all", () => {
  const sizes: number[] = [];
  const codecs = Array.from({ length: 50 }, () => ({
    deflater: portableCodec.deflater({ ...SETTINGS, windowBits: 14 }),
    inflater: portableCodec.inflater({ windowBits: 15 }),
  }));
  const messages = codecs.map((_, i) => json(3000, i + 1));
  const fresh = portableCodec.deflater(SETTINGS);
  const alone = messages.map((message) => {
    fresh.reset();
    return sent(fresh, message);
  });
  watchAllocations((size) => sizes.push(size), () => {
    for (let round = 0; round < 3; round++) {
      for (const [i, { deflater, inflater }] of codecs.entries()) {
        // It refers to nothing that another has said.
        const body = sent(deflater, messages[i]);
        assertEquals(body, alone[i]);
        assertEquals(received(inflater, [body]), messages[i]);
        deflater.reset();
        inflater.reset();
      }
    }
  });
  // Twice 16 KiB to compress, 32 KiB to decompress; what is larger is a slab.
  const windows = sizes.filter((size) => size >= 32_768 && size < 65_536);
  assertEquals(windows.length, 2, `${sizes}`);
});

Deno.test("those who forget may take turns in the midst of their messages", () => {
  const ends = [1, 2].map((seed) => ({
    deflater: portableCodec.deflater(SETTINGS),
    inflater: portableCodec.inflater({ windowBits: 15 }),
    parts: [json(2000, seed), json(3000, seed + 2)],
  }));
  for (let round = 0; round < 3; round++) {
    const bodies = ends.map(({ deflater, parts }) =>
      deflater.compress(parts[0])
    );
    for (const [i, { deflater, inflater, parts }] of ends.entries()) {
      const rest = sent(deflater, parts[1]);
      const body = concat(bodies[i], rest);
      assertEquals(received(inflater, [body]), concat(...parts));
      deflater.reset();
      inflater.reset();
    }
  }
});

Deno.test("whoever has forgotten goes on with the settings that are its own", () => {
  const all = [9, 15].flatMap((windowBits) =>
    [1, 9].flatMap((level) =>
      [1, 9].map((memLevel) => ({ windowBits, level, memLevel }))
    )
  );
  const message = concat(json(20_000), noise(300), json(20_000));
  const deflaters = all.map((settings) => portableCodec.deflater(settings));
  const alone = deflaters.map((deflater) => deflater.compress(message));
  assertEquals(new Set(alone.map(({ length }) => length)).size, all.length);
  for (let round = 0; round < 3; round++) {
    for (const deflater of deflaters) deflater.reset();
    for (const [i, deflater] of deflaters.entries()) {
      assertEquals(deflater.compress(message).length, alone[i].length);
    }
  }
});
