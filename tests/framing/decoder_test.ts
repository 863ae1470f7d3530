// Bytes in, frames out. Each vector goes in whole, byte by byte and cut at
// random, each in fresh memory, through one read buffer that is overwritten
// whenever more is needed, and queued before the first is read.
import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { Buffer } from "node:buffer";
import { runInNewContext } from "node:vm";
import * as fc from "fast-check";
import {
  FrameDecoder,
  type FrameDecoderOptions,
  type FrameFailure,
} from "../../src/framing/decoder.ts";
import type { FailureRule } from "../../src/framing/failure.ts";
import {
  encodeFrame,
  type Frame,
  RESERVED,
  type Reserved,
} from "../../src/framing/frame.ts";
import { Information } from "../../src/information.ts";
import { watchAllocations } from "../helpers/allocations.ts";
import {
  concat,
  hex,
  masked,
  payloadOf,
  toHex,
  utf8,
} from "../helpers/bytes.ts";
import { cutAt, cuts, sameHoweverCut } from "../helpers/cuts.ts";

const { NEED_DATA } = Information;
const KEY = hex("37 fa 21 3d");
const MAX = Number.MAX_SAFE_INTEGER;

/** What the types forbid. */
function untyped<T>(value: unknown): T {
  return value as T; // the very thing that is tested is a wrong type
}

/** A frame, or a failure, as one line that no longer looks into any chunk. */
function line(item: Frame | FrameFailure): string {
  if ("type" in item) return `fail ${item.rule} ${item.code}`;
  const { fin, reserved, opcode, maskKey, payload } = item;
  const key = maskKey === undefined ? "-" : toHex(maskKey);
  const flags = `${fin ? 1 : 0}${reserved.join("")}`;
  return `${flags} ${opcode} [${key}] ${toHex(payload)}`;
}

/** All that a decoder gives before it needs more, up to a failure. */
function drain(decoder: FrameDecoder): (Frame | FrameFailure)[] {
  const items: (Frame | FrameFailure)[] = [];
  for (;;) {
    const item = decoder.next();
    if (item === NEED_DATA) return items;
    items.push(item);
    if ("type" in item) return items;
  }
}

/** What the bytes come to, which is the same however they are cut. */
function decode(
  bytes: Uint8Array,
  options?: FrameDecoderOptions,
  count = 50,
): string[] {
  const lines = sameHoweverCut(bytes, (feed) => {
    const decoder = new FrameDecoder(options);
    const seen: string[] = [];
    let failed = false;
    feed((chunk) => {
      decoder.recv(chunk);
      if (failed) {
        assertStrictEquals(decoder.next(), decoder.next());
        return;
      }
      const items = drain(decoder);
      seen.push(...items.map(line));
      failed = seen.at(-1)?.startsWith("fail") ?? false;
    });
    return seen;
  }, count);
  for (const { name, pieces } of cuts(bytes, Math.min(count, 5))) {
    const decoder = new FrameDecoder(options);
    for (const piece of pieces) decoder.recv(piece);
    assertEquals(drain(decoder).map(line), lines, `${name}, queued`);
  }
  return lines;
}

/** Asserts that a rule is broken by the last of the bytes, and not before. */
function assertFails(
  digits: string,
  rule: FailureRule,
  options?: FrameDecoderOptions,
) {
  const bytes = hex(digits);
  const code = rule === "frame-limit" ? 1009 : 1002;
  const before = decode(bytes.subarray(0, -1), options, 5);
  assert(!before.some((line) => line.startsWith("fail")), digits);
  const expected = [...before, `fail ${rule} ${code}`];
  assertEquals(decode(bytes, options), expected, digits);
  // What follows a failure is ignored, be it well formed or not.
  for (const rest of ["00", "81 05 48 65 6c 6c 6f", "ff ff ff ff ff ff ff"]) {
    assertEquals(decode(concat(bytes, hex(rest)), options, 10), expected);
  }
}

/** Asserts that the bytes break no rule. */
function assertPasses(digits: string, options?: FrameDecoderOptions) {
  const lines = decode(hex(digits), options);
  assert(!lines.some((line) => line.startsWith("fail")), digits);
}

/** A head in front of a payload that has not arrived. */
function headWith(length: bigint, form: 7 | 16 | 64, first = "82"): string {
  const digits = (count: number) =>
    length.toString(16).padStart(count, "0").replace(/../g, " $&");
  if (form === 7) return first + digits(2);
  return form === 16 ? `${first} 7e${digits(4)}` : `${first} 7f${digits(16)}`;
}

Deno.test("FrameDecoder decodes the examples of RFC 6455, section 5.7", () => {
  // A single-frame unmasked text message
  assertEquals(decode(hex("81 05 48 65 6c 6c 6f")), [
    "1000 1 [-] 48 65 6c 6c 6f",
  ]);
  // A single-frame masked text message
  assertEquals(decode(hex("81 85 37 fa 21 3d 7f 9f 4d 51 58")), [
    "1000 1 [37 fa 21 3d] 48 65 6c 6c 6f",
  ]);
  // A fragmented unmasked text message
  assertEquals(decode(hex("01 03 48 65 6c 80 02 6c 6f")), [
    "0000 1 [-] 48 65 6c",
    "1000 0 [-] 6c 6f",
  ]);
  // Unmasked ping request and masked pong response
  assertEquals(decode(hex("89 05 48 65 6c 6c 6f")), [
    "1000 9 [-] 48 65 6c 6c 6f",
  ]);
  assertEquals(decode(hex("8a 85 37 fa 21 3d 7f 9f 4d 51 58")), [
    "1000 10 [37 fa 21 3d] 48 65 6c 6c 6f",
  ]);
  // 256 bytes of binary data in a single unmasked frame
  const small = payloadOf(256);
  assertEquals(decode(concat(hex("82 7e 01 00"), small)), [
    `1000 2 [-] ${toHex(small)}`,
  ]);
  // 64 KiB of binary data in a single unmasked frame
  const large = payloadOf(65_536);
  const head = hex("82 7f 00 00 00 00 00 01 00 00");
  assertEquals(decode(concat(head, large), {}, 3), [
    `1000 2 [-] ${toHex(large)}`,
  ]);
});

Deno.test("FrameDecoder.next() gives a frame with all its fields", () => {
  const decoder = new FrameDecoder({ reserved: [0, 1, 0] });
  decoder.recv(hex("21 82 01 02 03 04 49 6b"));
  const frame = decoder.next();
  assertEquals<unknown>(frame, {
    fin: false,
    reserved: [0, 1, 0],
    opcode: 1,
    maskKey: hex("01 02 03 04"),
    payload: utf8("Hi"),
  });
  assert(frame !== NEED_DATA && !("type" in frame));
  assertStrictEquals(frame.reserved, RESERVED[2]);
  assertEquals(decoder.next(), NEED_DATA);
});

Deno.test("FrameDecoder.next() gives frames that encodeFrame() takes, and the same bytes again", () => {
  const bytes = concat(
    hex("c1 85 37 fa 21 3d 7f 9f 4d 51 58"),
    hex("02 00"),
    hex("89 80 ff ff ff ff"),
    hex("80 7e 00 7e"),
    payloadOf(126),
  );
  const decoder = new FrameDecoder({ reserved: [1, 0, 0] });
  decoder.recv(new Uint8Array(bytes));
  const again = drain(decoder).map((frame) => {
    assert(!("type" in frame));
    return encodeFrame(frame, frame.maskKey);
  });
  assertEquals(concat(...again), bytes);
});

Deno.test("FrameDecoder.next() gives the payload as a view where it lies in one chunk", () => {
  const decoder = new FrameDecoder();
  const chunk = hex("00 81 05 48 65 6c 6c 6f").subarray(1);
  decoder.recv(chunk);
  const frame = decoder.next();
  assert(frame !== NEED_DATA && !("type" in frame));
  assertStrictEquals(frame.payload.buffer, chunk.buffer);
  assertEquals(frame.payload.byteOffset, 3);
});

Deno.test("FrameDecoder.next() gives payloads that hold until it needs data", () => {
  const decoder = new FrameDecoder();
  const frames = [70, 5, 300].map((length, i) => {
    const key = Uint8Array.of(i, 2, 3, 4);
    return encodeFrame({ opcode: 2, payload: payloadOf(length) }, key);
  });
  decoder.recv(concat(...frames));
  const items = drain(decoder).map(line);
  assertEquals(
    items,
    [70, 5, 300].map((length, i) =>
      `1000 2 [0${i} 02 03 04] ${toHex(payloadOf(length))}`
    ),
  );
});

Deno.test("FrameDecoder.next() gives payloads of several chunks in memory of their own", () => {
  for (const length of [5, 200, 5000]) {
    const bytes = encodeFrame({ opcode: 2, payload: payloadOf(length) }, KEY);
    for (const cut of [1, 3, 9, 10]) {
      const decoder = new FrameDecoder();
      const chunks = cutAt(bytes, cut);
      for (const chunk of chunks) decoder.recv(chunk);
      const frame = decoder.next();
      assert(frame !== NEED_DATA && !("type" in frame));
      if (cut >= 9) {
        for (const chunk of chunks) chunk.fill(0xa5);
      }
      assertEquals(toHex(frame.payload), toHex(payloadOf(length)));
    }
  }
});

Deno.test("FrameDecoder decodes payloads of every length, masked and not, however cut", () => {
  for (let length = 0; length <= 140; length++) {
    const payload = payloadOf(length);
    for (const key of [undefined, KEY]) {
      const bytes = concat(
        encodeFrame({ opcode: 2, payload }, key),
        hex("89 00"),
      );
      const name = key === undefined ? "-" : toHex(KEY);
      assertEquals(decode(bytes, {}, 3), [
        `1000 2 [${name}] ${toHex(payload)}`,
        "1000 9 [-] ",
      ]);
    }
  }
});

Deno.test("FrameDecoder decodes a million empty and 1-byte fragments into one frame each", () => {
  const decoder = new FrameDecoder();
  const chunk = hex("00 00 00 01 61".repeat(1000));
  decoder.recv(hex("02 00"));
  drain(decoder);
  let frames = 0;
  let bytes = 0;
  for (let i = 0; i < 500; i++) {
    decoder.recv(new Uint8Array(chunk));
    for (const frame of drain(decoder)) {
      assert("payload" in frame);
      frames++;
      bytes += frame.payload.length;
    }
  }
  assertEquals([frames, bytes], [1_000_000, 500_000]);
});

Deno.test("FrameDecoder decodes a frame of 1 MiB that comes byte by byte in few buffers", () => {
  const length = 2 ** 20;
  const sizes: number[] = [];
  const decoder = new FrameDecoder();
  const byte = new Uint8Array(1);
  decoder.recv(hex("82 ff 00 00 00 00 00 10 00 00 37 fa 21 3d"));
  assertEquals(decoder.next(), NEED_DATA);
  const payload = payloadOf(length);
  const frame = watchAllocations((size) => sizes.push(size), () => {
    for (let i = 0; i < length; i++) {
      byte[0] = payload[i] ^ KEY[i % 4];
      decoder.recv(byte);
      if (i < length - 1) assertStrictEquals(decoder.next(), NEED_DATA);
    }
    return decoder.next();
  });
  assert(frame !== NEED_DATA && !("type" in frame));
  assertEquals(frame.payload.length, length);
  assertEquals(frame.payload.findIndex((byte, i) => byte !== payload[i]), -1);
  assertEquals(sizes, [65_536, length]);
});

Deno.test("FrameDecoder fails at byte 1 when a reserved bit is set that is not let through", () => {
  for (const first of ["c1", "a1", "91", "f1", "41", "c2", "c9", "c8", "f0"]) {
    assertFails(first, "reserved-bits");
  }
  assertFails("89 00 c1", "reserved-bits");
  const options: FrameDecoderOptions = { reserved: [1, 0, 1] };
  assertFails("a1", "reserved-bits", options);
  assertFails("f1", "reserved-bits", options);
  assertEquals(decode(hex("c1 00 91 00 d9 00 81 00"), options), [
    "1100 1 [-] ",
    "1001 1 [-] ",
    "1101 9 [-] ",
    "1000 1 [-] ",
  ]);
});

Deno.test("FrameDecoder fails at byte 1 when the opcode is not let through", () => {
  for (const opcode of ["3", "4", "5", "6", "7", "b", "c", "d", "e", "f"]) {
    assertFails("8" + opcode, "opcode");
    assertFails("89 00 8" + opcode, "opcode");
  }
  const options = { opcodes: [3, 11] };
  assertEquals(decode(hex("83 01 61 8b 01 62 81 00"), options), [
    "1000 3 [-] 61",
    "1000 11 [-] 62",
    "1000 1 [-] ",
  ]);
  assertEquals(decode(hex("8f 00 01 00 80 00"), { opcodes: [0, 15] }), [
    "1000 15 [-] ",
    "0000 1 [-] ",
    "1000 0 [-] ",
  ]);
  assertFails("84", "opcode", options);
  assertFails("8c", "opcode", options);
});

Deno.test("FrameDecoder fails at byte 1 when a control frame has no FIN", () => {
  for (const first of ["08", "09", "0a"]) {
    assertFails(first, "fragmented-control");
    assertFails("01 00 " + first, "fragmented-control");
  }
  assertFails("0b", "fragmented-control", { opcodes: [11] });
});

Deno.test("FrameDecoder fails at byte 1 when there is nothing to continue", () => {
  assertFails("80", "unexpected-continuation");
  assertFails("00", "unexpected-continuation");
  assertFails("81 00 80", "unexpected-continuation");
  assertFails("01 00 80 00 80", "unexpected-continuation");
  assertFails("01 00 00 00 80 01 61 00", "unexpected-continuation");
});

Deno.test("FrameDecoder fails at byte 1 when a message is begun within another", () => {
  assertFails("01 00 81", "unfinished-message");
  assertFails("01 00 01", "unfinished-message");
  assertFails("02 01 61 82", "unfinished-message");
  assertFails("01 00 00 00 82", "unfinished-message");
  assertFails("01 00 89 00 81", "unfinished-message");
  assertFails("01 00 83", "unfinished-message", { opcodes: [3] });
});

Deno.test("FrameDecoder lets control frames into a fragmented message", () => {
  const bytes = hex("01 01 61 89 01 62 00 00 8a 00 88 00 80 01 63 81 00");
  assertEquals(decode(bytes), [
    "0000 1 [-] 61",
    "1000 9 [-] 62",
    "0000 0 [-] ",
    "1000 10 [-] ",
    "1000 8 [-] ",
    "1000 0 [-] 63",
    "1000 1 [-] ",
  ]);
});

Deno.test("FrameDecoder fails at byte 2 when the masking is not as it must be", () => {
  for (const length of [0x00, 0x01, 0x7d, 0x7e, 0x7f]) {
    const plain = length.toString(16).padStart(2, "0");
    const covered = (0x80 | length).toString(16);
    assertFails("82" + covered, "masked-frame", { masked: false });
    assertFails("82" + plain, "unmasked-frame", { masked: true });
  }
  assertFails("89 80", "masked-frame", { masked: false });
  assertFails("89 00", "unmasked-frame", { masked: true });
  assertPasses("82 01 61 89 00", { masked: false });
  assertPasses("82 81 37 fa 21 3d 61 89 80 00 00 00 00", { masked: true });
  assertPasses("82 81 37 fa 21 3d 61 89 00", { masked: undefined });
});

Deno.test("FrameDecoder fails at byte 2 when a control frame has over 125 bytes", () => {
  for (const first of ["88", "89", "8a"]) {
    for (const second of ["7e", "7f", "fe", "ff"]) {
      assertFails(`${first} ${second}`, "control-length");
    }
    assertEquals(decode(concat(hex(first + "7d"), payloadOf(125))).length, 1);
  }
  assertFails("8b 7e", "control-length", { opcodes: [11] });
});

Deno.test("FrameDecoder fails at byte 3 when a length of 64 bits has its top bit set", () => {
  for (const shortestLength of [true, false]) {
    const options = { shortestLength, maxFrameBytes: Infinity };
    for (const top of ["80", "ff", "81"]) {
      assertFails("82 7f " + top, "length-form", options);
      assertFails("82 ff " + top, "length-form", options);
    }
  }
  // 2^63 and 2^64-1
  assertEquals(decode(hex(headWith(2n ** 63n, 64))), ["fail length-form 1002"]);
  assertEquals(decode(hex(headWith(2n ** 64n - 1n, 64))), [
    "fail length-form 1002",
  ]);
});

Deno.test("FrameDecoder fails at byte 4 when 16 bits of length were not needed", () => {
  for (const length of [0n, 1n, 125n]) {
    assertFails(headWith(length, 16), "length-form");
    assertFails(headWith(length, 16).replace("7e", "fe"), "length-form");
  }
  assertPasses(headWith(126n, 16));
  assertPasses(headWith(65_535n, 16));
});

Deno.test("FrameDecoder fails at byte 8 when 64 bits of length were not needed", () => {
  assertFails("82 7f 00 00 00 00 00 00", "length-form");
  assertFails("82 ff 00 00 00 00 00 00", "length-form");
  for (const length of [0n, 125n, 126n, 65_535n]) {
    assertEquals(decode(hex(headWith(length, 64))), ["fail length-form 1002"]);
  }
  assertPasses(headWith(65_536n, 64));
});

Deno.test("FrameDecoder lets padded lengths through when that is wanted", () => {
  const options = { shortestLength: false };
  const heads = [
    "82 02",
    "82 7e 00 02",
    "82 7f 00 00 00 00 00 00 00 02",
  ];
  for (const head of heads) {
    assertEquals(decode(hex(head + "48 69"), options), ["1000 2 [-] 48 69"]);
  }
  assertEquals(decode(hex("82 fe 00 01 37 fa 21 3d 56"), options), [
    "1000 2 [37 fa 21 3d] 61",
  ]);
  assertEquals(decode(hex("82 7e 00 00 82 7f" + "00".repeat(8)), options), [
    "1000 2 [-] ",
    "1000 2 [-] ",
  ]);
  const large = payloadOf(300);
  const bytes = concat(hex("82 7f 00 00 00 00 00 00 01 2c"), large);
  assertEquals(decode(bytes, options), [`1000 2 [-] ${toHex(large)}`]);
});

Deno.test("FrameDecoder fails at the first byte that shows that a frame is over the limit", () => {
  const at = (maxFrameBytes: number) => ({ maxFrameBytes });
  assertFails("82 01", "frame-limit", at(0));
  assertFails("82 7d", "frame-limit", at(124));
  assertFails("82 fd", "frame-limit", at(124));
  assertFails("82 7e 00 7e", "frame-limit", at(125));
  assertFails("82 7e 03 e9", "frame-limit", at(1000));
  assertFails("82 7e 04", "frame-limit", at(1000));
  assertFails("82 7e 01", "frame-limit", at(0));
  assertFails("82 7f 00 00 00 00 00 01", "frame-limit", at(65_535));
  assertFails("82 7f 00 00 00 00 00 01 00 01", "frame-limit", at(65_536));
  assertFails("82 7f 00 00 00 00 00 01 01", "frame-limit", at(65_536));
  assertFails("82 7f 00 00 00 01", "frame-limit", at(2 ** 32 - 1));
  assertFails("82 7f 00 00 00 01 00 00 00 01", "frame-limit", at(2 ** 32));
  // 16 MiB where nothing is said
  assertPasses("82 7f 00 00 00 00 01 00 00 00");
  assertFails("82 7f 00 00 00 00 01 00 00 01", "frame-limit");
  assertFails("82 7f 00 00 00 00 02", "frame-limit");
});

Deno.test("FrameDecoder lets a frame through that is exactly at the limit", () => {
  for (const limit of [0, 1, 124, 125, 126, 127, 1000, 65_535, 65_536]) {
    const options = { maxFrameBytes: limit };
    const payload = payloadOf(limit);
    for (const length of [limit - 1, limit]) {
      if (length < 0) continue;
      const part = payload.subarray(0, length);
      const bytes = encodeFrame({ opcode: 2, payload: part });
      const [seen] = decode(bytes, options, 1);
      assert(seen === `1000 2 [-] ${toHex(part)}`, `${length} of ${limit}`);
    }
    for (const length of [limit + 1, limit + 2]) {
      const bytes = encodeFrame({ opcode: 2, payload: payloadOf(length) });
      assertEquals(decode(bytes, options, 1), ["fail frame-limit 1009"]);
    }
  }
});

Deno.test("FrameDecoder counts each frame by itself, and no short control frame", () => {
  const options = { maxFrameBytes: 2 };
  assertEquals(
    decode(hex("02 02 61 62 89 03 63 64 65 00 02 66 67 80 02 68 69"), options),
    [
      "0000 2 [-] 61 62",
      "1000 9 [-] 63 64 65",
      "0000 0 [-] 66 67",
      "1000 0 [-] 68 69",
    ],
  );
  assertFails("89 7e 00 7e", "frame-limit", { ...options, control: false });
});

Deno.test("FrameDecoder takes announced lengths up to 2^53-1 when there is no limit", () => {
  const options = { maxFrameBytes: Infinity };
  const lengths = [
    2n ** 31n - 1n,
    2n ** 31n,
    2n ** 31n + 1n,
    2n ** 32n - 1n,
    2n ** 32n,
    2n ** 32n + 1n,
    2n ** 53n - 1n,
  ];
  for (const length of lengths) {
    watchAllocations(
      (size) => assert(size <= 65_536, `${size} bytes reserved`),
      () => {
        for (const mask of ["7f", "ff"]) {
          const digits = headWith(length, 64).replace("7f", mask);
          const key = mask === "ff" ? "37 fa 21 3d" : "";
          assertEquals(decode(hex(digits + key + "48 65"), options, 3), []);
        }
      },
    );
  }
});

Deno.test("FrameDecoder fails for announced lengths over 2^53-1 even when there is no limit", () => {
  const options = { maxFrameBytes: Infinity };
  assertFails("82 7f 00 20", "frame-limit", options); // 2^53 at least
  assertFails("82 7f 01", "frame-limit", options);
  assertFails("82 7f 40", "frame-limit", options);
  assertFails("82 7f 7f", "frame-limit", options);
  for (const length of [2n ** 53n, 2n ** 53n + 1n, 2n ** 62n, 2n ** 63n - 1n]) {
    for (const maxFrameBytes of [Infinity, MAX, 2 ** 40, 100]) {
      const bytes = hex(headWith(length, 64));
      assertEquals(decode(bytes, { maxFrameBytes }, 3), [
        "fail frame-limit 1009",
      ]);
    }
  }
});

Deno.test("FrameDecoder reserves nothing for 2^62 bytes that 14 bytes announce", () => {
  for (const maxFrameBytes of [Infinity, 16_777_216]) {
    const sizes: number[] = [];
    const bytes = hex("82 ff 40 00 00 00 00 00 00 00 37 fa 21 3d");
    const decoder = new FrameDecoder({ maxFrameBytes });
    const item = watchAllocations((size) => sizes.push(size), () => {
      decoder.recv(bytes);
      return decoder.next();
    });
    assertEquals<unknown>(item, {
      type: "fail",
      rule: "frame-limit",
      code: 1009,
      message: `Received a frame of at least ${2 ** 62} bytes: the limit is ${
        Math.min(maxFrameBytes, MAX)
      }`,
    });
    assert(sizes.every((size) => size <= 14), `${sizes}`);
  }
});

Deno.test("FrameDecoder reserves no more than 64 KiB, or 16 times what has arrived", () => {
  const decoder = new FrameDecoder();
  const head = hex("82 7f 00 00 00 00 00 40 00 00"); // 4 MiB
  let arrived = 0;
  watchAllocations((size) => {
    const most = Math.max(65_536, 16 * arrived);
    assert(size <= most, `${size} bytes where ${arrived} have arrived`);
  }, () => {
    decoder.recv(head);
    assertEquals(decoder.next(), NEED_DATA);
    const chunk = new Uint8Array(1400);
    while (arrived < 2 ** 22) {
      const count = Math.min(1400, 2 ** 22 - arrived);
      arrived += count;
      decoder.recv(chunk.subarray(0, count));
      const item = decoder.next();
      assertEquals(item !== NEED_DATA, arrived === 2 ** 22);
    }
  });
});

Deno.test("FrameDecoder fails with the limit when the engine has no room for a frame", () => {
  const noRoom = (size: number) => {
    if (size > 8192) throw new RangeError("Array buffer allocation failed");
  };
  const decoder = new FrameDecoder();
  const expected = {
    type: "fail",
    rule: "frame-limit",
    code: 1009,
    message: "Received a frame of 65535 bytes: out of memory",
  };
  watchAllocations(noRoom, () => {
    decoder.recv(hex("82 7e ff ff 61"));
    assertEquals<unknown>(decoder.next(), expected);
  });
  decoder.recv(new Uint8Array(65_534));
  assertEquals<unknown>(decoder.next(), expected);
});

Deno.test("FrameDecoder throws, and blames no peer, when a chunk of its was taken away", () => {
  const decoder = new FrameDecoder();
  const payload = payloadOf(100);
  const [first, second] = cutAt(concat(hex("82 64"), payload), 20);
  decoder.recv(first);
  assertEquals(decoder.next(), NEED_DATA);
  decoder.recv(second);
  structuredClone(second.buffer, { transfer: [second.buffer] });
  assertThrows(() => decoder.next(), TypeError);
});

Deno.test("FrameDecoder keeps the order of the rules", () => {
  const all: FrameDecoderOptions = { masked: false, maxFrameBytes: 3 };
  // Byte 1: reserved bits, opcode, FIN on control, state of the message.
  assertFails("7b", "reserved-bits", all);
  assertFails("49", "reserved-bits", all);
  assertFails("c0", "reserved-bits", all);
  assertFails("01 00 c1", "reserved-bits", all);
  assertFails("0b", "opcode", all);
  assertFails("01 00 03", "opcode", all);
  assertFails("01 00 09", "fragmented-control", all);
  assertFails("80", "unexpected-continuation", all);
  // Byte 2: direction of the mask, length of control.
  assertFails("89 fe", "masked-frame", all);
  assertFails("89 7e", "unmasked-frame", { ...all, masked: true });
  assertFails("89 7e", "control-length", all);
  assertFails("82 84", "masked-frame", all);
  assertFails("82 04", "frame-limit", all);
  // Form of the length, limits.
  assertFails("82 7e 00 04", "length-form", all);
  assertFails("82 7f 80", "length-form", all);
  assertFails("82 7f 00 00 00 00 00 00", "length-form", all);
  assertFails("82 7e 00 7e", "frame-limit", all);
  const padded = { ...all, shortestLength: false };
  assertFails("82 7e 00 04", "frame-limit", padded);
  assertFails("82 7f 00 00 00 00 00 00 00 04", "frame-limit", padded);
});

/** The rule that RFC 6455 and the options make of one frame. */
function expectedRule(
  frame: { opcode: number; fin: boolean; length: number; isMasked: boolean },
  must: boolean | undefined,
  within: boolean,
): FailureRule | undefined {
  const { opcode, fin, length, isMasked } = frame;
  if (![0, 1, 2, 8, 9, 10].includes(opcode)) return "opcode";
  if (opcode >= 8 && !fin) return "fragmented-control";
  if (opcode === 0 && !within) return "unexpected-continuation";
  if ((opcode === 1 || opcode === 2) && within) return "unfinished-message";
  if (must === true && !isMasked) return "unmasked-frame";
  if (must === false && isMasked) return "masked-frame";
  if (opcode >= 8 && length > 125) return "control-length";
  return undefined;
}

/** What an item is, without its payload. */
function brief(item: Frame | FrameFailure): string {
  if ("type" in item) return `${item.rule} ${item.code}`;
  return `${item.fin} ${item.opcode} ${item.payload.length}`;
}

Deno.test("FrameDecoder judges all opcodes with and without FIN, at every form of length, masked and not", () => {
  for (const length of [0, 125, 126, 65_535, 65_536]) {
    const payload = payloadOf(length);
    for (let opcode = 0; opcode < 16; opcode++) {
      for (const fin of [true, false]) {
        for (const isMasked of [true, false]) {
          const key = isMasked ? KEY : undefined;
          const bytes = encodeFrame({ opcode, fin, payload }, key);
          for (const must of [true, false, undefined]) {
            for (const within of [true, false]) {
              const start = encodeFrame(
                { opcode: 2, fin: false },
                must === true ? KEY : undefined,
              );
              const what = `${opcode} ${fin} ${length} ${isMasked} ${must}`;
              const rule = expectedRule(
                { opcode, fin, length, isMasked },
                must,
                within,
              );
              const expected = rule === undefined
                ? `${fin} ${opcode} ${length}`
                : `${rule} 1002`;
              // Whole, then the head byte by byte and the payload after it.
              const head = Math.min(bytes.length, 14);
              const ways = [
                [new Uint8Array(bytes)],
                cutAt(bytes, ...Array.from({ length: head }, (_, i) => i)),
              ];
              for (const pieces of ways) {
                const decoder = new FrameDecoder({ masked: must });
                if (within) {
                  decoder.recv(new Uint8Array(start));
                  assertEquals(drain(decoder).length, 1);
                }
                for (const piece of pieces) decoder.recv(piece);
                const seen = drain(decoder).map(brief);
                assert(seen.join() === expected, `${what}: ${seen.join()}`);
              }
            }
          }
        }
      }
    }
  }
});

Deno.test("FrameDecoder lets everything through when no rule is applied", () => {
  const options: FrameDecoderOptions = {
    opcodes: "any",
    reserved: [1, 1, 1],
    control: false,
    fragmentation: false,
    shortestLength: false,
  };
  for (let first = 0; first < 256; first++) {
    for (const length of [0, 2, 126, 300]) {
      const payload = payloadOf(length);
      const bytes = encodeFrame({
        fin: first >= 0x80,
        reserved: RESERVED[first >> 4 & 7],
        opcode: first & 15,
        payload,
      }, KEY);
      const flags = (first >> 4).toString(2).padStart(4, "0");
      const expected = `${flags} ${first & 15} [37 fa 21 3d] ${toHex(payload)}`;
      assertEquals(decode(concat(bytes, bytes), options, 1), [
        expected,
        expected,
      ]);
    }
  }
});

Deno.test("FrameDecoder can leave out the rules of control frames alone", () => {
  const options = { control: false };
  assertEquals(decode(hex("09 01 61 08 00"), options), [
    "0000 9 [-] 61",
    "0000 8 [-] ",
  ]);
  const payload = payloadOf(200);
  const long = concat(hex("89 7e 00 c8"), payload);
  assertEquals(decode(long, options), [`1000 9 [-] ${toHex(payload)}`]);
  assertFails("80", "unexpected-continuation", options);
  // A control frame without FIN begins no message.
  assertFails("09 00 80", "unexpected-continuation", options);
});

Deno.test("FrameDecoder can leave out the rules of fragmentation alone", () => {
  const options = { fragmentation: false };
  assertEquals(decode(hex("80 01 61 01 00 81 00 02 00 80 00"), options), [
    "1000 0 [-] 61",
    "0000 1 [-] ",
    "1000 1 [-] ",
    "0000 2 [-] ",
    "1000 0 [-] ",
  ]);
  assertFails("09", "fragmented-control", options);
});

Deno.test("FrameDecoder.next() gives the same failure for ever", () => {
  const decoder = new FrameDecoder();
  decoder.recv(hex("89 00 83 00 81 05"));
  assertEquals(drain(decoder).map(line), ["1000 9 [-] ", "fail opcode 1002"]);
  const failure = decoder.next();
  assertEquals<unknown>(failure, {
    type: "fail",
    rule: "opcode",
    code: 1002,
    message: "Received a frame with the opcode 3, which is not defined",
  });
  decoder.recv(hex("81 05 48 65 6c 6c 6f"));
  assertStrictEquals(decoder.next(), failure);
  assertStrictEquals(decoder.next(), failure);
});

Deno.test("FrameDecoder.next() gives the frames before a failure first", () => {
  assertEquals(decode(hex("81 01 61 82 01 62 89 00 80 00 81 00")), [
    "1000 1 [-] 61",
    "1000 2 [-] 62",
    "1000 9 [-] ",
    "fail unexpected-continuation 1002",
  ]);
});

Deno.test("FrameDecoder.next() needs data when nothing was received", () => {
  const decoder = new FrameDecoder();
  assertEquals(decoder.next(), NEED_DATA);
  assertEquals(decoder.next(), NEED_DATA);
});

Deno.test("FrameDecoder.recv() takes empty chunks anywhere", () => {
  const decoder = new FrameDecoder();
  const seen: string[] = [];
  for (const byte of hex("81 85 37 fa 21 3d 7f 9f 4d 51 58 89 00")) {
    decoder.recv(new Uint8Array(0));
    seen.push(...drain(decoder).map(line));
    decoder.recv(Uint8Array.of(byte));
    decoder.recv(new Uint8Array(4).subarray(2, 2));
    seen.push(...drain(decoder).map(line));
  }
  assertEquals(seen, [
    "1000 1 [37 fa 21 3d] 48 65 6c 6c 6f",
    "1000 9 [-] ",
  ]);
});

Deno.test("FrameDecoder.recv() takes a Buffer of Node and gives plain bytes", () => {
  const decoder = new FrameDecoder();
  decoder.recv(Buffer.from(hex("81 85 37 fa 21 3d 7f 9f 4d 51 58")));
  const frame = decoder.next();
  assert(frame !== NEED_DATA && !("type" in frame));
  assertStrictEquals(
    Object.getPrototypeOf(frame.payload),
    Uint8Array.prototype,
  );
  assertEquals(frame.payload, utf8("Hello"));
});

Deno.test("FrameDecoder.recv() takes bytes of another realm", () => {
  const payload = payloadOf(100);
  const bytes = concat(hex("82 e4"), KEY, masked(payload, KEY));
  for (const cut of [0, 1, 50]) {
    const decoder = new FrameDecoder();
    for (const piece of cutAt(bytes, cut)) {
      const foreign: Uint8Array = runInNewContext("(n) => new Uint8Array(n)")(
        piece.length,
      );
      foreign.set(piece);
      decoder.recv(foreign);
    }
    assertEquals(drain(decoder).map(line), [
      `1000 2 [37 fa 21 3d] ${toHex(payload)}`,
    ]);
  }
});

Deno.test("FrameDecoder.recv() throws TypeError when the chunk cannot be had, and goes on", () => {
  const detached = new Uint8Array(4);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  const wrong: unknown[] = [
    null,
    "81 00",
    [0x81, 0],
    new ArrayBuffer(2),
    new Uint16Array(2),
    new DataView(new ArrayBuffer(2)),
    new Uint8Array(new SharedArrayBuffer(2)),
    detached,
  ];
  const decoder = new FrameDecoder();
  decoder.recv(hex("81 02 48"));
  for (const chunk of wrong) {
    assertThrows(
      () => decoder.recv(untyped<Uint8Array>(chunk)),
      TypeError,
      "Cannot receive",
    );
  }
  decoder.recv(hex("69"));
  assertEquals(drain(decoder).map(line), ["1000 1 [-] 48 69"]);
});

Deno.test("FrameDecoder() throws when the limit is no number of bytes", () => {
  for (const maxFrameBytes of [NaN, -1, 1.5, -Infinity, 2 ** 53]) {
    assertThrows(
      () => new FrameDecoder({ maxFrameBytes }),
      RangeError,
      `Cannot use ${maxFrameBytes} as maxFrameBytes`,
    );
  }
});

Deno.test("FrameDecoder() throws when an opcode is not 0 to 15", () => {
  for (const opcode of [-1, 16, 1.5, NaN, Infinity]) {
    assertThrows(
      () => new FrameDecoder({ opcodes: [3, opcode] }),
      RangeError,
      `Cannot let the opcode ${opcode} through`,
    );
  }
});

Deno.test("FrameDecoder() throws when the reserved bits are not three of 0 or 1", () => {
  for (const reserved of [[], [1, 0], [2, 0, 0], [0, 0, 0, 0]]) {
    assertThrows(
      () => new FrameDecoder({ reserved: untyped<Reserved>(reserved) }),
      TypeError,
      "as reserved bits: three of 0 or 1 are needed",
    );
  }
});

Deno.test("FrameDecoder() takes undefined for every option", () => {
  const options: FrameDecoderOptions = {
    masked: undefined,
    opcodes: undefined,
    reserved: undefined,
    control: undefined,
    fragmentation: undefined,
    shortestLength: undefined,
    maxFrameBytes: undefined,
  };
  assertPasses("81 00 82 81 37 fa 21 3d 61", options);
  assertFails("c1", "reserved-bits", options);
  assertFails("83", "opcode", options);
  assertFails("09", "fragmented-control", options);
  assertFails("80", "unexpected-continuation", options);
  assertFails("82 7e 00 01", "length-form", options);
  assertFails("82 7f 00 00 00 00 02", "frame-limit", options);
});

Deno.test("FrameDecoder gives the same of any bytes, however they are cut, under any rules", () => {
  // Bytes that are often a head, or nearly one.
  const byte = fc.oneof(
    fc.integer({ min: 0, max: 255 }),
    fc.constantFrom(0, 1, 2, 3, 0x80, 0x81, 0x82, 0x88, 0x89, 0xc1, 0x7e, 0xfe),
  );
  const options = fc.record({
    masked: fc.constantFrom(true, false, undefined),
    opcodes: fc.constantFrom<readonly number[] | "any">([], [3, 11], "any"),
    reserved: fc.constantFrom(...RESERVED),
    control: fc.boolean(),
    fragmentation: fc.boolean(),
    shortestLength: fc.boolean(),
    maxFrameBytes: fc.constantFrom(0, 3, 126, 300, Infinity),
  });
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 60 }), options, (list, options) => {
      const lines = decode(Uint8Array.from(list), options, 3);
      // A failure comes last.
      assert(!lines.slice(0, -1).some((line) => line.startsWith("fail")));
    }),
    { numRuns: 500 },
  );
});

Deno.test("FrameDecoder gives the frames that encodeFrame() was given", () => {
  const frame = fc.record({
    fin: fc.boolean(),
    reserved: fc.constantFrom(...RESERVED),
    opcode: fc.integer({ min: 0, max: 15 }),
    payload: fc.uint8Array({ maxLength: 200 }),
    key: fc.option(fc.uint8Array({ minLength: 4, maxLength: 4 }), {
      nil: undefined,
    }),
  });
  const options: FrameDecoderOptions = {
    opcodes: "any",
    reserved: [1, 1, 1],
    control: false,
    fragmentation: false,
  };
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 6 }), (frames) => {
      const bytes = concat(...frames.map((f) => encodeFrame(f, f.key)));
      const expected = frames.map(({ fin, reserved, opcode, payload, key }) =>
        `${fin ? 1 : 0}${reserved.join("")} ${opcode} [${
          key === undefined ? "-" : toHex(key)
        }] ${toHex(payload)}`
      );
      assertEquals(decode(bytes, options, 3), expected);
    }),
    { numRuns: 200 },
  );
});
