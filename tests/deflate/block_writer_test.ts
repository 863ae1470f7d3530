// Blocks of DEFLATE: literal bytes, and what a reader of RFC 1951 makes of them.
import { assert, assertEquals } from "@std/assert";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { BlockWriter, matchToken } from "../../src/deflate/block_writer.ts";
import { json, noise, numbers } from "../extensions/deflate_conformance.ts";
import { watchAllocations } from "../helpers/allocations.ts";
import { toHex, utf8 } from "../helpers/bytes.ts";
import { puff } from "../helpers/puff.ts";

type Token = number | readonly [length: number, back: number];

/** What some tokens stand for, and the same as the writer takes them. */
function tokensOf(list: readonly Token[], before: Uint8Array = utf8("")) {
  const out = Array.from(before);
  for (const token of list) {
    if (typeof token === "number") out.push(token);
    else {
      const [length, back] = token;
      for (let i = 0; i < length; i++) out.push(out[out.length - back]);
    }
  }
  const tokens = list.map((token) =>
    typeof token === "number" ? token : matchToken(...token)
  );
  return {
    bytes: Uint8Array.from(out.slice(before.length)),
    tokens: Uint32Array.from(tokens),
  };
}

/** One block as bytes, without what ends a message. */
function written(
  list: readonly Token[],
  { before = utf8(""), isHere = true } = {},
): Uint8Array {
  const { bytes, tokens } = tokensOf(list, before);
  const writer = new BlockWriter();
  const [from, to] = isHere ? [0, bytes.length] : [-1, bytes.length - 1];
  writer.block(tokens, tokens.length, bytes, from, to);
  return writer.end();
}

/** How many bits tokens take with the fixed codes (RFC 1951, sections 3.2.5 and 6). */
function fixedBits(list: readonly Token[]): number {
  let bits = 3 + 7;
  for (const token of list) {
    if (typeof token === "number") bits += token < 144 ? 8 : 9;
    else {
      const [length, back] = token;
      const extra = (value: number, each: number) =>
        Math.max(0, Math.floor(Math.log2(value / each)));
      const ofLength = length === 258 ? 0 : extra(length - 3, 4);
      // The symbols from 280 on have a bit more: those of 115 bytes and more.
      bits += (length < 115 ? 7 : 8) + ofLength + 5 + extra(back - 1, 2);
    }
  }
  return bits;
}

/** Writes tokens, and checks that a reader finds them. */
function check(
  list: readonly Token[],
  type: "stored" | "fixed" | "dynamic",
  options: { before?: Uint8Array<ArrayBuffer>; isHere?: boolean } = {},
): Uint8Array {
  const whole = written(list, options);
  const { bytes, blocks } = puff(whole, options.before);
  const [block, empty] = blocks;
  assertEquals(blocks.length, 2);
  assertEquals(empty, { type: "stored", tokens: [] });
  assertEquals(block.type, type);
  const expected = tokensOf(list, options.before).bytes;
  assertEquals(bytes, expected);
  assertEquals(block.tokens, type === "stored" ? Array.from(expected) : list);
  return whole;
}

/** How long zlib makes the same literals: it makes codes for all, and takes the shortest. */
function literalsByZlib(bytes: Uint8Array): number {
  return deflateRawSync(bytes, {
    strategy: constants.Z_HUFFMAN_ONLY,
    finishFlush: constants.Z_SYNC_FLUSH,
  }).length;
}

const bytesOf = (bytes: Uint8Array): number[] => Array.from(bytes);

Deno.test("a message without blocks is an empty stored one", () => {
  const writer = new BlockWriter();
  assertEquals(toHex(writer.end()), "00 00 00 ff ff");
  assertEquals(toHex(writer.end()), "00 00 00 ff ff");
});

Deno.test("few tokens are written with the fixed codes", () => {
  // RFC 7692, section 7.2.3.1
  assertEquals(
    toHex(check(bytesOf(utf8("Hello")), "fixed")),
    "f2 48 cd c9 c9 07 00 00 00 ff ff",
  );
  // Section 7.2.3.2: a literal, then 4 bytes from 5 back.
  const before = utf8("Hello");
  assertEquals(
    toHex(check([0x48, [4, 5]], "fixed", { before })),
    "f2 00 11 00 00 00 00 ff ff",
  );
  assertEquals(
    toHex(check([0x61, [258, 1]], "fixed")),
    "4a 1c 05 00 00 00 00 ff ff",
  );
});

Deno.test("what the fixed codes make longer is stored", () => {
  const high = bytesOf(noise(100).map((byte) => 144 + byte % 112));
  const whole = check(high, "stored");
  assertEquals(toHex(whole.subarray(0, 5)), "00 64 00 9b ff");
  assertEquals(whole.length, 5 + 100 + 5);
});

Deno.test("what is no longer there is not stored", () => {
  const high = bytesOf(noise(100).map((byte) => 144 + byte % 112));
  check(high, "fixed", { isHere: false });
  check(bytesOf(noise(16_000)), "dynamic", { isHere: false });
});

Deno.test("many tokens have codes of their own", () => {
  for (const size of [200, 1000, 16_000]) {
    const list = bytesOf(json(size));
    const whole = check(list, "dynamic");
    assert(whole.length < 0.8 * size, `${whole.length} of ${size}`);
  }
});

Deno.test("the shortest of the three ways is taken", () => {
  const next = numbers(5);
  const seen = new Set<string>();
  for (let round = 0; round < 1500; round++) {
    const count = Math.floor(300 * next() ** 2);
    const spread = 2 ** Math.ceil(next() * 8);
    const list = Array.from(
      { length: count },
      () => Math.floor(next() * spread),
    );
    const whole = written(list);
    const { bytes, blocks } = puff(whole);
    assertEquals(bytes, Uint8Array.from(list));
    assert(whole.length <= 5 + 5 + list.length, "never longer than stored");
    const eighths = list.reduce((sum, byte) => sum + (byte < 144 ? 8 : 9), 10);
    assert(whole.length <= Math.ceil(eighths / 8) + 5, "nor than fixed");
    seen.add(blocks[0].type);
  }
  assertEquals(seen.size, 3);
});

Deno.test("the shortest of the three ways is taken with matches, too", () => {
  const next = numbers(15);
  const before = noise(2000);
  const seen = new Set<string>();
  for (let round = 0; round < 600; round++) {
    const count = 1 + Math.floor(60 * next());
    const lengths = 3 + Math.floor(256 * next());
    const distances = Math.floor(10 ** (1 + 2.3 * next()));
    const literals = next() < 0.2 ? 1 : next();
    const least = next() < 0.5 ? 0 : 144;
    const list = Array.from(
      { length: count },
      (): Token =>
        next() < literals ? least + Math.floor(next() * (256 - least)) : [
          3 + Math.floor(next() * (lengths - 2)),
          1 + Math.floor(next() * distances),
        ],
    );
    const whole = written(list, { before });
    const { blocks } = puff(whole, before);
    const [{ type, tokens }] = blocks;
    const { length } = tokensOf(list, before).bytes;
    const fixed = Math.ceil((fixedBits(list) + 3) / 8) + 4;
    if (type === "fixed") assertEquals(whole.length, fixed);
    else assert(whole.length <= fixed);
    assert(whole.length <= 5 + length + 5);
    if (type !== "stored") assertEquals(tokens, list);
    seen.add(type);
  }
  assertEquals(seen.size, 3);
});

Deno.test("codes of its own are passed over only where they would save next to nothing", () => {
  const next = numbers(6);
  let lost = 0;
  let total = 0;
  for (let round = 0; round < 3000; round++) {
    const count = 5 + Math.floor(next() * 120);
    const list = round % 2 === 0
      ? bytesOf(json(300, round + 1).subarray(100, 100 + count))
      : Array.from({ length: count }, () => 48 + Math.floor(next() * 10));
    const zlib = literalsByZlib(Uint8Array.from(list));
    lost += Math.max(0, written(list).length - zlib);
    total += zlib;
  }
  assert(lost <= 0.005 * total, `${lost} of ${total} bytes`);
});

Deno.test("every length of a match is written", () => {
  for (let length = 3; length <= 258; length++) {
    check([0x61, [length, 1]], "fixed");
  }
  const all: Token[] = [0x61, 0x62, 0x63];
  for (let length = 3; length <= 258; length++) all.push([length, 3]);
  check(all, "dynamic");
});

Deno.test("every distance of a match is written", () => {
  const before = noise(32_768);
  const distances = new Set([1, 2, 3, 4]);
  for (let bits = 2; bits <= 14; bits++) {
    for (const least of [1 << bits, 3 << bits - 1]) {
      for (const near of [-1, 0, 1, 2]) distances.add(least + near);
    }
  }
  for (let back = 100; back < 32_768; back += 509) distances.add(back);
  distances.add(32_768);
  const list: Token[] = [];
  for (const back of distances) {
    check([[3, back]], "fixed", { before });
    list.push([3 + back % 9, back]);
  }
  check(list, "dynamic", { before });
});

Deno.test("runs of lengths are said in all ways", () => {
  // Two bytes far from each other leave many zeros, equal counts equal lengths.
  const cases: number[][] = [
    [0, 255],
    [0, 1, 3, 7, 20, 100, 255],
    Array.from({ length: 256 }, (_, i) => i),
    Array.from({ length: 7 }, (_, i) => 10 + i),
    Array.from({ length: 8 }, (_, i) => 10 + 2 * i),
    Array.from({ length: 12 }, (_, i) => 5 + 12 * i),
  ];
  for (const bytes of cases) {
    const list = Array.from({ length: 40 }, () => bytes).flat();
    const whole = written(list, { isHere: false });
    assertEquals(puff(whole).blocks[0].tokens, list);
  }
});

Deno.test("no code has a word that is longer than 15 bits", () => {
  // Each occurs twice as often as the one before, and so has a bit less.
  for (const [most, longest] of [[13, 14], [14, 15], [15, 15]]) {
    const list: number[] = [];
    for (let i = 0; i <= most; i++) list.push(...Array(2 ** i).fill(i));
    const { blocks } = puff(check(list, "dynamic"));
    assertEquals(Math.max(...(blocks[0].lengths?.[0] ?? [])), longest);
  }
});

Deno.test("stored() cuts what is longer than a block can be", () => {
  for (const size of [0, 1, 65_535, 65_536, 131_070, 200_000]) {
    const message = noise(size);
    const writer = new BlockWriter();
    writer.stored(message, 0, size);
    const whole = writer.end();
    const { blocks, bytes } = puff(whole);
    assertEquals(bytes, message);
    assertEquals(blocks.length, Math.max(1, Math.ceil(size / 65_535)) + 1);
  }
});

Deno.test("blocks follow each other at any bit", () => {
  const writer = new BlockWriter();
  for (let round = 0; round < 40; round++) {
    const parts: Uint8Array[] = [];
    for (let i = 0; i < 12; i++) {
      const bytes = i % 4 === 3 ? noise(round + i) : json(1 + round * i, i + 1);
      writer.block(
        Uint32Array.from(bytes),
        bytes.length,
        bytes,
        0,
        bytes.length,
      );
      parts.push(bytes);
    }
    const all = Uint8Array.from(parts.flatMap(bytesOf));
    const whole = writer.end();
    assertEquals(puff(whole).bytes, all);
    assertEquals(
      new Uint8Array(inflateRawSync(whole, { finishFlush: 2 })),
      all,
    );
  }
});

Deno.test("blocks end just where the memory of the writer does", () => {
  const high = noise(60).map((byte) => 144 + byte % 112);
  const short = json(60);
  const long = json(2000).subarray(0, 700);
  for (let size = 131_010; size < 131_072; size++) {
    const message = noise(size);
    for (
      const [lead, last] of [[1, high], [2, short], [3, long], [
        6,
        short,
      ]] as const
    ) {
      const writer = new BlockWriter();
      const before = utf8("a\x90b\x91cd").subarray(0, lead);
      const all = [before, message, last];
      for (const [i, bytes] of all.entries()) {
        const { length } = bytes;
        if (i === 1) writer.stored(bytes, 0, length);
        else writer.block(Uint32Array.from(bytes), length, bytes, 0, length);
      }
      const inflated = inflateRawSync(writer.end(), { finishFlush: 2 });
      assertEquals(inflated.length, lead + size + last.length);
      const end = inflated.subarray(lead + size);
      assertEquals(new Uint8Array(end), new Uint8Array(last));
    }
  }
});

Deno.test("begin() forgets what was written, and memory that had to grow", () => {
  const writer = new BlockWriter();
  const secret = noise(500_000);
  writer.stored(secret, 0, secret.length);
  writer.block(Uint32Array.of(0x61), 1, utf8("a"), 0, 1);
  writer.begin();
  const sizes: number[] = [];
  watchAllocations((size) => sizes.push(size), () => {
    writer.block(Uint32Array.of(0x62), 1, utf8("b"), 0, 1);
    assertEquals(puff(writer.end()).bytes, utf8("b"));
    writer.stored(secret, 0, secret.length);
    writer.end();
  });
  // What is kept grows anew: to what is needed, or to twice what there is.
  assertEquals(sizes.filter((size) => size > 65_536).slice(0, 2), [
    262_144,
    524_288,
  ]);
});

Deno.test("a message of any length is new memory", () => {
  const writer = new BlockWriter();
  const results: { message: Uint8Array; whole: Uint8Array }[] = [];
  for (
    const size of [
      10,
      120_000,
      131_060,
      131_072,
      140_000,
      1_000_000,
      10,
      90_000,
    ]
  ) {
    const message = noise(size);
    writer.stored(message, 0, size);
    results.push({ message, whole: writer.end() });
  }
  for (const { message, whole } of results) {
    assert(whole.buffer.byteLength <= Math.max(65_536, whole.length));
    const inflated = inflateRawSync(whole, { finishFlush: 2 });
    assertEquals(new Uint8Array(inflated), message);
  }
});
