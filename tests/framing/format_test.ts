// One readable line for each frame.
import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { formatFrame } from "../../src/framing/format.ts";
import { RESERVED } from "../../src/framing/frame.ts";
import { FrameDecoder } from "../../src/framing/decoder.ts";
import { Opcode } from "../../src/framing/opcode.ts";
import { Information } from "../../src/information.ts";
import { concat, hex, payloadOf, utf8 } from "../helpers/bytes.ts";

const { TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG } = Opcode;

function text(payload: string): string {
  return formatFrame({ opcode: TEXT, payload: utf8(payload) });
}

Deno.test("formatFrame() names the standard opcodes", () => {
  const named = [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG]
    .map((opcode) => formatFrame({ opcode }));
  assertEquals(named, [
    "continue 0 B",
    "text 0 B",
    "binary 0 B",
    "close 0 B",
    "ping 0 B",
    "pong 0 B",
  ]);
});

Deno.test("formatFrame() numbers the opcodes without a name", () => {
  assertEquals(formatFrame({ opcode: 3 }), "data 3 0 B");
  assertEquals(formatFrame({ opcode: 7 }), "data 7 0 B");
  assertEquals(formatFrame({ opcode: 11 }), "control 11 0 B");
  assertEquals(formatFrame({ opcode: 15 }), "control 15 0 B");
});

Deno.test("formatFrame() takes names for opcodes of one's own", () => {
  const opcodes = { ascii: 3, time: 11 };
  const payload = utf8("hi");
  assertEquals(
    formatFrame({ opcode: 3, payload }, { opcodes }),
    'ascii 2 B "hi"',
  );
  assertEquals(
    formatFrame({ opcode: 11, payload }, { opcodes }),
    'time 2 B "hi"',
  );
  assertEquals(
    formatFrame({ opcode: 1, payload }, { opcodes }),
    'text 2 B "hi"',
  );
  assertEquals(formatFrame({ opcode: 4 }, { opcodes }), "data 4 0 B");
  assertEquals(formatFrame({ opcode: 1 }, { opcodes: undefined }), "text 0 B");
});

Deno.test("formatFrame() takes names of Object.prototype like any other", () => {
  const opcodes = { ["__proto__"]: 3, constructor: 11 };
  assertEquals(formatFrame({ opcode: 3 }, { opcodes }), "__proto__ 0 B");
  assertEquals(formatFrame({ opcode: 11 }, { opcodes }), "constructor 0 B");
});

Deno.test("formatFrame() escapes names that would break the line", () => {
  const opcodes = { "a\nb": 3, "c\u2028d": 4 };
  assertEquals(formatFrame({ opcode: 3 }, { opcodes }), "a\\nb 0 B");
  assertEquals(formatFrame({ opcode: 4 }, { opcodes }), "c\\u2028d 0 B");
});

Deno.test("formatFrame() tells of flags that are not the usual ones", () => {
  const payload = utf8("Hel");
  assertEquals(
    formatFrame({ opcode: TEXT, fin: false, payload }),
    'text more 3 B "Hel"',
  );
  assertEquals(
    formatFrame({ opcode: TEXT, fin: true, reserved: [0, 0, 0], payload }),
    'text 3 B "Hel"',
  );
  assertEquals(
    formatFrame({ opcode: PING, reserved: [0, 1, 0] }),
    "ping rsv2 0 B",
  );
  assertEquals(
    formatFrame({ opcode: BINARY, fin: false, reserved: [1, 1, 1] }),
    "binary more rsv1 rsv2 rsv3 0 B",
  );
});

Deno.test("formatFrame() takes what FrameDecoder gives", () => {
  const decoder = new FrameDecoder();
  decoder.recv(hex("81 85 37 fa 21 3d 7f 9f 4d 51 58"));
  const frame = decoder.next();
  assert(frame !== Information.NEED_DATA && !("type" in frame));
  assertEquals(formatFrame(frame), 'text 5 B "Hello"');
});

Deno.test("formatFrame() shows binary, and what has a reserved bit, in hexadecimal", () => {
  const payload = utf8("hello");
  assertEquals(
    formatFrame({ opcode: BINARY, payload }),
    "binary 5 B 68 65 6c 6c 6f",
  );
  assertEquals(
    formatFrame({ opcode: TEXT, reserved: [1, 0, 0], payload }),
    "text rsv1 5 B 68 65 6c 6c 6f",
  );
});

Deno.test("formatFrame() shows what is not UTF-8 in hexadecimal", () => {
  const show = (opcode: number, digits: string) =>
    formatFrame({ opcode, payload: hex(digits) });
  assertEquals(show(TEXT, "41 ff"), "text 2 B 41 ff");
  assertEquals(show(PING, "00 c3"), "ping 2 B 00 c3");
  assertEquals(show(CONTINUATION, "a4 41"), "continue 2 B a4 41");
  assertEquals(show(3, "ed a0 80"), "data 3 3 B ed a0 80");
});

Deno.test("formatFrame() shows the code and the reason of a close", () => {
  const show = (payload: Uint8Array) => formatFrame({ opcode: CLOSE, payload });
  assertEquals(show(hex("03 e8")), 'close 2 B 1000 ""');
  assertEquals(
    show(concat(hex("03 e9"), utf8("bye"))),
    'close 5 B 1001 "bye"',
  );
  assertEquals(
    show(concat(hex("03 e8"), utf8("a\nb"))),
    'close 5 B 1000 "a\\nb"',
  );
  assertEquals(show(hex("00 00")), 'close 2 B 0 ""');
  assertEquals(show(hex("ff ff 41")), 'close 3 B 65535 "A"');
});

Deno.test("formatFrame() shows a reason that is not UTF-8 in hexadecimal", () => {
  assertEquals(
    formatFrame({ opcode: CLOSE, payload: hex("03 e8 ff 41") }),
    "close 4 B 1000 ff 41",
  );
});

Deno.test("formatFrame() shows a close payload of 1 byte in hexadecimal, as it is no code", () => {
  const show = (digits: string) =>
    formatFrame({ opcode: CLOSE, payload: hex(digits) });
  assertEquals(show("03"), "close 1 B 03");
  assertEquals(show("41"), "close 1 B 41");
  assertEquals(show("ff"), "close 1 B ff");
});

Deno.test("formatFrame() escapes what would break or bend the line", () => {
  const escapes: [char: string, escaped: string][] = [
    ["\0", "\\u0000"],
    ["\b", "\\b"],
    ["\t", "\\t"],
    ["\n", "\\n"],
    ["\v", "\\u000b"],
    ["\f", "\\f"],
    ["\r", "\\r"],
    ["\x1b", "\\u001b"],
    ['"', '\\"'],
    ["\\", "\\\\"],
    ["\x7f", "\\u007f"],
    ["\x80", "\\u0080"],
    ["\x85", "\\u0085"],
    ["\x9b", "\\u009b"],
    ["\u061c", "\\u061c"],
    ["\u200e", "\\u200e"],
    ["\u200f", "\\u200f"],
    ["\u2028", "\\u2028"],
    ["\u2029", "\\u2029"],
    ["\u202a", "\\u202a"],
    ["\u202e", "\\u202e"],
    ["\u2066", "\\u2066"],
    ["\u2069", "\\u2069"],
    ["\ufeff", "\\ufeff"],
  ];
  for (const [char, escaped] of escapes) {
    const bytes = utf8(char).length;
    assertEquals(text(char), `text ${bytes} B "${escaped}"`);
    assertEquals(text(`a${char}b`), `text ${bytes + 2} B "a${escaped}b"`);
  }
});

Deno.test("formatFrame() shows other letters as they are", () => {
  assertEquals(
    text("\u00e4\u20ac\u{1f600}"),
    'text 9 B "\u00e4\u20ac\u{1f600}"',
  );
  assertEquals(text("\u00a0\ufffd"), 'text 5 B "\u00a0\ufffd"');
});

Deno.test("formatFrame() shows up to 60 characters of a text, and of more the two ends", () => {
  const sixty = "0123456789".repeat(6);
  assertEquals(text(sixty), `text 60 B "${sixty}"`);
  assertEquals(
    text(sixty + "a"),
    'text 61 B "0123456789012345678901234567890123456789 ... 67890123456789a"',
  );
});

Deno.test("formatFrame() counts characters, not bytes, and splits none", () => {
  const faces = "\u{1f600}".repeat(60);
  assertEquals(text(faces), `text 240 B "${faces}"`);
  assertEquals(
    text(faces + "a"),
    `text 241 B "${"\u{1f600}".repeat(40)} ... ${"\u{1f600}".repeat(14)}a"`,
  );
  // Every place at which the two ends that are looked at may cut a character.
  for (let shift = 0; shift < 4; shift++) {
    const before = "x".repeat(shift);
    for (const char of ["\u00e4", "\u20ac", "\u{1f600}"]) {
      const long = before + char.repeat(300);
      assertEquals(
        text(long),
        `text ${utf8(long).length} B "${before}${char.repeat(40 - shift)} ... ${
          char.repeat(15)
        }"`,
      );
    }
  }
});

Deno.test("formatFrame() shows a long text with U+FFFD in it as text", () => {
  const long = "\ufffd" + "x".repeat(300) + "\ufffd";
  assertEquals(
    text(long),
    `text 306 B "\ufffd${"x".repeat(39)} ... ${"x".repeat(14)}\ufffd"`,
  );
});

Deno.test("formatFrame() shows a long payload in hexadecimal when an end of it is not UTF-8", () => {
  const filler = new Uint8Array(300).fill(0x78);
  assertEquals(
    formatFrame({ opcode: TEXT, payload: concat(hex("ff"), filler) }),
    "text 301 B ff" + " 78".repeat(15) + " ... 78 78 78 78",
  );
  assertEquals(
    formatFrame({ opcode: TEXT, payload: concat(filler, hex("ff")) }),
    "text 301 B" + " 78".repeat(16) + " ... 78 78 78 ff",
  );
  assertEquals(
    formatFrame({ opcode: TEXT, payload: new Uint8Array(300).fill(0x80) }),
    "text 300 B" + " 80".repeat(16) + " ... 80 80 80 80",
  );
  assertEquals(
    formatFrame({
      opcode: TEXT,
      payload: concat(filler, new Uint8Array(300).fill(0x80)),
    }),
    "text 600 B" + " 78".repeat(16) + " ... 80 80 80 80",
  );
});

Deno.test("formatFrame() looks at the two ends of a long payload only", () => {
  const filler = new Uint8Array(240).fill(0x78);
  assertEquals(
    formatFrame({ opcode: TEXT, payload: concat(filler, hex("ff"), filler) }),
    `text 481 B "${"x".repeat(40)} ... ${"x".repeat(15)}"`,
  );
});

Deno.test("formatFrame() shows up to 20 bytes in hexadecimal, and of more the two ends", () => {
  const show = (length: number) =>
    formatFrame({ opcode: BINARY, payload: payloadOf(length) });
  assertEquals(
    show(20),
    "binary 20 B 00 07 0e 15 1c 23 2a 31 38 3f 46 4d 54 5b 62 69 70 77 7e 85",
  );
  assertEquals(
    show(21),
    "binary 21 B 00 07 0e 15 1c 23 2a 31 38 3f 46 4d 54 5b 62 69 ... 77 7e 85 8c",
  );
  assertEquals(
    show(100_000),
    "binary 100000 B 00 07 0e 15 1c 23 2a 31 38 3f 46 4d 54 5b 62 69 ... ca d1 d8 df",
  );
});

Deno.test("formatFrame() is one line that is not long, whatever the frame", () => {
  const payloads = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc.string({ unit: "binary", maxLength: 200 }).map(utf8),
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 15 }),
      fc.boolean(),
      fc.integer({ min: 0, max: 7 }),
      payloads,
      (opcode, fin, bits, payload) => {
        const reserved = RESERVED[bits];
        const line = formatFrame({ opcode, fin, reserved, payload });
        // deno-lint-ignore no-control-regex -- they are what is looked for
        assert(!/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(line), line);
        assert(line.length <= 40 + 60 * 6 + 5, line);
      },
    ),
    { numRuns: 1000 },
  );
});

Deno.test("formatFrame() does not change the frame", () => {
  const payload = utf8("hello");
  formatFrame({ opcode: TEXT, payload });
  assertEquals(payload, utf8("hello"));
});
