// Data to frames: the bytes that are written, and what may not be sent.
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { Connection } from "../../src/connection/connection.ts";
import type { SendData } from "../../src/connection/event.ts";
import type { Role } from "../../src/connection/options.ts";
import { LocalProtocolError } from "../../src/errors.ts";
import type { CustomOpcodes } from "../../src/framing/opcode.ts";
import { FrameDecoder } from "../../src/framing/decoder.ts";
import { concat, hex, masked, payloadOf, utf8 } from "../helpers/bytes.ts";
import {
  drain,
  event,
  KEY,
  type Options,
  other,
  ROLES,
  wire,
} from "../helpers/events.ts";

type Data = SendData<CustomOpcodes>;

/** A connection whose masking key is always that of RFC 6455, section 5.7. */
function fixed(role: Role, options: Options = {}) {
  return new Connection(role, {
    ...options,
    random: fill,
  });
}

/** What untyped code may hand over. */
function untyped<T>(value: unknown): T {
  return value as T; // the point of these tests
}

/** Asserts what is sent, byte by byte, by a server and by a client. */
function assertSends(
  data: Data | Data[],
  digits: string,
  options: Options = {},
): void {
  const plain = hex(digits);
  assertEquals(fixed("server", options).send(data), plain);
  // The frames of a client are the same but for the mask.
  const decoder = new FrameDecoder({
    opcodes: "any",
    reserved: [1, 1, 1],
    masked: true,
  });
  decoder.recv(fixed("client", options).send(data));
  const frames: Uint8Array[] = [];
  for (let frame = decoder.next(); typeof frame === "object";) {
    assert(!("type" in frame));
    frames.push(wire("client", frame));
    frame = decoder.next();
  }
  assertEquals(concat(...frames), plain);
}

/** Asserts that something cannot be sent, and that nothing has changed by it. */
function assertRefused(
  role: Role,
  data: Data | Data[],
  kind: typeof LocalProtocolError | typeof TypeError,
  says: string,
  options: Options = {},
  before: Data[] = [],
): void {
  for (const list of [false, true]) {
    const ws = fixed(role, options);
    const twin = fixed(role, options);
    for (const one of before) {
      ws.send(one);
      twin.send(one);
    }
    const state = ws.state;
    const several = Array.isArray(data) ? data : [data];
    const attempt = list
      // Alone, and behind something that could be sent.
      ? [{ type: "ping", message: "1" }, ...several]
      : data;
    assertThrows(() => ws.send(attempt), kind, says);
    assertEquals(ws.state, state);
    assertEquals(ws.summary, undefined);
    // What is sent next is what a connection sends that never tried.
    const next: Data[] = before.some(({ fin }) => fin === false)
      ? [{ type: "continue", message: hex("a9") }]
      : [{ type: "text", message: "next" }, { type: "close" }];
    assertEquals(ws.send(next), twin.send(next));
  }
}

Deno.test("send() encodes each type with its opcode", () => {
  assertSends({ type: "text", message: "Hi" }, "81 02 48 69");
  assertSends({ type: "binary", message: hex("48 69") }, "82 02 48 69");
  assertSends({ type: "ping", message: hex("48 69") }, "89 02 48 69");
  assertSends({ type: "pong", message: hex("48 69") }, "8a 02 48 69");
  assertSends({ type: "close", statusCode: 1000 }, "88 02 03 e8");
  assertSends(
    { type: "close", statusCode: 1000, message: "Hi" },
    "88 04 03 e8 48 69",
  );
  const options: Options = { opcodes: { ascii: 3, time: 15, __proto__: 7 } };
  assertSends({ type: "ascii", message: "Hi" }, "83 02 48 69", options);
  assertSends({ type: "time", message: "Hi" }, "8f 02 48 69", options);
  const proto: Options = { opcodes: JSON.parse('{ "__proto__": 7 }') };
  assertSends({ type: "__proto__" }, "87 00", proto);
});

Deno.test("send() sends an empty payload when there is no message", () => {
  assertSends({ type: "text" }, "81 00");
  assertSends({ type: "binary" }, "82 00");
  assertSends({ type: "ping", message: "" }, "89 00");
  assertSends({ type: "pong", message: undefined }, "8a 00");
  assertSends({ type: "close" }, "88 00");
});

Deno.test("send() encodes fragments", () => {
  assertSends([
    { type: "text", message: "H", fin: false },
    { type: "continue", message: "i", fin: false },
    { type: "ping" },
    { type: "continue", message: "!", fin: true },
    { type: "binary", fin: false },
    { type: "continue" },
  ], "01 01 48 00 01 69 89 00 80 01 21 02 00 80 00");
});

Deno.test("send() sends a string as UTF-8 whatever its type", () => {
  const options: Options = { opcodes: { own: 3 } };
  assertSends({ type: "text", message: "\u20ac" }, "81 03 e2 82 ac");
  assertSends({ type: "binary", message: "\u20ac" }, "82 03 e2 82 ac");
  assertSends({ type: "ping", message: "\u20ac" }, "89 03 e2 82 ac");
  assertSends({ type: "own", message: "\u20ac" }, "83 03 e2 82 ac", options);
  assertSends({ type: "text", message: "\ufeff\0" }, "81 04 ef bb bf 00");
});

Deno.test("send() writes the shortest form of every length", () => {
  for (
    const [length, form] of [
      [0, "00"],
      [1, "01"],
      [125, "7d"],
      [126, "7e 00 7e"],
      [127, "7e 00 7f"],
      [65_535, "7e ff ff"],
      [65_536, "7f 00 00 00 00 00 01 00 00"],
    ] as const
  ) {
    const payload = payloadOf(length);
    const text = "t".repeat(length);
    for (const role of ROLES) {
      const ws = fixed(role);
      const body = role === "client" ? masked(payload, KEY) : payload;
      const sizes = hex(form);
      if (role === "client") sizes[0] |= 0x80;
      const key = role === "client" ? KEY : hex("");
      assertEquals(
        ws.send({ type: "binary", message: payload }),
        concat(hex("82"), sizes, key, body),
      );
      const letters = role === "client" ? masked(utf8(text), KEY) : utf8(text);
      const frame = concat(hex("81"), sizes, key, letters);
      assertEquals(ws.send({ type: "text", message: text }), frame);
      assertEquals(
        ws.send([{ type: "ping" }, { type: "text", message: text }]),
        concat(ws.send({ type: "ping" }), frame),
      );
    }
  }
});

Deno.test("send() encodes texts around every length at which their head or their way changes", () => {
  const points = ["a", "\u00e9", "\u20ac", "\u{1f600}"];
  const lengths = [
    ...Array.from({ length: 90 }, (_, i) => 40 + i),
    ...[431, 432, 433, 434, 649, 650, 651, 1298, 1299, 1300, 1301, 1302],
    ...[4089, 4090, 4091, 21_845, 21_846, 32_767, 32_768],
  ];
  const encoder = new TextEncoder();
  for (const role of ROLES) {
    const ws = fixed(role);
    for (const length of lengths) {
      for (const point of points) {
        for (const lead of [0, 1, length >> 1]) {
          const text = "x".repeat(lead) +
            point.repeat(Math.floor((length - lead) / point.length));
          const payload = encoder.encode(text);
          const expected = wire(other(role), { opcode: 1, payload });
          assertEquals(ws.send({ type: "text", message: text }), expected);
          const both = ws.send([
            { type: "text", message: text },
            { type: "text", message: text },
          ]);
          assertEquals(both, concat(expected, expected));
        }
      }
    }
  }
});

Deno.test("send() of the examples of RFC 6455, section 5.7", () => {
  const server = fixed("server");
  const client = fixed("client");
  assertEquals(
    server.send({ type: "text", message: "Hello" }),
    hex("81 05 48 65 6c 6c 6f"),
  );
  assertEquals(
    client.send({ type: "text", message: "Hello" }),
    hex("81 85 37 fa 21 3d 7f 9f 4d 51 58"),
  );
  assertEquals(
    server.send({ type: "text", message: "Hel", fin: false }),
    hex("01 03 48 65 6c"),
  );
  assertEquals(
    server.send({ type: "continue", message: "lo" }),
    hex("80 02 6c 6f"),
  );
  assertEquals(
    server.send({ type: "ping", message: "Hello" }),
    hex("89 05 48 65 6c 6c 6f"),
  );
  assertEquals(
    client.send({ type: "pong", message: "Hello" }),
    hex("8a 85 37 fa 21 3d 7f 9f 4d 51 58"),
  );
});

Deno.test("send() takes every kind of view by its bytes", () => {
  const memory = payloadOf(64);
  const { buffer } = memory;
  for (
    const view of [
      new Int8Array(buffer, 8, 16),
      new Uint8Array(buffer, 8, 16),
      new Uint8ClampedArray(buffer, 8, 16),
      new Int16Array(buffer, 8, 8),
      new Uint16Array(buffer, 8, 8),
      new Int32Array(buffer, 8, 4),
      new Uint32Array(buffer, 8, 4),
      new Float32Array(buffer, 8, 4),
      new Float64Array(buffer, 8, 2),
      new BigInt64Array(buffer, 8, 2),
      new BigUint64Array(buffer, 8, 2),
      new DataView(buffer, 8, 16),
    ]
  ) {
    const bytes = fixed("server").send({ type: "binary", message: view });
    assertEquals(bytes, concat(hex("82 10"), memory.subarray(8, 24)));
  }
  assertEquals(
    fixed("server").send({ type: "binary", message: buffer }),
    concat(hex("82 40"), memory),
  );
  assertEquals(
    fixed("server").send({ type: "binary", message: new ArrayBuffer(0) }),
    hex("82 00"),
  );
  const odd = memory.subarray(1, 4);
  assertEquals(
    fixed("server").send({ type: "pong", message: odd }),
    concat(hex("8a 03"), odd),
  );
});

Deno.test("send() takes bytes as text where they are UTF-8", () => {
  assertSends({ type: "text", message: utf8("\u20ac") }, "81 03 e2 82 ac");
  const point = new Uint16Array(utf8("\u{1f600}").buffer);
  assertSends({ type: "text", message: point }, "81 04 f0 9f 98 80");
});

Deno.test("send() never changes what it is given", () => {
  for (const role of ROLES) {
    for (const length of [5, 125, 5000, 70_000]) {
      const message = payloadOf(length);
      const data = Object.freeze({
        type: "binary" as const,
        message,
        reserved: Object.freeze([0, 0, 0] as const),
      });
      const ws = new Connection(role);
      ws.send(data);
      ws.send(Object.freeze([data, data]));
      assertEquals(message, payloadOf(length));
    }
  }
});

Deno.test("send() gives bytes that are never written again", () => {
  for (const role of ROLES) {
    const ws = fixed(role);
    const kept = Array.from({ length: 3000 }, (_, i) => ({
      bytes: ws.send({ type: "binary", message: Uint8Array.of(i, i >> 8, 3) }),
      message: Uint8Array.of(i, i >> 8, 3),
    }));
    for (const { bytes, message } of kept) {
      assertEquals(bytes, wire(other(role), { opcode: 2, payload: message }));
    }
  }
});

Deno.test("send() goes on when a result of it was transferred", () => {
  for (const role of ROLES) {
    const ws = fixed(role);
    const data = { type: "text", message: "a" } as const;
    const expected = ws.send(data).slice();
    structuredClone(ws.send(data), { transfer: [ws.send(data).buffer] });
    assertEquals(ws.send(data), expected);
  }
});

for (const role of ROLES) {
  Deno.test(`send() of a ${role} writes into a buffer where there is room for it, and nowhere else`, () => {
    const messages: Data[] = [0, 1, 7, 32, 33, 63, 64, 65, 125, 126, 1000, 5000]
      .flatMap((length): Data[] => [
        { type: "binary", message: payloadOf(length) },
        { type: "text", message: "a".repeat(length) },
        { type: "text", message: "\u20ac".repeat(length) },
      ]);
    const lists: (Data | Data[])[] = [
      ...messages,
      messages,
      { type: "ping", message: "1" },
      [{ type: "binary", message: payloadOf(99), fin: false }, {
        type: "continue",
        message: payloadOf(101),
      }],
    ];
    for (const data of lists) {
      const expected = fixed(role).send(data);
      for (let offset = 0; offset < 8; offset++) {
        for (const room of [0, 1, 16, 30, 20_000]) {
          const buffer = new Uint8Array(expected.length + room + 40).fill(0xee);
          const into = buffer.subarray(
            offset,
            offset + expected.length + room,
          );
          const bytes = fixed(role).send(data, into);
          assertEquals(bytes, expected);
          if (bytes.buffer === buffer.buffer) {
            assertEquals(bytes.byteOffset, offset, "where `into` begins");
          } else assert(room < 20_000, "there was room");
          // Before `into` and behind it nothing is written.
          assert(buffer.subarray(0, offset).every((byte) => byte === 0xee));
          assert(
            buffer.subarray(offset + into.length).every((byte) =>
              byte === 0xee
            ),
          );
        }
      }
    }
  });

  Deno.test(`send() of a ${role} sends nothing after a close that a getter of the data brought`, () => {
    const closes: Record<string, (ws: Connection) => void> = {
      "the peer's": (ws) => {
        ws.recv(wire(role, { opcode: 8 }));
        ws.nextEvent();
      },
      "our own": (ws) => ws.send({ type: "close", statusCode: 1001 }),
    };
    /** Data with a getter that does something each time. */
    const kinds: Record<string, (read: () => void) => SendData | SendData[]> = {
      text: (read) => ({
        type: "text",
        get message() {
          return read(), "a";
        },
      }),
      ping: (read) => ({
        type: "ping",
        get message() {
          return read(), "a";
        },
      }),
      "a list": (read) => [
        { type: "text", message: "a" },
        {
          type: "close",
          get statusCode() {
            return read(), 1000;
          },
        },
      ],
    };
    for (const close of Object.values(closes)) {
      for (const [kind, make] of Object.entries(kinds)) {
        let reads = 0;
        fixed(role).send(make(() => reads++));
        assert(reads > 0);
        // A text is read but once where nothing is wrong.
        for (let at = 1; at <= reads; at++) {
          const ws = fixed(role);
          let count = 0;
          const data = make(() => {
            if (++count === at) close(ws);
          });
          assertThrows(() => ws.send(data), LocalProtocolError);
          assertEquals(ws.state, "closing", `${kind} ${at}`);
        }
      }
    }
  });

  Deno.test(`send() of a ${role} answers with a close whose getter brought the peer's`, () => {
    const ws = fixed(role);
    const bytes = ws.send({
      type: "close",
      get statusCode() {
        if (ws.state === "open") {
          ws.recv(wire(role, { opcode: 8 }));
          ws.nextEvent();
        }
        return 1000;
      },
    });
    assertEquals(bytes, fixed(role).send({ type: "close", statusCode: 1000 }));
    assertEquals([ws.state, ws.summary?.clean], ["closed", true]);
  });

  Deno.test(`send() of a ${role} goes back to where it was, whatever a getter has sent meanwhile`, () => {
    const ws = fixed(role);
    const list = (): SendData[] => [
      { type: "text", message: "a", fin: false },
      {
        type: "continue",
        get message(): string {
          ws.send([{ type: "ping" }, { type: "pong" }]);
          throw new Error("no message");
        },
      },
    ];
    assertThrows(() => ws.send(list()), Error, "no message");
    assertThrows(() => ws.send({ type: "continue" }), LocalProtocolError);
    assertEquals(ws.send({ type: "text", message: "b" })[0], 0x81);
  });

  Deno.test(`reply() of a ${role} within a send does not write into its buffer`, () => {
    const ws = fixed(role);
    ws.recv(wire(role, { opcode: 9, payload: hex("31") }));
    const [ping] = ws.events();
    const replies: Uint8Array[] = [];
    const buffer = new Uint8Array(100);
    const bytes = ws.send({
      type: "binary",
      get message() {
        replies.push(ws.reply(ping), ws.reply([ping]));
        return hex("01");
      },
    }, buffer);
    assertStrictEquals(bytes.buffer, buffer.buffer);
    assertEquals(bytes.byteOffset, 0);
    for (const reply of replies) {
      assert(reply.buffer !== buffer.buffer);
      assertEquals(reply[0], 0x8a);
    }
  });

  Deno.test(`send() of a ${role} writes one message behind the other into a buffer`, () => {
    const buffer = new Uint8Array(4096);
    const ws = fixed(role);
    const twin = fixed(role);
    const expected: Uint8Array[] = [];
    let end = 0;
    for (const length of [3, 70, 0, 300, 126, 1]) {
      const data: Data = { type: "binary", message: payloadOf(length) };
      const bytes = ws.send(data, buffer.subarray(end));
      assertEquals(bytes.buffer, buffer.buffer);
      assertEquals(bytes.byteOffset, end);
      end += bytes.length;
      expected.push(twin.send(data));
    }
    assertEquals(buffer.subarray(0, end), concat(...expected));
    // Without a buffer, the last one is not written to any more.
    const before = buffer.slice();
    const own = ws.send({ type: "text", message: "own" });
    assertEquals(own, twin.send({ type: "text", message: "own" }));
    assertEquals(buffer, before);
  });

  Deno.test(`send() of a ${role} forgets the buffer where nothing can be sent, and refuses what is none`, () => {
    const ws = fixed(role);
    const buffer = new Uint8Array(100).fill(0xee);
    const data: Data = { type: "ping", message: "1" };
    assertThrows(
      () => ws.send({ type: "continue" }, buffer),
      LocalProtocolError,
    );
    assertEquals(ws.send(data), fixed(role).send(data));
    assert(buffer.every((byte) => byte === 0xee));
    for (const wrong of ["text", undefined, null, 5]) {
      assertThrows(
        () => ws.send(untyped(wrong), buffer),
        TypeError,
        "an object with a `type` is needed",
      );
    }
    assertThrows(
      () => ws.send(data, untyped([])),
      TypeError,
      "Cannot send into what is not a Uint8Array",
    );
    assertThrows(
      () => ws.send(data, new Uint8Array(new SharedArrayBuffer(100))),
      TypeError,
      "Cannot send into a view of shared memory",
    );
    structuredClone(buffer.buffer, { transfer: [buffer.buffer] });
    assertThrows(
      () => ws.send(data, buffer),
      TypeError,
      "Cannot send into a view whose buffer is detached",
    );
  });
}

for (const role of ROLES) {
  Deno.test(`send() of a ${role} moves a text whose head turns out longer, and stays where it may write`, () => {
    // The heads of 125, 126, 65,535 and 65,536 bytes differ; a guess by the units
    // of a text is wrong around them where some units take more than a byte.
    for (const edge of [126, 65_536]) {
      for (let units = edge - 30; units <= edge + 1; units++) {
        for (const wide of [0, 1, 5, 16, 17, 20, 21, 22, 25, 26, 27, 29, 30]) {
          const message = "\u00e9".repeat(wide) + "a".repeat(units - wide);
          const payload = utf8(message);
          const expected = wire(other(role), { opcode: 1, payload });
          const ws = fixed(role);
          assertEquals(
            ws.send({ type: "text", message }).length,
            expected.length,
          );
          const buffer = new Uint8Array(units + 100).fill(0xee);
          const into = buffer.subarray(8, units + 8 + wide * 2);
          const bytes = fixed(role).send({ type: "text", message }, into);
          assertEquals(bytes, expected, `${units} ${wide}`);
          assert(
            buffer.subarray(8 + into.length).every((byte) => byte === 0xee),
          );
        }
      }
    }
  });

  Deno.test(`send() of a ${role} reads a list to its end before it begins`, () => {
    const pool = new Uint8Array(4096);
    const a = fixed(role);
    const b = fixed(role);
    const data = (message: string): Data => ({ type: "text", message });
    const inner: Uint8Array[] = [];
    // While the list is read, others are written to the same pool, and one closes.
    function* list(close: boolean): Generator<Data> {
      yield data("one");
      inner.push(b.send(data("other"), pool.subarray(2048)));
      inner.push(a.send(close ? { type: "close" } : data("zero")));
      yield data("two");
    }
    const before = pool.slice();
    const bytes = a.send(list(false), pool.subarray(0, 1024));
    assertEquals(bytes.byteOffset, 0);
    const twin = fixed(role);
    const zero = twin.send(data("zero"));
    assertEquals(inner, [fixed(role).send(data("other")), zero]);
    assertEquals(bytes, twin.send([data("one"), data("two")]));
    assertEquals(pool.subarray(1024, 2048), before.subarray(1024, 2048));
    assertThrows(() => a.send(list(true)), LocalProtocolError);
    assertEquals(a.state, "closing");
    assertThrows(() => a.send(data("late")), LocalProtocolError);
  });

  Deno.test(`send() of a ${role} keeps the buffer for itself when a getter sends`, () => {
    const ws = fixed(role);
    const buffer = new Uint8Array(1000);
    let inner = new Uint8Array(0);
    const data: Data = {
      type: "text",
      get message() {
        if (inner.length === 0) inner = ws.send({ type: "text", message: "i" });
        return "outer";
      },
    };
    const bytes = ws.send(data, buffer);
    assertEquals(bytes.byteOffset, 0);
    assertStrictEquals(bytes.buffer, buffer.buffer);
    assert(inner.buffer !== buffer.buffer);
  });

  Deno.test(`send() of a ${role} writes into a buffer that has been resized`, () => {
    const memory = new ArrayBuffer(1024, { maxByteLength: 16_384 });
    for (const size of [1024, 8192, 2048]) {
      memory.resize(size);
      const into = new Uint8Array(memory);
      const data: Data = { type: "binary", message: payloadOf(size - 100) };
      const bytes = fixed(role).send(data, into);
      assertEquals(bytes.buffer, memory);
      assertEquals(bytes, fixed(role).send(data));
    }
  });

  Deno.test(`send() of a ${role} refuses a \`fin\` that is no boolean`, () => {
    for (const type of ["text", "binary", "ping", "continue"] as const) {
      assertRefused(
        role,
        untyped({ type, message: "a", fin: 0 }),
        TypeError,
        `Cannot send "${type}": its \`fin\` is not a boolean`,
      );
    }
  });
}

Deno.test("send() encodes several into one piece, and none into none", () => {
  for (const role of ROLES) {
    const ws = fixed(role);
    assertEquals(ws.send([]), new Uint8Array(0));
    assertEquals(ws.send(new Set<Data>()), new Uint8Array(0));
    const list: Data[] = [
      { type: "text", message: "a" },
      { type: "binary", message: payloadOf(5000) },
      { type: "ping", message: "\u20ac" },
    ];
    const expected = concat(...list.map((data) => fixed(role).send(data)));
    assertEquals(fixed(role).send(list), expected);
    assertEquals(fixed(role).send(each(list)), expected);
    assertEquals(fixed(role).send(new Set(list)), expected);
  }
});

function* each(list: readonly Data[]): Generator<Data> {
  yield* list;
}

function fill(bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i++) bytes[i] = KEY[i % 4];
}

// Masks.

Deno.test("send() of a client masks each frame with a fresh key", () => {
  const client = new Connection("client");
  const keys = new Set<string>();
  const count = 3000; // more than one fill of the pool
  for (let i = 0; i < count; i += 2) {
    const one = client.send({ type: "ping" });
    const [first, second] = [
      client.send([{ type: "ping" }, { type: "ping" }]),
    ].flatMap((bytes) => [bytes.subarray(0, 6), bytes.subarray(6)]);
    for (const frame of [one, first, second]) {
      assertEquals(frame.subarray(0, 2), hex("89 80"));
      keys.add(frame.subarray(2).join());
    }
  }
  // Of 4500 keys two are the same once in 400 runs, three pairs never.
  assert(keys.size > count * 1.5 - 3, `${keys.size} keys`);
});

Deno.test("two clients have different keys", () => {
  const keys = Array.from(
    { length: 50 },
    () => new Connection("client").send({ type: "ping" }).subarray(2).join(),
  );
  assert(new Set(keys).size > 48);
});

Deno.test("send() of a client takes its keys from the option, in order", () => {
  let next = 0;
  const client = new Connection("client", {
    random: (bytes) => {
      for (let i = 0; i < bytes.length; i++) bytes[i] = next++;
    },
  });
  for (let i = 0; i < 60; i++) {
    const key = Uint8Array.of(4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3);
    const payload = payloadOf(i);
    assertEquals(
      client.send({ type: "binary", message: payload }),
      concat(Uint8Array.of(0x82, 0x80 | i), key, masked(payload, key)),
    );
  }
});

Deno.test("a server never asks for randomness", () => {
  const server = new Connection("server", {
    random: () => {
      throw new Error("asked");
    },
  });
  assertEquals(server.send({ type: "ping" }), hex("89 00"));
});

// What the protocol forbids.

for (const role of ROLES) {
  Deno.test(`send() of a ${role} refuses control frames that are fragmented or too long`, () => {
    const options: Options = { opcodes: { time: 11 } };
    for (const type of ["ping", "pong", "time"]) {
      assertRefused(
        role,
        { type, fin: false },
        LocalProtocolError,
        `Cannot send "${type}" with \`fin: false\`: control frames may not be fragmented`,
        options,
      );
      for (
        const message of [payloadOf(126), "x".repeat(126), "\u20ac".repeat(42)]
      ) {
        assertRefused(
          role,
          { type, message },
          LocalProtocolError,
          `Cannot send "${type}" with 126 bytes: a control frame has 125 at most`,
          options,
        );
      }
      const ws = fixed(role, options);
      for (const message of [payloadOf(125), "\u20ac".repeat(41) + "ab"]) {
        const bytes = ws.send({ type, message });
        assertEquals(bytes[1] & 0x7f, 125);
      }
    }
    assertRefused(
      role,
      { type: "close", statusCode: 1000, fin: false },
      LocalProtocolError,
      "control frames may not be fragmented",
    );
  });

  Deno.test(`send() of a ${role} refuses fragments out of order`, () => {
    assertRefused(
      role,
      { type: "continue", message: "a" },
      LocalProtocolError,
      'Cannot send "continue": no message has begun',
    );
    for (const type of ["text", "binary", "own"]) {
      assertRefused(
        role,
        { type, message: "b" },
        LocalProtocolError,
        `Cannot send "${type}" before the fragmented message has ended`,
        { opcodes: { own: 3 } },
        [{ type: "binary", message: "a", fin: false }],
      );
    }
    // A whole message leaves nothing to continue, and neither does the last frame.
    const ws = fixed(role);
    const more = { type: "continue" } as const;
    ws.send({ type: "text" });
    assertThrows(() => ws.send(more), LocalProtocolError);
    ws.send([{ type: "text", fin: false }, more]);
    assertThrows(() => ws.send(more), LocalProtocolError);
  });

  Deno.test(`send() of a ${role} refuses close codes that may not be on the wire`, () => {
    for (
      const statusCode of [
        ...[0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_536 + 1000],
        ...[-1, 1000.5, NaN, Infinity],
      ]
    ) {
      assertRefused(
        role,
        { type: "close", statusCode },
        LocalProtocolError,
        `Cannot send a close with the status code ${statusCode}`,
      );
    }
    for (const statusCode of [1000, 1003, 1007, 1014, 3000, 4999]) {
      const bytes = fixed(role).send({ type: "close", statusCode });
      assertEquals(bytes[0], 0x88);
    }
  });

  Deno.test(`send() of a ${role} refuses a reason that is too long or has no code`, () => {
    for (const message of ["r".repeat(124), "\u20ac".repeat(41) + "r"]) {
      assertRefused(
        role,
        { type: "close", statusCode: 1000, message },
        LocalProtocolError,
        "Cannot send a close with a reason of 124 bytes: it has 123 at most",
      );
    }
    assertRefused(
      role,
      { type: "close", message: "bye" },
      LocalProtocolError,
      "Cannot send a close with a reason and without a status code",
    );
    const message = "\u20ac".repeat(41);
    const ws = fixed(role);
    const bytes = ws.send({ type: "close", statusCode: 1000, message });
    const peer = new Connection(other(role));
    peer.recv(bytes.slice());
    assertEquals(drain(peer), [event("close", message, { statusCode: 1000 })]);
    // A close without either may have an empty reason.
    assertEquals(
      fixed(role).send({ type: "close", message: "" }),
      wire(other(role), { opcode: 8 }),
    );
  });

  Deno.test(`send() of a ${role} refuses a reason that is not a string`, () => {
    assertRefused(
      role,
      { type: "close", statusCode: 1000, message: utf8("bye") },
      TypeError,
      "Cannot send a close whose reason is not a string",
    );
    assertRefused(
      role,
      { type: "close", statusCode: 1000, message: "\ud800" },
      TypeError,
      'Cannot send "close": its string has a lone surrogate',
    );
  });

  Deno.test(`send() of a ${role} refuses a status code with anything but a close`, () => {
    for (const type of ["text", "binary", "ping", "pong"]) {
      assertRefused(
        role,
        { type, statusCode: 1000 },
        TypeError,
        `Cannot send a status code with "${type}": only a close has one`,
      );
    }
  });

  Deno.test(`send() of a ${role} refuses reserved bits that are not claimed`, () => {
    for (const reserved of [[1, 0, 0], [0, 0, 1], [1, 1, 1]] as const) {
      for (const type of ["text", "ping", "close"]) {
        assertRefused(
          role,
          { type, reserved },
          LocalProtocolError,
          `Cannot send the reserved bits [${reserved}]: the application has not claimed them`,
          { reserved: [0, 1, 0] },
        );
      }
    }
    assertRefused(
      role,
      { type: "text", reserved: untyped([0, 2, 0]) },
      TypeError,
      "three of 0 or 1 are needed",
      { reserved: [0, 1, 0] },
    );
  });

  Deno.test(`send() of a ${role} refuses names that are no opcode's`, () => {
    for (const type of ["fail", "", "TEXT", "__proto__", "constructor", 1]) {
      assertRefused(
        role,
        { type: untyped(type) },
        TypeError,
        `Cannot send "${type}": no opcode has this name`,
      );
    }
  });

  Deno.test(`send() of a ${role} refuses what is no data`, () => {
    const ws = fixed(role);
    for (const data of [undefined, null, "text", 5, true, Symbol()]) {
      assertThrows(() => ws.send(untyped(data)), TypeError, "Cannot send");
    }
    assertThrows(() => ws.send(untyped({ message: "no type" })), TypeError);
    assertThrows(() => ws.send(untyped([null])), TypeError);
    assertThrows(() => ws.send(untyped(["text"])), TypeError);
    assertEquals(ws.state, "open");
  });

  Deno.test(`send() of a ${role} refuses messages that are neither text nor bytes`, () => {
    const messages = [null, 5, true, {}, [1, 2], new Date(), () => "a"];
    for (const message of messages) {
      for (const type of ["text", "binary", "ping"]) {
        assertRefused(
          role,
          { type, message: untyped(message) },
          TypeError,
          `Cannot send "${type}": its message is neither a string nor bytes`,
        );
      }
    }
  });

  Deno.test(`send() of a ${role} refuses memory that is shared or gone`, () => {
    const shared = new SharedArrayBuffer(8);
    const detached = new ArrayBuffer(8);
    const views = [
      new Uint8Array(detached),
      new Float32Array(detached),
      new DataView(detached),
    ];
    structuredClone(detached, { transfer: [detached] });
    const messages = [
      shared,
      new Uint8Array(shared),
      new Int16Array(shared),
      new DataView(shared),
      detached,
      ...views,
    ];
    for (const message of messages) {
      for (const type of ["text", "binary", "ping"]) {
        assertRefused(role, { type, message: untyped(message) }, TypeError, "");
      }
    }
  });

  Deno.test(`send() of a ${role} refuses strings with a lone surrogate`, () => {
    for (
      const message of [
        "\ud800",
        "a\udc00b",
        "\udc00\ud800",
        "x".repeat(2000) + "\ud83d",
      ]
    ) {
      for (const type of ["text", "binary", "ping"]) {
        assertRefused(
          role,
          { type, message },
          TypeError,
          `Cannot send "${type}": its string has a lone surrogate`,
        );
      }
      assertRefused(
        role,
        { type: "continue", message },
        TypeError,
        "lone surrogate",
        {},
        [{ type: "text", message: hex("c3"), fin: false }],
      );
    }
  });

  // Bytes as text.

  Deno.test(`send() of a ${role} refuses bytes as text that are not UTF-8`, () => {
    const says = "Cannot send bytes as text that are not UTF-8";
    for (
      const bytes of [
        "ff",
        "61 c0 80",
        "ed a0 80",
        "f4 90 80 80",
        "c3",
        "e2 82",
      ]
    ) {
      assertRefused(
        role,
        { type: "text", message: hex(bytes) },
        TypeError,
        says,
      );
    }
    // Over fragments too: what came before is half a code point.
    const begun: Data[] = [{ type: "text", message: hex("61 c3"), fin: false }];
    for (
      const data of [
        { type: "continue", message: hex("28") },
        { type: "continue", message: hex("a9 ff") },
        { type: "continue", message: hex("a9 c3") },
        { type: "continue", message: hex(""), fin: true },
        { type: "continue", message: "", fin: true },
        { type: "continue", message: "text", fin: true },
        { type: "continue", message: "text", fin: false },
        { type: "continue", message: hex("c3"), fin: false },
      ]
    ) {
      assertRefused(role, data, TypeError, says, {}, begun);
    }
  });

  Deno.test(`send() of a ${role} takes a code point in as many fragments as it likes`, () => {
    const ws = fixed(role);
    const bytes = utf8("\u{1f600}");
    const sent = [
      ws.send({ type: "text", message: bytes.subarray(0, 1), fin: false }),
      ws.send({ type: "continue", message: "", fin: false }),
      ws.send({ type: "continue", message: new Uint8Array(0), fin: false }),
      ws.send({ type: "ping", message: hex("ff") }),
      ws.send({ type: "continue", message: bytes.subarray(1, 3), fin: false }),
      ws.send({ type: "continue", message: bytes.subarray(3), fin: false }),
      ws.send({ type: "continue", message: "a" }),
    ];
    const peer = new Connection(other(role));
    peer.recv(concat(...sent));
    assertEquals(drain(peer), [
      event("ping", hex("ff")),
      event("text", "\u{1f600}a"),
    ]);
  });

  Deno.test(`send() of a ${role} judges bytes of text alone`, () => {
    const ws = fixed(role, { opcodes: { own: 3 } });
    for (const type of ["binary", "own", "ping", "pong"]) {
      ws.send({ type, message: hex("ff c3") });
    }
    ws.send({ type: "own", message: hex("ff"), fin: false });
    ws.send({ type: "continue", message: hex("ff") });
    // Nothing of them is left over for the text that follows.
    ws.send({ type: "text", message: hex("61") });
  });

  Deno.test(`send() of a ${role} judges no text whose first frame has a claimed bit`, () => {
    const options: Options = { reserved: [1, 1, 0] };
    const ws = fixed(role, options);
    const expected = wire(other(role), {
      opcode: 1,
      reserved: [1, 0, 0],
      payload: hex("ff"),
    });
    assertEquals(
      ws.send({ type: "text", reserved: [1, 0, 0], message: hex("ff") }),
      expected,
    );
    ws.send([
      { type: "text", reserved: [0, 1, 0], message: hex("c3"), fin: false },
      { type: "continue", message: hex("ff"), fin: false },
      { type: "continue", message: "text" },
    ]);
    // A bit of a continuation changes nothing of what the first frame said.
    assertRefused(
      role,
      { type: "continue", reserved: [1, 0, 0], message: hex("ff") },
      TypeError,
      "not UTF-8",
      options,
      [{ type: "text", message: hex("c3"), fin: false }],
    );
    // Strings are checked all the same: there are no bytes that they would be.
    assertRefused(
      role,
      { type: "text", reserved: [1, 0, 0], message: "\ud800" },
      TypeError,
      "lone surrogate",
      options,
    );
  });

  Deno.test(`send() of a ${role} sends claimed bits`, () => {
    const ws = fixed(role, { reserved: [1, 1, 1] });
    for (let bits = 0; bits < 8; bits++) {
      const reserved = untyped<[0, 0, 0]>([
        bits >> 2 & 1,
        bits >> 1 & 1,
        bits & 1,
      ]);
      for (const [type, opcode] of [["text", 1], ["ping", 9]] as const) {
        assertEquals(
          ws.send({ type, reserved }),
          wire(other(role), { opcode, reserved }),
        );
      }
    }
    const bytes = ws.send({ type: "close", reserved: [0, 0, 1] });
    assertEquals(bytes, wire(other(role), { opcode: 8, reserved: [0, 0, 1] }));
  });

  // All or nothing.

  Deno.test(`send() of a ${role} sends all of a list or nothing`, () => {
    const wrong: Data[] = [
      { type: "ping", fin: false },
      { type: "text", message: "\ud800" },
      { type: "continue" },
      { type: "no such" },
      { type: "close", statusCode: 1006 },
      { type: "text", reserved: [1, 0, 0] },
    ];
    const good: Data[][] = [
      [{ type: "text", message: "a" }],
      [{ type: "text", message: hex("61 c3"), fin: false }, {
        type: "continue",
        message: hex("a9"),
      }],
      [{ type: "ping" }, { type: "binary", message: payloadOf(200) }],
    ];
    for (const last of wrong) {
      for (const first of good) {
        const ws = fixed(role);
        assertInstanceOf(sendFails(ws, [...first, last]), Error);
        assertEquals(ws.state, "open");
        // Neither a message nor half a code point is left over.
        assertEquals(
          ws.send({ type: "text", message: hex("61") }),
          wire(other(role), { opcode: 1, payload: hex("61") }),
        );
      }
    }
  });

  Deno.test(`send() of a ${role} puts fragments and UTF-8 back where a list fails`, () => {
    const ws = fixed(role);
    ws.send({ type: "text", message: hex("e2"), fin: false });
    const rest: Data = { type: "continue", message: hex("82 ac") };
    sendFails(ws, [rest, { type: "text" }, { type: "ping", fin: false }]);
    sendFails(ws, [{ ...rest, message: hex("82"), fin: false }, {
      type: "text",
    }]);
    assertThrows(() => ws.send({ type: "text" }), LocalProtocolError);
    assertThrows(() => ws.send({ ...rest, message: hex("28") }), TypeError);
    assertEquals(
      ws.send(rest),
      wire(other(role), { opcode: 0, payload: hex("82 ac") }),
    );
  });

  Deno.test(`send() of a ${role} sends nothing behind a close in the same list`, () => {
    const ws = fixed(role);
    const error = assertThrows(
      () => ws.send([{ type: "close" }, { type: "text", message: "late" }]),
      LocalProtocolError,
    );
    assert(error.message.startsWith('Cannot send "text"'));
    assertEquals(ws.state, "open");
    ws.send([{ type: "text" }, { type: "close", statusCode: 1000 }]);
    assertEquals(ws.state, "closing");
  });

  Deno.test(`send() of a ${role} says of a close in the same list which one it was`, () => {
    const ws = fixed(role);
    assertThrows(
      () => ws.send([{ type: "close", statusCode: 1001 }, { type: "ping" }]),
      LocalProtocolError,
      'Cannot send "ping" as the connection is closing: close frame sent with code 1001',
    );
  });

  Deno.test(`send() of a ${role} changes nothing when a list throws as it is read`, () => {
    const ws = fixed(role);
    function* broken(): Generator<Data> {
      yield { type: "text", message: "a", fin: false };
      throw new RangeError("the caller's own");
    }
    assertThrows(() => ws.send(broken()), RangeError, "the caller's own");
    assertThrows(() => ws.send({ type: "continue" }), LocalProtocolError);
  });

  Deno.test(`send() of a ${role} changes nothing when there is no memory for a list`, () => {
    // 2^40 bytes in 2^14 frames of one payload.
    const message = new Uint8Array(2 ** 26);
    const first: Data = { type: "binary", message, fin: false };
    const more: Data = { type: "continue", message, fin: false };
    const list = [first, ...new Array<Data>(2 ** 14 - 1).fill(more)];
    const ws = fixed(role);
    assertThrows(() => ws.send(list), RangeError);
    assertThrows(() => ws.send([...list, { type: "close" }]), RangeError);
    assertEquals(ws.state, "open");
    assertThrows(() => ws.send({ type: "continue" }), LocalProtocolError);
    ws.send({ type: "text" });
  });

  Deno.test(`send() of a ${role} does not look at \`compress\` and \`of\``, () => {
    const expected = wire(other(role), { opcode: 1, payload: utf8("a") });
    for (const compress of [true, false, undefined]) {
      const data = { type: "text", message: "a", compress, of: "x" } as const;
      assertEquals(fixed(role).send(data), expected);
    }
  });
}

/** What `send` throws. */
function sendFails(ws: ReturnType<typeof fixed>, data: Data[]): unknown {
  try {
    ws.send(data);
  } catch (error) {
    return error;
  }
  throw new Error("It was sent");
}

Deno.test("Connection.send() encodes a long text that is not ASCII alone", () => {
  const texts = [
    "a".repeat(5000) + "é",
    "é" + "a".repeat(5000),
    "a".repeat(20_000) + "世界",
    "世".repeat(5000),
    "a".repeat(65_534) + "é",
    "🌍".repeat(30_000),
  ];
  for (const text of texts) {
    const bytes = new Connection("server").send({
      type: "text",
      message: text,
    });
    const client = new Connection("client");
    client.recv(bytes.slice());
    const event = client.nextEvent();
    assert(typeof event === "object" && event.message === text);
    // Not much more memory than that hangs on the result.
    assert(bytes.buffer.byteLength < 3 * bytes.length);
  }
});
