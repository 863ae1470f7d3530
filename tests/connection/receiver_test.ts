// Frames to events: how much of a message an event is, UTF-8, limits, reserved
// bits, and everything that a peer can do wrong.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Connection } from "../../src/connection/connection.ts";
import type { Delivery } from "../../src/connection/options.ts";
import type { FrameInit } from "../../src/framing/frame.ts";
import { Gather } from "../../src/framing/gather.ts";
import { Information } from "../../src/information.ts";
import { concat, hex, payloadOf, utf8 } from "../helpers/bytes.ts";
import { byteByByte } from "../helpers/cuts.ts";
import {
  assertEvents,
  event,
  failure,
  head,
  type Options,
  received,
  ROLES,
  type Seen,
  wire,
} from "../helpers/events.ts";
import { allBytes, ruleAt, VIOLATIONS } from "../helpers/violations.ts";

const DELIVERIES: readonly Delivery[] = ["message", "frame", "chunk"];

/** What some frames give in each delivery; by chunk as by frame where left out. */
interface Case {
  readonly name: string;
  readonly frames: readonly FrameInit[];
  readonly message: readonly Seen[];
  readonly frame: readonly Seen[];
  readonly chunk?: readonly Seen[];
}

const PING = { opcode: 9, payload: hex("50") };
const PINGED = event("ping", hex("50"));

/** The kinds of data: their opcodes, and how their payload is given. */
const KINDS = [
  { type: "text", opcode: 1, given: (text: string) => text },
  { type: "binary", opcode: 2, given: utf8 },
  { type: "ascii", opcode: 3, given: utf8 },
];

function casesOf({ type, opcode, given }: typeof KINDS[number]): Case[] {
  const frame = (text: string, fin = true): FrameInit => ({
    opcode,
    fin,
    payload: utf8(text),
  });
  const more = (text: string, fin = true) => ({
    ...frame(text, fin),
    opcode: 0,
  });
  const begins = (text: string, fin = true) =>
    event(type, given(text), { fin });
  const goesOn = (text: string, fin = true) =>
    event("continue", given(text), { fin, of: type });
  return [
    {
      name: "a whole message",
      frames: [frame("abc")],
      message: [begins("abc")],
      frame: [begins("abc")],
    },
    {
      name: "an empty message",
      frames: [frame("")],
      message: [begins("")],
      frame: [begins("")],
    },
    {
      name: "two messages",
      frames: [frame("ab"), frame("cd")],
      message: [begins("ab"), begins("cd")],
      frame: [begins("ab"), begins("cd")],
    },
    {
      name: "two fragments",
      frames: [frame("ab", false), more("cd")],
      message: [begins("abcd")],
      frame: [begins("ab", false), goesOn("cd")],
    },
    {
      name: "three fragments with control frames between them",
      frames: [
        frame("ab", false),
        PING,
        more("cd", false),
        { opcode: 10 },
        PING,
        more("ef"),
        PING,
      ],
      message: [
        PINGED,
        event("pong", hex("")),
        PINGED,
        begins("abcdef"),
        PINGED,
      ],
      frame: [
        begins("ab", false),
        PINGED,
        goesOn("cd", false),
        event("pong", hex("")),
        PINGED,
        goesOn("ef"),
        PINGED,
      ],
    },
    {
      name: "an empty first fragment",
      frames: [frame("", false), PING, more("ab")],
      message: [PINGED, begins("ab")],
      frame: [begins("", false), PINGED, goesOn("ab")],
      chunk: [PINGED, begins("ab")],
    },
    {
      name: "empty fragments in the middle",
      frames: [
        frame("ab", false),
        more("", false),
        PING,
        more("", false),
        more("cd"),
      ],
      message: [PINGED, begins("abcd")],
      frame: [
        begins("ab", false),
        goesOn("", false),
        PINGED,
        goesOn("", false),
        goesOn("cd"),
      ],
      chunk: [begins("ab", false), PINGED, goesOn("cd")],
    },
    {
      name: "an empty last fragment",
      frames: [frame("ab", false), PING, more("")],
      message: [PINGED, begins("ab")],
      frame: [begins("ab", false), PINGED, goesOn("")],
    },
    {
      name: "empty fragments alone",
      frames: [frame("", false), more("", false), PING, more("")],
      message: [PINGED, begins("")],
      frame: [begins("", false), goesOn("", false), PINGED, goesOn("")],
      chunk: [PINGED, begins("")],
    },
    {
      name: "a fragmented message behind another",
      frames: [frame("ab", false), more("cd"), frame("ef", false), more("gh")],
      message: [begins("abcd"), begins("efgh")],
      frame: [
        begins("ab", false),
        goesOn("cd"),
        begins("ef", false),
        goesOn("gh"),
      ],
    },
    {
      name: "a message that is not finished",
      frames: [frame("ab", false), PING],
      message: [PINGED],
      frame: [begins("ab", false), PINGED],
    },
  ];
}

for (const role of ROLES) {
  for (const kind of KINDS) {
    for (const { name, frames, ...expected } of casesOf(kind)) {
      for (const delivery of DELIVERIES) {
        Deno.test(`nextEvent() of a ${role} gives ${name} of ${kind.type} by ${delivery}`, () => {
          const options: Options = { delivery, opcodes: { ascii: 3 } };
          const events = expected[delivery] ?? expected.frame;
          assertEvents(role, options, wire(role, ...frames), events);
        });
      }
    }
  }

  // Text never ends inside a code point.

  Deno.test(`a ${role} never ends a part of a text inside a code point`, () => {
    const text = "a\u00e9\u20ac\u{1f600}z\ufeff\u{10ffff}\ufffd";
    const bytes = wire(role, { opcode: 1, payload: utf8(text) });
    for (const delivery of DELIVERIES) {
      assertEvents(role, { delivery }, bytes, [event("text", text)]);
    }
    const ws = new Connection(role, { delivery: "chunk" });
    const parts = received(ws, ...byteByByte(bytes)).map((part) =>
      part.message
    );
    // One part for each code point, as soon as it is complete.
    assertEquals(parts, Array.from(text));
  });

  Deno.test(`a ${role} gives an event for every frame, its text perhaps empty, by frame`, () => {
    const points = utf8("\u{1f600}\u{1f601}");
    const frames = Array.from(points, (byte, i) => ({
      opcode: i === 0 ? 1 : 0,
      fin: i === points.length - 1,
      payload: Uint8Array.of(byte),
    }));
    const texts = ["", "", "", "\u{1f600}", "", "", "", "\u{1f601}"];
    assertEvents(
      role,
      { delivery: "frame" },
      wire(role, ...frames),
      texts.map((text, i) =>
        event(i === 0 ? "text" : "continue", text, {
          fin: i === texts.length - 1,
          of: i === 0 ? undefined : "text",
        })
      ),
    );
    for (const delivery of ["message", "chunk"] as const) {
      assertEvents(role, { delivery }, wire(role, ...frames), [
        event("text", "\u{1f600}\u{1f601}"),
      ]);
    }
  });

  Deno.test(`a ${role} keeps a split code point over control frames and empty fragments`, () => {
    const frames = [
      { opcode: 1, fin: false, payload: hex("61 f0 9f") },
      PING,
      { opcode: 0, fin: false },
      { opcode: 0, fin: false, payload: hex("98") },
      PING,
      { opcode: 0, payload: hex("80 62") },
    ];
    const bytes = wire(role, ...frames);
    const more = (text: string, fin: boolean) =>
      event("continue", text, { fin, of: "text" });
    assertEvents(role, {}, bytes, [
      PINGED,
      PINGED,
      event("text", "a\u{1f600}b"),
    ]);
    assertEvents(role, { delivery: "frame" }, bytes, [
      event("text", "a", { fin: false }),
      PINGED,
      more("", false),
      more("", false),
      PINGED,
      more("\u{1f600}b", true),
    ]);
    assertEvents(role, { delivery: "chunk" }, bytes, [
      event("text", "a", { fin: false }),
      PINGED,
      PINGED,
      more("\u{1f600}b", true),
    ]);
  });

  Deno.test(`a ${role} gives a message that begins with half a code point its type`, () => {
    const bytes = wire(
      role,
      { opcode: 1, fin: false, payload: hex("c3") },
      PING,
      { opcode: 0, payload: hex("a9") },
    );
    assertEvents(role, { delivery: "chunk" }, bytes, [
      PINGED,
      event("text", "\u00e9"),
    ]);
  });

  Deno.test(`a ${role} takes a BOM, U+FFFD and NUL for content`, () => {
    const text = "\ufeff\ufffd\0\ufeff";
    for (const delivery of DELIVERIES) {
      const bytes = wire(role, { opcode: 1, payload: utf8(text) });
      assertEvents(role, { delivery }, bytes, [event("text", text)]);
    }
  });

  Deno.test(`a ${role} gives texts and bytes of every length at which something changes`, () => {
    for (
      const length of [
        1,
        7,
        8,
        31,
        32,
        33,
        63,
        64,
        65,
        125,
        126,
        127,
        128,
        4096,
      ]
    ) {
      const text = "0123456789\u00e9".repeat(400).slice(0, length);
      const bytes = wire(
        role,
        { opcode: 1, payload: utf8(text) },
        { opcode: 2, payload: payloadOf(length) },
      );
      const ws = new Connection(role);
      assertEquals(received(ws, bytes), [
        event("text", text),
        event("binary", payloadOf(length)),
      ]);
    }
    for (const length of [65_535, 65_536]) {
      const payload = payloadOf(length);
      const bytes = wire(role, { opcode: 2, payload });
      assertEvents(role, {}, bytes, [event("binary", payload)], { count: 2 });
    }
  });

  // What a part is in chunk delivery.

  Deno.test(`a ${role} gives what has arrived of a payload by chunk, and nothing for nothing`, () => {
    const bytes = wire(role, { opcode: 2, payload: hex("01 02 03 04") });
    const size = bytes.length - 4;
    const ws = new Connection(role, { delivery: "chunk" });
    assertEquals(received(ws, bytes.subarray(0, size)), []);
    assertEquals(received(ws, bytes.subarray(size, size + 1)), [
      event("binary", hex("01"), { fin: false }),
    ]);
    assertEquals(received(ws, new Uint8Array(0)), []);
    assertEquals(received(ws, bytes.subarray(size + 1, size + 3)), [
      event("continue", hex("02 03"), { fin: false, of: "binary" }),
    ]);
    assertEquals(received(ws, bytes.subarray(size + 3)), [
      event("continue", hex("04"), { of: "binary" }),
    ]);
  });

  Deno.test(`a ${role} gives a part only once by frame, when its frame is complete`, () => {
    const bytes = wire(role, { opcode: 2, fin: false, payload: hex("01 02") });
    const ws = new Connection(role, { delivery: "frame" });
    assertEquals(received(ws, ...byteByByte(bytes.subarray(0, -1))), []);
    assertEquals(received(ws, bytes.subarray(-1)), [
      event("binary", hex("01 02"), { fin: false }),
    ]);
  });

  Deno.test(`a ${role} gives control frames whole in each delivery`, () => {
    const payload = payloadOf(125);
    const frames = [
      { opcode: 9, payload },
      { opcode: 10, payload: payload.subarray(0, 64) },
      { opcode: 11, payload: payload.subarray(0, 63) },
      { opcode: 15 },
      {
        opcode: 8,
        payload: concat(hex("03 e8"), utf8("\u20ac".repeat(41))),
      },
    ];
    const expected = [
      event("ping", payload),
      event("pong", payload.slice(0, 64)),
      event("tick", payload.slice(0, 63)),
      event("tock", hex("")),
      event("close", "\u20ac".repeat(41), { statusCode: 1000 }),
    ];
    for (const delivery of DELIVERIES) {
      const options: Options = { delivery, opcodes: { tick: 11, tock: 15 } };
      assertEvents(role, options, wire(role, ...frames), expected);
    }
  });

  Deno.test(`a ${role} reads a close: without a code, with one, with a reason`, () => {
    for (
      const [payload, statusCode, message] of [
        ["", undefined, ""],
        ["03 e8", 1000, ""],
        ["0f a0 ef bb bf 62 79 65", 4000, "\ufeffbye"],
      ] as const
    ) {
      const bytes = wire(role, { opcode: 8, payload: hex(payload) }, PING);
      for (const delivery of DELIVERIES) {
        // The ping after it is not looked at.
        assertEvents(role, { delivery }, bytes, [
          event("close", message, { statusCode }),
        ], { atEnd: true });
      }
    }
  });

  // What is wrong.

  for (const violation of VIOLATIONS) {
    const { name, code, options, before, at } = violation;
    const rule = ruleAt(violation, role);
    Deno.test(`a ${role} fails with ${code} at the byte that decides: ${name}`, () => {
      for (const delivery of DELIVERIES) {
        const ws = new Connection(role, { ...options, delivery });
        received(ws, before(role));
        const bytes = violation.bytes(role);
        const last = at ?? bytes.length - 1;
        for (const byte of byteByByte(bytes.subarray(0, last))) {
          const types = received(ws, byte).map(({ type }) => type);
          assert(!types.includes("fail"), `${types} before ${last}`);
        }
        assertEquals(ws.state, "open");
        const [fail] = received(ws, bytes.subarray(last, last + 1)).slice(-1);
        assertEquals(fail, failure(rule, code));
      }
    });

    Deno.test(`a ${role} fails with ${code} however its bytes are cut: ${name}`, () => {
      // A ping behind it, or the end of the stream, changes nothing.
      const bytes = concat(allBytes(violation, role), wire(role, PING));
      for (const delivery of DELIVERIES) {
        const ws = new Connection(role, { ...options, delivery });
        const expected = received(ws, ...byteByByte(bytes));
        assertEquals(expected.slice(-1), [failure(rule, code)]);
        for (const atEnd of [false, true]) {
          assertEvents(role, { ...options, delivery }, bytes, expected, {
            atEnd,
            count: 12,
          });
        }
      }
    });
  }

  Deno.test(`a ${role} judges what is wrong in more than one way in the order of the rules`, () => {
    const begun = wire(role, { opcode: 1, fin: false });
    const wrongMask = role === "client" ? 0x80 : 0;
    const mask = wrongMask ^ 0x80;
    const maskRule = role === "client" ? "masked-frame" : "unmasked-frame";
    const cases: [bytes: number[], rule: Seen, before?: Uint8Array][] = [
      // Byte 1: reserved bits, opcode, FIN on control, continuation state.
      [[0xc3], failure("reserved-bits", 1002)],
      [[0x4b], failure("reserved-bits", 1002)],
      [[0xc0], failure("reserved-bits", 1002)],
      [[0x1f], failure("reserved-bits", 1002), begun],
      [[0x0b], failure("opcode", 1002)],
      [[0x83], failure("opcode", 1002), begun],
      [[0x09], failure("fragmented-control", 1002), begun],
      // Then byte 2: mask direction, control length.
      [[0x83, wrongMask], failure("opcode", 1002)],
      [[0x80, wrongMask], failure("unexpected-continuation", 1002)],
      [[0x89, wrongMask | 126], failure(maskRule, 1002)],
      [[0x82, wrongMask | 127, 0xff], failure(maskRule, 1002)],
      [[0x82, wrongMask | 100], failure(maskRule, 1002)],
      [[0x89, mask | 126, 0, 5], failure("control-length", 1002)],
      [[0x89, mask | 127, 0xff], failure("control-length", 1002)],
      // Then the form of the length, and the limits.
      [[0x82, mask | 127, 0xff], failure("length-form", 1002)],
      [[0x82, mask | 126, 0, 50], failure("length-form", 1002)],
      [[0x82, mask | 127, 1], failure("message-limit", 1009)],
      [[0x82, mask | 50], failure("message-limit", 1009)],
      [[0x82, mask | 15], failure("frame-limit", 1009)],
    ];
    const options = { maxFrameBytes: 10, maxMessageBytes: 20 };
    for (const [bytes, rule, before = new Uint8Array(0)] of cases) {
      for (const ending of [[], [null]]) {
        const ws = new Connection(role, { ...options, delivery: "chunk" });
        const all = concat(before, Uint8Array.from(bytes));
        assertEquals(received(ws, all, ...ending), [rule], bytes.join());
      }
    }
  });

  Deno.test(`a ${role} gives a violation that is decided rather than the end of the stream`, () => {
    const text = wire(role, { opcode: 1, payload: hex("61 ff 62 62 62") });
    const ws = new Connection(role);
    ws.recv(text.subarray(0, -3));
    ws.recv(null);
    assertEquals(received(ws), []);
    const event = ws.nextEvent();
    assert(typeof event === "object" && event.type === "fail");
    assertEquals(event.rule, "utf-8");
    assertEquals(ws.nextEvent(), Information.CONNECTION_CLOSED);
  });

  Deno.test(`a ${role} fails with 1006 when the stream ends in any place`, () => {
    const bytes = wire(
      role,
      { opcode: 2, fin: false, payload: payloadOf(126) },
      PING,
      { opcode: 0, payload: hex("01") },
    );
    for (let length = 0; length <= bytes.length; length++) {
      const ws = new Connection(role);
      const seen = received(ws, bytes.subarray(0, length), null);
      assertEquals(seen.slice(-1), [failure("end-of-stream", 1006)]);
      assert(seen.slice(0, -1).every(({ type }) => type !== "fail"));
      assertEquals(ws.nextEvent(), Information.CONNECTION_CLOSED);
    }
  });

  // UTF-8 in the midst of things.

  Deno.test(`a ${role} fails text at its first wrong byte, in the middle of a frame and a message`, () => {
    const good = "a\u20ac\u{1f600}";
    const payload = concat(utf8(good), hex("ff"), utf8("the rest"));
    for (const delivery of DELIVERIES) {
      for (const fin of [true, false]) {
        const bytes = wire(role, { opcode: 1, fin, payload });
        const wrong = bytes.length - 9;
        const ws = new Connection(role, { delivery });
        const before = received(ws, ...byteByByte(bytes.subarray(0, wrong)));
        assertEquals(
          before.map(({ message }) => message).join(""),
          delivery === "chunk" ? good : "",
        );
        assertEquals(received(ws, bytes.subarray(wrong, wrong + 1)), [
          failure("utf-8", 1007),
        ]);
      }
    }
  });

  Deno.test(`a ${role} fails wrong text before it gives the ping that follows`, () => {
    for (const delivery of DELIVERIES) {
      const bytes = wire(
        role,
        { opcode: 1, fin: false, payload: hex("ff") },
        PING,
        { opcode: 0 },
      );
      assertEvents(role, { delivery }, bytes, [failure("utf-8", 1007)]);
    }
  });

  Deno.test(`a ${role} gives the text before a wrong byte by chunk, however it is cut`, () => {
    const chunk: Options = { delivery: "chunk" };
    const cases: [payload: string, given: string][] = [
      ["61 62 ff 63", "ab"],
      ["61 e2 82 ff", "a"],
      ["61 e2 82", "a"],
      ["e2 82 ac ff", "\u20ac"],
      ["e2 28", ""],
    ];
    for (const [payload, given] of cases) {
      for (const fin of [true, false]) {
        if (!fin && payload === "61 e2 82") continue;
        const bytes = wire(role, { opcode: 1, fin, payload: hex(payload) });
        const parts = given === ""
          ? []
          : [event("text", given, { fin: false })];
        assertEvents(role, chunk, bytes, [...parts, failure("utf-8", 1007)]);
      }
    }
    // Also where what is wrong goes on with a code point of an earlier frame.
    const bytes = wire(
      role,
      { opcode: 1, fin: false, payload: hex("61 e2 82") },
      { opcode: 0, payload: hex("ac 62 f0 9f 28") },
    );
    assertEvents(role, chunk, bytes, [
      event("text", "a\u20acb", { fin: false }),
      failure("utf-8", 1007),
    ]);
  });

  Deno.test(`a ${role} judges each text anew`, () => {
    const bytes = wire(
      role,
      { opcode: 1, fin: false, payload: hex("c3") },
      { opcode: 0, payload: hex("a9") },
      { opcode: 1, payload: hex("a9") },
    );
    assertEvents(role, {}, bytes, [
      event("text", "\u00e9"),
      failure("utf-8", 1007),
    ]);
  });

  Deno.test(`a ${role} does not judge bytes`, () => {
    const payload = hex("ff c0 80 ed a0 80");
    const bytes = wire(
      role,
      { opcode: 2, payload },
      { opcode: 3, fin: false, payload },
      { opcode: 0, payload },
      { opcode: 9, payload },
    );
    assertEvents(role, { opcodes: { own: 3 } }, bytes, [
      event("binary", payload),
      event("own", concat(payload, payload)),
      event("ping", payload),
    ]);
  });

  // Limits.

  for (const limit of [0, 1, 5, 125, 126, 200]) {
    Deno.test(`a ${role} holds to a limit of ${limit} bytes: one less, at it, one and two more`, () => {
      for (const delivery of DELIVERIES) {
        for (const length of [limit - 1, limit, limit + 1, limit + 2]) {
          if (length < 0) continue;
          const payload = payloadOf(length);
          const whole = wire(role, { opcode: 2, payload }, PING);
          // By one byte each, with control frames between them.
          const frames = Array.from(payload, (byte, i): FrameInit[] => [
            PING,
            {
              opcode: i === 0 ? 2 : 0,
              fin: false,
              payload: Uint8Array.of(byte),
            },
          ]);
          const cut = wire(
            role,
            ...(length === 0 ? [{ opcode: 2, fin: false }] : frames.flat()),
            PING,
            { opcode: 0 },
          );
          for (const bytes of [whole, cut]) {
            const options = { maxMessageBytes: limit, maxFrameBytes: Infinity };
            const ws = new Connection(role, { ...options, delivery });
            const events = received(ws, bytes);
            const data = events.filter(({ type }) =>
              type !== "ping" && type !== "fail"
            );
            const got = concat(
              ...data.map(({ message }) =>
                typeof message === "string" ? hex("") : message
              ),
            );
            const fails = events.filter(({ type }) => type === "fail");
            if (length <= limit) {
              assertEquals(got, payload);
              assertEquals(fails, []);
            } else {
              assertEquals(fails, [failure("message-limit", 1009)]);
              // What is delivered before never exceeds the limit.
              const due = bytes === cut && delivery !== "message" ? limit : 0;
              assertEquals(got, payload.subarray(0, due));
            }
          }
        }
      }
    });
  }

  Deno.test(`a ${role} counts over frames and not over control frames or messages`, () => {
    const two = { opcode: 0, fin: false, payload: hex("01 02") };
    const bytes = wire(
      role,
      { ...two, opcode: 2 },
      { opcode: 10, payload: payloadOf(125) },
      two,
      { opcode: 9, payload: payloadOf(125) },
      { ...two, fin: true },
      { ...two, opcode: 2, fin: true },
      { ...two, opcode: 2 },
      two,
      { opcode: 9, payload: payloadOf(125) },
      { ...two, payload: hex("01 02 03") },
    );
    assertEvents(role, { maxMessageBytes: 6 }, bytes, [
      event("pong", payloadOf(125)),
      event("ping", payloadOf(125)),
      event("binary", hex("01 02 01 02 01 02")),
      event("binary", hex("01 02")),
      event("ping", payloadOf(125)),
      failure("message-limit", 1009),
    ]);
  });

  Deno.test(`a ${role} counts limit - 1, a pong, 1 byte, and then one more`, () => {
    const bytes = wire(
      role,
      { opcode: 2, fin: false, payload: payloadOf(9) },
      { opcode: 10 },
      { opcode: 0, fin: false, payload: payloadOf(1) },
      { opcode: 10 },
      { opcode: 0, payload: payloadOf(1) },
    );
    assertEvents(role, { maxMessageBytes: 10 }, bytes, [
      event("pong", hex("")),
      event("pong", hex("")),
      failure("message-limit", 1009),
    ]);
  });

  Deno.test(`a ${role} limits frames and messages apart`, () => {
    const options = { maxFrameBytes: 3, maxMessageBytes: 5 };
    const three = payloadOf(3);
    const two = payloadOf(2);
    assertEvents(
      role,
      options,
      wire(
        role,
        { opcode: 2, payload: three },
        { opcode: 2, fin: false, payload: three },
        { opcode: 0, payload: two },
        { opcode: 2, payload: payloadOf(4) },
      ),
      [
        event("binary", three),
        event("binary", concat(three, two)),
        failure("frame-limit", 1009),
      ],
    );
    assertEvents(
      role,
      options,
      wire(
        role,
        { opcode: 2, fin: false, payload: three },
        { opcode: 0, payload: three },
      ),
      [failure("message-limit", 1009)],
    );
    // A frame may not have more than a message may.
    assertEvents(
      role,
      { maxFrameBytes: 100, maxMessageBytes: 5 },
      wire(role, { opcode: 2, payload: payloadOf(6) }),
      [failure("message-limit", 1009)],
    );
  });

  Deno.test(`a ${role} does not apply its limits to control frames`, () => {
    const payload = payloadOf(125);
    const options = { maxFrameBytes: 0, maxMessageBytes: 0 };
    assertEvents(role, options, wire(role, { opcode: 9, payload }), [
      event("ping", payload),
    ]);
  });

  Deno.test(`a ${role} limits messages to 16 MiB when nothing is said`, () => {
    // The head alone decides: no payload is there.
    const over = new Connection(role);
    const length = [0, 0, 0, 0, 0x01, 0x00, 0x00];
    assertEquals(received(over, head(role, 0x82, 127, ...length, 1)), [
      failure("message-limit", 1009),
    ]);
    const at = new Connection(role);
    assertEquals(received(at, head(role, 0x82, 127, ...length, 0)), []);
    const payload = new Uint8Array(16_777_216);
    payload[payload.length - 1] = 7;
    const [message] = received(
      at,
      wire(role, { opcode: 2, payload }).subarray(
        role === "server" ? 14 : 10,
      ),
    );
    assert(message.type === "binary" && typeof message.message !== "string");
    assertEquals(message.message.length, 16_777_216);
    assertEquals(message.message[16_777_215], 7);
  });

  Deno.test(`a ${role} reads lengths of 64 bits without losing any`, () => {
    const limits = { maxMessageBytes: Infinity };
    const accepted = [
      "00 00 00 00 7f ff ff ff", // 2^31 - 1
      "00 00 00 00 80 00 00 00", // 2^31
      "00 00 00 00 ff ff ff ff", // 2^32 - 1
      "00 00 00 01 00 00 00 00", // 2^32
      "00 00 00 01 00 00 00 01", // 2^32 + 1
      "00 1f ff ff ff ff ff ff", // 2^53 - 1
    ];
    const over = [
      "00 20 00 00 00 00 00 00", // 2^53
      "00 20 00 00 00 00 00 01", // 2^53 + 1
      "40 00 00 00 00 00 00 00", // 2^62
      "7f ff ff ff ff ff ff ff", // 2^63 - 1
    ];
    for (const length of accepted) {
      const ws = new Connection(role, limits);
      const bytes = head(role, 0x82, 127, ...hex(length));
      assertEquals(received(ws, bytes, hex("01 02")), [], length);
      assertEquals(ws.state, "open");
    }
    for (const length of over) {
      const bytes = head(role, 0x82, 127, ...hex(length));
      assertEvents(role, limits, bytes, [failure("message-limit", 1009)]);
    }
    for (
      const length of ["80 00 00 00 00 00 00 00", "ff ff ff ff ff ff ff ff"]
    ) {
      const bytes = head(role, 0x82, 127, ...hex(length));
      assertEvents(role, limits, bytes, [failure("length-form", 1002)]);
    }
    // Over by what came before it in the same message.
    const bytes = concat(
      wire(role, { opcode: 2, fin: false, payload: hex("01") }),
      head(role, 0x80, 127, ...hex("00 1f ff ff ff ff ff ff")),
    );
    assertEvents(role, limits, bytes, [failure("message-limit", 1009)]);
  });

  // Reserved bits.

  Deno.test(`a ${role} gives claimed bits with their frame, or all those of a message`, () => {
    const options: Options = { reserved: [1, 1, 1], opcodes: { tick: 11 } };
    const bytes = wire(
      role,
      { opcode: 2, fin: false, reserved: [1, 0, 0], payload: hex("01") },
      { opcode: 9, reserved: [0, 1, 1] },
      { opcode: 0, fin: false, payload: hex("02") },
      { opcode: 0, reserved: [0, 0, 1], payload: hex("03") },
      { opcode: 2, payload: hex("04") },
      { opcode: 11, reserved: [1, 1, 1] },
      { opcode: 8, reserved: [0, 1, 0] },
    );
    const ping = event("ping", hex(""), { reserved: [0, 1, 1] });
    const rest = [
      event("binary", hex("04")),
      event("tick", hex(""), { reserved: [1, 1, 1] }),
      event("close", "", { reserved: [0, 1, 0] }),
    ];
    assertEvents(role, options, bytes, [
      ping,
      event("binary", hex("01 02 03"), { reserved: [1, 0, 1] }),
      ...rest,
    ]);
    const more = { fin: false, of: "binary" };
    assertEvents(role, { ...options, delivery: "frame" }, bytes, [
      event("binary", hex("01"), { fin: false, reserved: [1, 0, 0] }),
      ping,
      event("continue", hex("02"), more),
      event("continue", hex("03"), { of: "binary", reserved: [0, 0, 1] }),
      ...rest,
    ]);
    assertEvents(role, { ...options, delivery: "chunk" }, bytes, [
      event("binary", hex("01"), { fin: false, reserved: [1, 0, 0] }),
      ping,
      event("continue", hex("02"), { ...more, reserved: [1, 0, 0] }),
      event("continue", hex("03"), { of: "binary", reserved: [1, 0, 1] }),
      ...rest,
    ]);
  });

  Deno.test(`a ${role} gives text as bytes, unchecked, where its first frame has a claimed bit`, () => {
    const options: Options = { reserved: [0, 1, 0] };
    const payload = hex("61 ff c3");
    const whole = wire(role, { opcode: 1, reserved: [0, 1, 0], payload });
    const fragments = wire(
      role,
      { opcode: 1, fin: false, reserved: [0, 1, 0], payload },
      { opcode: 0, payload },
      { opcode: 1, payload: hex("62") },
    );
    const reserved = [0, 1, 0] as const;
    for (const delivery of DELIVERIES) {
      assertEvents(role, { ...options, delivery }, whole, [
        event("text", payload, { reserved }),
      ]);
    }
    assertEvents(role, options, fragments, [
      event("text", concat(payload, payload), { reserved }),
      event("text", "b"),
    ]);
    assertEvents(role, { ...options, delivery: "frame" }, fragments, [
      event("text", payload, { fin: false, reserved }),
      event("continue", payload, { of: "text" }),
      event("text", "b"),
    ]);
    assertEvents(role, { ...options, delivery: "chunk" }, fragments, [
      event("text", payload, { fin: false, reserved }),
      event("continue", payload, { of: "text", reserved }),
      event("text", "b"),
    ]);
  });

  Deno.test(`a ${role} gives text as text where only a continuation has a claimed bit`, () => {
    const options: Options = { reserved: [1, 0, 0] };
    const first = { opcode: 1, fin: false, payload: hex("61 c3") };
    const bytes = wire(
      role,
      first,
      { opcode: 0, reserved: [1, 0, 0], payload: hex("a9") },
    );
    assertEvents(role, options, bytes, [
      event("text", "a\u00e9", { reserved: [1, 0, 0] }),
    ]);
    const wrong = wire(
      role,
      first,
      { opcode: 0, reserved: [1, 0, 0], payload: hex("28") },
    );
    assertEvents(role, options, wrong, [failure("utf-8", 1007)]);
  });

  Deno.test(`a ${role} fails on a bit that is not claimed, though others are`, () => {
    const options: Options = { reserved: [0, 1, 0] };
    for (const reserved of [[1, 0, 0], [0, 0, 1], [0, 1, 1]] as const) {
      for (const opcode of [1, 2, 9]) {
        const bytes = wire(role, { opcode, reserved });
        assertEvents(role, options, bytes, [failure("reserved-bits", 1002)]);
      }
    }
  });

  // Opcodes.

  Deno.test(`a ${role} knows data from control frames by every opcode, FIN and length`, () => {
    for (let opcode = 0; opcode < 16; opcode++) {
      for (const fin of [true, false]) {
        for (const length of [125, 126]) {
          const isControl = opcode >= 8;
          const isDefined = [0, 1, 2, 3, 7, 8, 9, 10, 11, 15].includes(opcode);
          const payload = opcode === 8
            ? concat(hex("03 e8"), new Uint8Array(length - 2))
            : new Uint8Array(length);
          const bytes = wire(role, { opcode, fin, payload });
          const ws = new Connection(role, {
            delivery: "frame",
            opcodes: { a: 3, b: 7, c: 11, d: 15 },
          });
          const expected = !isDefined
            ? "opcode"
            : isControl && !fin
            ? "fragmented-control"
            : opcode === 0
            ? "unexpected-continuation"
            : isControl && length > 125
            ? "control-length"
            : undefined;
          const [event] = received(ws, bytes);
          const rule = "rule" in event ? event.rule : undefined;
          assertEquals(rule, expected, `opcode ${opcode}, ${fin}, ${length}`);
        }
      }
    }
  });

  Deno.test(`a ${role} gives the opcodes of the application by their names`, () => {
    const opcodes = {
      three: 3,
      four: 4,
      five: 5,
      six: 6,
      seven: 7,
      eleven: 11,
      twelve: 12,
      thirteen: 13,
      fourteen: 14,
      fifteen: 15,
    } as const;
    for (const [name, opcode] of Object.entries(opcodes)) {
      const bytes = wire(role, { opcode, payload: hex("41") });
      assertEvents(role, { opcodes }, bytes, [event(name, hex("41"))], {
        count: 3,
      });
    }
    const proto: Options = { opcodes: JSON.parse('{ "__proto__": 3 }') };
    const bytes = wire(role, { opcode: 3 });
    assertEvents(role, proto, bytes, [event("__proto__", hex(""))], {
      count: 3,
    });
  });

  // Leniency, by name.

  Deno.test(`a ${role} lets lengths pass that are padded, if it is told to`, () => {
    const padded = [hex("7e 00 01"), hex("7f 00 00 00 00 00 00 00 01")];
    for (const length of padded) {
      const bytes = concat(
        head(role, 0x82, ...length),
        role === "server" ? hex("76") : hex("41"),
      );
      assertEvents(role, { lenient: { paddedLength: true } }, bytes, [
        event("binary", hex("41")),
      ]);
      // Other leniency does not help.
      assertEvents(role, { lenient: { unmaskedClient: true } }, bytes, [
        failure("length-form", 1002),
      ]);
      // The limits hold all the same.
      const limited = { lenient: { paddedLength: true }, maxMessageBytes: 0 };
      assertEvents(role, limited, bytes, [failure("message-limit", 1009)]);
    }
    // A control frame may not even be padded, as it has no room for it.
    const ping = head(role, 0x89, ...hex("7e 00 01"));
    assertEvents(role, { lenient: { paddedLength: true } }, ping, [
      failure("control-length", 1002),
    ]);
  });
}

Deno.test("a server lets frames pass that are not masked, if it is told to", () => {
  const options = { lenient: { unmaskedClient: true } };
  const bytes = concat(
    wire("client", { opcode: 1, payload: utf8("a") }),
    wire("server", { opcode: 1, payload: utf8("b") }),
    wire("client", { opcode: 9 }),
  );
  assertEvents("server", options, bytes, [
    event("text", "a"),
    event("text", "b"),
    event("ping", hex("")),
  ]);
  assertEvents("client", options, wire("server", { opcode: 1 }), [
    failure("masked-frame", 1002),
  ]);
});

// What the engine cannot hold. To have it happen would take gigabytes, so here
// the parts that would give up are made to.

/** Runs something while a method of a class is another. */
function withMethod<T extends object, K extends keyof T>(
  owner: T,
  name: K,
  method: T[K],
  run: () => void,
): void {
  const original = owner[name];
  owner[name] = method;
  try {
    run();
  } finally {
    owner[name] = original;
  }
}

for (const role of ROLES) {
  Deno.test(`a ${role} fails with 1009 when there is no memory for a message`, () => {
    const bytes = wire(role, { opcode: 2, payload: payloadOf(10) });
    const ws = new Connection(role);
    ws.recv(bytes.subarray(0, -1));
    withMethod(Gather.prototype, "append", () => {
      throw new RangeError("Array buffer allocation failed");
    }, () => {
      const fail = ws.nextEvent();
      assert(typeof fail === "object" && fail.type === "fail");
      assertEquals([fail.rule, fail.code], ["message-limit", 1009]);
      assertEquals(
        fail.message,
        "Received a message of 10 bytes: more than can be held",
      );
    });
    assertEquals(ws.nextEvent(), Information.CONNECTION_CLOSED);
  });

  Deno.test(`a ${role} does not take a mistake of its own for a lack of memory`, () => {
    const bytes = wire(role, { opcode: 2, payload: payloadOf(10) });
    const ws = new Connection(role);
    ws.recv(bytes.subarray(0, -1));
    withMethod(Gather.prototype, "append", () => {
      throw new TypeError("a mistake");
    }, () => {
      assertThrows(() => ws.nextEvent(), TypeError, "a mistake");
    });
  });

  Deno.test(`a ${role} fails with 1009 when a text is longer than a string can be`, () => {
    for (const delivery of DELIVERIES) {
      const bytes = wire(role, { opcode: 1, payload: utf8("x".repeat(64)) });
      const ws = new Connection(role, { delivery });
      ws.recv(bytes);
      withMethod(TextDecoder.prototype, "decode", () => {
        throw new TypeError("buffer exceeds maximum length");
      }, () => {
        const fail = ws.nextEvent();
        assert(typeof fail === "object" && fail.type === "fail");
        assertEquals([fail.rule, fail.code], ["message-limit", 1009]);
        assert(fail.message.includes("64 bytes"), fail.message);
      });
    }
  });
}

Deno.test("a close frame is judged when it is complete, not at the byte that is wrong", () => {
  const ws = new Connection("client");
  assertEquals(received(ws, hex("88 03 00 00")), []);
  assertEquals(received(ws, hex("61")), [failure("close-code", 1002)]);
});

// How much memory a peer can make a connection hold. The numbers come from a
// program of its own, which can force a collection; they waver by some 50 KB.

const NOISE = 262_144;

let measured: Promise<Map<string, number>> | undefined;

/** How many bytes were held, by what was done. */
function heldBytes(): Promise<Map<string, number>> {
  return measured ??= (async () => {
    const script = new URL("../helpers/heap.ts", import.meta.url);
    // Counting which lines are reached would slow it down, and measure that.
    const { DENO_COVERAGE_DIR: _, ...env } = Deno.env.toObject();
    const command = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--no-lock",
        "--v8-flags=--expose-gc",
        script.href,
      ],
      clearEnv: true,
      env,
      stderr: "inherit",
    });
    const { success, stdout } = await command.output();
    assert(success);
    return new Map(
      Object.entries(JSON.parse(new TextDecoder().decode(stdout))),
    );
  })();
}

for (const type of ["text", "binary"]) {
  for (const delivery of DELIVERIES) {
    Deno.test(`a million continuations of ${type} cost no more than their bytes by ${delivery}`, async () => {
      const held = await heldBytes();
      for (const length of [0, 1]) {
        for (const count of [125_000, 1_000_000]) {
          const name =
            `${count} ${type} continuations of ${length} by ${delivery}`;
          const bytes = held.get(name);
          assert(bytes !== undefined, name);
          const due = delivery === "message" ? count * length : 0;
          assert(bytes < 1.25 * due + NOISE, `${name}: ${bytes} bytes`);
        }
      }
    });
  }
}

for (const delivery of DELIVERIES) {
  Deno.test(`a frame of 1 MiB in 1-byte chunks costs no more than its bytes by ${delivery}`, async () => {
    const held = await heldBytes();
    const name = `a frame of 1 MiB in 1-byte chunks by ${delivery}`;
    const bytes = held.get(name);
    assert(bytes !== undefined, name);
    const due = delivery === "chunk" ? 0 : 1_048_576;
    assert(bytes < 1.25 * due + NOISE, `${name}: ${bytes} bytes`);
  });
}

Deno.test("a length that is announced reserves 64 KiB at most, and nothing where it is over", async () => {
  const held = await heldBytes();
  for (const [size, most] of [["2^50", 65_536 + 4096], ["2^62", 4096]]) {
    const name = `1000 frames that announce ${size} bytes and bring 4`;
    const bytes = held.get(name);
    assert(bytes !== undefined, name);
    assert(bytes < 1000 * Number(most) + NOISE, `${name}: ${bytes} bytes`);
  }
});

for (const type of ["text", "binary"]) {
  Deno.test(`a frame of ${type} passes in constant memory by chunk, however large`, async () => {
    const held = await heldBytes();
    const name = `a quarter of a frame of 1 GiB of ${type} by chunk`;
    const bytes = held.get(name);
    assert(bytes !== undefined, name);
    assert(bytes < NOISE, `${name}: ${bytes} bytes`);
  });
}

for (const end of ["close", "failure"]) {
  Deno.test(`nothing is held of what comes behind a ${end}`, async () => {
    const held = await heldBytes();
    for (const when of ["together with it", "after it"]) {
      const name = `100 connections that got 1 MiB behind a ${end}, ${when}`;
      const bytes = held.get(name);
      assert(bytes !== undefined, name);
      assert(bytes < 100 * 4096 + NOISE, `${name}: ${bytes} bytes`);
    }
  });
}
