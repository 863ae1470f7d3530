// The codes that a block brings along: how they are said, and when they are made.
import { assert, assertEquals } from "@std/assert";
import {
  DISTANCES,
  END,
  LITERALS,
  ownBits,
  ownDistances,
  ownLiterals,
  sayCodes,
} from "../../src/deflate/codes.ts";
import { numbers } from "../extensions/deflate_conformance.ts";
import { puff } from "../helpers/puff.ts";

/** Counts of symbols, one of each that is named, and of the end of the block. */
function countsOf(
  literals: Iterable<number>,
  distances: Iterable<number> = [],
): [Uint32Array, Uint32Array] {
  const counts = [
    new Uint32Array(LITERALS),
    new Uint32Array(DISTANCES),
  ] as const;
  counts[0][END] = 1;
  for (const symbol of literals) counts[0][symbol]++;
  for (const symbol of distances) counts[1][symbol]++;
  return [...counts];
}

/** How many bits the codes take that were made last, and how a reader takes them. */
function saidCodes() {
  const bits: number[] = [0, 0, 1]; // not the last block; with its own codes
  const put = (value: number, count: number) => {
    for (let i = 0; i < count; i++) bits.push(value >> i & 1);
  };
  sayCodes(put);
  const said = bits.length - 3;
  put(ownLiterals.words[END], ownLiterals.lengths[END]);
  // An empty stored block makes whole bytes of it.
  put(0, 3);
  while (bits.length % 8 > 0) bits.push(0);
  put(0, 16);
  put(0xffff, 16);
  const bytes = new Uint8Array(bits.length / 8);
  for (const [i, bit] of bits.entries()) bytes[i >> 3] |= bit << (i & 7);
  const [block] = puff(bytes).blocks;
  assertEquals(block.type, "dynamic");
  const [literals = [], distances = []] = block.lengths ?? [];
  return { said, literals, distances };
}

/** The lengths, without the zeros at the end. */
function trimmed(lengths: Iterable<number>, least: number): number[] {
  const list = Array.from(lengths);
  while (list.length > least && list.at(-1) === 0) list.pop();
  return list;
}

/** Makes codes, and checks that they are said as they are and take what is told. */
function check(literals: Uint32Array, distances: Uint32Array) {
  const bits = ownBits(literals, distances, Infinity);
  const said = saidCodes();
  assertEquals(said.literals, trimmed(ownLiterals.lengths, END + 1));
  assertEquals(said.distances, trimmed(ownDistances.lengths, 1));
  const symbols = ownLiterals.bits(literals) + ownDistances.bits(distances);
  assertEquals(bits, said.said + symbols);
  return { ...said, bits };
}

Deno.test("codes are said with as few lengths as there are", () => {
  const { literals, distances, said } = check(...countsOf([0, 0, 1]));
  assertEquals(literals.slice(0, 3), [1, 2, 0]);
  assertEquals([literals.length, literals[END]], [257, 2]);
  // A code of one word more than there is need of: not all readers take less.
  assertEquals(distances, [1, 1]);
  // 14 bits, the lengths of the words that say lengths, and a few of these.
  assert(said < 100, `${said} bits`);
});

Deno.test("the last symbols of both codes are said", () => {
  const { literals, distances } = check(...countsOf([0, 285], [29, 29, 3]));
  assertEquals([literals.length, distances.length], [286, 30]);
  assertEquals([distances[3], distances[29]], [1, 1]);
});

Deno.test("runs of any length are said", () => {
  // Equal counts have equal lengths, what is between them zeros.
  for (let run = 1; run < 255; run++) {
    check(...countsOf(Array.from({ length: run }, (_, i) => i)));
    check(...countsOf([0, run]));
    check(...countsOf([0, 1, run + 1 & 0xff], [run % DISTANCES]));
  }
});

Deno.test("a run goes on from one code to the other", () => {
  // All lengths are 8 or 9 at the end of the one, 5 or less in the other.
  const all = Array.from({ length: LITERALS }, (_, i) => i);
  for (let count = 1; count <= DISTANCES; count++) {
    check(...countsOf(all, all.slice(0, count)));
  }
  const { literals, distances } = check(
    ...countsOf([0, 1, 284, 285], [0, 1, 2, 3]),
  );
  assertEquals([literals[285], distances[0]], [2, 2].map(() => literals[285]));
});

Deno.test("any counts give codes that are said as they are", () => {
  const next = numbers(327);
  for (let round = 0; round < 1000; round++) {
    const literals = new Uint32Array(LITERALS);
    const distances = new Uint32Array(DISTANCES);
    const some = next();
    for (const counts of [literals, distances]) {
      for (let i = 0; i < counts.length; i++) {
        if (next() < some) counts[i] = Math.floor(30 ** (3 * next()));
      }
    }
    literals[END] = 1;
    check(literals, distances);
  }
});

Deno.test("codes are not made where they would not pay", () => {
  const next = numbers(328);
  for (let round = 0; round < 500; round++) {
    const size = 10 + Math.floor(next() * 1000);
    const spread = 2 ** (1 + Math.floor(next() * 8));
    const symbols = (most: number) =>
      Array.from({ length: size }, () => Math.floor(next() * most));
    const counts = round % 2 === 0
      ? countsOf(symbols(spread))
      : countsOf(symbols(2), symbols(Math.min(spread, DISTANCES)));
    const made = ownBits(...counts, Infinity);
    // What is far less than they take tells at once.
    assertEquals(ownBits(...counts, made / 2), Infinity);
    // What is much more does not keep them from being made.
    assertEquals(ownBits(...counts, 1.5 * made), made);
  }
});
