// permessage-deflate: whatever is compressed comes back, for any parameters, cut
// and codec; and any bytes at all give only events, the same for each cut.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Connection } from "../../src/connection/connection.ts";
import type { SendData } from "../../src/connection/event.ts";
import type { Delivery, Role } from "../../src/connection/options.ts";
import type { WindowBits } from "../../src/extensions/deflate_parameters.ts";
import {
  type DeflateCodec,
  permessageDeflate,
  type PermessageDeflateOptions,
  portableCodec,
} from "../../src/extensions/permessage_deflate.ts";
import { zlibCodec } from "../../src/extensions/zlib_codec.ts";
import { encodeFrame } from "../../src/framing/frame.ts";
import { Information } from "../../src/information.ts";
import { concat, utf8 } from "../helpers/bytes.ts";
import { byteByByte } from "../helpers/cuts.ts";
import {
  drain,
  joinParts,
  KEY,
  type Options,
  other,
  ROLES,
  type Seen,
} from "../helpers/events.ts";
import {
  anyBytes,
  anyDelivery,
  anyPlaces,
  anyRole,
  anyText,
  cutInto,
  parameters,
} from "./arbitraries.ts";

const anyCodec: fc.Arbitrary<DeflateCodec> = fc.constantFrom(
  portableCodec,
  zlibCodec,
);

const anyBits: fc.Arbitrary<WindowBits | undefined> = fc.constantFrom(
  ...[undefined, 8, 9, 10, 11, 12, 13, 14, 15] as const,
);

/** What one side wants. */
const anyWish: fc.Arbitrary<PermessageDeflateOptions> = fc.record({
  serverNoContextTakeover: fc.boolean(),
  clientNoContextTakeover: fc.boolean(),
  serverMaxWindowBits: anyBits,
  clientMaxWindowBits: anyBits,
  threshold: fc.constantFrom(0, 0, 20, undefined),
  level: fc.constantFrom(undefined, 0, 1, 6, 9),
  memLevel: fc.constantFrom(undefined, 1, 8, 9),
  codec: anyCodec,
});

/** Both ends, as a handshake with these wishes would make them. */
function ends(
  wishes: Readonly<Record<Role, PermessageDeflateOptions>>,
  options: Options,
): Record<Role, Connection> {
  const client = permessageDeflate(wishes.client);
  const [offer] = client.offers();
  const answer = permessageDeflate(wishes.server).answer(offer);
  assert(answer !== undefined);
  const { extension } = answer;
  const { delivery } = options;
  return {
    client: new Connection("client", {
      delivery,
      extensions: [client.accept(answer.parameters)],
    }),
    server: new Connection("server", { delivery, extensions: [extension] }),
  };
}

/** A message in fragments: sometimes long, sometimes like the one before. */
const anyMessage: fc.Arbitrary<SendData[]> = fc.tuple(
  fc.oneof(
    { weight: 4, arbitrary: anyText },
    { weight: 4, arbitrary: anyBytes },
    {
      weight: 1,
      arbitrary: fc.tuple(
        fc.uint8Array({ minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 1500 }),
      ).map(([bytes, count]) => concat(...new Array(count).fill(bytes))),
    },
  ),
  anyPlaces,
  fc.constantFrom(true, false, undefined),
).map(([message, places, compress]) => {
  const type = typeof message === "string" ? "text" : "binary";
  const bytes = typeof message === "string" ? utf8(message) : message;
  const parts = cutInto(bytes, places.slice(0, 3));
  return parts.map((part, i) => ({
    type: i === 0 ? type : "continue",
    message: part,
    fin: i === parts.length - 1,
    compress,
  }));
});

/** What is received of some messages, joined. */
function wholes(messages: readonly SendData[][]): (string | Uint8Array)[] {
  return messages.map((fragments) => {
    const bytes = concat(
      ...fragments.map(({ message }) =>
        message instanceof Uint8Array ? message : new Uint8Array()
      ),
    );
    return fragments[0].type === "text"
      ? new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes)
      : bytes;
  });
}

/** Frame by frame, as parts that neighbour. */
function joined(seen: readonly Seen[]): (string | Uint8Array)[] {
  const events = joinParts(seen.filter(({ type }) => type !== "ping"));
  return events.map((one) => {
    assert(!("rule" in one) && one.fin);
    return one.message;
  });
}

Deno.test("what is compressed comes back, for any parameters, fragments, cuts and codecs", () => {
  fc.assert(
    fc.property(
      anyRole,
      fc.record({ client: anyWish, server: anyWish }),
      anyDelivery,
      fc.array(anyMessage, { maxLength: 5 }),
      anyPlaces,
      (role, wishes, delivery, messages, places) => {
        const both = ends(wishes, { delivery });
        const sender = both[other(role)];
        const receiver = both[role];
        const bytes = concat(
          ...messages.flatMap((fragments) =>
            fragments.flatMap((data) => [
              sender.send(data),
              sender.send({ type: "ping" }),
            ])
          ),
        );
        const seen: Seen[] = [];
        for (const chunk of cutInto(bytes, places)) {
          receiver.recv(chunk);
          seen.push(...drain(receiver));
        }
        assertEquals(joined(seen), wholes(messages));
        const sent = messages.flat().length;
        assertEquals(seen.filter(({ type }) => type === "ping").length, sent);
        assertEquals(receiver.nextEvent(), Information.NEED_DATA);
      },
    ),
    parameters(400),
  );
});

/** What a peer sends that has broken something: frames, and bytes in them. */
function anyCompressed(role: Role): fc.Arbitrary<Uint8Array> {
  const mutation = fc.record({
    at: fc.nat({ max: 0xffff }),
    to: fc.integer({ min: 0, max: 255 }),
  });
  const message = fc.record({
    data: fc.oneof(anyText.map(utf8), anyBytes),
    opcode: fc.constantFrom(1, 2),
    places: fc.array(fc.nat({ max: 0xffff }), { maxLength: 4 }),
    mutations: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(mutation, { maxLength: 2 }) },
    ),
    isFinal: fc.nat({ max: 9 }),
    isCompressed: fc.nat({ max: 9 }),
  });
  return fc.array(message, { minLength: 1, maxLength: 4 }).map((messages) => {
    const deflater = portableCodec.deflater({
      windowBits: 15,
      level: 6,
      memLevel: 8,
    });
    const frames = messages.flatMap((message) => {
      const { data, opcode, places, mutations, isFinal, isCompressed } =
        message;
      const bytes = isCompressed > 0
        ? deflater.compress(data).slice(0, -4)
        : data.slice();
      if (isFinal === 0 && bytes.length > 0) bytes[0] |= 1;
      for (const { at, to } of mutations) {
        if (bytes.length > 0) bytes[at % bytes.length] = to;
      }
      const parts = cutInto(bytes, places);
      return parts.flatMap((payload, i) => {
        const frame = encodeFrame(
          {
            opcode: i === 0 ? opcode : 0,
            fin: i === parts.length - 1,
            reserved: [i === 0 ? 1 : 0, 0, 0],
            payload,
          },
          role === "server" ? KEY : undefined,
        );
        const ping = encodeFrame(
          { opcode: 9 },
          role === "server" ? KEY : undefined,
        );
        return i % 2 === 0 ? [frame] : [ping, frame];
      });
    });
    return concat(...frames);
  });
}

const anyOptions: fc.Arbitrary<{
  delivery: Delivery;
  maxMessageBytes: number;
}> = fc.record({
  delivery: anyDelivery,
  maxMessageBytes: fc.constantFrom(16_777_216, 0, 10, 100, 1000, Infinity),
});

/** The events of some chunks and the end of the stream. */
function run(
  role: Role,
  codec: DeflateCodec,
  options: Options,
  chunks: readonly Uint8Array[],
): Seen[] {
  const deflate = permessageDeflate({ codec });
  const ws = new Connection(role, {
    delivery: options.delivery,
    maxMessageBytes: options.maxMessageBytes,
    extensions: [deflate.accept([])],
  });
  const seen: Seen[] = [];
  for (const chunk of [...chunks, null]) {
    ws.recv(chunk === null ? null : chunk.slice());
    seen.push(...drain(ws));
  }
  assertEquals(ws.nextEvent(), Information.CONNECTION_CLOSED);
  assert(ws.summary !== undefined);
  return options.delivery === "chunk" ? joinParts(seen) : seen;
}

for (const role of ROLES) {
  Deno.test(`any compressed messages, right or nearly so, give a ${role} only events, the same for each cut and codec`, () => {
    const ends = new Set<string>();
    fc.assert(
      fc.property(
        anyOptions,
        fc.oneof(
          { weight: 9, arbitrary: anyCompressed(role) },
          { weight: 1, arbitrary: fc.uint8Array({ maxLength: 80 }) },
        ),
        anyPlaces,
        (options, bytes, places) => {
          const whole = run(role, portableCodec, options, [bytes]);
          for (const event of whole) {
            if (!("rule" in event)) continue;
            ends.add(event.rule);
            assert([1002, 1006, 1007, 1009].includes(event.code));
          }
          for (const codec of [portableCodec, zlibCodec]) {
            for (
              const chunks of [
                [bytes],
                byteByByte(bytes),
                cutInto(bytes, places),
              ]
            ) {
              assertEquals(run(role, codec, options, chunks), whole);
            }
          }
        },
      ),
      parameters(500),
    );
    // Lest it be true only because all fail alike.
    const expected = ["extension", "message-limit", "utf-8", "end-of-stream"];
    assertEquals(expected.filter((rule) => !ends.has(rule)), []);
  });
}
