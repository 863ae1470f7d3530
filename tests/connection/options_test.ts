// What a connection may be made with, and what the options come to.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Connection } from "../../src/connection/connection.ts";
import {
  MAX_MESSAGE_BYTES,
  type Role,
  settingsOf,
} from "../../src/connection/options.ts";
import type { Reserved } from "../../src/framing/frame.ts";
import type { CustomOpcodes } from "../../src/framing/opcode.ts";
import { ROLES } from "../helpers/events.ts";

/** What untyped code may hand over. */
function untyped<T>(value: unknown): T {
  return value as T; // the point of these tests
}

Deno.test("new Connection() throws a TypeError when the role is neither of the two", () => {
  for (const role of ["Client", "", "peer", undefined, null, 1, "toString"]) {
    assertThrows(
      () => new Connection(untyped<Role>(role)),
      TypeError,
      `role "${role}"`,
    );
  }
});

Deno.test("new Connection() throws a TypeError when the delivery is none of the three", () => {
  for (const delivery of ["messages", "", null, true, "constructor"]) {
    assertThrows(
      () => new Connection("client", { delivery: untyped(delivery) }),
      TypeError,
      `Cannot deliver by "${delivery}"`,
    );
  }
});

Deno.test("new Connection() throws a TypeError when the reserved bits are not three of 0 or 1", () => {
  for (
    const reserved of [
      [],
      [1],
      [1, 0],
      [0, 0, 0, 0],
      [2, 0, 0],
      [0, -1, 0],
    ]
  ) {
    assertThrows(
      () => new Connection("client", { reserved: untyped<Reserved>(reserved) }),
      TypeError,
      "reserved bits",
    );
  }
});

Deno.test("new Connection() throws a RangeError when an opcode is not free", () => {
  for (
    const opcode of [-1, 0, 1, 2, 8, 9, 10, 16, 19, 2.5, 3.5, NaN, Infinity]
  ) {
    const opcodes = untyped<CustomOpcodes>({ own: opcode });
    assertThrows(
      () => new Connection("server", { opcodes }),
      RangeError,
      `Cannot register the opcode ${opcode}`,
    );
  }
});

Deno.test("new Connection() throws a RangeError when an opcode is registered twice", () => {
  assertThrows(
    () => new Connection("server", { opcodes: { one: 3, two: 3 } }),
    RangeError,
    'it is "one" already',
  );
});

Deno.test("new Connection() throws a RangeError when a name is one of the events'", () => {
  for (
    const name of [
      "continue",
      "text",
      "binary",
      "close",
      "ping",
      "pong",
      "fail",
      "",
    ]
  ) {
    assertThrows(
      () => new Connection("server", { opcodes: { [name]: 3 } }),
      RangeError,
      `Cannot register the opcode name "${name}"`,
    );
  }
});

Deno.test("new Connection() accepts every free opcode, and names that objects inherit", () => {
  for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] as const) {
    for (const name of ["own", "constructor", "toString", "hasOwnProperty"]) {
      const { table } = settingsOf("server", { opcodes: { [name]: opcode } });
      assertEquals(table.names[opcode], name);
      assertEquals(table.opcode(name), opcode);
    }
    const proto = untyped<CustomOpcodes>(
      JSON.parse(`{ "__proto__": ${opcode} }`),
    );
    const { table } = settingsOf("server", { opcodes: proto });
    assertEquals(table.opcode("__proto__"), opcode);
  }
});

Deno.test("new Connection() throws a RangeError when a limit is no whole number from 0 on", () => {
  for (const bytes of [NaN, -1, 0.5, -Infinity, 1e300, 2 ** 53]) {
    for (const name of ["maxMessageBytes", "maxFrameBytes"]) {
      for (const role of ROLES) {
        assertThrows(
          () => new Connection(role, { [name]: bytes }),
          RangeError,
          `Cannot use ${bytes} as ${name}`,
        );
      }
    }
  }
  // No limit of the frame follows from a limit of the message that is wrong.
  assertThrows(
    () => new Connection("client", { maxMessageBytes: NaN, maxFrameBytes: 1 }),
    RangeError,
    "maxMessageBytes",
  );
});

Deno.test("settingsOf() limits messages and frames to 16 MiB when nothing is said", () => {
  assertEquals(MAX_MESSAGE_BYTES, 16 * 1024 * 1024);
  const { rules } = settingsOf("client", {});
  assertEquals(rules.maxMessageBytes, 16_777_216);
  assertEquals(rules.maxFrameBytes, 16_777_216);
});

Deno.test("settingsOf() limits frames as messages when only those are limited", () => {
  const { rules } = settingsOf("client", { maxMessageBytes: 5 });
  assertEquals([rules.maxMessageBytes, rules.maxFrameBytes], [5, 5]);
  const other = settingsOf("client", { maxFrameBytes: 5 }).rules;
  assertEquals([other.maxMessageBytes, other.maxFrameBytes], [16_777_216, 5]);
  const zero = settingsOf("client", { maxMessageBytes: 0 }).rules;
  assertEquals([zero.maxMessageBytes, zero.maxFrameBytes], [0, 0]);
  const none = settingsOf("client", { maxMessageBytes: Infinity }).rules;
  assertEquals(
    [none.maxMessageBytes, none.maxFrameBytes],
    [2 ** 53 - 1, 2 ** 53 - 1],
  );
});

Deno.test("settingsOf() takes `undefined` as left out", () => {
  const { table, claimed, delivery, rules } = settingsOf("server", {
    opcodes: undefined,
    reserved: undefined,
    delivery: undefined,
    maxMessageBytes: undefined,
    maxFrameBytes: undefined,
    lenient: undefined,
    random: undefined,
  });
  const plain = settingsOf("server", {});
  assertEquals([table, claimed, delivery, rules], [
    plain.table,
    plain.claimed,
    plain.delivery,
    plain.rules,
  ]);
  assertEquals(delivery, "message");
  assertEquals(claimed, 0);
});

Deno.test("settingsOf() asks for masked frames at a server and for none at a client", () => {
  assertEquals(settingsOf("server", {}).rules.masked, true);
  assertEquals(settingsOf("client", {}).rules.masked, false);
});

Deno.test("settingsOf() is lenient by name alone", () => {
  const unmasked = { lenient: { unmaskedClient: true } };
  assertEquals(settingsOf("server", unmasked).rules.masked, undefined);
  // What it lets pass is what a client does: to a client it says nothing.
  assertEquals(settingsOf("client", unmasked).rules.masked, false);
  assertEquals(settingsOf("server", unmasked).rules.shortestLength, true);

  const padded = { lenient: { paddedLength: true } };
  assertEquals(settingsOf("client", padded).rules.shortestLength, false);
  assertEquals(settingsOf("server", padded).rules.masked, true);

  for (const value of [1, "true", {}, null]) {
    const lenient = untyped<{ unmaskedClient: boolean; paddedLength: boolean }>(
      { unmaskedClient: value, paddedLength: value },
    );
    const { rules } = settingsOf("server", { lenient });
    assertEquals([rules.masked, rules.shortestLength], [true, true]);
  }
});

Deno.test("settingsOf() gives masking keys to a client and none to a server", () => {
  const random = () => undefined;
  assert(settingsOf("client", {}).keys !== undefined);
  assert(settingsOf("client", { random }).keys !== undefined);
  assertEquals(settingsOf("server", {}).keys, undefined);
  assertEquals(settingsOf("server", { random }).keys, undefined);
});

Deno.test("settingsOf() claims bits for every opcode", () => {
  const { claimed, rules } = settingsOf("client", { reserved: [1, 0, 1] });
  assertEquals(claimed, 0b101);
  assertEquals(rules.reserved, new Array(16).fill(0b101));
});

Deno.test("two connections may differ in everything", () => {
  const one = settingsOf("client", {
    opcodes: { own: 3 },
    reserved: [1, 1, 1],
  });
  const two = settingsOf("client", { opcodes: { own: 4 } });
  assertEquals([one.table.opcode("own"), two.table.opcode("own")], [3, 4]);
  assertEquals([one.claimed, two.claimed], [7, 0]);
  assertEquals(settingsOf("client", {}).table.opcode("own"), undefined);
});
