// Which names and numbers an application may give to opcodes of its own.
import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  type CustomOpcodes,
  isControl,
  Opcode,
  OpcodeTable,
  STANDARD_OPCODES,
} from "../../src/framing/opcode.ts";

const none = undefined;

/** What the types forbid but JavaScript, or a file of settings, may hand over. */
function untyped(opcodes: Record<string, unknown>): CustomOpcodes {
  return opcodes as CustomOpcodes; // the very thing that is tested is a wrong type
}

Deno.test("Opcode has the opcodes of RFC 6455, section 11.8", () => {
  assertEquals(Opcode, {
    CONTINUATION: 0x0,
    TEXT: 0x1,
    BINARY: 0x2,
    CLOSE: 0x8,
    PING: 0x9,
    PONG: 0xa,
  });
});

Deno.test("isControl() tells 8 to 15 from 0 to 7", () => {
  const control = Array.from({ length: 16 }, (_, i) => isControl(i));
  assertEquals(control.slice(0, 8), new Array(8).fill(false));
  assertEquals(control.slice(8), new Array(8).fill(true));
});

Deno.test("STANDARD_OPCODES has the standard names and no others", () => {
  // deno-fmt-ignore
  assertEquals(STANDARD_OPCODES.names, [
    "continue", "text", "binary", none, none, none, none, none,
    "close", "ping", "pong", none, none, none, none, none,
  ]);
  assertEquals(STANDARD_OPCODES.opcode("continue"), 0);
  assertEquals(STANDARD_OPCODES.opcode("text"), 1);
  assertEquals(STANDARD_OPCODES.opcode("binary"), 2);
  assertEquals(STANDARD_OPCODES.opcode("close"), 8);
  assertEquals(STANDARD_OPCODES.opcode("ping"), 9);
  assertEquals(STANDARD_OPCODES.opcode("pong"), 10);
  for (const name of ["fail", "", "TEXT", "__proto__", "constructor"]) {
    assertStrictEquals(STANDARD_OPCODES.opcode(name), undefined, name);
  }
});

Deno.test("OpcodeTable() takes every opcode that is free", () => {
  const table = new OpcodeTable({
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
  });
  // deno-fmt-ignore
  assertEquals(table.names, [
    "continue", "text", "binary", "three", "four", "five", "six", "seven",
    "close", "ping", "pong", "eleven", "twelve", "thirteen", "fourteen", "fifteen",
  ]);
  assertEquals(table.opcode("seven"), 7);
  assertEquals(table.opcode("fifteen"), 15);
  assertEquals(table.opcode("text"), 1);
});

Deno.test("OpcodeTable() leaves other tables alone", () => {
  new OpcodeTable({ ascii: 3 });
  assertStrictEquals(new OpcodeTable().opcode("ascii"), undefined);
  assertStrictEquals(STANDARD_OPCODES.names[3], undefined);
});

Deno.test("OpcodeTable() takes names of Object.prototype like any other", () => {
  const opcodes = {
    ["__proto__"]: 3,
    constructor: 4,
    toString: 5,
    hasOwnProperty: 11,
  } as const;
  const table = new OpcodeTable(opcodes);
  assertEquals(table.opcode("__proto__"), 3);
  assertEquals(table.opcode("constructor"), 4);
  assertEquals(table.opcode("toString"), 5);
  assertEquals(table.opcode("hasOwnProperty"), 11);
  assertEquals(table.names[3], "__proto__");
  assertStrictEquals(table.opcode("valueOf"), undefined);
});

Deno.test("OpcodeTable() does not take names that opcodes only inherit", () => {
  const table = new OpcodeTable(Object.create({ ascii: 3 }));
  assertStrictEquals(table.opcode("ascii"), undefined);
});

Deno.test("OpcodeTable() throws when a name is that of an event", () => {
  const reserved = [
    "continue",
    "text",
    "binary",
    "close",
    "ping",
    "pong",
    "fail",
    "",
  ];
  for (const name of reserved) {
    assertThrows(
      () => new OpcodeTable({ [name]: 3 }),
      RangeError,
      `Cannot register the opcode name "${name}": it is reserved`,
    );
  }
  assertEquals(new OpcodeTable({ Text: 3, FAIL: 4 }).opcode("Text"), 3);
});

Deno.test("OpcodeTable() throws when an opcode is not free", () => {
  // deno-fmt-ignore
  const wrong = [
    0, 1, 2, 8, 9, 10, 16, 19, 27, -1, -5, 3.5, 11.5, 2 ** 32 + 3, NaN, Infinity,
    -Infinity, "3", null, undefined, 3n, true,
  ];
  for (const opcode of wrong) {
    assertThrows(
      () => new OpcodeTable(untyped({ mine: opcode })),
      RangeError,
      `Cannot register the opcode ${opcode} as "mine": only 3 to 7 and 11 to 15 are free`,
    );
  }
});

Deno.test("OpcodeTable() throws when two names share an opcode", () => {
  assertThrows(
    () => new OpcodeTable({ first: 11, second: 11 }),
    RangeError,
    'Cannot register the opcode 11 as "second": it is "first" already',
  );
});
