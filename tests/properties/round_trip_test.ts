// Whatever is sent is received: for any data, role, mask, cut and delivery.
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Connection } from "../../src/connection/connection.ts";
import type { SendData } from "../../src/connection/event.ts";
import { FrameDecoder } from "../../src/framing/decoder.ts";
import { encodeFrame } from "../../src/framing/frame.ts";
import type { CustomOpcodes } from "../../src/framing/opcode.ts";
import { Information } from "../../src/information.ts";
import { concat, utf8 } from "../helpers/bytes.ts";
import {
  event,
  joinParts,
  type Options,
  other,
  received,
  type Seen,
  wire,
} from "../helpers/events.ts";
import {
  anyBytes,
  anyDelivery,
  anyKey,
  anyPlaces,
  anyReserved,
  anyRole,
  anyText,
  cutInto,
  parameters,
} from "./arbitraries.ts";

type Data = SendData<CustomOpcodes>;

/** A message: its fragments, and what is received where it is given whole. */
interface Message {
  readonly fragments: Data[];
  readonly whole: Seen;
}

const anyTextMessage: fc.Arbitrary<Message> = fc.tuple(
  anyText,
  fc.option(fc.array(fc.nat({ max: 1000 }), { maxLength: 4 }), { nil: [] }),
  fc.boolean(),
).map(([text, places, asBytes]) => {
  // As bytes a text may be cut anywhere, as a string only at a code point.
  const parts = asBytes ? cutInto(utf8(text), places) : cutPoints(text, places);
  return {
    fragments: parts.map((message, i) => ({
      type: i === 0 ? "text" : "continue",
      message,
      fin: i === parts.length - 1,
    })),
    whole: event("text", text),
  };
});

function cutPoints(text: string, places: number[]): string[] {
  const points = Array.from(text);
  const at = places.map((place) => place % (points.length + 1))
    .sort((a, b) => a - b);
  return [...at, points.length].map((end, i) =>
    points.slice(i === 0 ? 0 : at[i - 1], end).join("")
  );
}

const anyDataMessage: fc.Arbitrary<Message> = fc.tuple(
  fc.constantFrom("binary", "own"),
  anyBytes,
  fc.option(fc.array(fc.nat({ max: 1000 }), { maxLength: 4 }), { nil: [] }),
  anyReserved,
).map(([type, bytes, places, reserved]) => {
  const parts = cutInto(bytes, places);
  return {
    fragments: parts.map((message, i) => ({
      type: i === 0 ? type : "continue",
      message,
      fin: i === parts.length - 1,
      reserved,
    })),
    whole: event(type, new Uint8Array(bytes), { reserved }),
  };
});

const anyControl: fc.Arbitrary<Message> = fc.tuple(
  fc.constantFrom("ping", "pong", "time"),
  fc.uint8Array({ maxLength: 125 }),
).map(([type, bytes]) => ({
  fragments: [{ type, message: bytes }],
  whole: event(type, new Uint8Array(bytes)),
}));

const OPTIONS: Options = {
  opcodes: { own: 3, time: 11 },
  reserved: [1, 1, 1],
};

Deno.test("whatever is sent is received, however it is cut and delivered", () => {
  fc.assert(
    fc.property(
      anyRole,
      anyDelivery,
      anyKey,
      fc.array(fc.oneof(anyTextMessage, anyDataMessage, anyControl), {
        maxLength: 6,
      }),
      anyPlaces,
      fc.boolean(),
      (role, delivery, key, messages, places, inOne) => {
        const sender = new Connection(role, {
          ...OPTIONS,
          random: (bytes) => {
            for (let i = 0; i < bytes.length; i++) bytes[i] = key[i % 4];
          },
        });
        const data = messages.flatMap(({ fragments }) => fragments);
        const bytes = inOne
          ? sender.send(data)
          : concat(...data.map((one) => sender.send(one)));
        const receiver = new Connection(other(role), { ...OPTIONS, delivery });
        const events = received(receiver, ...cutInto(bytes, places));
        const expected = messages.map(({ whole }) => whole);
        if (delivery === "frame") assertEquals(events.length, data.length);
        // Nothing stands between the fragments, so all parts are neighbours.
        assertEquals(joinParts(events), expected);
        assertEquals(receiver.nextEvent(), Information.NEED_DATA);
      },
    ),
    parameters(400),
  );
});

Deno.test("whatever is received can be sent on, and is received again", () => {
  fc.assert(
    fc.property(
      anyRole,
      anyDelivery,
      fc.array(fc.oneof(anyTextMessage, anyDataMessage, anyControl), {
        maxLength: 6,
      }),
      anyPlaces,
      (role, delivery, messages, places) => {
        const sender = new Connection(role, OPTIONS);
        const bytes = sender.send(messages.flatMap((one) => one.fragments));
        const middle = new Connection(other(role), { ...OPTIONS, delivery });
        const onward = new Connection(role, OPTIONS);
        const last = new Connection(other(role), OPTIONS);
        const events: Seen[] = [];
        for (const chunk of cutInto(bytes, places)) {
          middle.recv(chunk);
          for (const event of middle.events()) {
            assert(event.type !== "fail");
            events.push(...received(last, onward.send(event)));
          }
        }
        assertEquals(events, messages.map(({ whole }) => whole));
      },
    ),
    parameters(300),
  );
});

Deno.test("a close is received as it was sent, and answered with its code", () => {
  const anyCode = fc.oneof(
    fc.integer({ min: 1000, max: 1003 }),
    fc.integer({ min: 1007, max: 1014 }),
    fc.integer({ min: 3000, max: 4999 }),
  );
  const anyReason = fc.string({ unit: "binary", maxLength: 123 })
    .filter((reason) => utf8(reason).length <= 123);
  fc.assert(
    fc.property(
      anyRole,
      fc.option(fc.tuple(anyCode, anyReason), { nil: undefined }),
      anyPlaces,
      (role, close, places) => {
        const [statusCode, message = ""] = close ?? [];
        const ours = new Connection(role);
        const theirs = new Connection(other(role));
        const bytes = ours.send({ type: "close", statusCode, message });
        const seen: Seen[] = [];
        const answers: Uint8Array[] = [];
        for (const chunk of cutInto(bytes, places)) {
          theirs.recv(chunk);
          for (const event of theirs.events()) {
            seen.push(event);
            answers.push(theirs.reply(event));
          }
        }
        assertEquals(seen, [event("close", message, { statusCode })]);
        assertEquals(received(ours, ...answers), [
          event("close", "", { statusCode }),
        ]);
        assertEquals([ours.summary?.clean, theirs.summary?.clean], [
          true,
          true,
        ]);
      },
    ),
    parameters(300),
  );
});

Deno.test("any frame is decoded as it was encoded", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 15 }),
      fc.boolean(),
      anyReserved,
      anyBytes,
      fc.option(anyKey, { nil: undefined }),
      anyPlaces,
      (opcode, fin, reserved, payload, key, places) => {
        const decoder = new FrameDecoder({
          opcodes: "any",
          reserved: [1, 1, 1],
          control: false,
          fragmentation: false,
        });
        const bytes = encodeFrame({ opcode, fin, reserved, payload }, key);
        const frames = cutInto(bytes, places).flatMap((chunk) => {
          decoder.recv(chunk);
          const frame = decoder.next();
          return typeof frame === "object" ? [frame] : [];
        });
        assertEquals<unknown>(frames, [{
          fin,
          reserved,
          opcode,
          maskKey: key === undefined ? undefined : new Uint8Array(key),
          payload: new Uint8Array(payload),
        }]);
      },
    ),
    parameters(500),
  );
});

Deno.test("a list is sent as its members are, or changes nothing", () => {
  const anyData: fc.Arbitrary<Data> = fc.record({
    type: fc.constantFrom("text", "binary", "continue", "ping", "own", "no"),
    message: fc.oneof(
      fc.uint8Array({ maxLength: 4 }),
      fc.constantFrom("", "a", "\u20ac", "\ud800"),
    ),
    fin: fc.boolean(),
  });
  fc.assert(
    fc.property(
      anyRole,
      fc.array(anyData, { maxLength: 3 }),
      fc.array(anyData, { maxLength: 4 }),
      fc.array(anyData, { maxLength: 4 }),
      (role, before, list, after) => {
        const ws = fixed(role);
        const twin = fixed(role);
        for (const data of before) {
          assertEquals(attempt(ws, data), attempt(twin, data));
        }
        const bytes = attempt(ws, list);
        if (bytes !== "refused") {
          const each = list.map((data) => twin.send(data));
          assertEquals(bytes, concat(...each));
        } else {
          // One after another, one of them is refused too.
          const third = fixed(role);
          for (const data of before) attempt(third, data);
          assertThrows(() => list.forEach((data) => third.send(data)), Error);
        }
        for (const data of after) {
          assertEquals(attempt(ws, data), attempt(twin, data));
        }
      },
    ),
    parameters(600),
  );

  function fixed(role: "client" | "server") {
    const options: Options = { opcodes: { own: 3 }, random: () => undefined };
    return new Connection(role, options);
  }

  function attempt(
    ws: ReturnType<typeof fixed>,
    data: Data | Data[],
  ): Uint8Array | "refused" {
    try {
      return ws.send(data);
    } catch {
      return "refused";
    }
  }
});

Deno.test("what a connection sends is what encodeFrame gives", () => {
  fc.assert(
    fc.property(anyRole, anyText, (role, text) => {
      const ws = new Connection(role, {
        random: (bytes) => {
          for (let i = 0; i < bytes.length; i++) {
            bytes[i] = [0x37, 0xfa, 0x21, 0x3d][i % 4];
          }
        },
      });
      const expected = wire(other(role), { opcode: 1, payload: utf8(text) });
      assertEquals(ws.send({ type: "text", message: text }), expected);
    }),
    parameters(400),
  );
});
