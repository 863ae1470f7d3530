// Close codes and the payload of close frames.
import { assert, assertEquals } from "@std/assert";
import {
  ABNORMAL_CLOSURE,
  closePayload,
  isWireCode,
  MAX_CONTROL_BYTES,
  MAX_REASON_BYTES,
  parseClose,
} from "../../src/connection/close.ts";
import { hex, utf8 } from "../helpers/bytes.ts";

/** What may be on the wire, by the registry of RFC 6455, section 7.4. */
const WIRE_CODES: readonly (readonly [from: number, to: number])[] = [
  [1000, 1003],
  [1007, 1014],
  [3000, 4999],
];

Deno.test("isWireCode() allows 1000 to 1003, 1007 to 1014, 3000 to 4999 and nothing else", () => {
  const allowed: number[] = [];
  for (let code = 0; code <= 0xffff; code++) {
    if (isWireCode(code)) allowed.push(code);
  }
  const expected = WIRE_CODES.flatMap(([from, to]) =>
    Array.from({ length: to - from + 1 }, (_, i) => from + i)
  );
  assertEquals(allowed, expected);
});

Deno.test("isWireCode() forbids what is not a whole number", () => {
  for (const code of [NaN, Infinity, -Infinity, -1000, 1000.5, 3000.1]) {
    assertEquals(isWireCode(code), false, String(code));
  }
});

Deno.test("the lengths and 1006 are those of RFC 6455, sections 5.5 and 7.1.5", () => {
  assertEquals(MAX_CONTROL_BYTES, 125);
  assertEquals(MAX_REASON_BYTES, 123);
  assertEquals(ABNORMAL_CLOSURE, 1006);
});

Deno.test("parseClose() finds neither a code nor a reason in no bytes", () => {
  assertEquals(parseClose(new Uint8Array(0)), {
    statusCode: undefined,
    message: "",
  });
});

Deno.test("parseClose() reads the code and the reason", () => {
  assertEquals(parseClose(hex("03 e8")), { statusCode: 1000, message: "" });
  assertEquals(parseClose(hex("03 e9 62 79 65")), {
    statusCode: 1001,
    message: "bye",
  });
  assertEquals(parseClose(hex("13 87 ef bb bf e2 82 ac f0 9f 98 80")), {
    statusCode: 4999,
    message: "\ufeff\u20ac\u{1f600}",
  });
});

Deno.test("parseClose() fails with 1002 when the payload is 1 byte", () => {
  const close = parseClose(hex("03"));
  assert("rule" in close);
  assertEquals(close.rule, "close-length");
  assertEquals(close.code, 1002);
});

Deno.test("parseClose() fails with 1002 when the code may not be on the wire", () => {
  for (
    const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535]
  ) {
    const close = parseClose(Uint8Array.of(code >> 8, code & 0xff));
    assert("rule" in close, String(code));
    assertEquals(close.rule, "close-code");
    assertEquals(close.code, 1002);
    assert(close.message.includes(String(code)), close.message);
  }
});

Deno.test("parseClose() accepts every code that may be on the wire", () => {
  for (const [from, to] of WIRE_CODES) {
    for (let code = from; code <= to; code++) {
      assertEquals(parseClose(Uint8Array.of(code >> 8, code & 0xff)), {
        statusCode: code,
        message: "",
      });
    }
  }
});

Deno.test("parseClose() fails with 1007 when the reason is not UTF-8", () => {
  for (
    const reason of ["ff", "c0 80", "ed a0 80", "f4 90 80 80", "61 e2 82", "80"]
  ) {
    const close = parseClose(hex("03 e8 " + reason));
    assert("rule" in close, reason);
    assertEquals(close.rule, "utf-8");
    assertEquals(close.code, 1007);
  }
});

Deno.test("parseClose() judges the code before the reason", () => {
  const close = parseClose(hex("03 ed ff"));
  assert("rule" in close);
  assertEquals(close.rule, "close-code");
});

Deno.test("closePayload() is empty when there is no code", () => {
  assertEquals(closePayload(undefined, ""), new Uint8Array(0));
});

Deno.test("closePayload() is the code and the reason", () => {
  assertEquals(closePayload(1000, ""), hex("03 e8"));
  assertEquals(closePayload(4999, "h\u00e9"), hex("13 87 68 c3 a9"));
});

Deno.test("closePayload() cuts the reason to 123 bytes on a code point", () => {
  for (const point of ["a", "\u00e9", "\u20ac", "\u{1f600}"]) {
    const size = utf8(point).length;
    for (let lead = 0; lead < 4; lead++) {
      const reason = "x".repeat(lead) + point.repeat(124);
      const payload = closePayload(1002, reason);
      const kept = Math.floor((MAX_REASON_BYTES - lead) / size);
      assertEquals(
        payload,
        Uint8Array.of(
          0x03,
          0xea,
          ...utf8("x".repeat(lead) + point.repeat(kept)),
        ),
      );
      assert(payload.length <= MAX_CONTROL_BYTES);
    }
  }
});

Deno.test("closePayload() keeps a reason of exactly 123 bytes", () => {
  const reason = "r".repeat(123);
  assertEquals(
    closePayload(1000, reason),
    Uint8Array.of(0x03, 0xe8, ...utf8(reason)),
  );
});
