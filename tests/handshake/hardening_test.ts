// What went wrong in the handshakes of other libraries, class by class, tried on
// the bytes of whole heads: what a peer sends is read, judged and answered as
// `acceptUpgrade` and `requestUpgrade` do it. Classes that have tests of their own
// beside the unit they concern are not repeated here.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { HandshakeError } from "../../src/errors.ts";
import { permessageDeflate } from "../../src/extensions/permessage_deflate.ts";
import { acceptKey } from "../../src/handshake/accept_key.ts";
import {
  ClientHandshake,
  type ClientHandshakeOptions,
} from "../../src/handshake/client.ts";
import { encodeHead } from "../../src/handshake/head.ts";
import { HeadDecoder } from "../../src/handshake/head_decoder.ts";
import {
  ServerHandshake,
  type ServerHandshakeOptions,
} from "../../src/handshake/server.ts";
import { acceptUpgrade, requestUpgrade } from "../../src/handshake/upgrade.ts";
import { Information } from "../../src/information.ts";
import { assertGrowth, costs } from "../helpers/costs.ts";
import { xor } from "../helpers/extensions.ts";
import { bytes, cuttings, duplex, text } from "./helpers.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

/** The lines of a request that is accepted. */
const REQUEST = [
  "GET /chat HTTP/1.1",
  "Host: example.com",
  "Upgrade: websocket",
  "Connection: Upgrade",
  `Sec-WebSocket-Key: ${KEY}`,
  "Sec-WebSocket-Version: 13",
];

/** The lines of a response that is accepted. */
const RESPONSE = [
  "HTTP/1.1 101 Switching Protocols",
  "Upgrade: websocket",
  "Connection: Upgrade",
  `Sec-WebSocket-Accept: ${acceptKey(KEY)}`,
];

/** The lines with one field put in, left out (`undefined`) or changed. */
function changed(
  lines: readonly string[],
  name: string,
  ...values: readonly string[]
): string[] {
  const without = lines.filter((line) => !line.startsWith(`${name}:`));
  return [...without, ...values.map((value) => `${name}: ${value}`)];
}

/** A head of lines. */
function headOf(lines: readonly string[]): string {
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** The status that a server answers some bytes with, however they are cut. */
function statusOf(
  request: string,
  options: ServerHandshakeOptions = {},
): number {
  const statuses = cuttings(bytes(request)).map((pieces) => {
    const decoder = new HeadDecoder("request");
    for (const piece of pieces) decoder.recv(piece);
    const head = decoder.next();
    assert(head !== Information.NEED_DATA, JSON.stringify(request));
    const { response } = new ServerHandshake(options).judge(head);
    // It is a head of its own, and nothing follows it.
    const answer = new HeadDecoder("response");
    answer.recv(encodeHead(response));
    const again = answer.next();
    assert(again !== Information.NEED_DATA && "status" in again);
    assertEquals([again.status, answer.rest.length], [response.status, 0]);
    return response.status;
  });
  assertEquals(new Set(statuses).size, 1, JSON.stringify(request));
  return statuses[0];
}

/** The rule that a client names for some bytes, `"accepted"` or the status. */
function ruleOf(
  response: string,
  options: ClientHandshakeOptions = {},
): string {
  const decoder = new HeadDecoder("response");
  decoder.recv(bytes(response));
  const head = decoder.next();
  assert(head !== Information.NEED_DATA);
  if ("type" in head) return head.rule;
  const shake = new ClientHandshake("ws://example.com/chat", {
    random: (into) => into.set(bytes(atob(KEY))),
    ...options,
  });
  try {
    const outcome = shake.verify(head);
    return outcome.accepted ? "accepted" : `${head.status}`;
  } catch (error) {
    assertInstanceOf(error, HandshakeError);
    return error.rule;
  }
}

Deno.test("the heads that all others are made of are accepted", () => {
  assertEquals(statusOf(headOf(REQUEST)), 101);
  assertEquals(ruleOf(headOf(RESPONSE)), "accepted");
});

Deno.test("smuggling at upgrade: a request with a body, or what might be one, is refused with 400", () => {
  const shapes: [string, ...string[]][] = [
    ["Content-Length", "5"],
    ["Content-Length", "00"],
    ["Content-Length", "+0"],
    ["Content-Length", "-0"],
    ["Content-Length", "0x0"],
    ["Content-Length", "0, 0"],
    ["Content-Length", "0", "0"],
    ["Content-Length", "0", "5"],
    ["Content-Length", ""],
    ["Transfer-Encoding", "chunked"],
    ["Transfer-Encoding", "identity"],
    ["Transfer-Encoding", ""],
    ["Transfer-Encoding", "\x0bchunked"],
    ["transfer-encoding", "xchunked"],
  ];
  for (const [name, ...values] of shapes) {
    const status = statusOf(headOf(changed(REQUEST, name, ...values)));
    assertEquals(status, 400, `${name}: ${values}`);
  }
  const both = [...REQUEST, "Content-Length: 0", "Transfer-Encoding: chunked"];
  assertEquals(statusOf(headOf(both)), 400);
  assertEquals(statusOf(headOf([...REQUEST, "Content-Length: 0"])), 101);
});

Deno.test("smuggling at upgrade: lines that others read otherwise are refused with 400", () => {
  const good = headOf(REQUEST);
  const shapes = [
    good.replaceAll("\r\n", "\n"),
    good.replaceAll("\r\n", "\r"),
    good.replace("\r\nUpgrade", "\nUpgrade"),
    good.replace("\r\nUpgrade", "\rUpgrade"),
    good.replace("\r\n\r\n", "\r\n\n"),
    good.replace("\r\n\r\n", "\n\r\n"),
    good.replace("\r\n\r\n", "\r\n\r\r\n"),
    good.replace("\r\nUpgrade", "\r\n Upgrade"),
    good.replace("\r\nUpgrade", "\r\n\tUpgrade"),
    good.replace(
      "\r\nUpgrade: websocket",
      "\r\nX: a\r\n b\r\nUpgrade: websocket",
    ),
    good.replace("chat HTTP", "chat\tHTTP"),
    good.replace("chat HTTP", "chat  HTTP"),
    good.replace("GET /", "GET  /"),
    good.replace("GET /", " GET /"),
    good.replace("1.1\r\n", "1.1 \r\n"),
    good.replace("Host:", "Host :"),
    good.replace("Host:", "Host\t:"),
    good.replace("Host:", ":"),
    good.replace("Host:", "Ho st:"),
    good.replace("Host: example.com", "Host"),
    good.replace("example.com", "example.com\0"),
    good.replace("example.com", "exam\x0bple.com"),
    good.replace("example.com", "example.com\x7f"),
    good.replace("/chat", "/ch\0at"),
    good.replace("/chat", "/ch\u00e4t"),
    good.replace("Upgrade: web", "Up\u00e4rade: web"),
    good.replace("GET", "GE\0T"),
    `\n${good}`,
    `\r${good}`,
    `\0${good}`,
    `\u00ef\u00bb\u00bf${good}`,
  ];
  for (const shape of shapes) {
    assertEquals(statusOf(shape), 400, JSON.stringify(shape));
  }
});

Deno.test("smuggling at upgrade: what follows the head is the connection's, whatever it looks like", async () => {
  // A second request: to a proxy that had not understood, it would be one.
  const second = "GET /secret HTTP/1.1\r\nHost: example.com\r\n\r\n";
  for (const pieces of cuttings(bytes(headOf(REQUEST) + second))) {
    const { near, far } = duplex();
    const writer = near.writable.getWriter();
    const writing = (async () => {
      for (const piece of pieces) await writer.write(piece);
      await writer.close();
    })().catch(() => {});
    const reading = new Response(near.readable).text();
    const upgrade = await acceptUpgrade(far);
    assert(upgrade.accepted);
    const reader = far.readable.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      upgrade.connection.recv(value ?? null);
      if (done) break;
    }
    const event = upgrade.connection.nextEvent();
    assert(typeof event === "object" && event.type === "fail");
    assertEquals(event.code, 1002);
    await far.writable.close();
    await writing;
    const answer = await reading;
    assert(answer.startsWith("HTTP/1.1 101 "), answer);
    assertEquals(answer.indexOf("\r\n\r\n"), answer.length - 4);
  }
});

Deno.test("missing or doubled headers: each field that is required, absent, empty, doubled, or wrong", () => {
  const wanted: [string, [absent: number, empty: number, doubled: number]][] = [
    ["Host", [400, 400, 400]],
    ["Upgrade", [426, 426, 101]],
    ["Connection", [426, 426, 101]],
    ["Sec-WebSocket-Key", [400, 400, 400]],
    ["Sec-WebSocket-Version", [426, 426, 400]],
  ];
  for (const [name, [absent, empty, doubled]] of wanted) {
    const line = REQUEST.find((line) => line.startsWith(name)) ?? "";
    const value = line.slice(name.length + 2);
    const status = (...values: string[]) =>
      statusOf(headOf(changed(REQUEST, name, ...values)));
    assertEquals(status(), absent, `no ${name}`);
    assertEquals(status(""), empty, `empty ${name}`);
    assertEquals(status(" \t "), empty, `blank ${name}`);
    assertEquals(status(value, value), doubled, `two ${name}`);
    assertEquals(status(`  ${value}\t`), 101, `${name} in space`);
    const lower = REQUEST.map((line) =>
      line.startsWith(name) ? line.replace(name, name.toLowerCase()) : line
    );
    assertEquals(statusOf(headOf(lower)), 101, name.toLowerCase());
    const upper = REQUEST.map((line) =>
      line.startsWith(name) ? line.replace(name, name.toUpperCase()) : line
    );
    assertEquals(statusOf(headOf(upper)), 101, name.toUpperCase());
  }
  for (const value of ["WebSocket", "WEBSOCKET", "h2c, websocket"]) {
    const lines = changed(REQUEST, "Upgrade", value);
    assertEquals(statusOf(headOf(lines)), 101, value);
  }
  for (const value of ["h2c", "websocket2", "web socket", "websocket/13"]) {
    const lines = changed(REQUEST, "Upgrade", value);
    assert([400, 426].includes(statusOf(headOf(lines))), value);
  }
});

Deno.test("missing or doubled headers: a response with one of them is not believed", () => {
  const accept = acceptKey(KEY);
  const wanted: [string, string[], string][] = [
    ["Upgrade", [], "upgrade"],
    ["Upgrade", [""], "upgrade"],
    ["Upgrade", ["websocket", "websocket"], "upgrade"],
    ["Upgrade", ["websocket, h2c"], "upgrade"],
    ["Upgrade", ["WebSocket"], "accepted"],
    ["Connection", [], "upgrade"],
    ["Connection", ["close"], "upgrade"],
    ["Connection", ["keep-alive", "UPGRADE"], "accepted"],
    ["Sec-WebSocket-Accept", [], "accept"],
    ["Sec-WebSocket-Accept", [""], "accept"],
    ["Sec-WebSocket-Accept", [accept, accept], "head"],
    ["Sec-WebSocket-Accept", [`${accept}, ${accept}`], "accept"],
    ["Sec-WebSocket-Accept", [accept.toLowerCase()], "accept"],
    ["Sec-WebSocket-Accept", [accept.slice(0, -1)], "accept"],
    ["Sec-WebSocket-Accept", [KEY], "accept"],
    ["Sec-WebSocket-Accept", [`"${accept}"`], "accept"],
  ];
  for (const [name, values, rule] of wanted) {
    const lines = changed(RESPONSE, name, ...values);
    assertEquals(ruleOf(headOf(lines)), rule, `${name}: ${values}`);
  }
});

Deno.test("accept value unchecked: answers that were never offered are not believed", () => {
  const offered = {
    subprotocols: ["chat", "v2"],
    extensions: [permessageDeflate(), xor(7)],
  };
  const wanted: [string, string, plain: string, asking: string][] = [
    ["Protocol", "chat", "subprotocol", "accepted"],
    ["Protocol", "Chat", "subprotocol", "subprotocol"],
    ["Protocol", "chat, v2", "subprotocol", "subprotocol"],
    ["Protocol", "other", "subprotocol", "subprotocol"],
    ["Protocol", "", "subprotocol", "subprotocol"],
    ["Protocol", "__proto__", "subprotocol", "subprotocol"],
    ["Extensions", "", "accepted", "accepted"],
    ["Extensions", "permessage-deflate", "extension", "accepted"],
    ["Extensions", "permessage-deflate, xor; by=7", "extension", "accepted"],
    ["Extensions", "xor; by=8", "extension", "extension"],
    ["Extensions", "permessage-bzip2", "extension", "extension"],
    ["Extensions", "PERMESSAGE-DEFLATE", "extension", "extension"],
    ["Extensions", "__proto__", "extension", "extension"],
    ["Extensions", "constructor", "extension", "extension"],
    ["Extensions", "toString; x", "extension", "extension"],
    [
      "Extensions",
      "permessage-deflate, permessage-deflate",
      "extension",
      "extension",
    ],
    ["Extensions", "permessage-deflate; =", "extension", "extension"],
    ["Extensions", 'permessage-deflate; x="', "extension", "extension"],
  ];
  for (const [name, value, plain, asking] of wanted) {
    const lines = headOf([...RESPONSE, `Sec-WebSocket-${name}: ${value}`]);
    assertEquals(ruleOf(lines), plain, value);
    assertEquals(ruleOf(lines, offered), asking, value);
  }
});

Deno.test("bad extension parameters: declined by a server, a HandshakeError at a client", () => {
  const extensions = [permessageDeflate()];
  const name = "permessage-deflate";
  const bits = [
    "7",
    "16",
    "08",
    "abc",
    '""',
    "+8",
    "1e1",
    "-1",
    "0",
    "99999999999",
  ];
  const wrong = [
    ...bits.map((value) => `server_max_window_bits=${value}`),
    ...bits.map((value) => `client_max_window_bits=${value}`),
    "server_max_window_bits",
    "server_no_context_takeover=1",
    "client_no_context_takeover=true",
    "server_no_context_takeover; server_no_context_takeover",
    "server_max_window_bits=10; server_max_window_bits=10",
    "unknown",
    "__proto__",
    "constructor=1",
    "Server_max_window_bits=10",
  ];
  for (const parameters of wrong) {
    const line = `Sec-WebSocket-Extensions: ${name}; ${parameters}`;
    const decoder = new HeadDecoder("request");
    decoder.recv(bytes(headOf([...REQUEST, line])));
    const head = decoder.next();
    assert(head !== Information.NEED_DATA);
    const outcome = new ServerHandshake({ extensions }).judge(head);
    assert(outcome.accepted, parameters);
    assertEquals(outcome.extensions, [], parameters);
    assert(!outcome.response.headers.has("Sec-WebSocket-Extensions"));
    const answer = headOf([...RESPONSE, line]);
    assertEquals(ruleOf(answer, { extensions }), "extension", parameters);
  }
});

Deno.test("prototype keys: names of Object.prototype are names like others", () => {
  const extensions = [permessageDeflate()];
  for (
    const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]
  ) {
    for (
      const line of [
        `Sec-WebSocket-Extensions: ${name}`,
        `Sec-WebSocket-Extensions: ${name}; ${name}=${name}`,
        `Sec-WebSocket-Extensions: permessage-deflate; ${name}`,
        `Sec-WebSocket-Protocol: ${name}`,
        `${name}: ${name}`,
      ]
    ) {
      const status = statusOf(headOf([...REQUEST, line]), {
        extensions,
        subprotocols: ["chat"],
      });
      assertEquals(status, 101, line);
    }
  }
});

Deno.test("quoted strings: a comma, a semicolon and an escape in quotes are no more than that", () => {
  const extensions = [permessageDeflate()];
  for (
    const offer of [
      'x; y=",permessage-deflate,"',
      'x; y="\\",permessage-deflate,"',
      'x; y="a;permessage-deflate"',
      'permessage-deflate; x=","',
    ]
  ) {
    const line = `Sec-WebSocket-Extensions: ${offer}`;
    const decoder = new HeadDecoder("request");
    decoder.recv(bytes(headOf([...REQUEST, line])));
    const head = decoder.next();
    assert(head !== Information.NEED_DATA);
    const outcome = new ServerHandshake({ extensions }).judge(head);
    assert(outcome.accepted, offer);
    assertEquals(outcome.extensions, [], offer);
  }
  const open = 'Sec-WebSocket-Extensions: x; y="permessage-deflate';
  assertEquals(statusOf(headOf([...REQUEST, open])), 400);
});

Deno.test("cross-site hijack: an origin is let in as a whole or not at all", () => {
  const origins = ["https://example.com", "http://localhost:8080"];
  const status = (origin: string | undefined, listed: (string | null)[]) =>
    statusOf(
      headOf(
        origin === undefined ? REQUEST : [...REQUEST, `Origin: ${origin}`],
      ),
      { origins: listed },
    );
  for (
    const origin of [
      ...["https://example.com", "HTTPS://EXAMPLE.COM"],
      ...["https://example.com:443", "http://localhost:8080"],
    ]
  ) assertEquals(status(origin, origins), 101, origin);
  for (
    const origin of [
      ...["http://example.com", "https://example.com:444", "null", ""],
      ...["https://example.com.evil.org", "https://evil-example.com"],
      ...["https://evil.org/https://example.com", "https://example.com/"],
      ...["https://example.com@evil.org", "https://user@example.com"],
      ...["https://example.com.", "https://sub.example.com", "example.com"],
      ...["https://example.com, https://evil.org", "https://example.com "],
      ...["https://example.com https://evil.org", "https://ex\u00e4mple.com"],
      ...["https://example.com#", "https://example.com?", "https:example.com"],
      ...["http://localhost", "http://127.0.0.1:8080", "http://[::1]:8080"],
      ...["http://2130706433:8080", "http://localhost:08080", "file://"],
      ...["chrome-extension://abc", "javascript://example.com"],
    ]
  ) {
    const expected = origin.trim() === "https://example.com" ? 101 : 403;
    assertEquals(status(origin, origins), expected, origin);
  }
  assertEquals(status(undefined, origins), 403);
  assertEquals(status(undefined, [...origins, null]), 101);
  assertEquals(status("null", [...origins, null]), 403);
  assertEquals(status("null", [...origins, "null"]), 101);
  assertEquals(status(undefined, [...origins, "null"]), 403);
  // Two fields are one list, and a list is no origin.
  const two = [...REQUEST, "Origin: https://example.com"];
  two.push("Origin: https://example.com");
  assertEquals(statusOf(headOf(two), { origins }), 403);
});

Deno.test("wrong methods, versions and targets: each has its own status", () => {
  const first = (line: string) => statusOf(headOf([line, ...REQUEST.slice(1)]));
  for (const method of ["POST", "get", "HEAD", "CONNECT", "OPTIONS", "PRI"]) {
    assertEquals(first(`${method} /chat HTTP/1.1`), 405, method);
  }
  assertEquals(first("GET /chat HTTP/1.0"), 426);
  for (const version of ["HTTP/2.0", "HTTP/0.9", "HTTP/3.0"]) {
    assertEquals(first(`GET /chat ${version}`), 505, version);
  }
  for (
    const version of [
      "http/1.1",
      "HTTP/1.1.1",
      "HTTP/11",
      "HTTPS/1.1",
      "ICY/1.1",
    ]
  ) assertEquals(first(`GET /chat ${version}`), 400, version);
  assertEquals(first("GET /chat HTTP/1.2"), 101);
  for (
    const target of ["/", "//a", "/?a", "http://example.com/", "wss://a:1/b?c"]
  ) assertEquals(first(`GET ${target} HTTP/1.1`), 101, target);
  for (
    const target of [
      ...["*", "example.com:80", "chat", "?a", "/a#b", "#", "ftp://a/"],
      ...["http:///", "http://", "http://u@a/", "http://a:b/", "http:a"],
      ...["javascript:alert(1)", "http://a b/", "file:///etc/passwd"],
    ]
  ) assertEquals(first(`GET ${target} HTTP/1.1`), 400, target);
  for (
    const version of ["12", "8", "013", "13.0", "13, 8", "+13", "\u00b9\u00b3"]
  ) {
    const lines = changed(REQUEST, "Sec-WebSocket-Version", version);
    assertEquals(statusOf(headOf(lines)), 426, version);
  }
});

Deno.test("injection: CR, LF and NUL go into nothing that is written", () => {
  for (const bad of ["\r\nX: y", "\n", "\r", "\0", "a\r\n\r\nb"]) {
    const url = "ws://example.com/";
    const tries: (() => unknown)[] = [
      () => new ClientHandshake(`${url}${bad}`),
      () => new ClientHandshake(`ws://example.com${bad}/`),
      () => new ClientHandshake(url, { subprotocols: [`a${bad}`] }),
      () => new ClientHandshake(url, { origin: `https://a${bad}b` }),
      () => new ClientHandshake(url, { headers: { [`X${bad}Y`]: "a" } }),
      () => new ClientHandshake(url, { headers: { X: `a${bad}b` } }),
      () => new ServerHandshake({ subprotocols: [`a${bad}`] }),
      () => new ServerHandshake({ headers: { X: `a${bad}b` } }),
      () =>
        encodeHead({
          method: "GET",
          target: `/${bad}`,
          headers: new Headers(),
        }),
      () =>
        encodeHead({ method: `G${bad}`, target: "/", headers: new Headers() }),
      () =>
        encodeHead({
          status: 200,
          reason: `a${bad}b`,
          headers: new Headers(),
        }),
    ];
    for (const attempt of tries) assertThrows(attempt, Error);
  }
});

Deno.test("slow and endless heads: whoever waits has a signal, and the stream is closed", async () => {
  const endless = async (
    writable: WritableStream<Uint8Array>,
    start: string,
  ) => {
    const writer = writable.getWriter();
    try {
      await writer.write(bytes(`${start}\r\nX: `));
      for (;;) {
        await writer.write(bytes("a"));
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    } catch {
      return "closed";
    }
  };
  const server = duplex();
  const writing = endless(server.near.writable, "GET / HTTP/1.1");
  const signal = AbortSignal.timeout(60);
  const late = await assertRejects(
    () => acceptUpgrade(server.far, { signal }),
    DOMException,
  );
  assertEquals(late.name, "TimeoutError");
  assertEquals(await writing, "closed");
  assertEquals(
    await new Response(server.near.readable).text().catch(() => ""),
    "",
  );

  const client = duplex();
  const answering = endless(client.far.writable, "HTTP/1.1 101 OK");
  const reading = new Response(client.far.readable).text().catch(() => "");
  const later = await assertRejects(
    () =>
      requestUpgrade(client.near, "ws://example.com/", {
        signal: AbortSignal.timeout(60),
      }),
    DOMException,
  );
  assertEquals(later.name, "TimeoutError");
  assertEquals(await answering, "closed");
  await reading;
});

Deno.test("slow and endless heads: a head that has no end is refused at its limit, on either side", async () => {
  const flood = async (writable: WritableStream<Uint8Array>, start: string) => {
    const writer = writable.getWriter();
    let sent = 0;
    try {
      await writer.write(bytes(start));
      for (; sent < 1_000_000; sent += 1000) {
        await writer.write(new Uint8Array(1000).fill(0x61));
      }
    } catch {
      // It was closed, as it should be.
    }
    return sent;
  };
  const server = duplex();
  const reading = new Response(server.near.readable).text();
  const flooding = flood(server.near.writable, "GET /");
  const upgrade = await acceptUpgrade(server.far);
  assert(!upgrade.accepted);
  assertEquals(upgrade.response?.status, 431);
  assert((await reading).startsWith("HTTP/1.1 431 "));
  assert(await flooding < 100_000);

  const client = duplex();
  const request = new Response(client.far.readable).text().catch(() => "");
  const answering = flood(client.far.writable, "HTTP/1.1 101 ");
  const error = await assertRejects(
    () => requestUpgrade(client.near, "ws://example.com/"),
    HandshakeError,
  );
  assertEquals(error.rule, "head-limit");
  await client.near.readable.cancel().catch(() => {});
  await client.near.writable.abort().catch(() => {});
  assert(await answering < 100_000);
  await request;
});

for (const name of ["a head of many fields", "a line without an end"]) {
  Deno.test(`quadratic head parse: ${name} costs memory as its bytes, and linear time`, async () => {
    assertGrowth((await costs("heads")).get(name));
  });
}

Deno.test("heads of a peer are told in plain characters", () => {
  // What is said of a peer's bytes goes into logs: it has no control characters.
  for (let byte = 0; byte < 256; byte++) {
    const decoder = new HeadDecoder("request");
    decoder.recv(Uint8Array.of(0x47, byte, byte, byte, 0x0a));
    const next = decoder.next();
    if (next === Information.NEED_DATA || !("type" in next)) continue;
    assert(/^[ -~]*$/.test(next.message), text(bytes(next.message)));
  }
});
