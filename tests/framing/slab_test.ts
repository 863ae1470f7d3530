// Small results are carved from memory that is shared; what was given away is
// never written again.
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  allocate,
  CARVE_BYTES,
  EMPTY,
  Space,
  spaceFor,
} from "../../src/framing/slab.ts";

/** Takes away the memory of some bytes, and of all that share it. */
function detach(bytes: Uint8Array<ArrayBuffer>): void {
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
}

Deno.test("allocate() goes on when the slab was transferred away before a byte of it was used", () => {
  // This must be the first test: the module is new, its slab has no bytes yet.
  const nothing = allocate(0);
  detach(nothing);
  assertEquals(allocate(0).length, 0);
  assertEquals(allocate(1).length, 1);
});

Deno.test("allocate() gives bytes of exactly the size asked for", () => {
  for (const size of [0, 1, 125, 4095, 4096, 4097, 65_535, 65_536, 65_537]) {
    assertEquals(allocate(size).length, size);
  }
});

Deno.test("allocate() carves up to 4 KiB from a shared slab of 64 KiB", () => {
  assertEquals(CARVE_BYTES, 4096);
  const first = allocate(10);
  const second = allocate(20);
  assertEquals(first.buffer.byteLength, 65_536);
  assertStrictEquals(second.buffer, first.buffer);
  assertEquals(second.byteOffset, first.byteOffset + 10);
  assertEquals(allocate(4096).buffer.byteLength, 65_536);
});

Deno.test("allocate() gives a buffer of its own above 4 KiB", () => {
  const small = allocate(1);
  const large = allocate(4097);
  assertEquals(large.buffer.byteLength, 4097);
  assertEquals(large.byteOffset, 0);
  const next = allocate(1);
  assertStrictEquals(next.buffer, small.buffer, "the slab goes on");
  assertEquals(next.byteOffset, small.byteOffset + 1);
});

Deno.test("allocate() never gives the same byte twice", () => {
  // Each result is filled with a number of its own. Any byte written again by
  // a later one would show.
  const results: Uint8Array[] = [];
  for (let i = 0; i < 2000; i++) {
    results.push(allocate(i * 37 % 4097).fill(i % 251));
  }
  results.forEach((bytes, i) => {
    assert(bytes.every((byte) => byte === i % 251), `result ${i}`);
  });
});

Deno.test("allocate() takes a new slab when the old one has too little room", () => {
  let last = allocate(4096);
  const slabs = new Set([last.buffer]);
  for (let i = 0; i < 64; i++) {
    const next = allocate(4096);
    assert(
      next.buffer !== last.buffer
        ? next.byteOffset === 0
        : next.byteOffset === last.byteOffset + 4096,
    );
    slabs.add(next.buffer);
    last = next;
  }
  assert(slabs.size >= 5, "64 * 4 KiB fill at least four slabs of 64 KiB");
});

Deno.test("allocate() goes on when the slab was transferred away", () => {
  const lost = allocate(16);
  detach(lost);
  assertEquals(lost.length, 0);
  const next = allocate(16);
  assertEquals(next.length, 16);
  assertEquals(next.buffer.byteLength, 65_536);
  next.fill(7);
  assertEquals(next[15], 7);
});

Deno.test("spaceFor() gives the same space until something is carved", () => {
  const space = spaceFor(100);
  const { at } = space;
  assert(space.bytes.length - at >= 100);
  assertStrictEquals(spaceFor(50), space);
  assertEquals(space.at, at);
  const bytes = space.carve(at, at + 3);
  assertEquals([bytes.byteOffset, bytes.length], [at, 3]);
  assertStrictEquals(bytes.buffer, space.bytes.buffer);
  assertEquals(spaceFor(50).at, at + 3);
});

Deno.test("spaceFor() gives a space of the exact size above 4 KiB", () => {
  const space = spaceFor(5000);
  assertEquals([space.at, space.bytes.length], [0, 5000]);
  assert(spaceFor(5000) !== space);
});

Deno.test("Space.words are the words from byte 0, always the same", () => {
  const space = new Space(20);
  space.bytes.set([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assertEquals(space.words.length, 2);
  assertStrictEquals(space.words.buffer, space.bytes.buffer);
  assertEquals(space.words.byteOffset, 0);
  assertStrictEquals(space.words, space.words);
});

Deno.test("allocate() of what is no size leaves the slab as it was", () => {
  const { buffer, byteOffset } = allocate(1);
  for (const size of [NaN, undefined, 2.5, "7", -1]) {
    try {
      allocate(size as number); // untyped code
    } catch (error) {
      assertInstanceOf(error, RangeError);
    }
  }
  const next = allocate(1);
  assertStrictEquals(next.buffer, buffer);
  assertEquals(next.byteOffset, byteOffset + 1);
});

Deno.test("Space.carve() that fails takes nothing", () => {
  const space = new Space(8);
  assertThrows(() => space.carve(0, 9), RangeError);
  assertEquals(space.at, 0);
});

Deno.test("Space of a buffer is all of it", () => {
  const { buffer } = new Uint8Array([1, 2, 3]);
  const space = new Space(buffer);
  assertEquals([space.at, ...space.bytes], [0, 1, 2, 3]);
  assertEquals(space.carve(1, 3), new Uint8Array([2, 3]));
  assertStrictEquals(space.carve(1, 3).buffer, buffer);
});

Deno.test("EMPTY has no bytes", () => {
  assertEquals(EMPTY.length, 0);
  assertEquals(EMPTY.buffer.byteLength, 0);
});
