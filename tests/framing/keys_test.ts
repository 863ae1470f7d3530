// Masking keys must be fresh for each frame and unpredictable (RFC 6455, section 5.3).
import { assert, assertEquals, assertThrows } from "@std/assert";
import { KeyPool, KEYS } from "../../src/framing/keys.ts";

/** Counts up by one with each byte, over all calls. */
function counting(): { fills: number[]; random: (bytes: Uint8Array) => void } {
  const fills: number[] = [];
  let value = 0;
  return {
    fills,
    random: (bytes) => {
      fills.push(bytes.length);
      for (let i = 0; i < bytes.length; i++) bytes[i] = value++;
    },
  };
}

Deno.test("KeyPool.next() gives four bytes of the source at a time, lowest first", () => {
  const { random } = counting();
  const pool = new KeyPool(random);
  assertEquals(pool.next(), 0x03020100);
  assertEquals(pool.next(), 0x07060504);
  assertEquals(pool.next(), 0x0b0a0908);
});

Deno.test("KeyPool() asks its source for nothing before a key is wanted", () => {
  const { fills, random } = counting();
  const pool = new KeyPool(random);
  assertEquals(fills, []);
  pool.next();
  assertEquals(fills, [4096]);
});

Deno.test("KeyPool.next() fills the pool again when no key is left", () => {
  const { fills, random } = counting();
  const pool = new KeyPool(random, 8);
  const keys = [pool.next(), pool.next()];
  assertEquals(fills, [8]);
  keys.push(pool.next(), pool.next(), pool.next());
  assertEquals(fills, [8, 8, 8]);
  assertEquals(keys, [
    0x03020100,
    0x07060504,
    0x0b0a0908,
    0x0f0e0d0c,
    0x13121110,
  ]);
});

Deno.test("KeyPool.next() gives no byte of the source twice over many fills", () => {
  let fills = 0;
  const pool = new KeyPool((bytes) => {
    new Uint32Array(bytes.buffer).forEach((_, i, words) => {
      words[i] = fills * 1024 + i;
    });
    fills++;
  });
  const keys = Array.from({ length: 10_000 }, () => pool.next());
  assertEquals(fills, 10);
  assertEquals(keys, Array.from({ length: 10_000 }, (_, i) => i));
});

Deno.test("KeyPool.next() throws what its source throws, and gives no stale key after", () => {
  let works = true;
  const pool = new KeyPool((bytes) => {
    if (!works) throw new Error("no entropy");
    bytes.fill(0x11);
  }, 4);
  assertEquals(pool.next(), 0x11111111);
  works = false;
  assertThrows(() => pool.next(), Error, "no entropy");
  assertThrows(() => pool.next(), Error, "no entropy");
});

Deno.test("KEYS.next() draws from crypto.getRandomValues", () => {
  const original = crypto.getRandomValues;
  const asked: number[] = [];
  crypto.getRandomValues = (array) => {
    if (!(array instanceof Uint8Array)) throw new TypeError("expected bytes");
    asked.push(array.length);
    array.fill(0x42);
    return array;
  };
  try {
    // Whatever real keys are left in the pool are used up within 1024.
    for (let i = 0; i < 1024; i++) KEYS.next();
    assertEquals(KEYS.next(), 0x42424242);
    assert(asked.length > 0 && asked.every((length) => length === 4096));
    // Nothing of this is left for the tests that follow.
    const fills = asked.length;
    while (asked.length === fills) KEYS.next();
    for (let i = 1; i < 1024; i++) KEYS.next();
  } finally {
    crypto.getRandomValues = original;
  }
});

Deno.test("KEYS.next() does not repeat itself", () => {
  const keys = new Set(Array.from({ length: 1000 }, () => KEYS.next()));
  // Among a thousand of 2^32 values, the chance of three pairs is below 10^-11.
  assert(keys.size >= 998, `${keys.size} of 1000 differ`);
});
