// How frames are written (RFC 6455, section 5.2).
import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { Buffer } from "node:buffer";
import * as fc from "fast-check";
import {
  alignedStart,
  encodeFrame,
  firstByte,
  headBytes,
  maskRange,
  RESERVED,
  type Reserved,
  reservedBits,
  writeHead,
  writePayload,
} from "../../src/framing/frame.ts";
import { packKey } from "../../src/framing/mask.ts";
import { Space } from "../../src/framing/slab.ts";
import { Opcode } from "../../src/framing/opcode.ts";
import {
  concat,
  hex,
  masked,
  payloadOf,
  toHex,
  utf8,
} from "../helpers/bytes.ts";

const KEY = hex("37 fa 21 3d");

/** What the types forbid. */
function untyped(reserved: unknown): Reserved {
  return reserved as Reserved; // the very thing that is tested is a wrong type
}

Deno.test("encodeFrame() writes the examples of RFC 6455, section 5.7", () => {
  const { TEXT, CONTINUATION, PING, PONG, BINARY } = Opcode;
  const hello = utf8("Hello");
  // A single-frame unmasked text message
  assertEquals(
    encodeFrame({ opcode: TEXT, payload: hello }),
    hex("81 05 48 65 6c 6c 6f"),
  );
  // A single-frame masked text message
  assertEquals(
    encodeFrame({ opcode: TEXT, payload: hello }, KEY),
    hex("81 85 37 fa 21 3d 7f 9f 4d 51 58"),
  );
  // A fragmented unmasked text message
  assertEquals(
    encodeFrame({ opcode: TEXT, fin: false, payload: utf8("Hel") }),
    hex("01 03 48 65 6c"),
  );
  assertEquals(
    encodeFrame({ opcode: CONTINUATION, payload: utf8("lo") }),
    hex("80 02 6c 6f"),
  );
  // Unmasked ping and masked pong
  assertEquals(
    encodeFrame({ opcode: PING, payload: hello }),
    hex("89 05 48 65 6c 6c 6f"),
  );
  assertEquals(
    encodeFrame({ opcode: PONG, payload: hello }, KEY),
    hex("8a 85 37 fa 21 3d 7f 9f 4d 51 58"),
  );
  // 256 bytes and 64 KiB of binary data in a single unmasked frame
  const small = payloadOf(256);
  assertEquals(
    encodeFrame({ opcode: BINARY, payload: small }),
    concat(hex("82 7e 01 00"), small),
  );
  const large = payloadOf(65_536);
  const bytes = encodeFrame({ opcode: BINARY, payload: large });
  assertEquals(toHex(bytes.subarray(0, 10)), "82 7f 00 00 00 00 00 01 00 00");
  assertEquals(toHex(bytes.subarray(10)), toHex(large));
});

Deno.test("encodeFrame() writes an empty final frame when only the opcode is given", () => {
  assertEquals(encodeFrame({ opcode: Opcode.PING }), hex("89 00"));
  assertEquals(
    encodeFrame({ opcode: Opcode.PING }, KEY),
    hex("89 80 37 fa 21 3d"),
  );
  assertEquals(
    encodeFrame({
      opcode: Opcode.PING,
      fin: undefined,
      reserved: undefined,
      payload: undefined,
    }, undefined),
    hex("89 00"),
  );
});

Deno.test("encodeFrame() writes every first byte", () => {
  for (let first = 0; first < 256; first++) {
    const bytes = encodeFrame({
      fin: first >= 0x80,
      reserved: RESERVED[first >> 4 & 7],
      opcode: first & 15,
    });
    assertEquals(bytes, Uint8Array.of(first, 0));
  }
});

Deno.test("encodeFrame() writes the shortest form of a length", () => {
  const heads: [number, string, string][] = [
    [0, "82 00", "82 80"],
    [1, "82 01", "82 81"],
    [125, "82 7d", "82 fd"],
    [126, "82 7e 00 7e", "82 fe 00 7e"],
    [127, "82 7e 00 7f", "82 fe 00 7f"],
    [65_535, "82 7e ff ff", "82 fe ff ff"],
    [65_536, "82 7f 00 00 00 00 00 01 00 00", "82 ff 00 00 00 00 00 01 00 00"],
    [70_000, "82 7f 00 00 00 00 00 01 11 70", "82 ff 00 00 00 00 00 01 11 70"],
  ];
  for (const [length, unmaskedHead, maskedHead] of heads) {
    const payload = payloadOf(length);
    const plain = encodeFrame({ opcode: Opcode.BINARY, payload });
    assertEquals(toHex(plain), toHex(concat(hex(unmaskedHead), payload)));
    const covered = encodeFrame({ opcode: Opcode.BINARY, payload }, KEY);
    assertEquals(
      toHex(covered),
      toHex(concat(hex(maskedHead), KEY, masked(payload, KEY))),
    );
  }
});

Deno.test("encodeFrame() masks at every length up to 300", () => {
  for (let length = 0; length <= 300; length++) {
    const payload = payloadOf(length);
    const bytes = encodeFrame({ opcode: Opcode.BINARY, payload }, KEY);
    const at = length < 126 ? 6 : 8;
    assertEquals(bytes.length, at + length);
    assertEquals(toHex(bytes.subarray(at)), toHex(masked(payload, KEY)));
    assertEquals(toHex(payload), toHex(payloadOf(length)), "it is not changed");
  }
});

Deno.test("encodeFrame() masks with the key 0 where it is given", () => {
  assertEquals(
    encodeFrame({ opcode: Opcode.TEXT, payload: utf8("Hi") }, hex("00000000")),
    hex("81 82 00 00 00 00 48 69"),
  );
});

Deno.test("encodeFrame() takes payloads that are a part, shared, or a Buffer", () => {
  const shared = new Uint8Array(new SharedArrayBuffer(8), 2, 5);
  shared.set(utf8("Hello"));
  const payloads = [
    utf8("__Hello__").subarray(2, 7),
    Buffer.from("Hello"),
    shared,
  ];
  for (const payload of payloads) {
    assertEquals(
      encodeFrame({ opcode: Opcode.TEXT, payload }, KEY),
      hex("81 85 37 fa 21 3d 7f 9f 4d 51 58"),
    );
  }
});

Deno.test("encodeFrame() never writes again to what it has returned", () => {
  const results = Array.from({ length: 3000 }, (_, i) => {
    const payload = payloadOf(i % 200);
    return { payload, bytes: encodeFrame({ opcode: Opcode.BINARY, payload }) };
  });
  for (const { payload, bytes } of results) {
    const at = payload.length < 126 ? 2 : 4;
    assertEquals(toHex(bytes.subarray(at)), toHex(payload));
  }
});

Deno.test("encodeFrame() returns a buffer of its own above 4 KiB", () => {
  const most = encodeFrame({ opcode: 2, payload: new Uint8Array(4092) });
  assertEquals([most.length, most.buffer.byteLength], [4096, 65_536]);
  const more = encodeFrame({ opcode: 2, payload: new Uint8Array(4093) });
  assertEquals([more.length, more.buffer.byteLength], [4097, 4097]);
});

Deno.test("encodeFrame() throws when the opcode has not 4 bits", () => {
  for (const opcode of [-1, 16, 1.5, NaN, Infinity]) {
    assertThrows(
      () => encodeFrame({ opcode }),
      RangeError,
      `Cannot encode a frame with the opcode ${opcode}: it has 4 bits`,
    );
  }
});

Deno.test("encodeFrame() throws when the key is not four bytes", () => {
  for (const length of [0, 3, 5]) {
    assertThrows(
      () => encodeFrame({ opcode: Opcode.TEXT }, new Uint8Array(length)),
      RangeError,
      `Cannot mask with a key of ${length} bytes`,
    );
  }
});

Deno.test("encodeFrame() throws when the reserved bits are not three of 0 or 1", () => {
  assertThrows(
    () => encodeFrame({ opcode: 1, reserved: untyped([2, 0, 0]) }),
    TypeError,
    "Cannot use [2,0,0] as reserved bits: three of 0 or 1 are needed",
  );
});

Deno.test("RESERVED has the eight tuples, frozen, by their bits", () => {
  assertEquals(RESERVED, [
    [0, 0, 0],
    [0, 0, 1],
    [0, 1, 0],
    [0, 1, 1],
    [1, 0, 0],
    [1, 0, 1],
    [1, 1, 0],
    [1, 1, 1],
  ]);
  RESERVED.forEach((reserved, bits) => {
    assert(Object.isFrozen(reserved));
    assertEquals(reservedBits(reserved), bits);
  });
});

Deno.test("reservedBits() throws when it is not given three of 0 or 1", () => {
  // deno-fmt-ignore
  const wrong: unknown[] = [
    [], [0], [0, 0], [0, 0, 0, 0], [2, 0, 0], [0, -1, 0], [0, 0, 3], [0, 0, 2 ** 32],
    [1.5, 0, 0], [0, NaN, 0], [0, 0, Infinity], [undefined, 0, 0], [null, 0, 0],
    ["1", 0, 0], [true, false, false], "100",
  ];
  for (const reserved of wrong) {
    assertThrows(
      () => reservedBits(untyped(reserved)),
      TypeError,
      "as reserved bits: three of 0 or 1 are needed",
    );
  }
});

Deno.test("firstByte() puts FIN, the reserved bits and the opcode together", () => {
  assertEquals(firstByte(true, 0, 1), 0x81);
  assertEquals(firstByte(false, 7, 15), 0x7f);
  assertEquals(firstByte(true, 4, 2), 0xc2);
});

Deno.test("headBytes() is what writeHead() writes, which touches nothing else", () => {
  const lengths = [
    0,
    125,
    126,
    65_535,
    65_536,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 32 + 5,
    Number.MAX_SAFE_INTEGER,
  ];
  for (const length of lengths) {
    for (const key of [undefined, packKey(KEY, 0)]) {
      const bytes = new Uint8Array(24).fill(0xee);
      const end = writeHead(bytes, 5, 0x82, length, key);
      assertEquals(end, 5 + headBytes(length, key !== undefined));
      assert(bytes.subarray(0, 5).every((byte) => byte === 0xee));
      assert(bytes.subarray(end).every((byte) => byte === 0xee));
    }
  }
});

Deno.test("writeHead() writes lengths of more than 32 bits", () => {
  const lengths: [number, string][] = [
    [2 ** 31, "00 00 00 00 80 00 00 00"],
    [2 ** 32 - 1, "00 00 00 00 ff ff ff ff"],
    [2 ** 32, "00 00 00 01 00 00 00 00"],
    [2 ** 32 + 5, "00 00 00 01 00 00 00 05"],
    [0x01_0203_0405_0607, "00 01 02 03 04 05 06 07"],
    [Number.MAX_SAFE_INTEGER, "00 1f ff ff ff ff ff ff"],
  ];
  for (const [length, digits] of lengths) {
    const bytes = new Uint8Array(14);
    assertEquals(writeHead(bytes, 0, 0x82, length, packKey(KEY, 0)), 14);
    assertEquals(toHex(bytes), `82 ff ${digits} 37 fa 21 3d`);
  }
});

Deno.test("writePayload() copies, masks, and tells where it ended", () => {
  for (const length of [0, 1, 32, 33, 63, 64, 100]) {
    for (const key of [undefined, KEY]) {
      const space = new Space(128);
      const packed = key === undefined ? undefined : packKey(key, 0);
      const payload = payloadOf(length);
      assertEquals(writePayload(space, 7, payload, packed), 7 + length);
      const expected = key === undefined ? payload : masked(payload, key);
      assertEquals(
        toHex(space.bytes),
        toHex(concat(
          new Uint8Array(7),
          expected,
          new Uint8Array(121 - length),
        )),
      );
    }
  }
});

Deno.test("maskRange() masks what lies between, from the first byte of the key", () => {
  for (
    const [from, to] of [
      ...[[3, 3], [3, 20], [3, 66], [3, 67], [5, 120]],
      // From the first byte of a word on, to the end of one or of the memory.
      ...[[0, 20], [0, 64], [8, 80], [64, 128]],
    ]
  ) {
    const space = new Space(128);
    space.bytes.set(payloadOf(128));
    maskRange(space, from, to, packKey(KEY, 0));
    const expected = payloadOf(128);
    expected.set(masked(expected.subarray(from, to), KEY), from);
    assertEquals(toHex(space.bytes), toHex(expected));
    maskRange(space, 0, 128, undefined);
    assertEquals(toHex(space.bytes), toHex(expected));
  }
});

Deno.test("maskRange() masks the last word as a whole, if it is in the memory", () => {
  for (const [size, from, to] of [[128, 0, 65], [128, 16, 121], [70, 0, 70]]) {
    const space = new Space(size);
    space.bytes.set(payloadOf(to - from), from);
    maskRange(space, from, to, packKey(KEY, 0));
    assertEquals(
      toHex(space.bytes.subarray(from, to)),
      toHex(masked(payloadOf(to - from), KEY)),
    );
  }
});

Deno.test("maskRange() leaves alone what lies behind the space", () => {
  const space = new Space(128);
  space.end = 100;
  maskRange(space, 0, 100, packKey(KEY, 0));
  assert(space.bytes.subarray(100).every((byte) => byte === 0));
  assertEquals(space.bytes.subarray(0, 100), masked(new Uint8Array(100), KEY));
});

Deno.test("maskRange() goes on where words can no longer be numbered", () => {
  // Only the pages that are touched take memory.
  const space = new Space(2 ** 32 + 256);
  const from = 2 ** 32;
  maskRange(space, from, from + 100, packKey(KEY, 0));
  assertEquals(
    space.bytes.slice(from, from + 101),
    concat(masked(new Uint8Array(100), KEY), new Uint8Array(1)),
  );
  assertEquals(space.bytes.slice(0, 200), new Uint8Array(200));
  // The last word ends where 32 bits end.
  for (const to of [2 ** 32 - 7, 2 ** 32 - 1, 2 ** 32]) {
    maskRange(space, 2 ** 32 - 96, to, packKey(KEY, 0));
    const count = to - 2 ** 32 + 96;
    const at = 2 ** 32 - 96;
    assertEquals(
      space.bytes.slice(at, at + count),
      masked(new Uint8Array(count), KEY),
    );
    space.bytes.fill(0, at, at + 120);
  }
});

Deno.test("encodeFrame() refuses a payload that is not a Uint8Array", () => {
  const wrong: unknown[] = [
    ...[new ArrayBuffer(4), new DataView(new ArrayBuffer(4)), "abc", [1]],
    ...[new Float32Array([1, 2]), null],
  ];
  for (const payload of wrong) {
    assertThrows(
      () => encodeFrame({ opcode: 2, payload: payload as Uint8Array }), // untyped
      TypeError,
      "Cannot encode a payload that is not a Uint8Array",
    );
  }
});

Deno.test("alignedStart() is where the payload begins with a word", () => {
  for (let at = 0; at < 16; at++) {
    for (const head of [6, 8, 14]) {
      const space = new Space(64);
      space.at = at;
      const start = alignedStart(space, head);
      assertEquals((start + head) % 8, 0);
      assert(start >= at && start < at + 8);
    }
  }
});

Deno.test("encodeFrame() of any frame is its head and its masked payload", () => {
  fc.assert(fc.property(
    fc.boolean(),
    fc.integer({ min: 0, max: 7 }),
    fc.integer({ min: 0, max: 15 }),
    fc.uint8Array({ maxLength: 400 }),
    fc.option(fc.uint8Array({ minLength: 4, maxLength: 4 }), {
      nil: undefined,
    }),
    (fin, bits, opcode, payload, key) => {
      const reserved = RESERVED[bits];
      const bytes = encodeFrame({ fin, reserved, opcode, payload }, key);
      const { length } = payload;
      const flag = key === undefined ? 0 : 0x80;
      const head = length < 126
        ? [flag | length]
        : [flag | 126, length >> 8, length & 255];
      assertEquals(
        toHex(bytes),
        toHex(concat(
          Uint8Array.of((fin ? 128 : 0) + bits * 16 + opcode, ...head),
          key ?? new Uint8Array(0),
          key === undefined ? payload : masked(payload, key),
        )),
      );
      assertStrictEquals(bytes.buffer instanceof ArrayBuffer, true);
    },
  ));
});
