// The cursor by itself: one head after another, and the parts of the payload
// behind it. What comes out of whole streams is in `decoder_test.ts`.
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { Cursor, Head } from "../../src/framing/cursor.ts";
import type { HeadRules } from "../../src/framing/rules.ts";
import {
  concat,
  hex,
  masked,
  payloadOf,
  toHex,
  utf8,
} from "../helpers/bytes.ts";
import { byteByByte, cutAt } from "../helpers/cuts.ts";

const KEY = hex("37 fa 21 3d");

function cursorWith(some: Partial<HeadRules> = {}): Cursor {
  return new Cursor({
    masked: undefined,
    opcodes: 0xffff,
    reserved: new Array<number>(16).fill(7),
    control: true,
    fragmentation: true,
    shortestLength: true,
    maxFrameBytes: 100_000,
    maxMessageBytes: 100_000,
    ...some,
  });
}

/** The part that `take` has made known, in hexadecimal. */
function part(cursor: Cursor): string {
  return toHex(cursor.bytes.subarray(cursor.from, cursor.to));
}

/** The fields that tell of a frame. */
function fields(cursor: Cursor) {
  const { fin, bits, opcode, length, remaining, masked } = cursor;
  return { fin, bits, opcode, length, remaining, masked };
}

Deno.test("Cursor.readHead() tells of the frame in its fields", () => {
  const cursor = cursorWith();
  cursor.push(hex("c1 85 37 fa 21 3d 7f 9f 4d 51 58"));
  assertEquals(cursor.readHead(), Head.READY);
  assertEquals(fields(cursor), {
    fin: true,
    bits: 4,
    opcode: 1,
    length: 5,
    remaining: 5,
    masked: true,
  });
  assertEquals(cursor.key, 0x3d21fa37);
});

Deno.test("Cursor.readHead() tells the same of a head that comes byte by byte", () => {
  const heads = [
    "02 00",
    "7a 7d",
    "b9 fd 00 00 00 00",
    "02 7e 00 7e",
    "d2 fe ff ff 37 fa 21 3d",
    "82 7f 00 00 00 00 00 01 00 00",
    "9f 80 01 02 03 84",
    "89 7e 00 7e",
    "09 fe 01 00 37 fa 21 3d",
    "8a 7f 00 00 00 00 00 01 00 00",
    "a3 ff 00 00 00 00 00 01 00 01 ff ff ff ff",
  ];
  const rules = { control: false };
  for (const digits of heads) {
    const atOnce = cursorWith(rules);
    atOnce.push(hex(digits));
    assertEquals(atOnce.readHead(), Head.READY, digits);
    const slowly = cursorWith(rules);
    const bytes = byteByByte(hex(digits));
    bytes.forEach((byte, i) => {
      slowly.push(byte);
      const last = i === bytes.length - 1;
      assertEquals(slowly.readHead(), last ? Head.READY : Head.NEED_DATA);
    });
    assertEquals(fields(slowly), fields(atOnce), digits);
    assertEquals(slowly.key, atOnce.key, digits);
  }
});

Deno.test("Cursor.take() unmasks in place and tells where", () => {
  const cursor = cursorWith();
  const chunk = hex("81 85 37 fa 21 3d 7f 9f 4d 51 58 89 00");
  cursor.push(chunk);
  cursor.readHead();
  assert(cursor.take());
  assertStrictEquals(cursor.bytes, chunk);
  assertEquals([cursor.from, cursor.to, cursor.remaining], [6, 11, 0]);
  assertEquals(
    chunk,
    concat(hex("81 85 37 fa 21 3d"), utf8("Hello"), hex("89 00")),
  );
});

Deno.test("Cursor.take() gives an empty part of an empty frame at once", () => {
  for (const bytes of ["89 00", "89 80 37 fa 21 3d"]) {
    const cursor = cursorWith();
    cursor.push(hex(bytes));
    assertEquals(cursor.readHead(), Head.READY);
    assert(cursor.take(), "although no byte is left");
    assertEquals(cursor.to - cursor.from, 0);
    assertEquals(cursor.readHead(), Head.NEED_DATA);
  }
});

Deno.test("Cursor.take() gives what there is, and goes on with the key", () => {
  const payload = payloadOf(300);
  const bytes = concat(hex("82 fe 01 2c"), KEY, masked(payload, KEY));
  // Cut before, after and at the word of the key, for parts short and long.
  for (const cut of [8, 9, 10, 11, 12, 70, 71, 72, 73, 150, 307]) {
    const cursor = cursorWith();
    const [first, second] = cutAt(bytes, cut);
    cursor.push(first);
    assertEquals(cursor.readHead(), Head.READY);
    let seen = new Uint8Array(0);
    if (cut > 8) {
      assert(cursor.take());
      assertEquals(cursor.remaining, 308 - cut);
      seen = first.slice(cursor.from, cursor.to);
    }
    assert(!cursor.take());
    cursor.push(second);
    assert(cursor.take());
    assertEquals(cursor.remaining, 0);
    const rest = second.subarray(cursor.from, cursor.to);
    assertEquals(toHex(concat(seen, rest)), toHex(payload), `cut at ${cut}`);
  }
});

Deno.test("Cursor.take() unmasks each frame of a chunk and touches no other", () => {
  // Long parts go by the words of the chunk, whatever its alignment.
  for (let align = 0; align < 8; align++) {
    const payloads = [70, 3, 200, 64, 65].map(payloadOf);
    const frames = payloads.map((payload, i) => {
      const key = Uint8Array.of(i + 1, 0x80 + i, 0xff - i, i * 50);
      const { length } = payload;
      const head = length < 126 ? [0x80 | length] : [0x80 | 126, 0, length];
      return concat(Uint8Array.of(0x82, ...head), key, masked(payload, key));
    });
    const chunk = concat(new Uint8Array(align), ...frames).subarray(align);
    const cursor = cursorWith();
    cursor.push(chunk);
    for (const payload of payloads) {
      assertEquals(cursor.readHead(), Head.READY);
      assert(cursor.take());
      assertEquals(part(cursor), toHex(payload));
    }
    assertEquals(cursor.readHead(), Head.NEED_DATA);
  }
});

Deno.test("Cursor lets go of a chunk once more is needed", () => {
  for (const bytes of ["89 00", "89", "82 05 48", "82 7e 01", "82 7f 00"]) {
    const cursor = cursorWith();
    cursor.push(hex(bytes));
    if (cursor.readHead() === Head.READY) {
      assert(cursor.take());
      if (cursor.remaining > 0) assert(!cursor.take());
    }
    if (cursor.remaining === 0) assertEquals(cursor.readHead(), Head.NEED_DATA);
    assertEquals(cursor.bytes.length, 0, bytes);
  }
});

Deno.test("Cursor.push() queues chunks in their order", () => {
  const cursor = cursorWith();
  for (const byte of byteByByte(hex("81 05 48 65 6c 6c 6f 89 00"))) {
    cursor.push(byte);
  }
  assertEquals(cursor.readHead(), Head.READY);
  const parts: string[] = [];
  while (cursor.remaining > 0) {
    assert(cursor.take());
    parts.push(part(cursor));
  }
  assertEquals(parts, ["48", "65", "6c", "6c", "6f"]);
  assertEquals(cursor.readHead(), Head.READY);
  assertEquals([cursor.opcode, cursor.length], [9, 0]);
  assert(cursor.take());
  assertEquals(cursor.readHead(), Head.NEED_DATA);
});

Deno.test("Cursor.push() keeps the order for somebody who is always ahead", () => {
  // Two frames are pushed for each that is read, each numbered by its payload.
  const cursor = cursorWith();
  let pushed = 0;
  let read = 0;
  const readOne = () => {
    assertEquals(cursor.readHead(), Head.READY);
    assert(cursor.take());
    assertEquals(cursor.bytes[cursor.from], read++ & 0xff);
  };
  for (let i = 0; i < 1000; i++) {
    cursor.push(Uint8Array.of(0x82, 1, pushed++));
    cursor.push(Uint8Array.of(0x82, 1, pushed++));
    readOne();
  }
  while (read < pushed) readOne();
  assertEquals(cursor.readHead(), Head.NEED_DATA);
  assertEquals(cursor.bytes.length, 0);
});

Deno.test("Cursor.readHead() answers FAILED and tells the rule", () => {
  for (const bytes of [hex("82 85 00"), hex("82 85")]) {
    const cursor = cursorWith({ masked: false });
    cursor.push(bytes);
    assertEquals(cursor.readHead(), Head.FAILED);
    assertEquals(cursor.failure?.rule, "masked-frame");
  }
});

Deno.test("Cursor.readHead() judges the masking at once as it does slowly", () => {
  for (const cut of [1, 2]) {
    const cursor = cursorWith({ masked: true });
    for (const piece of cutAt(hex("82 80 37 fa 21 3d 82 00"), cut)) {
      cursor.push(piece);
    }
    assertEquals(cursor.readHead(), Head.READY);
    assert(cursor.take());
    assertEquals(cursor.readHead(), Head.FAILED);
    assertEquals(cursor.failure?.rule, "unmasked-frame");
  }
});

Deno.test("Cursor counts what the frames of a message announce, and control frames not", () => {
  const rules = { maxMessageBytes: 5 };
  const cursor = cursorWith(rules);
  cursor.push(hex("02 03 01 02 03  89 05 01 02 03 04 05  80 02 04 05"));
  for (const length of [3, 5, 2]) {
    assertEquals(cursor.readHead(), Head.READY);
    assertEquals(cursor.length, length);
    assert(cursor.take());
  }
  cursor.push(hex("02 05 01 02 03 04 05  80 01"));
  assertEquals(cursor.readHead(), Head.READY, "the count begins anew");
  assert(cursor.take());
  assertEquals(cursor.readHead(), Head.FAILED);
  assertEquals(cursor.failure, {
    rule: "message-limit",
    code: 1009,
    message: "Received a message of at least 6 bytes: the limit is 5",
  });
});

Deno.test("Cursor.release() lets go of all chunks", () => {
  const cursor = cursorWith();
  cursor.push(hex("89 00 89 00"));
  cursor.push(hex("89 00"));
  assertEquals(cursor.readHead(), Head.READY);
  assert(cursor.take());
  cursor.release();
  assertEquals(cursor.bytes.length, 0);
  assertEquals(cursor.readHead(), Head.NEED_DATA);
});

Deno.test("Cursor.readMessage() reads a whole message at once", () => {
  const vectors: [digits: string, opcode: number, bits: number][] = [
    ["81 00", 1, 0],
    ["82 02 01 02", 2, 0],
    ["c1 85 37 fa 21 3d 7f 9f 4d 51 58", 1, 4],
    ["b7 80 37 fa 21 3d", 7, 3],
    [`82 7e 00 7e ${toHex(payloadOf(126))}`, 2, 0],
    [`82 7e ff ff ${toHex(payloadOf(65_535))}`, 2, 0],
  ];
  for (const [digits, opcode, bits] of vectors) {
    const atOnce = cursorWith();
    atOnce.push(hex(`${digits} 81`)); // whatever follows
    assert(atOnce.readMessage(), digits);
    const { opcode: actual, bits: actualBits } = atOnce;
    assertEquals([actual, actualBits], [opcode, bits]);

    const inSteps = cursorWith();
    inSteps.push(hex(digits));
    assertEquals(inSteps.readHead(), Head.READY);
    assert(inSteps.take());
    assertEquals(part(atOnce), part(inSteps));
    assertEquals(atOnce.readMessage(), false);
  }
});

Deno.test("Cursor.readMessage() unmasks as take() does, whatever the length", () => {
  for (const length of [0, 1, 3, 4, 5, 63, 64, 65, 125, 126, 300]) {
    const payload = payloadOf(length);
    const head = length < 126
      ? [0x82, 0x80 | length]
      : [0x82, 0xfe, length >> 8, length & 255];
    const frame = concat(new Uint8Array(head), KEY, masked(payload, KEY));
    const cursor = cursorWith({ masked: true });
    cursor.push(concat(frame, frame));
    for (let i = 0; i < 2; i++) {
      assert(cursor.readMessage());
      assertEquals(part(cursor), toHex(payload));
    }
  }
});

Deno.test("Cursor.readMessage() does nothing where anything else comes next", () => {
  const vectors: [digits: string, rules?: Partial<HeadRules>][] = [
    ["81"], // half a head
    ["81 02 61"], // half a payload
    ["81 82 37 fa 21"], // half a key
    ["82 7e 00"], // half a length
    ["82 7e 00 80"], // no payload
    ["01 01 61"], // a fragment
    ["80 01 61"], // a continuation
    ["89 01 61"], // a control frame
    ["82 7e 00 01 61"], // a length in a longer form
    [`82 7f 00 00 00 00 00 01 00 00 ${toHex(payloadOf(65_536))}`], // a long one
    ["c1 01 61", { reserved: new Array<number>(16).fill(0) }],
    ["83 01 61", { opcodes: 0b0111_0000_0111 }],
    ["81 01 61", { masked: true }],
    ["81 81 37 fa 21 3d 56", { masked: false }],
    ["81 02 61 62", { maxFrameBytes: 1 }],
    ["81 02 61 62", { maxMessageBytes: 1 }],
  ];
  for (const [digits, rules] of vectors) {
    const cursor = cursorWith(rules);
    assertEquals(cursor.readMessage(), false);
    cursor.push(hex(digits));
    assertEquals(cursor.readMessage(), false, digits);
    // What is there is there still.
    const other = cursorWith(rules);
    other.push(hex(digits));
    assertEquals(cursor.readHead(), other.readHead(), digits);
    assertEquals(fields(cursor), fields(other));
    assertEquals(cursor.failure, other.failure);
  }
});

Deno.test("Cursor.readMessage() does nothing in the middle of a head", () => {
  const cursor = cursorWith();
  cursor.push(hex("82"));
  assertEquals(cursor.readHead(), Head.NEED_DATA);
  cursor.push(hex("81 00 82 00"));
  assertEquals(cursor.readMessage(), false);
});

Deno.test("Cursor.view() is a view of what was made known, in each chunk its own", () => {
  const cursor = cursorWith();
  for (const offset of [0, 3]) {
    const chunk = new Uint8Array(20).subarray(offset);
    chunk.set(hex("82 03 61 62 63 82 01 64"));
    cursor.push(chunk);
    assert(cursor.readMessage());
    const first = cursor.view();
    assertEquals(first, utf8("abc"));
    assertStrictEquals(first.buffer, chunk.buffer);
    assertEquals(first.byteOffset, offset + 2);
    assertEquals(cursor.readHead(), Head.READY);
    assert(cursor.take());
    assertEquals(cursor.view(), utf8("d"));
    cursor.release();
  }
});
