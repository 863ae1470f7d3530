// What the server makes of requests.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ClientHandshake } from "../../src/handshake/client.ts";
import { encodeHead, type RequestHead } from "../../src/handshake/head.ts";
import { HeadDecoder } from "../../src/handshake/head_decoder.ts";
import {
  ServerHandshake,
  type ServerHandshakeOptions,
} from "../../src/handshake/server.ts";
import { Information } from "../../src/information.ts";
import { bytes, text } from "./helpers.ts";

/** The request of RFC 6455, section 1.2, with fields changed or taken out. */
function request(
  changes: Record<string, string | null> = {},
  line: Partial<RequestHead> = {},
): RequestHead {
  const headers = new Headers({
    Host: "server.example.com",
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
  });
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) headers.delete(name);
    else headers.set(name, value);
  }
  return { method: "GET", target: "/chat", headers, ...line };
}

function assertAccepts(
  head: RequestHead,
  options?: ServerHandshakeOptions,
): string | undefined {
  const outcome = new ServerHandshake(options).judge(head);
  assert(outcome.accepted, outcome.accepted ? "" : outcome.body);
  assertEquals(outcome.response.status, 101);
  encodeHead(outcome.response);
  return outcome.subprotocol;
}

function assertRefuses(
  head: RequestHead,
  status: number,
  body: string,
  options?: ServerHandshakeOptions,
) {
  const outcome = new ServerHandshake(options).judge(head);
  assert(!outcome.accepted);
  assertEquals([outcome.response.status, outcome.body], [status, `${body}\n`]);
  const { headers } = outcome.response;
  assertEquals(
    headers.get("Connection"),
    status === 426 ? "close, Upgrade" : "close",
  );
  assertEquals(headers.get("Content-Length"), `${outcome.body.length}`);
  assertEquals(headers.get("Content-Type"), "text/plain; charset=utf-8");
  assertEquals(headers.get("Upgrade"), status === 426 ? "websocket" : null);
  assertEquals(
    headers.get("Sec-WebSocket-Version"),
    status === 426 ? "13" : null,
  );
  assertEquals(headers.get("Allow"), status === 405 ? "GET" : null);
  encodeHead(outcome.response);
}

Deno.test("ServerHandshake.judge() answers the request of RFC 6455, section 1.2", () => {
  const shake = new ServerHandshake({ subprotocols: ["chat"] });
  const outcome = shake.judge(
    request({
      Origin: "http://example.com",
      "Sec-WebSocket-Protocol": "chat, superchat",
    }),
  );
  assert(outcome.accepted);
  assertEquals(outcome.subprotocol, "chat");
  assertEquals(
    text(encodeHead(outcome.response)),
    "HTTP/1.1 101 Switching Protocols\r\n" +
      "Connection: Upgrade\r\n" +
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
      "Sec-WebSocket-Protocol: chat\r\n" +
      "Upgrade: websocket\r\n" +
      "\r\n",
  );
});

Deno.test("ServerHandshake.judge() writes a whole refusal", () => {
  const outcome = new ServerHandshake().judge(
    request({ "Sec-WebSocket-Version": "8" }),
  );
  assert(!outcome.accepted);
  assertEquals(
    text(encodeHead(outcome.response)),
    "HTTP/1.1 426 Upgrade Required\r\n" +
      "Connection: close, Upgrade\r\n" +
      "Content-Length: 32\r\n" +
      "Content-Type: text/plain; charset=utf-8\r\n" +
      "Sec-WebSocket-Version: 13\r\n" +
      "Upgrade: websocket\r\n" +
      "\r\n",
  );
  assertEquals(outcome.body, "Sec-WebSocket-Version is not 13\n");
});

Deno.test("ServerHandshake.judge() accepts what ClientHandshake asks, and is believed", () => {
  for (const offered of [[], ["a"], ["a", "b"]]) {
    const client = new ClientHandshake("wss://u:p@example.com/?a", {
      subprotocols: offered,
      origin: "https://example.com",
    });
    const judged = new ServerHandshake({ subprotocols: ["b", "a"] }).judge(
      client.request,
    );
    assert(judged.accepted);
    const verified = client.verify(judged.response);
    assert(verified.accepted);
    assertEquals(verified.subprotocol, judged.subprotocol);
    assertEquals(verified.subprotocol, offered.at(-1));
  }
});

Deno.test("ServerHandshake.judge() accepts fields in whatever case and list", () => {
  assertAccepts(request({ Upgrade: "WebSocket" }));
  assertAccepts(request({ Upgrade: "h2c, websocket" }));
  assertAccepts(request({ Upgrade: "foo/2, WEBSOCKET" }));
  assertAccepts(request({ Connection: "keep-alive, upgrade" }));
  assertAccepts(request({ Connection: "UPGRADE,," }));
  assertAccepts(request({ "Content-Length": "0" }));
  assertAccepts(request({ Host: "[::1]:8080" }));
  assertAccepts(request({}, { target: "http://example.com/chat" }));
  assertAccepts(request({}, { target: "ws://example.com" }));
});

Deno.test("ServerHandshake.judge() ignores offers of extensions when they are well formed", () => {
  for (
    const offers of [
      "",
      "permessage-deflate; client_max_window_bits",
      "constructor",
      "__proto__; __proto__=__proto__, toString",
      'x; y=",permessage-deflate,"',
      "permessage-deflate; server_max_window_bits=999; a; a",
    ]
  ) assertAccepts(request({ "Sec-WebSocket-Extensions": offers }));
  for (const offers of ["x;", ";", 'x; a="', "x; a=1 2"]) {
    assertRefuses(
      request({ "Sec-WebSocket-Extensions": offers }),
      400,
      "Sec-WebSocket-Extensions is malformed",
    );
  }
});

Deno.test("ServerHandshake.judge() refuses with 405 when the method is not GET", () => {
  for (const method of ["POST", "HEAD", "OPTIONS", "CONNECT", "get", "PRI"]) {
    assertRefuses(request({}, { method }), 405, "The method is not GET");
  }
});

Deno.test("ServerHandshake.judge() refuses with 400 when the target is none for a WebSocket", () => {
  for (const target of ["*", "example.com:443", "/#", "ftp://a/", "http://"]) {
    assertRefuses(
      request({}, { target }),
      400,
      "The request target is malformed",
    );
  }
});

Deno.test("ServerHandshake.judge() refuses with 400 when Host is missing or wrong", () => {
  for (const host of [null, "", "a, b", "a b", "a/b", "u@a", "a:b"]) {
    assertRefuses(request({ Host: host }), 400, "Host is missing or malformed");
  }
});

Deno.test("ServerHandshake.judge() refuses with 400 when the request has a body", () => {
  const body = "The request has a body";
  for (const length of ["1", "", "00", "+0", "0, 0", "0x0", "a"]) {
    assertRefuses(request({ "Content-Length": length }), 400, body);
  }
  for (const coding of ["chunked", "identity", "", "gzip, chunked"]) {
    assertRefuses(request({ "Transfer-Encoding": coding }), 400, body);
  }
});

Deno.test("ServerHandshake.judge() refuses with 426 when no upgrade is asked for", () => {
  const body = "An upgrade to websocket is required";
  for (const value of [null, "", "h2c", "websocket/13", "websockets"]) {
    assertRefuses(request({ Upgrade: value }), 426, body);
  }
  for (const value of [null, "", "keep-alive", "close", "Upgrades"]) {
    assertRefuses(request({ Connection: value }), 426, body);
  }
  assertRefuses(request({ Upgrade: null, Connection: null }), 426, body);
});

Deno.test("ServerHandshake.judge() refuses with 400 when Upgrade or Connection is malformed", () => {
  for (const value of ["websocket; a", "websocket/", '"websocket"', "@"]) {
    assertRefuses(request({ Upgrade: value }), 400, "Upgrade is malformed");
  }
  for (const value of ["Upgrade; a", "a/b", "@, Upgrade"]) {
    assertRefuses(
      request({ Connection: value }),
      400,
      "Connection is malformed",
    );
  }
});

Deno.test("ServerHandshake.judge() refuses with 426 when the version is not 13", () => {
  for (const version of [null, "", "8", "14", "013", "13, 13", "13, 8", "x"]) {
    assertRefuses(
      request({ "Sec-WebSocket-Version": version }),
      426,
      "Sec-WebSocket-Version is not 13",
    );
  }
});

Deno.test("ServerHandshake.judge() refuses with 400 when the key is not 16 bytes in base64", () => {
  const key = "dGhlIHNhbXBsZSBub25jZQ==";
  for (const value of [null, "", key.slice(4), key + key, `${key}, ${key}`]) {
    assertRefuses(
      request({ "Sec-WebSocket-Key": value }),
      400,
      "Sec-WebSocket-Key is not the base64 of 16 bytes",
    );
  }
});

Deno.test("ServerHandshake.judge() prefers as the server does when several subprotocols are offered", () => {
  const options = { subprotocols: ["v3", "v2", "__proto__"] };
  const cases: [string | null, string | undefined][] = [
    [null, undefined],
    ["v1", undefined],
    ["v2", "v2"],
    ["v1, v2, v3", "v3"],
    ["V3", undefined],
    ["constructor", undefined],
    ["__proto__, v1", "__proto__"],
  ];
  for (const [offers, chosen] of cases) {
    const head = request({ "Sec-WebSocket-Protocol": offers });
    assertEquals(assertAccepts(head, options), chosen);
    const { response } = new ServerHandshake(options).judge(head);
    assertEquals(
      response.headers.get("Sec-WebSocket-Protocol"),
      chosen ?? null,
    );
    assertEquals(assertAccepts(head), undefined);
  }
});

Deno.test("ServerHandshake.judge() asks selectSubprotocol when there is one", () => {
  const head = request({ "Sec-WebSocket-Protocol": "a, b, c" });
  const seen: unknown[] = [];
  const chosen = assertAccepts(head, {
    selectSubprotocol(offered, request) {
      seen.push([...offered], request);
      return offered.at(-1);
    },
  });
  assertEquals(chosen, "c");
  assertEquals(seen, [["a", "b", "c"], head]);
  assertEquals(
    assertAccepts(head, { selectSubprotocol: () => undefined }),
    undefined,
  );
  // It is not asked when nothing is offered.
  const selectSubprotocol = () => {
    throw new Error("asked");
  };
  assertEquals(assertAccepts(request(), { selectSubprotocol }), undefined);
});

Deno.test("ServerHandshake.judge() throws when selectSubprotocol chooses what was not offered", () => {
  const head = request({ "Sec-WebSocket-Protocol": "a" });
  for (const chosen of ["b", "", "A", "a\r\nb"]) {
    const shake = new ServerHandshake({ selectSubprotocol: () => chosen });
    assertThrows(() => shake.judge(head), TypeError, "it was not offered");
  }
});

Deno.test("ServerHandshake.judge() refuses with 400 when the offers are malformed or doubled", () => {
  for (const offers of ["", ",", "a b", "a; b", "a, a", "a,b,a", '"a"', "@"]) {
    for (const options of [{}, { subprotocols: ["a"] }]) {
      assertRefuses(
        request({ "Sec-WebSocket-Protocol": offers }),
        400,
        "Sec-WebSocket-Protocol is malformed",
        options,
      );
    }
  }
});

Deno.test("ServerHandshake.judge() takes any origin and none when none are listed", () => {
  for (const origin of [null, "", "null", "https://evil.example", "??"]) {
    assertAccepts(request({ Origin: origin }));
  }
});

Deno.test("ServerHandshake.judge() compares the whole origin when some are listed", () => {
  const options = {
    origins: ["https://example.com", "http://LOCALHOST:8080", "http://a:80"],
  };
  for (
    const origin of [
      "https://example.com",
      "HTTPS://EXAMPLE.COM",
      "https://example.com:443",
      "http://localhost:8080",
      "http://a",
    ]
  ) assertAccepts(request({ Origin: origin }), options);
  for (
    const origin of [
      null,
      "",
      "null",
      "http://example.com",
      "https://example.com:444",
      "https://example.com:80",
      "https://sub.example.com",
      "https://example.com.evil.example",
      "https://evilexample.com",
      "https://example.co",
      "https://example.com/",
      "https://example.com@evil.example",
      "https://example.com, https://example.com",
      "https://example.com https://evil.example",
      "https://93.184.216.34",
      "http://127.0.0.1:8080",
      "http://[::1]:8080",
      "http://localhost",
      "localhost:8080",
      "wss://example.com",
      "*",
    ]
  ) {
    assertRefuses(
      request({ Origin: origin }),
      403,
      "This origin may not connect",
      options,
    );
  }
  assertRefuses(request(), 403, "This origin may not connect", { origins: [] });
});

Deno.test('ServerHandshake.judge() takes a missing origin when null is listed, and an opaque one when "null" is', () => {
  const body = "This origin may not connect";
  assertAccepts(request(), { origins: [null] });
  assertRefuses(request({ Origin: "null" }), 403, body, { origins: [null] });
  assertAccepts(request({ Origin: "null" }), { origins: ["null"] });
  assertRefuses(request(), 403, body, { origins: ["null"] });
  assertRefuses(request({ Origin: "" }), 403, body, {
    origins: [null, "null"],
  });
});

Deno.test("ServerHandshake.judge() adds the caller's headers when it accepts and when it refuses", () => {
  const shake = new ServerHandshake({
    headers: [
      ["Set-Cookie", "a=1"],
      ["Set-Cookie", "b=2"],
      ["Server", "x"],
      ["Content-Type", "text/html"],
    ],
  });
  for (const head of [request(), request({ Upgrade: null })]) {
    const { response } = shake.judge(head);
    assertEquals(response.headers.getSetCookie(), ["a=1", "b=2"]);
    assertEquals(response.headers.get("Server"), "x");
    assertEquals(
      text(encodeHead(response)).split("Set-Cookie: ").length,
      3,
    );
    // What one response's headers become is not the next one's.
    response.headers.set("Server", "changed");
  }
});

Deno.test("ServerHandshake.judge() refuses what HeadDecoder failed on", () => {
  const cases: [string, number][] = [
    ["GET /\n", 400],
    ["GET / HTTP/1.0", 426],
    ["GET / HTTP/2", 505],
    ["GET /" + "a".repeat(16_384), 431],
    ["GET / HTTP/1.1\r\n" + "a:\r\n".repeat(101), 431],
  ];
  for (const [input, status] of cases) {
    const decoder = new HeadDecoder("request");
    decoder.recv(bytes(input));
    const failure = decoder.next();
    assert(failure !== Information.NEED_DATA && "type" in failure);
    const outcome = new ServerHandshake().judge(failure);
    assert(!outcome.accepted);
    assertEquals(outcome.response.status, status);
    assertEquals(outcome.body, `${failure.message}\n`);
    assertEquals(
      outcome.response.headers.get("Connection"),
      status === 426 ? "close, Upgrade" : "close",
    );
    assert(encodeHead(outcome.response).length > 0);
    assert(outcome.response.reason !== "");
  }
  // A failure of another maker may have any status.
  const { response } = new ServerHandshake().judge({
    type: "fail",
    rule: "head",
    message: "x",
    status: 414,
  });
  assertEquals([response.status, response.reason], [414, ""]);
});

Deno.test("new ServerHandshake() throws when an option is a mistake", () => {
  const cases: [ServerHandshakeOptions, string][] = [
    [{ headers: { Upgrade: "x" } }, "upgrade"],
    [{ headers: { Connection: "x" } }, "connection"],
    [{ headers: { "Sec-WebSocket-Accept": "x" } }, "sec-websocket-accept"],
    [{ headers: { "Content-Length": "1" } }, "content-length"],
    [{ subprotocols: [""] }, "it is not a token"],
    [{ subprotocols: ["a b"] }, "it is not a token"],
    [{ subprotocols: ["a\r\nb"] }, "it is not a token"],
    [{ subprotocols: [], selectSubprotocol: () => undefined }, "both"],
    [{ origins: ["example.com"] }, '"example.com"'],
    [{ origins: ["https://example.com/"] }, '"https://example.com/"'],
    [{ origins: ["*"] }, '"*"'],
    [{ origins: [""] }, '""'],
  ];
  for (const [options, message] of cases) {
    assertThrows(() => new ServerHandshake(options), TypeError, message);
  }
  for (const bad of ["a\r\nb", "a\nb", "a\0b"]) {
    assertThrows(
      () => new ServerHandshake({ headers: { "X-A": bad } }),
      TypeError,
    );
  }
});
