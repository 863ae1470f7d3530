// Payloads that arrive in pieces: what comes out, and how much memory it takes
// on the way. Memory is counted by what is asked of the engine.
import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { Gather } from "../../src/framing/gather.ts";
import { allocate } from "../../src/framing/slab.ts";
import { watchAllocations } from "../helpers/allocations.ts";
import { payloadOf, toHex, utf8 } from "../helpers/bytes.ts";

const KIB = 1024;
const EMPTY = new Uint8Array(0);

/** Appends a payload in pieces of one size, as parts of a frame that holds it all. */
function appendAll(
  gather: Gather,
  payload: Uint8Array,
  piece: number,
  last: boolean,
): void {
  for (let from = 0; from < payload.length; from += piece) {
    const to = Math.min(from + piece, payload.length);
    gather.append(payload, from, to, payload.length - from, last);
  }
}

/** Compares without a diff, which of a megabyte would take minutes. */
function assertSame(actual: Uint8Array, expected: Uint8Array, what: string) {
  assertEquals(actual.length, expected.length, what);
  const wrong = actual.findIndex((byte, i) => byte !== expected[i]);
  assertEquals(wrong, -1, `${what}: the first byte that differs`);
}

Deno.test("Gather.take() gives the pieces in one", () => {
  const gather = new Gather();
  gather.append(utf8("__Hel__"), 2, 5, 5, true);
  assertEquals(gather.length, 3);
  gather.append(utf8("lo"), 0, 2, 2, true);
  assertEquals(gather.length, 5);
  assertEquals(gather.take(), utf8("Hello"));
  assertEquals(gather.length, 0);
});

Deno.test("Gather.take() gives no bytes when nothing was appended", () => {
  const gather = new Gather();
  assertEquals(gather.take(), new Uint8Array(0));
  gather.append(utf8("x"), 1, 1, 0, false);
  assertEquals(gather.take(), new Uint8Array(0));
  gather.append(utf8("x"), 1, 1, 0, true);
  assertEquals(gather.take(), new Uint8Array(0));
});

Deno.test("Gather.take() gives what was appended, whatever the sizes", () => {
  const gather = new Gather();
  for (const total of [1, 47, 48, 49, 511, 512, 513, 5000, 65_536, 70_000]) {
    const payload = payloadOf(total);
    for (const piece of [1, 7, 48, 49, 1400, 4096, 65_536, total]) {
      for (const last of [true, false]) {
        appendAll(gather, payload, piece, last);
        assertEquals(gather.length, total);
        assertSame(gather.take(), payload, `${total} bytes by ${piece}`);
      }
    }
  }
});

Deno.test("Gather.take() gives what was appended by frames whose last is only known late", () => {
  const gather = new Gather();
  const payload = payloadOf(200_000);
  for (const frame of [1, 100, 1000, 30_000, 199_999]) {
    for (const piece of [1, 333, 30_000]) {
      for (let start = 0; start < payload.length; start += frame) {
        const end = Math.min(start + frame, payload.length);
        const last = end === payload.length;
        for (let from = start; from < end; from += piece) {
          const to = Math.min(from + piece, end);
          gather.append(payload, from, to, end - from, last);
        }
      }
      assertSame(gather.take(), payload, `frames of ${frame} by ${piece}`);
    }
  }
});

Deno.test("Gather.append() copies: the source may be overwritten", () => {
  const gather = new Gather();
  const buffer = new Uint8Array(100);
  for (let i = 0; i < 5; i++) {
    buffer.fill(i);
    gather.append(buffer, 0, 100, 500 - 100 * i, true);
    buffer.fill(0xa5);
  }
  const expected = Uint8Array.from({ length: 500 }, (_, i) => i / 100);
  assertEquals(gather.take(), expected);
});

Deno.test("Gather.take() begins anew, and what it gave is not written again", () => {
  const gather = new Gather();
  const results: Uint8Array[] = [];
  for (let i = 0; i < 300; i++) {
    const piece = new Uint8Array(1 + i * 31 % 1000).fill(i);
    gather.append(piece, 0, piece.length, 2 * piece.length, i % 2 === 0);
    gather.append(piece, 0, piece.length, piece.length, i % 2 === 0);
    results.push(gather.take());
  }
  results.forEach((bytes, i) => {
    assertEquals(bytes.length, 2 * (1 + i * 31 % 1000));
    assert(bytes.every((byte) => byte === (i & 0xff)), `result ${i}`);
  });
});

Deno.test("Gather.clear() lets everything go", () => {
  const gather = new Gather();
  for (const last of [true, false]) {
    appendAll(gather, payloadOf(5000), 700, last);
    gather.clear();
    assertEquals(gather.length, 0);
    appendAll(gather, utf8("Hello"), 2, last);
    assertEquals(gather.take(), utf8("Hello"));
  }
});

Deno.test("Gather makes no buffer over 64 KiB and 16 times what has arrived", () => {
  const payload = payloadOf(3 * 1024 * KIB + 17);
  for (const piece of [100, 1400, 65_536, 200_000]) {
    for (const last of [true, false]) {
      const gather = new Gather();
      let arrived = 0;
      const sizes: number[] = [];
      watchAllocations((size) => {
        sizes.push(size);
        const most = Math.max(64 * KIB, 16 * arrived);
        assert(size <= most, `${size} bytes where ${arrived} have arrived`);
      }, () => {
        for (let from = 0; from < payload.length; from += piece) {
          const to = Math.min(from + piece, payload.length);
          arrived = to;
          gather.append(payload, from, to, payload.length - from, last);
        }
      });
      assert(sizes.length > 0);
      assertSame(gather.take(), payload, `by ${piece}`);
    }
  }
});

Deno.test("Gather reserves at most 64 KiB for a length that is only announced", () => {
  for (const announced of [2 ** 20, 2 ** 31, Number.MAX_SAFE_INTEGER]) {
    for (const last of [true, false]) {
      const sizes: number[] = [];
      watchAllocations((size) => sizes.push(size), () => {
        const gather = new Gather();
        gather.append(utf8("Hello"), 0, 5, announced, last);
        assertEquals(gather.length, 5);
      });
      assertEquals(sizes, [64 * KIB]);
    }
  }
});

Deno.test("Gather makes one buffer of exactly the length once a sixteenth has arrived", () => {
  const payload = payloadOf(1024 * KIB);
  const sizes: number[] = [];
  const gather = new Gather();
  const whole = watchAllocations((size) => sizes.push(size), () => {
    gather.append(payload, 0, 64 * KIB - 1, 1024 * KIB, true);
    assertEquals(sizes, [64 * KIB], "not yet");
    gather.append(payload, 64 * KIB - 1, 64 * KIB, 960 * KIB + 1, true);
    assertEquals(sizes, [64 * KIB, 1024 * KIB]);
    gather.append(payload, 64 * KIB, 1024 * KIB, 960 * KIB, true);
    return gather.take();
  });
  assertEquals(sizes, [64 * KIB, 1024 * KIB]);
  assertEquals(whole.buffer.byteLength, 1024 * KIB);
  assertSame(whole, payload, "the whole");
});

Deno.test("Gather makes the buffer at once when the length is up to 64 KiB", () => {
  const sizes: number[] = [];
  const payload = payloadOf(64 * KIB);
  const gather = new Gather();
  const whole = watchAllocations((size) => sizes.push(size), () => {
    appendAll(gather, payload, 1, true);
    return gather.take();
  });
  assertEquals(sizes, [64 * KIB]);
  assertSame(whole, payload, "the whole");
});

Deno.test("Gather carves small payloads from the slab", () => {
  const before = allocate(1);
  const gather = new Gather();
  gather.append(utf8("Hello"), 0, 3, 5, true);
  gather.append(utf8("Hello"), 3, 5, 2, true);
  const whole = gather.take();
  assertStrictEquals(whole.buffer, before.buffer);
  assertEquals(toHex(whole), toHex(utf8("Hello")));
});

Deno.test("Gather takes a million pieces of 1 byte in few buffers", () => {
  // As frames of their own, and as parts of one frame.
  const payload = payloadOf(1_000_000);
  for (const ofOneFrame of [false, true]) {
    const sizes: number[] = [];
    const whole = watchAllocations((size) => sizes.push(size), () => {
      const gather = new Gather();
      for (let at = 0; at < payload.length; at++) {
        const due = ofOneFrame ? payload.length - at : 1;
        gather.append(payload, at, at + 1, due, ofOneFrame);
      }
      return gather.take();
    });
    assertSame(whole, payload, "the whole");
    assert(sizes.length < 60, `${sizes.length} buffers`);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    assert(total < 2.5 * payload.length, `${total} bytes in all`);
  }
});

Deno.test("Gather takes a million empty pieces in no buffer", () => {
  const sizes: number[] = [];
  watchAllocations((size) => sizes.push(size), () => {
    const gather = new Gather();
    for (let i = 0; i < 1_000_000; i++) {
      gather.append(EMPTY, 0, 0, 0, false);
    }
    assertEquals(gather.length, 0);
  });
  assertEquals(sizes, []);
});

Deno.test("Gather.append() throws RangeError when the engine has no room", () => {
  const noRoom = (size: number) => {
    if (size > 64 * KIB) throw new RangeError("Array buffer allocation failed");
  };
  for (const last of [true, false]) {
    const gather = new Gather();
    const payload = payloadOf(200 * KIB);
    watchAllocations(noRoom, () => {
      assertThrows(
        () => appendAll(gather, payload, 8 * KIB, last),
        RangeError,
        "Array buffer allocation failed",
      );
    });
    gather.clear();
    appendAll(gather, utf8("Hello"), 2, last);
    assertEquals(gather.take(), utf8("Hello"));
  }
});

Deno.test("Gather.take() throws RangeError when the engine has no room", () => {
  const gather = new Gather();
  appendAll(gather, payloadOf(100 * KIB), KIB, false);
  watchAllocations(() => {
    throw new RangeError("Array buffer allocation failed");
  }, () => {
    assertThrows(() => gather.take(), RangeError);
  });
  assertSame(gather.take(), payloadOf(100 * KIB), "once there is room again");
});
