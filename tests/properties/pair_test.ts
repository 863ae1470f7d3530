// Two connections that talk, by any script: whatever one sends the other receives,
// and both agree on how it ended.

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Connection } from "../../src/connection/connection.ts";
import type { SendData } from "../../src/connection/event.ts";
import type { Role } from "../../src/connection/options.ts";
import { LocalProtocolError } from "../../src/errors.ts";
import type { CustomOpcodes } from "../../src/framing/opcode.ts";
import { concat, utf8 } from "../helpers/bytes.ts";
import { joinParts, other, type Seen } from "../helpers/events.ts";
import { anyDelivery, anyRole, anyText, parameters } from "./arbitraries.ts";
import { type ExtensionName, optionsOf } from "./traffic.ts";

type Data = SendData<CustomOpcodes>;

/** What one of the two does next. */
type Action =
  | { readonly does: "send"; readonly role: Role; readonly data: Data[] }
  /** So many bytes of what it has sent arrive. */
  | { readonly does: "carry"; readonly role: Role; readonly count: number }
  | {
    readonly does: "close";
    readonly role: Role;
    readonly statusCode: number | undefined;
  };

const anyMessage: fc.Arbitrary<Data[]> = fc.oneof(
  anyText.map((message) => [{ type: "text", message }]),
  fc.uint8Array({ maxLength: 300 })
    .map((message) => [{ type: "binary", message }]),
  fc.uint8Array({ maxLength: 20 })
    .map((message) => [{ type: "own", message }]),
  fc.tuple(fc.array(anyText, { maxLength: 3 }), anyText)
    .map(([texts, last]) => [
      ...texts.map((message, i) => ({
        type: i === 0 ? "text" : "continue",
        message,
        fin: false,
      })),
      { type: texts.length === 0 ? "text" : "continue", message: last },
    ]),
);

const anyAction: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      does: fc.constant("send" as const),
      role: anyRole,
      data: anyMessage,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      does: fc.constant("send" as const),
      role: anyRole,
      data: fc.tuple(
        fc.constantFrom("ping", "time", "pong"),
        fc.uint8Array({ maxLength: 125 }),
      ).map(([type, message]) => [{ type, message }]),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      does: fc.constant("carry" as const),
      role: anyRole,
      count: fc.oneof(fc.nat({ max: 12 }), fc.nat({ max: 3000 })),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constant("close" as const),
      role: anyRole,
      statusCode: fc.constantFrom(undefined, 1000, 1001, 3000, 4999),
    }),
  },
);

/** One end, what it has sent, and what it has received. */
class End {
  readonly ws: Connection<CustomOpcodes, readonly [0 | 1, 0 | 1, 0 | 1]>;
  readonly sent: Data[] = [];
  readonly seen: Seen[] = [];
  /** What is on its way from here. */
  wire: Uint8Array = new Uint8Array(0);

  constructor(
    role: Role,
    delivery: "message" | "frame" | "chunk",
    extensions: ExtensionName,
  ) {
    this.ws = new Connection(
      role,
      optionsOf({
        role,
        delivery,
        custom: true,
        reserved: [0, 0, 0],
        maxMessageBytes: 16_777_216,
        maxFrameBytes: undefined,
        unmaskedClient: false,
        paddedLength: false,
        extensions,
      }),
    );
  }

  write(bytes: Uint8Array): void {
    this.wire = concat(this.wire, bytes);
  }

  /** Sends, where that may be. */
  send(data: Data[]): void {
    const { state } = this.ws;
    try {
      this.write(this.ws.send(data));
      this.sent.push(...data);
      assertEquals(state, "open");
    } catch (error) {
      if (!(error instanceof LocalProtocolError)) throw error;
      assert(state !== "open", error.message);
    }
  }

  /** Receives, and answers. */
  recv(bytes: Uint8Array | null): void {
    this.ws.recv(bytes);
    for (const event of this.ws.events()) {
      const made: Seen = event;
      this.seen.push(
        "rule" in made || typeof made.message === "string"
          ? made
          : { ...made, message: made.message.slice() },
      );
      this.write(this.ws.reply(event));
    }
  }
}

/** The messages of some data or events, the fragments of each in one. */
function messagesOf(list: readonly (Data | Seen)[]): [string, string][] {
  const messages: [string, string][] = [];
  let open: { type: string; bytes: Uint8Array[] } | undefined;
  for (const one of list) {
    if (["ping", "pong", "time", "close", "fail"].includes(one.type)) continue;
    assert(!("rule" in one));
    if (one.type !== "continue") open = { type: one.type, bytes: [] };
    assert(open !== undefined);
    const { message = "" } = one;
    assert(typeof message === "string" || message instanceof Uint8Array);
    open.bytes.push(typeof message === "string" ? utf8(message) : message);
    if (one.fin !== false) {
      messages.push([open.type, concat(...open.bytes).toHex()]);
    }
  }
  return messages;
}

/** The payloads of the control frames of a type, in order. */
function controlsOf(list: readonly (Data | Seen)[], type: string): string[] {
  return list.filter((one) => one.type === type).map((one) => {
    assert("message" in one && one.message instanceof Uint8Array);
    return one.message.toHex();
  });
}

for (const extensions of ["none", "deflate", "xor", "twice"] as const) {
  Deno.test(`two connections agree on all that was sent and how it ended, with extensions: ${extensions}`, () => {
    fc.assert(
      fc.property(
        anyDelivery,
        fc.array(anyAction, { maxLength: 40 }),
        anyRole,
        (delivery, script, last) => {
          const client = new End("client", delivery, extensions);
          const server = new End("server", delivery, extensions);
          const ends = { client, server };
          const carry = (role: Role, count: number) => {
            const { wire } = ends[role];
            ends[role].wire = wire.slice(count);
            if (wire.length > 0) ends[other(role)].recv(wire.slice(0, count));
          };
          const close = (role: Role, statusCode: number | undefined) =>
            ends[role].send([{ type: "close", statusCode }]);
          for (const action of script) {
            const { role } = action;
            if (action.does === "send") ends[role].send(action.data);
            else if (action.does === "carry") carry(role, action.count);
            else close(role, action.statusCode);
          }
          close(last, 1000);
          while (client.wire.length + server.wire.length > 0) {
            carry("client", Infinity);
            carry("server", Infinity);
          }
          client.recv(null);
          server.recv(null);

          for (const role of ["client", "server"] as const) {
            const [ours, theirs] = [ends[role], ends[other(role)]];
            assertEquals(messagesOf(theirs.seen), messagesOf(ours.sent));
            if (delivery === "message") {
              assert(theirs.seen.every(({ type }) => type !== "continue"));
            }
            // No ping is answered but those that came, in order and once each.
            const pings = controlsOf(ours.sent, "ping");
            assertEquals(controlsOf(theirs.seen, "ping"), pings);
            assertEquals(
              controlsOf(theirs.seen, "time"),
              controlsOf(ours.sent, "time"),
            );
            const { summary, state } = ours.ws;
            assertEquals([state, summary?.clean, summary?.failure], [
              "closed",
              true,
              null,
            ]);
            assertEquals(summary?.sent, theirs.ws.summary?.received);
            assertEquals(ours.seen.at(-1)?.type, "close");
          }
          const by = [client, server].map(({ ws }) => ws.summary?.initiator);
          assert(by.includes("us"), "nobody began to close");
          // The codes are one, unless both closes were under way at once.
          if (by.includes("peer")) {
            assertEquals(
              client.ws.summary?.sent?.statusCode,
              client.ws.summary?.received?.statusCode,
            );
          }
          assertEquals(joinParts(client.seen).at(-1)?.type, "close");
        },
      ),
      parameters(250),
    );
  });
}
