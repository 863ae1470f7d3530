// Which headers are the caller's to give.
import { assertEquals, assertThrows } from "@std/assert";
import { ownHeaders } from "../../src/handshake/own_headers.ts";

Deno.test("ownHeaders() copies what the caller gives", () => {
  assertEquals([...ownHeaders(undefined)], []);
  const given = new Headers([["Set-Cookie", "a"], ["Set-Cookie", "b"]]);
  const own = ownHeaders(given);
  given.set("X-A", "later");
  assertEquals([...own], [["set-cookie", "a"], ["set-cookie", "b"]]);
  assertEquals([...ownHeaders({ Host: "a", Cookie: "b" })], [
    ["cookie", "b"],
    ["host", "a"],
  ]);
});

Deno.test("ownHeaders() throws when a header is the handshake's", () => {
  for (
    const name of [
      "Upgrade",
      "connection",
      "CONTENT-LENGTH",
      "Transfer-Encoding",
      "Sec-WebSocket-Key",
      "sec-websocket-accept",
      "Sec-WebSocket-Version",
      "Sec-WebSocket-Protocol",
      "Sec-WebSocket-Extensions",
      "Sec-WebSocket-Anything",
    ]
  ) {
    for (const value of ["", "x"]) {
      assertThrows(
        () => ownHeaders([[name, value]]),
        TypeError,
        name.toLowerCase(),
      );
    }
  }
});

Deno.test("ownHeaders() throws when a value holds another control character", () => {
  for (const bad of ["a\x01b", "a\x1bb", "\x7f"]) {
    assertThrows(() => ownHeaders({ "X-A": bad }), TypeError, "x-a");
  }
  assertEquals(ownHeaders({ "X-A": "a\tb\xff" }).get("X-A"), "a\tb\xff");
});

Deno.test("ownHeaders() throws when a header holds CR, LF or NUL", () => {
  for (const bad of ["a\r\nb: c", "a\nb", "a\rb", "a\0b", "\u0100"]) {
    assertThrows(() => ownHeaders({ "X-A": bad }), TypeError);
    assertThrows(() => ownHeaders({ [bad]: "x" }), TypeError);
  }
});
