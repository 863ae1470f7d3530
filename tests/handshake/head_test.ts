// What a head is written as, and what may not be written.
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  encodeHead,
  isTargetCode,
  type RequestHead,
  type ResponseHead,
  spell,
} from "../../src/handshake/head.ts";
import { HeadDecoder } from "../../src/handshake/head_decoder.ts";
import { Information } from "../../src/information.ts";
import { plain, text } from "./helpers.ts";

function request(changes: Partial<RequestHead> = {}): RequestHead {
  return { method: "GET", target: "/", headers: new Headers(), ...changes };
}

function response(changes: Partial<ResponseHead> = {}): ResponseHead {
  return { status: 200, reason: "OK", headers: new Headers(), ...changes };
}

/** Headers that have not been checked: another implementation's, say. */
function unchecked(name: string, value: string): Headers {
  // Only the iteration is used, and the real class would refuse these.
  return [[name, value]] as unknown as Headers;
}

Deno.test("encodeHead() writes a request with Host first", () => {
  const headers = new Headers([
    ["Accept", "text/html"],
    ["Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="],
    ["host", "example.com:8080"],
    ["accept", "text/plain"],
  ]);
  assertEquals(
    text(encodeHead(request({ target: "/chat?a=1", headers }))),
    "GET /chat?a=1 HTTP/1.1\r\n" +
      "Host: example.com:8080\r\n" +
      "Accept: text/html, text/plain\r\n" +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
      "\r\n",
  );
});

Deno.test("encodeHead() writes a response with each Set-Cookie apart", () => {
  const headers = new Headers([
    ["Set-Cookie", "a=1; Path=/"],
    ["Set-Cookie", "b=2, 3"],
  ]);
  assertEquals(
    text(encodeHead(response({ headers }))),
    "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2, 3\r\n\r\n",
  );
});

Deno.test("encodeHead() keeps the space when there is no reason", () => {
  assertEquals(
    text(encodeHead(response({ status: 599, reason: "" }))),
    "HTTP/1.1 599 \r\n\r\n",
  );
});

Deno.test("encodeHead() writes one byte for each character", () => {
  const headers = new Headers({ "X-A": "\t\xe4\xff" });
  assertEquals(
    encodeHead(response({ reason: "\x80", headers })).slice(13),
    Uint8Array.of(
      ...[0x80, 13, 10],
      ...[0x58, 0x2d, 0x41, 0x3a, 0x20, 0xe4, 0xff, 13, 10],
      ...[13, 10],
    ),
  );
});

Deno.test("encodeHead() throws when anything holds CR, LF, NUL or another control character", () => {
  for (const bad of ["\r", "\n", "\0", "\r\nX: y\r\n", "\x1b", "\x7f"]) {
    const value = `a${bad}b`;
    const heads = [
      request({ method: value }),
      request({ target: `/${value}` }),
      request({ headers: unchecked("x-a", value) }),
      request({ headers: unchecked(value, "x") }),
      request({ headers: unchecked("host", value) }),
      response({ reason: value }),
      response({ headers: unchecked("set-cookie", value) }),
      response({ headers: unchecked(value, "x") }),
    ];
    for (const head of heads) assertThrows(() => encodeHead(head), TypeError);
  }
  // These Headers lets through, and CR, LF and NUL it does not.
  for (const bad of ["\x01", "\x1b", "\x7f"]) {
    const headers = new Headers({ "X-A": `a${bad}b` });
    assertThrows(() => encodeHead(request({ headers })), TypeError, "x-a");
  }
});

Deno.test("encodeHead() throws when a part is not of its grammar", () => {
  const cases: [RequestHead | ResponseHead, string][] = [
    [request({ method: "" }), "method"],
    [request({ method: "G T" }), "method"],
    [request({ target: "" }), "target"],
    [request({ target: "/a b" }), "target"],
    [request({ target: "/ä" }), "target"],
    [request({ target: "/\u{1f600}" }), "target"],
    [request({ protocol: "websocket" }), ":protocol"],
    [request({ headers: unchecked("", "x") }), "field name"],
    [request({ headers: unchecked("a b", "x") }), "field name"],
    [request({ headers: unchecked("a:", "x") }), "field name"],
    [request({ headers: unchecked("x-a", "\u0100") }), "value of a field"],
    [response({ reason: "\u0100" }), "reason"],
    [response({ status: 99 }), "status"],
    [response({ status: 1000 }), "status"],
    [response({ status: 200.5 }), "status"],
    [response({ status: NaN }), "status"],
  ];
  for (const [head, part] of cases) {
    assertThrows(() => encodeHead(head), TypeError, part);
  }
});

Deno.test("encodeHead() keeps a secret out of the error", () => {
  const headers = unchecked("authorization", "Basic c2VjcmV0\n");
  const error = assertThrows(
    () => encodeHead(request({ headers })),
    TypeError,
    "authorization",
  );
  assertEquals(error.message.includes("c2VjcmV0"), false);
});

Deno.test("encodeHead() writes what HeadDecoder reads", () => {
  const headers = new Headers([
    ["Host", "example.com"],
    ["Set-Cookie", "a=1"],
    ["Set-Cookie", "b=2"],
    ["X-A", "\xe4\t!"],
    ["X-B", ""],
  ]);
  const heads = [
    ["request", request({ target: "*", headers })],
    ["response", response({ reason: "Voil\xe0", headers })],
  ] as const;
  for (const [kind, head] of heads) {
    const decoder = new HeadDecoder(kind);
    decoder.recv(encodeHead(head));
    const decoded = decoder.next();
    assert(decoded !== Information.NEED_DATA && !("type" in decoded));
    assertEquals(plain(decoded), plain(head));
  }
});

Deno.test("spell() writes names as the RFC does", () => {
  assertEquals(spell("sec-websocket-key"), "Sec-WebSocket-Key");
  assertEquals(spell("Sec-Websocket-Version"), "Sec-WebSocket-Version");
  assertEquals(spell("host"), "Host");
  assertEquals(spell("x--a-"), "X--A-");
});

Deno.test("isTargetCode() is visible ASCII", () => {
  for (let code = 0; code < 0x200; code++) {
    assertEquals(isTargetCode(code), code > 0x20 && code < 0x7f);
  }
});
