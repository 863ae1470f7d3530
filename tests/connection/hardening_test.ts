// What went wrong in other libraries, class by class, tried on connections of both
// roles, without compression and with it. Classes that have tests of their own
// beside the unit they concern are not repeated here.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { Connection } from "../../src/connection/connection.ts";
import type { Delivery, Role } from "../../src/connection/options.ts";
import { LocalProtocolError } from "../../src/errors.ts";
import { portableCodec } from "../../src/extensions/deflate_codec.ts";
import { permessageDeflate } from "../../src/extensions/permessage_deflate.ts";
import { zlibCodec } from "../../src/extensions/zlib_codec.ts";
import type { FrameInit } from "../../src/framing/frame.ts";
import { Information } from "../../src/information.ts";
import { watchAllocations } from "../helpers/allocations.ts";
import { concat, hex, payloadOf, utf8 } from "../helpers/bytes.ts";
import {
  drain,
  event,
  failure,
  head,
  type Options,
  received,
  ROLES,
  type Seen,
  wire,
} from "../helpers/events.ts";
import { assertGrowth, costs } from "../helpers/costs.ts";

const DELIVERIES: readonly Delivery[] = ["message", "frame", "chunk"];

/** A connection with permessage-deflate. */
function compressing(
  role: Role,
  options: Options = {},
  codec = portableCodec,
): Connection {
  const deflate = permessageDeflate({ codec });
  const answer = deflate.answer([]);
  assert(answer !== undefined);
  const extension = role === "client" ? deflate.accept([]) : answer.extension;
  const { delivery, maxMessageBytes, maxFrameBytes } = options;
  const extensions = [extension];
  return new Connection(role, {
    delivery,
    maxMessageBytes,
    maxFrameBytes,
    extensions,
  });
}

/** What a message is compressed, without the tail that RFC 7692 cuts off. */
function squeeze(...parts: Uint8Array[]): Uint8Array {
  const deflater = portableCodec.deflater({
    windowBits: 15,
    level: 9,
    memLevel: 8,
  });
  return concat(...parts.map((part) => deflater.compress(part))).slice(0, -4);
}

/** So many MiB of nothing, compressed to a thousandth. */
const BOMBS = { 8: bomb(8), 64: bomb(64) };

function bomb(size: number): Uint8Array {
  return squeeze(...new Array(size).fill(new Uint8Array(1_048_576)));
}

/** A compressed message in so many frames of about the same length. */
function* fragments(bytes: Uint8Array, count: number): Generator<FrameInit> {
  const size = Math.ceil(bytes.length / count);
  for (let i = 0; i < count; i++) {
    yield {
      opcode: i === 0 ? 2 : 0,
      fin: i === count - 1,
      reserved: [i === 0 ? 1 : 0, 0, 0],
      payload: bytes.subarray(i * size, (i + 1) * size),
    };
  }
}

/** The types of events, or the rule of a failure. */
function kinds(events: readonly Seen[]): string[] {
  return events.map((event) => "rule" in event ? event.rule : event.type);
}

// --- Memory and time, in a process of its own: n against 8 n. ---

/** The class of each attack that is measured, and its name there. */
const MEASURED = [
  ["tiny and empty fragments", "fragments of 0 bytes"],
  ["tiny and empty fragments", "fragments of 1 bytes"],
  ["drip-fed frame", "a frame in 1-byte chunks"],
  ["ping flood", "pings within a message"],
] as const;

for (const role of ROLES) {
  for (const how of ["", " with deflate"]) {
    for (const [title, name] of MEASURED) {
      Deno.test(`${title}: ${name} cost a ${role}${how} memory as their bytes, and linear time`, async () => {
        const cost = (await costs("connections")).get(
          `${name} at a ${role}${how}`,
        );
        assert(cost !== undefined);
        assertGrowth(cost);
      });
    }
  }
}

// --- Limits. ---

for (const role of ROLES) {
  Deno.test(`limit checked late: a ${role} with deflate fails at the length field, and reserves nothing`, () => {
    for (
      const length of [
        "7f 40 00 00 00 00 00 00 00",
        "7f 00 1f ff ff ff ff ff ff",
      ]
    ) {
      let most = 0;
      const ws = compressing(role);
      const seen = watchAllocations(
        (size) => void (most = Math.max(most, size)),
        () => received(ws, head(role, ...hex(`c2 ${length}`))),
      );
      assertEquals(seen, [failure("frame-limit", 1009)]);
      assert(most <= 65_536, `${most} bytes`);
    }
  });

  Deno.test(`deflate bomb: what it costs a ${role} does not depend on how large it is`, () => {
    for (const codec of [portableCodec, zlibCodec]) {
      for (const count of [1, 50]) {
        for (const delivery of DELIVERIES) {
          const [few, many] = ([8, 64] as const).map((size) => {
            const bytes = wire(role, ...fragments(BOMBS[size], count));
            const options = { delivery, maxMessageBytes: 1_048_576 };
            const ws = compressing(role, options, codec);
            let total = 0;
            const watch = (size: number) => void (total += size);
            const end = watchAllocations(watch, () => {
              ws.recv(bytes);
              let last = "";
              for (const event of ws.events()) {
                last = event.type === "fail" ? event.rule : event.type;
              }
              return last;
            });
            assertEquals(end, "message-limit");
            return total;
          });
          const how = `${count} frames by ${delivery}: ${few}, ${many} bytes`;
          // The limit as pieces, once more where they are put together, and a
          // piece or two beyond.
          assert(few < 3.5 * 1_048_576, how);
          assert(many <= few + 262_144, how);
        }
      }
    }
  });

  Deno.test(`off by one: a ${role} with deflate takes limit - 1 and limit whole, and not 1 or 2 more`, () => {
    const limit = 1000;
    for (const delivery of DELIVERIES) {
      for (const count of [1, 3]) {
        for (const more of [-1, 0, 1, 2]) {
          const message = payloadOf(limit + more);
          const frames = fragments(squeeze(message), count);
          const ws = compressing(role, { delivery, maxMessageBytes: limit });
          const seen = received(ws, wire(role, ...frames));
          const last = seen.at(-1);
          if (more > 0) {
            assertEquals(last, failure("message-limit", 1009));
          } else {
            assert(last !== undefined && !("rule" in last) && last.fin);
            const bytes = seen.map(({ message }) => message)
              .filter((message) => message instanceof Uint8Array);
            assertEquals(concat(...bytes), message);
          }
        }
      }
    }
  });

  Deno.test(`budget per fragment: a ${role} with deflate counts over fragments, and no control frame in between`, () => {
    for (const delivery of DELIVERIES) {
      for (const over of [0, 1]) {
        const frames = [
          ...fragments(squeeze(payloadOf(100 + over)), 20),
        ].flatMap((frame) => [
          frame,
          { opcode: 9, payload: new Uint8Array(125) },
        ]);
        const options = { delivery, maxMessageBytes: 100 };
        const seen = received(
          compressing(role, options),
          wire(role, ...frames),
        );
        assertEquals(kinds(seen).includes("message-limit"), over === 1);
      }
    }
  });

  Deno.test(`accounting across interleaving: a ${role} with deflate counts limit - 1, a pong, 1 byte, and then one more`, () => {
    // Stored blocks, each with as many bytes as it says.
    const block = (...bytes: number[]) =>
      Uint8Array.of(0, bytes.length, 0, ~bytes.length & 255, 255, ...bytes);
    for (const delivery of DELIVERIES) {
      const ws = compressing(role, { delivery, maxMessageBytes: 10 });
      const seen = (frame: FrameInit) => kinds(received(ws, wire(role, frame)));
      const part = delivery === "message" ? [] : ["continue"];
      const first = new Array<number>(9).fill(7);
      const started = seen({
        opcode: 2,
        fin: false,
        reserved: [1, 0, 0],
        payload: block(...first),
      });
      assertEquals(started, delivery === "message" ? [] : ["binary"]);
      assertEquals(seen({ opcode: 10, payload: utf8("pong") }), ["pong"]);
      const more = { opcode: 0, fin: false, payload: block(8) };
      assertEquals(seen(more), part);
      assertEquals(seen(more).at(-1), "message-limit");
    }
  });

  Deno.test(`opcode class by bitmask: a ${role} with deflate takes no opcode for another`, () => {
    for (let opcode = 0; opcode < 16; opcode++) {
      for (const fin of [true, false]) {
        for (const length of [125, 126]) {
          const ws = compressing(role);
          const payload = new Uint8Array(length).fill(0x61);
          const frame = {
            opcode,
            fin,
            payload: opcode === 8 ? hex("03 e8") : payload,
          };
          const [first] = kinds(received(ws, wire(role, frame)));
          const isControl = [9, 10].includes(opcode);
          const expected = opcode === 0
            ? "unexpected-continuation"
            : opcode > 10 || opcode > 2 && opcode < 8
            ? "opcode"
            : !fin
            ? opcode > 7 ? "fragmented-control" : undefined
            : isControl && length > 125
            ? "control-length"
            : [
              "",
              "text",
              "binary",
              "",
              "",
              "",
              "",
              "",
              "close",
              "ping",
              "pong",
            ][opcode];
          assertEquals(first, expected, `${opcode} ${fin} ${length}`);
        }
      }
    }
  });

  Deno.test(`silent after failure: a ${role} with deflate stays failed, and says why`, () => {
    const good = wire(role, { opcode: 1, payload: utf8("after") });
    const bad: readonly (readonly [FrameInit, string, number])[] = [
      [
        { opcode: 2, reserved: [1, 0, 0], payload: hex("07") },
        "extension",
        1007,
      ],
      [
        { opcode: 1, reserved: [1, 0, 0], payload: squeeze(hex("ff")) },
        "utf-8",
        1007,
      ],
      [{ opcode: 0, reserved: [1, 0, 0] }, "reserved-bits", 1002],
      [{ opcode: 9, reserved: [1, 0, 0] }, "reserved-bits", 1002],
      [{ opcode: 2, reserved: [0, 1, 0] }, "reserved-bits", 1002],
    ];
    for (const [frame, rule, code] of bad) {
      const ws = compressing(role);
      ws.recv(concat(wire(role, frame), good));
      const first = ws.nextEvent();
      assert(typeof first === "object" && first.type === "fail");
      assertEquals([first.rule, first.code], [rule, code]);
      ws.recv(good.slice());
      assertEquals(ws.nextEvent(), Information.CONNECTION_CLOSED);
      assertEquals(ws.state, "closing");
      assertEquals(ws.summary?.failure?.rule, rule);
      assertThrows(
        () => ws.send({ type: "text", message: "no" }),
        LocalProtocolError,
      );
      assert(ws.reply(first).length > 2);
      assertEquals([ws.state, ws.summary?.clean], ["closed", false]);
      assertEquals(ws.summary?.sent?.statusCode, code);
      assertEquals(drain(ws), []);
    }
  });

  Deno.test(`ping flood: a ${role} owes nothing but what it is asked to answer`, () => {
    // There is no queue of answers: 10^4 pings leave nothing behind, and each is
    // answered in order where the caller wants that.
    const pings = Array.from({ length: 10_000 }, (_, i) => ({
      opcode: 9,
      payload: utf8(`${i}`),
    }));
    const ws = new Connection(role, { random: () => undefined });
    let count = 0;
    ws.recv(wire(role, ...pings));
    for (const ping of ws.events()) {
      const answer = ws.reply(ping);
      const text = new TextDecoder().decode(answer);
      assert(text.endsWith(`${count++}`));
    }
    assertEquals(count, 10_000);
    assertEquals(received(ws, wire(role, { opcode: 1, payload: utf8("on") })), [
      event("text", "on"),
    ]);
  });
}
