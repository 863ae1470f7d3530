// The errors that are thrown: what they are called, and what they carry.
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  HandshakeError,
  type HandshakeRule,
  LocalProtocolError,
} from "../src/errors.ts";

Deno.test("LocalProtocolError is an Error with a name and a message", () => {
  const error = new LocalProtocolError("Cannot do that");
  assertInstanceOf(error, Error);
  assertEquals(error.name, "LocalProtocolError");
  assertEquals(String(error), "LocalProtocolError: Cannot do that");
  assertEquals(error.cause, undefined);
});

Deno.test("LocalProtocolError has the cause that it is given", () => {
  const cause = new Error("before");
  assertEquals(new LocalProtocolError("after", { cause }).cause, cause);
});

Deno.test("HandshakeError is an Error with a name, a rule and a message", () => {
  const rules: readonly HandshakeRule[] = [
    "head",
    "head-limit",
    "end-of-stream",
    "upgrade",
    "accept",
    "subprotocol",
    "extension",
  ];
  for (const rule of rules) {
    const error = new HandshakeError(rule, "Something is missing");
    assertInstanceOf(error, Error);
    assert(!(error instanceof LocalProtocolError));
    assertEquals(error.rule, rule);
    assertEquals(String(error), "HandshakeError: Something is missing");
  }
});

Deno.test("HandshakeError has the cause that it is given", () => {
  const cause = new Error("before");
  const error = new HandshakeError("end-of-stream", "after", { cause });
  assertEquals(error.cause, cause);
  assertEquals("cause" in new HandshakeError("head", "alone"), false);
});
