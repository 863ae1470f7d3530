// For any bytes, cut anywhere, a connection yields only events, the same each
// time, and never throws.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Connection } from "../../src/connection/connection.ts";
import type { Delivery, Role } from "../../src/connection/options.ts";
import { Information } from "../../src/information.ts";
import { byteByByte } from "../helpers/cuts.ts";
import {
  drain,
  joinParts,
  type Options,
  ROLES,
  type Seen,
} from "../helpers/events.ts";
import {
  anyDelivery,
  anyPlaces,
  anyReserved,
  anyTraffic,
  cutInto,
  parameters,
} from "./arbitraries.ts";

const DELIVERIES: readonly Delivery[] = ["message", "frame", "chunk"];

/** How the events of a run end: the bytes that were sent in answer, the state. */
interface Run {
  readonly events: Seen[];
  readonly answers: number[][];
  readonly state: string;
}

function run(
  role: Role,
  options: Options,
  chunks: readonly Uint8Array[],
): Run {
  const ws = new Connection(role, { ...options, random: () => undefined });
  const events: Seen[] = [];
  const answers: number[][] = [];
  const take = () => {
    for (const event of ws.events()) {
      const made: Seen = event;
      events.push(
        "rule" in made || typeof made.message === "string"
          ? made
          : { ...made, message: made.message.slice() },
      );
      const answer = ws.reply(event);
      if (answer.length > 0) answers.push(Array.from(answer));
    }
  };
  for (const chunk of chunks) {
    ws.recv(chunk.slice());
    take();
  }
  ws.recv(null);
  take();
  assertEquals(ws.nextEvent(), Information.CONNECTION_CLOSED);
  assert(ws.summary !== undefined);
  assertEquals(drain(ws), []);
  return { events, answers, state: ws.state };
}

/** Asserts what holds of the events of one connection, whatever was received. */
function assertSound(events: readonly Seen[], delivery: Delivery): void {
  let within: string | undefined;
  for (const [i, event] of events.entries()) {
    const isLast = i === events.length - 1;
    if ("rule" in event) {
      assert(isLast);
      assert([1002, 1006, 1007, 1009].includes(event.code));
      continue;
    }
    if (event.type === "close") assert(isLast);
    switch (event.type) {
      case "ping":
      case "pong":
      case "time":
      case "close":
        assert(event.fin);
        continue;
      case "continue":
        assert(delivery !== "message");
        assertEquals(event.of, within);
        break;
      default:
        assertEquals([within, event.of], [undefined, undefined]);
        within = event.type;
    }
    if (delivery === "message") assert(event.fin);
    if (event.fin) within = undefined;
    if (typeof event.message === "string") {
      assert(event.message.isWellFormed());
    }
  }
  // It ended somehow: by a close or by a failure.
  assert(["close", "fail"].includes(events.at(-1)?.type ?? ""));
}

function assertSame(
  role: Role,
  options: Options,
  bytes: Uint8Array,
  places: readonly number[],
): void {
  const whole = run(role, options, [bytes]);
  const { delivery = "message" } = options;
  assertSound(whole.events, delivery);
  const shape = delivery === "chunk"
    ? joinParts
    : (events: readonly Seen[]) => events;
  for (const chunks of [byteByByte(bytes), cutInto(bytes, places)]) {
    const other = run(role, options, chunks);
    assertSound(other.events, delivery);
    assertEquals(shape(other.events), shape(whole.events));
    assertEquals([other.answers, other.state], [whole.answers, whole.state]);
  }
}

const anyOptions: fc.Arbitrary<Options> = fc.record({
  delivery: anyDelivery,
  reserved: anyReserved,
  opcodes: fc.constantFrom({}, { own: 3, time: 11 }),
  maxMessageBytes: fc.constantFrom(16_777_216, 0, 10, 100, Infinity),
  maxFrameBytes: fc.constantFrom(undefined, 5, 50, Infinity),
  lenient: fc.record({
    unmaskedClient: fc.boolean(),
    paddedLength: fc.boolean(),
  }),
});

for (const role of ROLES) {
  Deno.test(`any bytes at all give a ${role} only events, the same for each cutting`, () => {
    fc.assert(
      fc.property(
        anyOptions,
        fc.uint8Array({ maxLength: 120 }),
        anyPlaces,
        (options, bytes, places) => assertSame(role, options, bytes, places),
      ),
      parameters(400),
    );
  });

  Deno.test(`any frames, right or nearly so, give a ${role} only events, the same for each cutting`, () => {
    fc.assert(
      fc.property(
        anyOptions,
        anyTraffic(role),
        anyPlaces,
        (options, bytes, places) => assertSame(role, options, bytes, places),
      ),
      parameters(600),
    );
  });

  for (const delivery of DELIVERIES) {
    Deno.test(`frames that keep most rules reach far into a ${role}, by ${delivery}`, () => {
      // Lest the property above be true only because everything fails at once.
      const seen = new Set<string>();
      fc.assert(
        fc.property(anyTraffic(role), anyPlaces, (bytes, places) => {
          const options: Options = {
            delivery,
            opcodes: { own: 3, time: 11 },
            reserved: [1, 1, 1],
          };
          const { events } = run(role, options, cutInto(bytes, places));
          for (const event of events) {
            seen.add("rule" in event ? event.rule : event.type);
          }
        }),
        parameters(400),
      );
      const expected = [
        "text",
        "binary",
        "own",
        "ping",
        "pong",
        "time",
        "utf-8",
      ];
      assertEquals(expected.filter((type) => !seen.has(type)), []);
      if (delivery !== "message") assert(seen.has("continue"));
    });
  }
}
