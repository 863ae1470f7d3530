// The client's request, and what it makes of responses.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { HandshakeError, type HandshakeRule } from "../../src/errors.ts";
import {
  ClientHandshake,
  type ClientHandshakeOptions,
} from "../../src/handshake/client.ts";
import { encodeHead, type ResponseHead } from "../../src/handshake/head.ts";
import { text } from "./helpers.ts";

/** The key of RFC 6455, section 1.3, and its answer. */
const random = (bytes: Uint8Array) =>
  bytes.set(new TextEncoder().encode("the sample nonce"));
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

function client(
  url: string | URL = "ws://example.com/",
  options: ClientHandshakeOptions = {},
): ClientHandshake {
  return new ClientHandshake(url, { random, ...options });
}

/** A good 101, with fields changed, taken out (`null`) or added. */
function switching(
  changes: Record<string, string | null> = {},
  status = 101,
): ResponseHead {
  const headers = new Headers({
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Accept": ACCEPT,
  });
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) headers.delete(name);
    else headers.set(name, value);
  }
  return { status, reason: "Switching Protocols", headers };
}

function assertBroken(
  rule: HandshakeRule,
  response: ResponseHead,
  message: string,
  options?: ClientHandshakeOptions,
) {
  const shake = client(undefined, options);
  const error = assertThrows(() => shake.verify(response), HandshakeError);
  assertEquals(error.rule, rule);
  assertEquals(error.message, message);
}

Deno.test("ClientHandshake.request is that of RFC 6455, section 1.2", () => {
  const shake = client("ws://server.example.com/chat", {
    subprotocols: ["chat", "superchat"],
    origin: "http://example.com",
  });
  assertEquals(
    text(encodeHead(shake.request)),
    "GET /chat HTTP/1.1\r\n" +
      "Host: server.example.com\r\n" +
      "Connection: Upgrade\r\n" +
      "Origin: http://example.com\r\n" +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
      "Sec-WebSocket-Protocol: chat, superchat\r\n" +
      "Sec-WebSocket-Version: 13\r\n" +
      "Upgrade: websocket\r\n" +
      "\r\n",
  );
});

Deno.test("ClientHandshake.request has the target and the Host that the URL says", () => {
  const cases: [string, string, string][] = [
    ["ws://example.com", "/", "example.com"],
    ["ws://example.com:80/", "/", "example.com"],
    ["wss://example.com:443/", "/", "example.com"],
    ["http://example.com:80/", "/", "example.com"],
    ["https://example.com:443/", "/", "example.com"],
    ["ws://example.com:443/", "/", "example.com:443"],
    ["wss://example.com:80/", "/", "example.com:80"],
    ["ws://EXAMPLE.com:8080/Chat", "/Chat", "example.com:8080"],
    ["ws://[::1]:9000/", "/", "[::1]:9000"],
    ["ws://[2001:DB8::0:1]/", "/", "[2001:db8::1]"],
    ["ws://127.0.0.1/", "/", "127.0.0.1"],
    ["ws://b\xfccher.example/", "/", "xn--bcher-kva.example"],
    ["ws://a/b/../c?d=e&f", "/c?d=e&f", "a"],
    ["ws://a?b", "/?b", "a"],
    ["ws://a/ \xe4\"?\xe4'", "/%20%C3%A4%22?%C3%A4%27", "a"],
    ["ws://a//b", "//b", "a"],
    ["ws://a/%23", "/%23", "a"],
  ];
  for (const [url, target, host] of cases) {
    const { request } = client(url);
    assertEquals(request.target, target, url);
    assertEquals(request.headers.get("Host"), host, url);
    assertEquals(request.method, "GET");
    encodeHead(request);
  }
});

Deno.test("ClientHandshake.request has the caller's headers too", () => {
  const { headers } = client("ws://127.0.0.1:8080/", {
    headers: [["Cookie", "a=1"], ["Host", "example.com"], ["X-A", "1"], [
      "X-A",
      "2",
    ]],
  }).request;
  assertEquals(headers.get("Cookie"), "a=1");
  assertEquals(headers.get("Host"), "example.com");
  assertEquals(headers.get("X-A"), "1, 2");
});

Deno.test("ClientHandshake.request has the credentials of the URL unless the headers have some", () => {
  const url = "ws://Aladdin:open%20sesame@example.com:80/";
  const { headers } = client(url).request;
  assertEquals(
    headers.get("Authorization"),
    "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
  );
  assertEquals(headers.get("Host"), "example.com");

  const own = client(url, { headers: { authorization: "Bearer x" } });
  assertEquals(own.request.headers.get("Authorization"), "Bearer x");
  assertEquals(client().request.headers.has("Authorization"), false);
});

Deno.test("ClientHandshake.request has a fresh key when no randomness is given", () => {
  const keys = new Set<string | null>();
  for (let i = 0; i < 100; i++) {
    const { headers } = new ClientHandshake("ws://example.com/").request;
    keys.add(headers.get("Sec-WebSocket-Key"));
  }
  assertEquals(keys.size, 100);
});

Deno.test("new ClientHandshake() throws when a header is not the caller's", () => {
  for (
    const name of [
      "Upgrade",
      "Connection",
      "Sec-WebSocket-Key",
      "Sec-WebSocket-Protocol",
      "sec-websocket-extensions",
      "Content-Length",
      "Transfer-Encoding",
    ]
  ) {
    assertThrows(
      () => client(undefined, { headers: { [name]: "x" } }),
      TypeError,
      name.toLowerCase(),
    );
  }
});

Deno.test("new ClientHandshake() throws when a subprotocol is no token or doubled", () => {
  for (const name of ["", "a b", "a,b", "a\r\nb", "a\0", "\xe4", "a/b"]) {
    assertThrows(
      () => client(undefined, { subprotocols: ["chat", name] }),
      TypeError,
      `${JSON.stringify(name)}: it is not a token`,
    );
  }
  assertThrows(
    () => client(undefined, { subprotocols: ["chat", "x", "chat"] }),
    TypeError,
    "twice",
  );
  // Case tells subprotocols apart.
  client(undefined, { subprotocols: ["chat", "Chat", "constructor"] });
});

Deno.test("new ClientHandshake() throws when CR, LF or NUL is in what it would send", () => {
  for (const bad of ["a\r\nb: c", "a\nb", "a\0b"]) {
    for (
      const options of [
        { headers: { "X-A": bad } },
        { headers: { Host: bad } },
        { headers: { [bad]: "a" } },
        { origin: bad },
        { subprotocols: [bad] },
      ]
    ) assertThrows(() => client(undefined, options), TypeError);
    assertThrows(() => client(`ws://example.com/${bad}`), TypeError);
    assertThrows(() => client(`ws://${bad}/`), TypeError);
  }
  assertThrows(() => client("ftp://example.com/"), TypeError);
  assertThrows(() => client("ws://example.com/#"), TypeError, "fragment");
});

Deno.test("ClientHandshake.verify() accepts a 101 that keeps the rules", () => {
  const variants = [
    {},
    { Upgrade: "WebSocket" },
    { Upgrade: ", websocket," },
    { Connection: "upgrade" },
    { Connection: "keep-alive, Upgrade" },
    { "Sec-WebSocket-Extensions": "" },
    { "Set-Cookie": "a=1" },
  ];
  for (const changes of variants) {
    const response = switching(changes);
    assertEquals(client().verify(response), {
      accepted: true,
      extensions: [],
      subprotocol: undefined,
      response,
    });
  }
});

Deno.test("ClientHandshake.verify() gives the subprotocol that was chosen", () => {
  const subprotocols = ["chat", "superchat"];
  for (const chosen of subprotocols) {
    const outcome = client(undefined, { subprotocols }).verify(
      switching({ "Sec-WebSocket-Protocol": chosen }),
    );
    assert(outcome.accepted);
    assertEquals(outcome.subprotocol, chosen);
  }
  const none = client(undefined, { subprotocols }).verify(switching());
  assert(none.accepted);
  assertEquals(none.subprotocol, undefined);
});

Deno.test("ClientHandshake.verify() hands back every other status, whatever its fields", () => {
  for (const status of [100, 200, 204, 301, 302, 401, 403, 426, 503, 999]) {
    const response = switching({ Upgrade: null }, status);
    assertEquals(client().verify(response), { accepted: false, response });
  }
});

Deno.test("ClientHandshake.verify() throws when Upgrade is not websocket", () => {
  const cases: [string | null, string][] = [
    [null, "it is missing"],
    ["", '""'],
    ["h2c", '"h2c"'],
    ["websockets", '"websockets"'],
    ["websocket/13", '"websocket/13"'],
    ["websocket, h2c", '"websocket, h2c"'],
    ["websocket, websocket", '"websocket, websocket"'],
    ["websoc\xe4", '"websoc\xe4"'],
  ];
  for (const [value, seen] of cases) {
    assertBroken(
      "upgrade",
      switching({ Upgrade: value }),
      `Upgrade is not websocket: ${seen}`,
    );
  }
});

Deno.test("ClientHandshake.verify() throws when Connection has no Upgrade", () => {
  const cases: [string | null, string][] = [
    [null, "it is missing"],
    ["", '""'],
    ["keep-alive", '"keep-alive"'],
    ["upgrades", '"upgrades"'],
    ["Upgrade; a", '"Upgrade; a"'],
  ];
  for (const [value, seen] of cases) {
    assertBroken(
      "upgrade",
      switching({ Connection: value }),
      `Connection has no Upgrade: ${seen}`,
    );
  }
});

Deno.test("ClientHandshake.verify() throws when Sec-WebSocket-Accept is not the answer", () => {
  const cases: [string | null, string][] = [
    [null, "it is missing"],
    ["", '""'],
    ["dGhlIHNhbXBsZSBub25jZQ==", '"dGhlIHNhbXBsZSBub25jZQ=="'],
    [ACCEPT.toLowerCase(), `"${ACCEPT.toLowerCase()}"`],
    [ACCEPT.slice(0, -1), `"${ACCEPT.slice(0, -1)}"`],
    [`${ACCEPT}, ${ACCEPT}`, `"${ACCEPT}, ${ACCEPT}"`],
  ];
  for (const [value, seen] of cases) {
    assertBroken(
      "accept",
      switching({ "Sec-WebSocket-Accept": value }),
      `Sec-WebSocket-Accept is not ${ACCEPT}: ${seen}`,
    );
  }
});

Deno.test("ClientHandshake.verify() throws when a subprotocol was not offered", () => {
  const subprotocols = ["chat", "superchat"];
  const values = [
    "",
    "other",
    "Chat",
    "chat, superchat",
    "chat,",
    "__proto__",
    '"chat"',
  ];
  for (const value of values) {
    assertBroken(
      "subprotocol",
      switching({ "Sec-WebSocket-Protocol": value }),
      `The subprotocol is not one that was offered: ${JSON.stringify(value)}`,
      { subprotocols },
    );
  }
  assertBroken(
    "subprotocol",
    switching({ "Sec-WebSocket-Protocol": "chat" }),
    'The subprotocol is not one that was offered: "chat"',
  );
});

Deno.test("ClientHandshake.verify() throws when an extension was not offered", () => {
  for (
    const [value, name] of [
      ["permessage-deflate", "permessage-deflate"],
      ["x; a=1, y", "x"],
      ["constructor", "constructor"],
      ["__proto__; toString", "__proto__"],
      ['x; y=",permessage-deflate,"', "x"],
    ]
  ) {
    assertBroken(
      "extension",
      switching({ "Sec-WebSocket-Extensions": value }),
      `The extension "${name}" was not offered`,
    );
  }
});

Deno.test("ClientHandshake.verify() throws when the extensions are malformed", () => {
  for (const value of ["x;", "x; a=", ";", 'x; a="']) {
    assertBroken(
      "extension",
      switching({ "Sec-WebSocket-Extensions": value }),
      `Sec-WebSocket-Extensions is malformed: ${JSON.stringify(value)}`,
    );
  }
});
