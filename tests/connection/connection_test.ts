// The connection as a whole: what is answered, how it ends, who owns the bytes,
// and conversations of two.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { Connection, type Summary } from "../../src/connection/connection.ts";
import type { ReceivedEvent } from "../../src/connection/event.ts";
import type { Role } from "../../src/connection/options.ts";
import { LocalProtocolError } from "../../src/errors.ts";
import type { Reserved } from "../../src/framing/frame.ts";
import type { CustomOpcodes } from "../../src/framing/opcode.ts";
import { Information } from "../../src/information.ts";
import { concat, hex, masked, payloadOf, utf8 } from "../helpers/bytes.ts";
import { ConnectionPair } from "../helpers/connection_pair.ts";
import { byteByByte } from "../helpers/cuts.ts";
import {
  drain,
  event,
  failure,
  KEY,
  other,
  received,
  ROLES,
  wire,
} from "../helpers/events.ts";
import { allBytes, ruleAt, VIOLATIONS } from "../helpers/violations.ts";

type AnyEvent = ReceivedEvent<CustomOpcodes, Reserved>;

const NOTHING = new Uint8Array(0);
const PING = { opcode: 9, payload: hex("50") };
const CLOSE = { opcode: 8, payload: concat(hex("03 e9"), utf8("bye")) };
const BROKEN = { opcode: 3 };

/** What untyped code may hand over. */
function untyped<T>(value: unknown): T {
  return value as T; // the point of these tests
}

/** The next event, which must be one. */
function next(ws: Connection): ReceivedEvent {
  const event = ws.nextEvent();
  assert(typeof event === "object", String(event));
  return event;
}

/** Bytes that a role has sent, without their masks: as a server would send them. */
function plain(role: Role, bytes: Uint8Array): Uint8Array {
  if (role === "server" || bytes.length === 0) return bytes;
  assert((bytes[1] & 0x80) !== 0 && (bytes[1] & 0x7f) < 126);
  return concat(
    Uint8Array.of(bytes[0], bytes[1] & 0x7f),
    masked(bytes.subarray(6), bytes.subarray(2, 6)),
  );
}

// The examples of RFC 6455, section 5.7.

Deno.test("nextEvent() of the examples of RFC 6455, section 5.7", () => {
  const client = new Connection("client");
  const server = new Connection("server");
  const hello = utf8("Hello");
  assertEquals(received(client, hex("81 05 48 65 6c 6c 6f")), [
    event("text", "Hello"),
  ]);
  assertEquals(received(server, hex("81 85 37 fa 21 3d 7f 9f 4d 51 58")), [
    event("text", "Hello"),
  ]);
  assertEquals(received(client, hex("01 03 48 65 6c"), hex("80 02 6c 6f")), [
    event("text", "Hello"),
  ]);
  assertEquals(received(client, hex("89 05 48 65 6c 6c 6f")), [
    event("ping", hello),
  ]);
  assertEquals(received(server, hex("8a 85 37 fa 21 3d 7f 9f 4d 51 58")), [
    event("pong", hello),
  ]);
  for (
    const [head, length] of [["82 7e 01 00", 256], [
      "82 7f 00 00 00 00 00 01 00 00",
      65_536,
    ]] as const
  ) {
    const payload = payloadOf(length);
    assertEquals(received(client, hex(head), payload), [
      event("binary", payload),
    ]);
  }
});

Deno.test("reply() of the example of RFC 6455, section 5.7: the pong of a ping", () => {
  const server = new Connection("server");
  const client = new Connection("client", {
    random: (bytes) => {
      for (let i = 0; i < bytes.length; i++) bytes[i] = KEY[i % 4];
    },
  });
  client.recv(hex("89 05 48 65 6c 6c 6f"));
  assertEquals(
    client.reply(next(client)),
    hex("8a 85 37 fa 21 3d 7f 9f 4d 51 58"),
  );
  server.recv(hex("89 85 37 fa 21 3d 7f 9f 4d 51 58"));
  assertEquals(server.reply(next(server)), hex("8a 05 48 65 6c 6c 6f"));
});

for (const role of ROLES) {
  Deno.test(`a ${role} is open at once, and knows what it is`, () => {
    const ws = new Connection(role);
    assertEquals([ws.role, ws.state, ws.summary], [role, "open", undefined]);
    assertEquals(ws.nextEvent(), Information.NEED_DATA);
    assertEquals(ws.nextEvent(), Information.NEED_DATA);
    assertEquals([...ws.events()], []);
  });

  // What recv takes.

  Deno.test(`recv() of a ${role} takes an empty chunk for nothing`, () => {
    const ws = new Connection(role);
    const [first, ...rest] = byteByByte(wire(role, PING));
    const seen = received(ws, NOTHING, first, NOTHING, ...rest, NOTHING);
    assertEquals(seen, [event("ping", hex("50"))]);
    ws.recv(null);
    ws.recv(NOTHING);
  });

  Deno.test(`recv() of a ${role} takes the end of the stream twice for once`, () => {
    const ws = new Connection(role);
    ws.recv(null);
    ws.recv(null);
    assertEquals(drain(ws), [failure("end-of-stream", 1006)]);
    ws.recv(null);
    assertEquals(ws.nextEvent(), Information.CONNECTION_CLOSED);
  });

  Deno.test(`recv() of a ${role} throws a LocalProtocolError when bytes follow the end`, () => {
    const ws = new Connection(role);
    const bytes = wire(role, { opcode: 1, payload: utf8("a") });
    ws.recv(bytes.slice());
    ws.recv(null);
    const says = "Cannot receive bytes after the end of the stream";
    assertThrows(() => ws.recv(bytes.slice()), LocalProtocolError, says);
    // What was received before is given, and the end after it.
    assertEquals(drain(ws), [
      event("text", "a"),
      failure("end-of-stream", 1006),
    ]);
    assertThrows(() => ws.recv(bytes.slice()), LocalProtocolError, says);
  });

  Deno.test(`recv() of a ${role} throws a TypeError when the chunk is no bytes of one's own`, () => {
    const detached = new Uint8Array(2);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    const shared = new Uint8Array(new SharedArrayBuffer(2));
    const chunks = [
      detached,
      shared,
      undefined,
      "text",
      5,
      {},
      [1, 2],
      new ArrayBuffer(2),
      new DataView(new ArrayBuffer(2)),
      new Uint8ClampedArray(2),
      new Int8Array(2),
      new Float32Array(2),
    ];
    const ws = new Connection(role);
    for (const chunk of chunks) {
      assertThrows(() => ws.recv(untyped(chunk)), TypeError, "Cannot receive");
    }
    assertEquals(received(ws, wire(role, PING)), [event("ping", hex("50"))]);
  });

  Deno.test(`recv() of a ${role} takes a Node Buffer, and gives plain bytes of it`, () => {
    const bytes = wire(role, { opcode: 2, payload: payloadOf(10) });
    const ws = new Connection(role);
    ws.recv(Buffer.from(bytes));
    const { message } = next(ws);
    assert(typeof message !== "string");
    assertEquals(Object.getPrototypeOf(message), Uint8Array.prototype);
    assertEquals(message, payloadOf(10));
  });

  Deno.test(`recv() of a ${role} takes a part of a larger buffer`, () => {
    for (let offset = 0; offset < 9; offset++) {
      const bytes = wire(role, { opcode: 2, payload: payloadOf(100) });
      const buffer = new Uint8Array(bytes.length + 20).fill(0xee);
      buffer.set(bytes, offset);
      const ws = new Connection(role);
      ws.recv(buffer.subarray(offset, offset + bytes.length));
      assertEquals(drain(ws), [event("binary", payloadOf(100))]);
      // What lies around it is not touched.
      const around = [
        ...buffer.subarray(0, offset),
        ...buffer.subarray(offset + bytes.length),
      ];
      assertEquals(around, new Array(20).fill(0xee));
    }
  });

  // Who owns the bytes.

  Deno.test(`a ${role} gives bytes as a view into the chunk where they lie within it`, () => {
    const payload = payloadOf(200);
    const bytes = wire(
      role,
      { opcode: 2, payload },
      { opcode: 9, payload: hex("01 02") },
    );
    const ws = new Connection(role);
    ws.recv(bytes);
    const [data, ping] = ws.events();
    assert(typeof data.message !== "string");
    assert(typeof ping.message !== "string");
    assert(data.message.buffer === bytes.buffer);
    assert(ping.message.buffer === bytes.buffer);
    const key = role === "server" ? 4 : 0;
    assertEquals(data.message.byteOffset, bytes.byteOffset + 4 + key);
    assertEquals(data.message, payload);
  });

  Deno.test(`a ${role} gives bytes of its own where they lie in several chunks`, () => {
    const bytes = wire(role, { opcode: 2, payload: payloadOf(200) });
    const first = bytes.slice(0, 100);
    const second = bytes.slice(100);
    const ws = new Connection(role);
    ws.recv(first);
    ws.recv(second);
    const { message } = next(ws);
    assert(typeof message !== "string");
    first.fill(0);
    second.fill(0);
    assertEquals(message, payloadOf(200));
  });

  Deno.test(`a ${role} holds nothing of a chunk after NEED_DATA, in the middle of anything`, () => {
    const bytes = wire(
      role,
      { opcode: 2, fin: false, payload: payloadOf(70) },
      { opcode: 9, payload: payloadOf(125) },
      { opcode: 0, payload: payloadOf(300) },
      { opcode: 1, fin: false, payload: hex("61 f0 9f") },
      { opcode: 0, payload: hex("98 80") },
    );
    const expected = [
      event("ping", payloadOf(125)),
      event("binary", concat(payloadOf(70), payloadOf(300))),
      event("text", "a\u{1f600}"),
    ];
    for (let cut = 1; cut < bytes.length; cut++) {
      const ws = new Connection(role);
      const buffer = new Uint8Array(bytes.length);
      const seen = [bytes.subarray(0, cut), bytes.subarray(cut)]
        .flatMap((part) => {
          buffer.set(part);
          ws.recv(buffer.subarray(0, part.length));
          const events = drain(ws);
          assertEquals(ws.nextEvent(), Information.NEED_DATA);
          buffer.fill(0xff);
          return events;
        });
      assertEquals(seen, expected, `cut at ${cut}`);
    }
  });

  Deno.test(`a ${role} decodes nothing before it is asked for`, () => {
    const ws = new Connection(role);
    const bytes = wire(role, { opcode: 2, payload: payloadOf(9) }, BROKEN);
    const before = bytes.slice();
    ws.recv(bytes);
    assertEquals(bytes, before);
    assertEquals(ws.state, "open");
    assertEquals(next(ws).type, "binary");
    assertEquals(next(ws).type, "fail");
  });

  Deno.test(`events() of a ${role} can be left and taken up again`, () => {
    const ws = new Connection(role);
    ws.recv(wire(
      role,
      ...["a", "b", "c"].map((text) => ({
        opcode: 1,
        payload: utf8(text),
      })),
    ));
    for (const { message } of ws.events()) {
      assertEquals(message, "a");
      break;
    }
    assertEquals(next(ws).message, "b");
    assertEquals(drain(ws), [event("text", "c")]);
  });

  // After a failure.

  for (const violation of VIOLATIONS) {
    const { name, code, says, options = {} } = violation;
    const rule = ruleAt(violation, role);
    Deno.test(`a ${role} stays failed: ${name}`, () => {
      const ws = new Connection(role, options);
      ws.recv(allBytes(violation, role));
      const fail = [...ws.events()].at(-1);
      assert(fail?.type === "fail");
      assertEquals([fail.rule, fail.code], [rule, code]);
      assert(fail.message.includes(says), fail.message);
      assert(fail.message.startsWith("Received "), fail.message);

      assertEquals(ws.state, "closing");
      const summary: Summary = {
        clean: false,
        initiator: null,
        sent: null,
        received: null,
        failure: { rule, code, message: fail.message },
      };
      assertEquals(ws.summary, summary);
      // Nothing is read any more, for ever.
      for (const frame of [PING, CLOSE, BROKEN, { opcode: 1 }]) {
        ws.recv(wire(role, frame));
        assertEquals(ws.nextEvent(), Information.CONNECTION_CLOSED);
        assertEquals([...ws.events()], []);
      }
      for (
        const type of ["text", "binary", "continue", "ping", "pong"] as const
      ) {
        assertThrows(
          () => ws.send({ type }),
          LocalProtocolError,
          `Cannot send "${type}" as the connection is closing: ${fail.message}`,
        );
      }
      assertEquals(ws.summary, summary);

      // The close frame that says why goes out once.
      const message = fail.message.slice(0, 123);
      const expected = concat(
        Uint8Array.of(0x88, 2 + message.length, code >> 8, code & 0xff),
        utf8(message),
      );
      assertEquals(plain(role, ws.reply(fail)), expected);
      assertEquals(ws.state, "closed");
      assertEquals(ws.summary, {
        ...summary,
        initiator: "us",
        sent: { statusCode: code, message },
      });
      assertEquals(ws.reply(fail), NOTHING);
      assertEquals(ws.nextEvent(), Information.CONNECTION_CLOSED);
      assertThrows(() => ws.send({ type: "close" }), LocalProtocolError);
    });

    Deno.test(`a ${role} that has closed already only takes note: ${name}`, () => {
      const ws = new Connection(role, options);
      ws.send({ type: "close", statusCode: 1000 });
      ws.recv(allBytes(violation, role));
      const fail = [...ws.events()].at(-1);
      assert(fail?.type === "fail");
      assertEquals(ws.state, "closed");
      assertEquals(ws.reply(fail), NOTHING);
      assertEquals(ws.nextEvent(), Information.CONNECTION_CLOSED);
      assertEquals(ws.summary, {
        clean: false,
        initiator: "us",
        sent: { statusCode: 1000, message: "" },
        received: null,
        failure: { rule, code, message: fail.message },
      });
      assertThrows(() => ws.send({ type: "ping" }), LocalProtocolError);
    });
  }

  Deno.test(`reply() of a ${role} has no answer to what is no event`, () => {
    const ws = new Connection(role);
    const wrong: unknown[] = [
      ...[Information.NEED_DATA, undefined, null, 1, {}, [], [null]],
      ...[[Information.NEED_DATA], [undefined, 1]],
    ];
    for (const event of wrong) {
      assertEquals(ws.reply(event as ReceivedEvent), NOTHING); // untyped
    }
    assertEquals(ws.state, "open");
  });

  Deno.test(`reply() of a ${role} cuts the message of a failure to 123 bytes`, () => {
    // The longest there is: the numbers are as large as they can be.
    const ws = new Connection(role, { reserved: [0, 0, 0] });
    ws.recv(wire(role, { opcode: 15, reserved: [1, 1, 1] }));
    const fail = next(ws);
    assert(fail.type === "fail");
    const reply = plain(role, ws.reply(fail));
    assert(reply.length <= 127);
    assertEquals(reply.subarray(4), utf8(fail.message.slice(0, 123)));
  });

  Deno.test(`a failure of a ${role} may be answered with a close of one's own`, () => {
    const ws = new Connection(role);
    ws.recv(wire(role, BROKEN));
    const fail = next(ws);
    const bytes = ws.send({ type: "close", statusCode: 4000, message: "own" });
    assertEquals(plain(role, bytes), hex("88 05 0f a0 6f 77 6e"));
    assertEquals(ws.state, "closed");
    assertEquals(ws.reply(fail), NOTHING);
    assertEquals(ws.summary?.sent, { statusCode: 4000, message: "own" });
  });

  Deno.test(`reply() of a ${role} has nothing to say when the stream ended too soon`, () => {
    const ws = new Connection(role);
    ws.recv(null);
    const fail = next(ws);
    assertEquals(fail, {
      type: "fail",
      rule: "end-of-stream",
      code: 1006,
      message: "The stream ended without a closing handshake",
    });
    assertEquals(ws.state, "closed");
    assertEquals(ws.reply(fail), NOTHING);
    assertThrows(
      () => ws.send({ type: "text" }),
      LocalProtocolError,
      "is closed: The stream ended without a closing handshake",
    );
    assertThrows(() => ws.send({ type: "close" }), LocalProtocolError);
  });

  // What is answered.

  Deno.test(`reply() of a ${role} answers a ping with its payload, each time, while open`, () => {
    for (const length of [0, 1, 125]) {
      const payload = payloadOf(length);
      const ws = new Connection(role);
      ws.recv(wire(role, { opcode: 9, payload }));
      const ping = next(ws);
      const pong = concat(Uint8Array.of(0x8a, length), payload);
      assertEquals(plain(role, ws.reply(ping)), pong);
      // A ping is no one-time matter: only its events count.
      assertEquals(plain(role, ws.reply(ping)), pong);
      ws.send({ type: "close" });
      assertEquals(ws.reply(ping), NOTHING);
    }
  });

  Deno.test(`reply() of a ${role} leaves pings alone after a close or a failure`, () => {
    for (const frame of [CLOSE, BROKEN]) {
      const ws = new Connection(role);
      ws.recv(wire(role, PING, frame));
      const [ping] = [...ws.events()];
      assertEquals(ping.type, "ping");
      assertEquals(ws.reply(ping), NOTHING);
    }
  });

  Deno.test(`reply() of a ${role} answers a close once: with its code, or with none`, () => {
    for (
      const [payload, answer] of [
        ["", "88 00"],
        ["03 e8", "88 02 03 e8"],
        ["0f a0 62 79 65", "88 02 0f a0"],
      ]
    ) {
      const ws = new Connection(role);
      ws.recv(wire(role, { opcode: 8, payload: hex(payload) }));
      const close = next(ws);
      assertEquals(ws.state, "closing");
      assertEquals(plain(role, ws.reply(close)), hex(answer));
      assertEquals(ws.state, "closed");
      assertEquals(ws.reply(close), NOTHING);
      assertEquals(ws.reply([close, close]), NOTHING);
    }
  });

  Deno.test(`reply() of a ${role} leaves a close alone where our own is out`, () => {
    const ws = new Connection(role);
    ws.send({ type: "close", statusCode: 1000 });
    ws.recv(wire(role, PING, CLOSE));
    for (const event of ws.events()) assertEquals(ws.reply(event), NOTHING);
    assertEquals(ws.state, "closed");
  });

  Deno.test(`reply() of a ${role} has no answer to anything else`, () => {
    const ws = new Connection(role, {
      delivery: "frame",
      opcodes: { own: 3, time: 11 },
    });
    ws.recv(wire(
      role,
      { opcode: 1 },
      { opcode: 2, fin: false },
      { opcode: 10, payload: hex("01") },
      { opcode: 0 },
      { opcode: 3 },
      { opcode: 11 },
    ));
    const events = [...ws.events()];
    assertEquals(events.length, 6);
    for (const event of events) assertEquals(ws.reply(event), NOTHING);
    assertEquals(ws.reply(events), NOTHING);
    assertEquals(ws.state, "open");
  });

  Deno.test(`reply() of a ${role} answers several in one piece and in order`, () => {
    const ping = (byte: number) => ({
      opcode: 9,
      payload: Uint8Array.of(byte),
    });
    const bytes = wire(role, ping(1), { opcode: 1 }, ping(2), CLOSE);
    const pongs = hex("8a 01 01 8a 01 02");
    const answers = concat(pongs, hex("88 02 03 e9"));
    const lazy = new Connection(role);
    lazy.recv(bytes.slice());
    // Each is answered when it is given: what comes after it does not count yet.
    const peer = new Connection(other(role));
    peer.recv(lazy.reply(lazy.events()));
    const opened = drain(peer);
    const twin = new Connection(other(role));
    twin.recv(
      role === "server" ? answers : concat(
        ...[hex("8a 01 01"), hex("8a 01 02"), hex("88 02 03 e9")].map((frame) =>
          concat(
            Uint8Array.of(frame[0], frame[1] | 0x80),
            KEY,
            masked(frame.subarray(2), KEY),
          )
        ),
      ),
    );
    assertEquals(opened, drain(twin));
    assertEquals(opened.length, 3);
    assertEquals(lazy.state, "closed");

    // Given all at once, the pings come too late: a close has been received.
    const eager = new Connection(role);
    eager.recv(bytes.slice());
    const events = [...eager.events()];
    assertEquals(plain(role, eager.reply(events)), hex("88 02 03 e9"));
    assertEquals(eager.reply([]), NOTHING);
    assertEquals(eager.reply(new Set(events)), NOTHING);
  });

  Deno.test(`reply() of a ${role} never throws, whatever was done to the event`, () => {
    const detached = new Uint8Array(8);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    const values = [
      undefined,
      null,
      5,
      NaN,
      "text",
      "\ud800",
      "x".repeat(1000),
      payloadOf(126),
      detached,
      {},
      [],
      99_999,
      1006,
    ];
    const frames = [
      [PING],
      [CLOSE],
      [{ opcode: 8 }],
      [BROKEN],
      [{ opcode: 1 }],
      [{ opcode: 10 }],
    ];
    for (const [frame] of frames) {
      for (
        const name of [
          "message",
          "statusCode",
          "fin",
          "reserved",
          "code",
          "rule",
          "of",
        ]
      ) {
        for (const value of values) {
          const ws = new Connection(role);
          ws.recv(wire(role, frame));
          const event = next(ws);
          const before = ws.state;
          Object.assign(event, { [name]: value });
          const bytes = ws.reply(event);
          // What is answered is what was received: whole, at a right peer.
          const peer = new Connection(other(role));
          const seen = received(peer, bytes);
          assertEquals(
            peer.nextEvent() === Information.CONNECTION_CLOSED,
            before === "closing",
          );
          assert(seen.every(({ type }) => type !== "fail"));
          if (frame === CLOSE) {
            assertEquals(plain(role, bytes), hex("88 02 03 e9"));
          }
          if (frame === BROKEN) assertEquals(plain(role, bytes)[0], 0x88);
        }
      }
    }
  });

  Deno.test(`reply() of a ${role} answers only what the connection has received`, () => {
    const close: ReceivedEvent = {
      ...event("close", "made up", { statusCode: 1000 }),
      type: "close",
      message: "made up",
      fin: true,
      statusCode: 1000,
      of: undefined,
    };
    const fail: ReceivedEvent = {
      type: "fail",
      rule: "utf-8",
      code: 1007,
      message: "made up",
    };
    const ws = new Connection(role);
    assertEquals(ws.reply(close), NOTHING);
    assertEquals(ws.reply([fail, close]), NOTHING);
    assertEquals([ws.state, ws.summary], ["open", undefined]);
    // A close is no answer to a failure, nor a failure to a close.
    ws.recv(wire(role, CLOSE));
    next(ws);
    assertEquals(ws.reply(fail), NOTHING);
    assertEquals(plain(role, ws.reply(close)), hex("88 02 03 e9"));
    const failed = new Connection(role);
    failed.recv(wire(role, BROKEN));
    next(failed);
    assertEquals(failed.reply(close), NOTHING);
    assertEquals(failed.state, "closing");
  });

  // How it ended.

  const SENT = { statusCode: 1000, message: "done" };
  const RECEIVED = { statusCode: 1001, message: "bye" };

  Deno.test(`the summary of a ${role}: the peer closes first`, () => {
    const ws = new Connection(role);
    ws.recv(wire(role, CLOSE));
    assertEquals(ws.summary, undefined);
    const close = next(ws);
    const summary: Summary = {
      clean: false,
      initiator: "peer",
      sent: null,
      received: RECEIVED,
      failure: null,
    };
    assertEquals(ws.summary, summary);
    // The peer may close its half at once.
    ws.recv(null);
    assertEquals(ws.nextEvent(), Information.CONNECTION_CLOSED);
    assertEquals([ws.state, ws.summary], ["closing", summary]);
    ws.reply(close);
    assertEquals(ws.state, "closed");
    assertEquals(ws.summary, {
      ...summary,
      clean: true,
      sent: { statusCode: 1001, message: "" },
    });
  });

  Deno.test(`the summary of a ${role}: the peer closes first and is answered by hand`, () => {
    const ws = new Connection(role);
    ws.recv(wire(role, CLOSE));
    const close = next(ws);
    ws.send({ type: "close", ...SENT });
    assertEquals(ws.summary, {
      clean: true,
      initiator: "peer",
      sent: SENT,
      received: RECEIVED,
      failure: null,
    });
    assertEquals(ws.reply(close), NOTHING);
  });

  Deno.test(`the summary of a ${role}: we close first`, () => {
    const ws = new Connection(role);
    ws.send({ type: "close", ...SENT });
    assertEquals([ws.state, ws.summary], ["closing", undefined]);
    // The peer goes on until it has seen our close.
    assertEquals(
      received(ws, wire(role, { opcode: 1, payload: utf8("late") }, PING)),
      [event("text", "late"), event("ping", hex("50"))],
    );
    assertEquals([ws.state, ws.summary], ["closing", undefined]);
    received(ws, wire(role, CLOSE));
    assertEquals(ws.state, "closed");
    assertEquals(ws.summary, {
      clean: true,
      initiator: "us",
      sent: SENT,
      received: RECEIVED,
      failure: null,
    });
  });

  Deno.test(`the summary of a ${role}: both close at once`, () => {
    const ws = new Connection(role);
    // The peer's is there already, but has not been looked at: ours is the first.
    ws.recv(wire(role, CLOSE));
    ws.send({ type: "close", ...SENT });
    const close = next(ws);
    assertEquals(ws.reply(close), NOTHING);
    assertEquals(ws.state, "closed");
    assertEquals(ws.summary, {
      clean: true,
      initiator: "us",
      sent: SENT,
      received: RECEIVED,
      failure: null,
    });
  });

  Deno.test(`the summary of a ${role}: the stream ends after our close`, () => {
    const ws = new Connection(role);
    ws.send({ type: "close", ...SENT });
    const [fail] = received(ws, null);
    assertEquals(fail, failure("end-of-stream", 1006));
    assertEquals(ws.state, "closed");
    const { failure: ended, ...rest } = ws.summary ?? { failure: null };
    assertEquals(ended?.code, 1006);
    assertEquals(rest, {
      clean: false,
      initiator: "us",
      sent: SENT,
      received: null,
    });
  });

  Deno.test(`the summary of a ${role}: the stream ends without a close`, () => {
    const ws = new Connection(role);
    received(ws, null);
    assertEquals(ws.summary, {
      clean: false,
      initiator: null,
      sent: null,
      received: null,
      failure: {
        rule: "end-of-stream",
        code: 1006,
        message: "The stream ended without a closing handshake",
      },
    });
  });

  Deno.test(`the summary of a ${role}: the stream ends after a failure, and after all`, () => {
    const ws = new Connection(role);
    ws.recv(wire(role, BROKEN));
    const fail = next(ws);
    ws.recv(null);
    assertEquals(ws.nextEvent(), Information.CONNECTION_CLOSED);
    assertEquals(ws.state, "closing");
    assertEquals(ws.summary?.failure?.rule, "opcode");
    assert(ws.reply(fail).length > 0);
    const after = ws.summary;
    ws.recv(null);
    assertEquals(ws.nextEvent(), Information.CONNECTION_CLOSED);
    assertEquals([ws.state, ws.summary], ["closed", after]);
  });

  Deno.test(`the summary of a ${role} cannot be changed by changing its events`, () => {
    const ws = new Connection(role);
    ws.recv(wire(role, BROKEN));
    const fail = next(ws);
    Object.assign(fail, { code: 1000, message: "nothing happened" });
    assertEquals(ws.summary?.failure?.code, 1002);
    const closed = new Connection(role);
    closed.recv(wire(role, CLOSE));
    Object.assign(next(closed), { statusCode: 1000, message: "" });
    assertEquals(closed.summary?.received, RECEIVED);
  });

  Deno.test(`a summary of a ${role} that somebody changed is none of the next one's`, () => {
    const bytes = () => wire(role, { opcode: 1, payload: hex("ff") });
    const first = new Connection(role);
    received(first, bytes());
    Object.assign(first.summary?.failure ?? {}, { code: 1000, message: "" });
    const second = new Connection(role);
    received(second, bytes());
    assertEquals(second.summary?.failure, {
      rule: "utf-8",
      code: 1007,
      message: "Received text that is not UTF-8",
    });
  });

  // Conversations.

  Deno.test(`a conversation that a ${role} begins and ends`, () => {
    const pair = new ConnectionPair();
    const peer = other(role);
    const push = (
      from: Role,
      data: Parameters<typeof pair.push>[1],
    ) => pair.push(from, data);
    assertEquals(push(role, { type: "text", message: "hello" }), {
      seen: [event("text", "hello")],
      answers: [],
    });
    assertEquals(push(peer, { type: "binary", message: payloadOf(300) }), {
      seen: [event("binary", payloadOf(300))],
      answers: [],
    });
    assertEquals(push(role, { type: "ping", message: "are you there" }), {
      seen: [event("ping", utf8("are you there"))],
      answers: [event("pong", utf8("are you there"))],
    });
    assertEquals(push(peer, { type: "pong", message: "unasked" }), {
      seen: [event("pong", utf8("unasked"))],
      answers: [],
    });
    assertEquals(
      push(role, [
        { type: "text", message: "frag", fin: false },
        { type: "ping" },
        { type: "continue", message: "ments" },
      ]),
      {
        seen: [event("ping", hex("")), event("text", "fragments")],
        answers: [event("pong", hex(""))],
      },
    );
    pair.assertStates("open", "open");
    assertEquals(
      push(role, { type: "close", statusCode: 1000, message: "x" }),
      {
        seen: [event("close", "x", { statusCode: 1000 })],
        answers: [event("close", "", { statusCode: 1000 })],
      },
    );
    pair.assertClean(role, 1000);
  });

  Deno.test(`a conversation that a ${role} ends without a code`, () => {
    const pair = new ConnectionPair();
    assertEquals(pair.push(role, { type: "close" }), {
      seen: [event("close", "")],
      answers: [event("close", "")],
    });
    pair.assertClean(role, undefined);
  });

  Deno.test(`a conversation in which a ${role} goes on after the other closed`, () => {
    const pair = new ConnectionPair();
    const ours = pair.end(role);
    const theirs = pair.end(other(role));
    const close = theirs.send({ type: "close", statusCode: 1001 });
    // On their way past the close: they are received and left unanswered.
    assertEquals(
      pair.push(role, [{ type: "text", message: "a" }, { type: "ping" }]),
      {
        seen: [event("text", "a"), event("ping", hex(""))],
        answers: [],
      },
    );
    assertEquals(theirs.state, "closing");
    pair.carry(other(role), close);
    assertEquals(ours.state, "closed");
    pair.assertClean(other(role), 1001);
  });

  Deno.test(`a conversation whose closes cross, a ${role}'s being the first to arrive`, () => {
    const pair = new ConnectionPair();
    const ours = pair.end(role);
    const theirs = pair.end(other(role));
    const one = ours.send({ type: "close", statusCode: 1000 });
    const two = theirs.send({ type: "close", statusCode: 1001 });
    assertEquals(pair.carry(role, one).answers, []);
    assertEquals(theirs.state, "closed");
    assertEquals(ours.state, "closing");
    assertEquals(pair.carry(other(role), two).answers, []);
    pair.assertStates("closed", "closed");
    for (const end of [ours, theirs]) {
      assertEquals([end.summary?.clean, end.summary?.initiator], [true, "us"]);
    }
  });

  Deno.test(`a conversation in which a ${role} breaks a rule and is told`, () => {
    const pair = new ConnectionPair();
    const ours = pair.end(role);
    const theirs = pair.end(other(role));
    const { seen, answers } = pair.carry(role, wire(other(role), BROKEN));
    assertEquals(seen.map(({ type }) => type), ["fail"]);
    const [close] = answers;
    assert(close.type === "close" && "statusCode" in close);
    assertEquals(close.statusCode, 1002);
    assertEquals(
      close.message,
      "Received a frame with the opcode 3, which is not defined",
    );
    assertEquals([ours.state, theirs.state], ["closing", "closed"]);
    assertEquals([ours.summary?.initiator, theirs.summary?.initiator], [
      "peer",
      "us",
    ]);
    // Whoever is told still owes an answer, though nobody may read it.
    assertEquals(ours.summary?.clean, false);
    assertEquals(theirs.summary?.clean, false);
  });

  Deno.test(`a conversation with opcodes and bits of one's own, begun by a ${role}`, () => {
    const pair = new ConnectionPair({
      opcodes: { ascii: 3, time: 11 },
      reserved: [1, 0, 0],
    });
    assertEquals(
      pair.push(role, [
        { type: "ascii", message: "a", reserved: [1, 0, 0], fin: false },
        { type: "time", message: "now" },
        { type: "continue", message: "b" },
      ]),
      {
        seen: [
          event("time", utf8("now")),
          event("ascii", utf8("ab"), { reserved: [1, 0, 0] }),
        ],
        answers: [],
      },
    );
    pair.push(role, { type: "close", statusCode: 3000 });
    pair.assertClean(role, 3000);
  });

  Deno.test(`an echo of everything that a ${role} sends brings back the same`, () => {
    const pair = new ConnectionPair();
    const ours = pair.end(role);
    const theirs = pair.end(other(role));
    const texts = ["", "a", "\u20ac".repeat(50), "x".repeat(70_000)];
    for (const message of texts) {
      theirs.recv(ours.send([{ type: "text", message }, { type: "ping" }]));
      for (const event of theirs.events()) {
        const back: AnyEvent = event;
        assert(back.type !== "fail");
        ours.recv(theirs.send(back));
      }
      assertEquals(drain(ours), [
        event("text", message),
        event("ping", hex("")),
      ]);
    }
  });
}

Deno.test("a close in the middle of a fragmented message is nothing wrong", () => {
  const ws = new Connection("client");
  assertEquals(
    received(
      ws,
      wire("client", { opcode: 1, fin: false }, CLOSE, { opcode: 0 }),
    ),
    [event("close", "bye", { statusCode: 1001 })],
  );
  assertEquals(ws.summary?.failure, null);
});

Deno.test("a close that a client cannot encode is not sent", () => {
  let hasRandom = false;
  const ws = new Connection("client", {
    random: () => {
      if (!hasRandom) throw new Error("no randomness");
    },
  });
  const close = { type: "close", statusCode: 1000 } as const;
  for (const data of [close, [close]]) {
    assertThrows(() => ws.send(data), Error, "no randomness");
    assertEquals([ws.state, ws.summary], ["open", undefined]);
  }
  // What is owed is still owed.
  const asked = new Connection("client", {
    random: () => {
      if (!hasRandom) throw new Error("no randomness");
    },
  });
  asked.recv(hex("88 00"));
  const [event] = asked.events();
  assertThrows(() => asked.reply(event), Error, "no randomness");
  assertEquals([asked.state, asked.summary?.sent], ["closing", null]);
  hasRandom = true;
  ws.send(close);
  assertEquals(ws.state, "closing");
  assertEquals(asked.reply(event), hex("88 80 00 00 00 00"));
  assertEquals(asked.state, "closed");
});
