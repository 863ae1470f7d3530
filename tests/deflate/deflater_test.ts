// The deflater: what it finds, as a reader of RFC 1951 sees it, and that everything
// comes back, whatever the settings, the messages and the window.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { Deflate, deflateRaw } from "pako";
import { MessageDeflater } from "../../src/deflate/deflater.ts";
import { json, noise, numbers } from "../extensions/deflate_conformance.ts";
import { watchAllocations } from "../helpers/allocations.ts";
import { concat, toHex, utf8 } from "../helpers/bytes.ts";
import { type Block, puff } from "../helpers/puff.ts";

const SETTINGS = { windowBits: 15, level: 6, memLevel: 8 };

function deflater(settings: Partial<typeof SETTINGS> = {}, start?: number) {
  return new MessageDeflater({ ...SETTINGS, ...settings }, start);
}

/** What a message becomes, without the empty block at its end. */
function blocksOf(bytes: Uint8Array, before?: Uint8Array): readonly Block[] {
  const { blocks } = puff(bytes, before);
  assertEquals(blocks.at(-1), { type: "stored", tokens: [] });
  return blocks.slice(0, -1);
}

/** What zlib reads. */
function inflated(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = inflateRawSync(concat(...parts), {
    finishFlush: constants.Z_SYNC_FLUSH,
  });
  return new Uint8Array(bytes);
}

/** How far back the farthest match of some blocks is. */
function farthest(blocks: readonly Block[]): number {
  let most = 0;
  for (const { tokens } of blocks) {
    for (const token of tokens) {
      if (typeof token !== "number") most = Math.max(most, token[1]);
    }
  }
  return most;
}

const letters = (text: string): number[] => Array.from(utf8(text));

/** A message made of what was there before, of text and of noise. */
function mixture(next: () => number, past: Uint8Array[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let i = Math.floor(next() * 6); i >= 0; i--) {
    const kind = next();
    const size = Math.floor(10 ** (next() * 3.5));
    const seed = 1 + Math.floor(next() * 1e6);
    const old = past[Math.floor(next() * past.length)];
    if (kind < 0.4 && old !== undefined) {
      const from = Math.floor(next() * old.length);
      parts.push(old.subarray(from, from + size));
    } else if (kind < 0.7) parts.push(json(size, seed));
    else if (kind < 0.85) parts.push(noise(size, seed));
    else parts.push(new Uint8Array(size).fill(seed & 0xff));
  }
  return concat(...parts);
}

Deno.test("finds what the message before had", () => {
  const out = deflater();
  assertEquals(
    toHex(out.compress(utf8("Hello"))),
    "f2 48 cd c9 c9 07 00 00 00 ff ff",
  );
  assertEquals(toHex(out.compress(utf8("Hello"))), "02 13 00 00 00 00 ff ff");
});

Deno.test("finds what repeats itself", () => {
  const tokens = (text: string) =>
    blocksOf(deflater().compress(utf8(text)))[0].tokens;
  assertEquals(tokens("a".repeat(100)), [0x61, [99, 1]]);
  assertEquals(tokens("abcabcabcabc"), [...letters("abc"), [9, 3]]);
  assertEquals(tokens("a".repeat(600)), [0x61, [258, 1], [258, 1], [83, 1]]);
  // Three bytes are not looked for, four are.
  assertEquals(tokens("abc-abc+"), letters("abc-abc+"));
  assertEquals(tokens("abcd-abcd+"), [...letters("abcd-"), [4, 5], 0x2b]);
});

Deno.test("takes the longer of two matches, the nearer of two that are as long", () => {
  const tokens = (text: string) =>
    blocksOf(deflater().compress(utf8(text)))[0].tokens;
  assertEquals(
    tokens("abcdefgh_abcde_abcdefgh"),
    [...letters("abcdefgh_"), [5, 9], 0x5f, [8, 15]],
  );
  assertEquals(
    tokens("abcdef_abcdef_abcdef."),
    [...letters("abcdef_"), [13, 7], 0x2e],
  );
});

Deno.test("waits one byte for a longer match, where the level does", () => {
  // At `b` there is a longer match than at `a`.
  const text = utf8("abcd_bcdefghi_abcdefghi");
  const lazy: Block["tokens"] = [...letters("abcd_bcdefghi_a"), [8, 10]];
  const greedy: Block["tokens"] = [...letters("abcd_bcdefghi_"), [4, 14], [
    5,
    10,
  ]];
  const tokens = (level: number) =>
    blocksOf(deflater({ level }).compress(text))[0].tokens;
  for (const level of [1, 2, 3]) assertEquals(tokens(level), greedy);
  for (const level of [5, 6, 7, 8, 9]) assertEquals(tokens(level), lazy);
});

Deno.test("finds what began in the last three bytes of the message before", () => {
  const out = deflater();
  let before = utf8("");
  for (
    const [message, expected] of [
      ["12abc", letters("12abc")],
      ["defgh", letters("defgh")],
      ["abcdefgh", [[8, 8]]],
      ["x", letters("x")],
      ["y", letters("y")],
      ["z", letters("z")],
      ["", undefined],
      ["hxyz", [[4, 4]]],
    ] as const
  ) {
    const whole = out.compress(utf8(message));
    assertEquals(blocksOf(whole, before)[0]?.tokens, expected);
    before = concat(before, utf8(message));
  }
});

Deno.test("level 0 stores", () => {
  const out = deflater({ level: 0 });
  for (const message of [utf8("aaaaaaaaaaaaa"), utf8(""), noise(200_000)]) {
    const blocks = blocksOf(out.compress(message));
    for (const { type } of blocks) assertEquals(type, "stored");
    assertEquals(
      Uint8Array.from(blocks.flatMap(({ tokens }) => tokens as number[])),
      message,
    );
  }
});

Deno.test("gives back what was compressed, whatever the settings", () => {
  for (const windowBits of [9, 10, 12, 15]) {
    for (const level of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) {
      const memLevel = 1 + (windowBits + level) % 9;
      const next = numbers(windowBits * 100 + level);
      const out = deflater({ windowBits, level, memLevel });
      const messages: Uint8Array[] = [];
      const results: Uint8Array[] = [];
      for (let i = 0; i < 60; i++) {
        const message = mixture(next, messages.slice(-20));
        messages.push(message);
        results.push(out.compress(message));
      }
      assertEquals(inflated(...results), concat(...messages));
    }
  }
});

Deno.test("gives back messages of every length, in any state of the window", () => {
  for (const windowBits of [9, 15]) {
    const out = deflater({ windowBits });
    const text = json(3000);
    const messages: Uint8Array[] = [];
    const results: Uint8Array[] = [];
    for (let length = 0; length < 1200; length++) {
      const from = length * 7 % 1800;
      messages.push(text.subarray(from, from + length));
      results.push(out.compress(messages[length]));
    }
    assertEquals(inflated(...results), concat(...messages));
  }
});

Deno.test("refers to what is as far back as zlib would, and no farther", () => {
  for (const windowBits of [9, 10, 11, 13, 15]) {
    const reach = (1 << windowBits) - 262;
    for (
      const [back, isFound] of [[reach - 1, true], [reach, true], [
        reach + 1,
        false,
      ]] as const
    ) {
      for (const cut of [0, 8, back - 5, back]) {
        const mark = utf8("THE MARK");
        const bytes = concat(
          mark,
          noise(back - mark.length).map((byte) => 97 + byte % 16),
          mark,
        );
        const out = deflater({ windowBits, level: 9 });
        const parts = [bytes.subarray(0, cut), bytes.subarray(cut)];
        const whole = concat(...parts.map((part) => out.compress(part)));
        const { bytes: read, blocks } = puff(whole);
        assertEquals(read, bytes);
        const found = blocks.flatMap(({ tokens }) => tokens).some((token) =>
          typeof token !== "number" && token[0] === 8 && token[1] === back
        );
        assertEquals(found, isFound, `${windowBits} ${back} ${cut}`);
        assert(farthest(blocks) <= reach);
      }
    }
  }
});

Deno.test("reset() forgets everything, as if it were new", () => {
  const next = numbers(12);
  const used = deflater();
  for (let round = 0; round < 60; round++) {
    const fresh = deflater();
    const messages: Uint8Array[] = [];
    const results: Uint8Array[] = [];
    for (let i = 0; i < 4; i++) {
      const message = mixture(next, messages);
      messages.push(message);
      results.push(used.compress(message));
      // Where the window is moved may be another place, and cut a match in two.
      const { length } = fresh.compress(message);
      assert(Math.abs(results[i].length - length) <= 40);
    }
    // Nothing before is needed to read it.
    assertEquals(inflated(...results), concat(...messages));
    used.reset();
  }
});

Deno.test("skip() takes in what the receiver has got otherwise", () => {
  for (const windowBits of [9, 12, 15]) {
    for (const size of [0, 1, 3, 4, 100, 511, 512, 40_000, 70_000, 300_000]) {
      const out = deflater({ windowBits });
      const [first, past] = [json(300, 2), json(size, 3)];
      const message = concat(past.slice(-200), first, utf8("!"));
      const parts = [
        out.compress(first),
        deflateRawSync(past, { finishFlush: constants.Z_SYNC_FLUSH }),
      ];
      out.skip(past);
      parts.push(out.compress(message));
      assertEquals(inflated(...parts), concat(first, past, message));
      if (size >= 200) {
        const [{ tokens }] = blocksOf(parts[2], concat(first, past));
        assertEquals(tokens[0], [200, 200]);
      }
    }
  }
});

Deno.test("skip() is not part of the next block", () => {
  for (const size of [3, 40_000]) {
    const out = deflater();
    out.skip(json(size));
    const message = noise(16_000);
    const whole = out.compress(message);
    assertEquals(blocksOf(whole)[0].type, "stored");
    assertEquals(puff(whole).bytes, message);
  }
});

Deno.test("begins to count anew when its positions have become large", () => {
  const limit = 0x3f00_0000;
  const starts = [1, 40_000, 65_000, 100_000, 200_000].map((n) => limit - n);
  // Long after that they would not fit into 31 bits.
  for (const start of [...starts, 2 ** 31 - 70_000]) {
    const next = numbers(start);
    const out = deflater({}, start);
    const messages: Uint8Array[] = [];
    const results: Uint8Array[] = [];
    for (let total = 0; total < 400_000;) {
      const message = concat(mixture(next, messages.slice(-5)), json(500));
      messages.push(message);
      results.push(out.compress(message));
      total += message.length;
    }
    assertEquals(inflated(...results), concat(...messages));
    // And still finds what comes after that.
    const again = out.compress(messages[messages.length - 1]);
    assert(again.length < 200, `${again.length}`);
  }
});

/** Rows of what is the same but for little of it. */
function rows(length: number, row: (next: () => number) => string): Uint8Array {
  const next = numbers(18);
  let text = "";
  while (text.length < length) text += row(next);
  return utf8(text.slice(0, length));
}

const below = (next: () => number, end: number) => Math.floor(next() * end);

const KINDS: Readonly<Record<string, Uint8Array>> = {
  json: json(100_000),
  page: rows(
    200_000,
    (next) =>
      `<div class="row r${below(next, 9)}"><span id="s${below(next, 9999)}">` +
      `${["foo", "lorem ipsum"][below(next, 2)]}</span></div>\n`,
  ),
  ticks: rows(
    200_000,
    (next) =>
      `{"s":"${["BTC", "ETH", "SOL"][below(next, 3)]}USDT","p":"` +
      `${(100 * next()).toFixed(2)}","m":${next() < 0.5}}`,
  ),
  // All begin alike with more than a short match, and go on in one of a few ways.
  templates: rows(100_000, (next) => {
    const way = below(next, 20);
    return "this is how each of them begins, and " +
      Array.from(
        { length: 40 },
        (_, i) => String.fromCharCode(97 + (way * 7 + i * i) % 26),
      )
        .join("");
  }),
  numbers: rows(100_000, (next) => `${(100 * next()).toFixed(2)},`),
  noise: noise(100_000),
};

for (const [kind, bytes] of Object.entries(KINDS)) {
  Deno.test(`makes of ${kind} about what zlib makes of it at the same level, or less`, () => {
    for (const level of [1, 2, 3, 4, 5, 6, 7, 8, 9]) {
      for (const size of [300, 100_000]) {
        // pako is zlib as it has always been.
        const theirs = new Deflate({ raw: true, level: level as 1 });
        const out = deflater({ level });
        let ours = 0;
        let count = 0;
        for (let from = 0; from < bytes.length; from += size) {
          const part = bytes.subarray(from, from + size);
          ours += out.compress(part).length;
          theirs.push(part, 2);
          count++;
        }
        const zlib = theirs.chunks.reduce(
          (sum, chunk) => sum + chunk.length,
          0,
        );
        assert(zlib > 5 * count);
        const most = level < 4 ? 1.05 : 1.03;
        assert(
          ours <= most * zlib,
          `level ${level}, ${size}: ${ours}, ${zlib}`,
        );
      }
    }
  });
}

Deno.test("little memory makes results little longer", () => {
  for (const [kind, bytes] of Object.entries(KINDS)) {
    for (const memLevel of [1, 2, 3, 5, 9]) {
      const ours = deflater({ memLevel }).compress(bytes).length;
      const zlib = deflateRaw(bytes, { memLevel }).length;
      assert(ours <= 1.08 * zlib, `${kind}, ${memLevel}: ${ours}, ${zlib}`);
    }
  }
});

Deno.test("a higher level is not longer", () => {
  const text = json(200_000);
  const lengths = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((level) =>
    deflater({ level }).compress(text).length
  );
  for (let level = 1; level < 10; level++) {
    assert(lengths[level] <= lengths[level - 1], `${lengths}`);
  }
});

Deno.test("a bomb of zeros is as small as DEFLATE can make it", () => {
  const size = 10_485_760;
  const whole = deflater({ level: 9 }).compress(new Uint8Array(size));
  // Two bits for 258 bytes are 1032 to 1.
  assert(size / whole.length > 1020, `${whole.length}`);
  assertEquals(inflated(whole).length, size);
});

Deno.test("blocks end wherever they are full", () => {
  for (const memLevel of [1, 2, 3]) {
    const most = 1 << memLevel + 6;
    for (let offset = 0; offset < 40; offset++) {
      const message = concat(noise(offset), json(4000, offset + 1));
      const blocks = blocksOf(deflater({ memLevel }).compress(message));
      assertEquals(inflated(deflater({ memLevel }).compress(message)), message);
      for (const [i, { type, tokens }] of blocks.entries()) {
        if (type === "stored") continue;
        if (i < blocks.length - 1) assertEquals(tokens.length, most);
        else assert(tokens.length > 0 && tokens.length <= most);
      }
    }
  }
});

Deno.test("blocks end where the window is full, too", () => {
  // With literals alone, the last of a window may be the last of a block.
  for (const windowBits of [9, 10]) {
    const message = noise(10_000);
    const whole = deflater({ windowBits, memLevel: 1 }).compress(message);
    const { bytes, blocks } = puff(whole);
    assertEquals(bytes, message);
    for (const { tokens } of blocks) assert(tokens.length <= 128);
  }
});

Deno.test("what could not be compressed for want of memory is forgotten, with all before it", () => {
  const noRoom = (size: number) => {
    if (size > 131_072) throw new RangeError("There is no memory");
  };
  for (const windowBits of [9, 15]) {
    for (const level of [0, 1, 6]) {
      const [first, second] = [deflater({ windowBits, level }), deflater()];
      first.compress(json(2000));
      const secret = noise(1_000_000);
      watchAllocations(noRoom, () => {
        assertThrows(
          () => first.compress(secret),
          RangeError,
          "There is no memory",
        );
        // It begins anew, and so does everybody else.
        for (const out of [second, first]) {
          // It is stored, from where the block begins.
          const message = secret.slice(0, 100);
          const whole = out.compress(message);
          assertEquals(puff(whole).bytes, message);
          const fresh = deflater(out === first ? { windowBits, level } : {});
          assertEquals(whole, fresh.compress(message));
          assert(whole.buffer.byteLength <= 65_536, "it has memory of its own");
        }
      });
    }
  }
});

Deno.test("a level that searches nothing takes little memory", () => {
  const sizes: number[] = [];
  const out = watchAllocations(
    (size) => sizes.push(size),
    () => deflater({ level: 0 }),
  );
  assert(sizes.every((size) => size < 2000), `${sizes}`);
  out.skip(json(5000));
  assertEquals(inflated(out.compress(json(3000))), json(3000));
});

Deno.test("deflaters do not disturb each other", () => {
  const outs = [
    deflater(),
    deflater({ windowBits: 9 }),
    deflater({ level: 1 }),
  ];
  const results: Uint8Array[][] = [[], [], []];
  const messages = [1, 2, 3].map((seed) =>
    Array.from({ length: 30 }, (_, i) => json(i * i * 3, seed + i))
  );
  for (let i = 0; i < 30; i++) {
    for (const [k, out] of outs.entries()) {
      results[k].push(out.compress(messages[k][i]));
    }
  }
  for (const [k, parts] of results.entries()) {
    assertEquals(inflated(...parts), concat(...messages[k]));
  }
});

Deno.test("bytes that do something when they are read cannot get between a message and its writing", () => {
  const [first, second] = [deflater({ memLevel: 1 }), deflater()];
  const results: Uint8Array[] = [];
  class Odd extends Uint8Array {
    override subarray(...range: [number?, number?]): Uint8Array<ArrayBuffer> {
      results.push(second.compress(json(3000, 2)));
      return new Uint8Array(this).subarray(...range);
    }
    override get length(): number {
      results.push(second.compress(json(300, 3)));
      return super.length;
    }
  }
  const message = json(200_000);
  const whole = first.compress(new Odd(message));
  assertEquals(inflated(whole), message);
  first.skip(new Odd(json(100)));
  for (const result of results.splice(0, 1)) {
    assertEquals(inflated(result), json(300, 3));
  }
});
