// Huffman codes: their lengths, and the words that belong to these.
import { assert, assertEquals } from "@std/assert";
import { assign, measure, MOST_SYMBOLS } from "../../src/deflate/huffman.ts";
import { numbers } from "../extensions/deflate_conformance.ts";

function lengthsOf(counts: readonly number[], most = 15): number[] {
  const lengths = new Uint8Array(counts.length).fill(99);
  measure(Uint32Array.from(counts), lengths, most);
  return Array.from(lengths);
}

/** The words of a code, as they are written in the RFC. */
function wordsOf(lengths: readonly number[]): string[] {
  const words = new Uint16Array(lengths.length);
  assign(Uint8Array.from(lengths), words);
  return lengths.map((length, symbol) =>
    Array.from({ length }, (_, bit) => words[symbol] >> bit & 1).join("")
  );
}

/** How much of all words of a code are taken: 1 if none is left over. */
function taken(lengths: readonly number[]): number {
  return lengths.reduce(
    (sum, length) => length === 0 ? sum : sum + 2 ** -length,
    0,
  );
}

function bits(counts: readonly number[], lengths: readonly number[]): number {
  return counts.reduce((sum, count, i) => sum + count * lengths[i], 0);
}

/** How many bits the best code takes whose words have no more than `most` each. */
function leastBits(counts: readonly number[], most = 15): number {
  // Coins of one value, two of which make one of twice the value: those that are
  // cheapest in the end have each leaf as often as its word has bits (Larmore and
  // Hirschberg's package-merge).
  const leaves = counts.filter((count) => count > 0);
  let packages: number[] = [];
  let merged: number[] = [];
  for (let i = 0; i < most; i++) {
    merged = [...leaves, ...packages].sort((a, b) => a - b);
    packages = [];
    for (let j = 1; j < merged.length; j += 2) {
      packages.push(merged[j - 1] + merged[j]);
    }
  }
  const needed = merged.slice(0, 2 * leaves.length - 2);
  return needed.reduce((sum, cost) => sum + cost, 0);
}

Deno.test("assign() gives the words of RFC 1951, section 3.2.2", () => {
  assertEquals(
    wordsOf([3, 3, 3, 3, 3, 2, 4, 4]),
    ["010", "011", "100", "101", "110", "00", "1110", "1111"],
  );
  assertEquals(wordsOf([2, 1, 3, 3]), ["10", "0", "110", "111"]);
  assertEquals(wordsOf([0, 1, 0, 1]), ["", "0", "", "1"]);
});

Deno.test("assign() gives words of 15 bits", () => {
  const lengths = Array.from({ length: 15 }, (_, i) => i + 1).concat(15);
  const words = wordsOf(lengths);
  assertEquals(words[14], "111111111111110");
  assertEquals(words[15], "111111111111111");
  assertEquals(words[8], "111111110");
});

Deno.test("measure() gives the shorter word to what occurs more often", () => {
  assertEquals(lengthsOf([1, 2, 4, 8, 0]), [3, 3, 2, 1, 0]);
  assertEquals(lengthsOf([5, 5, 5, 5]), [2, 2, 2, 2]);
  assertEquals(lengthsOf([0, 7, 0, 1]), [0, 1, 0, 1]);
});

Deno.test("measure() gives a word to two symbols at least", () => {
  assertEquals(lengthsOf([0, 0, 0, 0]), [1, 1, 0, 0]);
  assertEquals(lengthsOf([0, 0, 9, 0]), [1, 0, 1, 0]);
  assertEquals(lengthsOf([9, 0, 0, 0]), [1, 1, 0, 0]);
});

Deno.test("measure() makes the best code there is, where words may be as long as they like", () => {
  const next = numbers(1951);
  for (let round = 0; round < 300; round++) {
    const size = 2 + Math.floor(next() * (MOST_SYMBOLS - 1));
    const kind = round % 3;
    const counts = Array.from({ length: size }, () => {
      if (next() < 0.3) return 0;
      if (kind === 0) return 1 + Math.floor(next() * 20);
      return 1 + Math.floor(kind === 1 ? 1e4 ** next() : next() ** 8 * 300);
    });
    counts[0]++;
    counts[1]++;
    const lengths = lengthsOf(counts);
    assertEquals(taken(lengths), 1);
    const least = leastBits(counts);
    // Only where a word would be longer than it may be, it is a guess.
    if (Math.max(...lengths) < 15) assertEquals(bits(counts, lengths), least);
    else assert(bits(counts, lengths) <= 1.0001 * least);
    for (const [i, count] of counts.entries()) {
      assertEquals(lengths[i] > 0, count > 0);
    }
  }
});

Deno.test("measure() makes no word longer than it may be, and leaves none over", () => {
  // With the numbers of Fibonacci, each word is one bit longer than the next.
  const fibonacci = [1, 1];
  for (let i = 2; i < 30; i++) {
    fibonacci.push(fibonacci[i - 1] + fibonacci[i - 2]);
  }
  for (const size of [9, 12, 16, 17, 19, 25, 30]) {
    for (const most of [7, 15]) {
      const counts = fibonacci.slice(0, size);
      const lengths = lengthsOf(counts, most);
      assertEquals(Math.max(...lengths), Math.min(size - 1, most));
      assertEquals(taken(lengths), 1);
      for (let i = 1; i < size; i++) assert(lengths[i] <= lengths[i - 1]);
      const least = leastBits(counts, most);
      assert(bits(counts, lengths) <= 1.15 * least, `${lengths}`);
    }
  }
});

Deno.test("measure() keeps to the length with as many symbols as there are", () => {
  const counts = Array.from(
    { length: MOST_SYMBOLS },
    (_, i) => i < 250 ? 1 : 2 ** (i - 249 >> 1),
  );
  for (const [i, count] of counts.entries()) counts[i] = Math.min(count, 4000);
  const lengths = lengthsOf(counts, 9);
  assertEquals(Math.max(...lengths), 9);
  assertEquals(taken(lengths), 1);
});
