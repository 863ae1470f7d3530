// Whole handshakes, in memory and over real sockets.
//
// The certificate in testdata/ is for these tests alone: self-signed, for
// localhost and 127.0.0.1, from 2020 to 2119, of a key that protects nothing.
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
} from "@std/assert";
import type { AnyConnection } from "../../src/connection/connection.ts";
import { HandshakeError, type HandshakeRule } from "../../src/errors.ts";
import { acceptKey } from "../../src/handshake/accept_key.ts";
import type { RequestHead } from "../../src/handshake/head.ts";
import type { ByteStream } from "../../src/handshake/transport.ts";
import {
  acceptUpgrade,
  type AcceptUpgradeOptions,
  requestUpgrade,
} from "../../src/handshake/upgrade.ts";
import { Information } from "../../src/information.ts";
import {
  ADDRESS,
  bytes,
  cuttings,
  duplex,
  REQUEST,
  sampleNonce as random,
  SWITCHING,
  text,
} from "./helpers.ts";

/** A masked "Hello", and the same unmasked (RFC 6455, section 5.7). */
const MASKED_HELLO = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
const HELLO = "\x81\x05Hello";

/** A stream that is at once at the other end's mercy: what it gets, what it got. */
function scripted(chunks: Iterable<Uint8Array>, failure?: Error) {
  const script = chunks[Symbol.iterator]();
  const written: Uint8Array[] = [];
  const log: string[] = [];
  return {
    readable: new ReadableStream<Uint8Array>({
      pull(controller) {
        const { done, value } = script.next();
        if (!done) controller.enqueue(value);
        else if (failure !== undefined) controller.error(failure);
        else controller.close();
      },
      cancel: () => void log.push("cancel"),
    }, { highWaterMark: 0 }),
    writable: new WritableStream<Uint8Array>({
      write: (chunk) => void written.push(chunk),
      close: () => void log.push("close"),
      abort: () => void log.push("abort"),
    }),
    written: () => written.map(text).join(""),
    log,
  };
}

function assertUnlocked(stream: ByteStream) {
  assertEquals([stream.readable.locked, stream.writable.locked], [
    false,
    false,
  ]);
}

/** The messages that a connection has got, with nothing left to give. */
function messages(connection: AnyConnection): unknown[] {
  const all = Array.from(connection.events(), (event) => event.message);
  assertEquals(connection.nextEvent(), Information.NEED_DATA);
  return all;
}

async function assertBroken(
  rule: HandshakeRule,
  response: string,
  message: string,
  end?: Error,
) {
  for (const pieces of cuttings(bytes(response)).slice(0, 4)) {
    const stream = scripted(pieces, end);
    const error = await assertRejects(
      () => requestUpgrade(stream, ADDRESS, { random }),
      HandshakeError,
      message,
    );
    assertEquals(error.rule, rule);
    assertEquals(error.cause, end);
    assertUnlocked(stream);
    // It is left open for the caller to close.
    assertEquals(stream.log, []);
    await stream.writable.close();
  }
}

// --- In memory -------------------------------------------------------------

Deno.test("requestUpgrade() writes the request and takes the 101, however it is cut", async () => {
  for (const pieces of cuttings(bytes(SWITCHING + HELLO + "\x89\x00"))) {
    const stream = scripted(pieces);
    const upgrade = await requestUpgrade(stream, ADDRESS, { random });
    assertEquals(stream.written(), REQUEST);
    assert(upgrade.accepted);
    assertEquals(upgrade.subprotocol, undefined);
    assertEquals(upgrade.request.target, "/chat");
    assertEquals(upgrade.response.status, 101);
    assertUnlocked(stream);
    // What followed the 101 is in the connection, or still in the stream.
    const reader = stream.readable.getReader();
    while (true) {
      const { done, value } = await reader.read();
      if (done) break;
      upgrade.connection.recv(value);
    }
    assertEquals(messages(upgrade.connection), ["Hello", new Uint8Array(0)]);
  }
});

Deno.test("acceptUpgrade() takes the request and writes the 101, however it is cut", async () => {
  for (const pieces of cuttings(bytes(REQUEST + MASKED_HELLO))) {
    const stream = scripted(pieces);
    const upgrade = await acceptUpgrade(stream);
    assertEquals(stream.written(), SWITCHING);
    assert(upgrade.accepted);
    assertEquals(upgrade.subprotocol, undefined);
    assertEquals(upgrade.request.target, "/chat");
    assertEquals(upgrade.response.status, 101);
    assertUnlocked(stream);
    const reader = stream.readable.getReader();
    while (true) {
      const { done, value } = await reader.read();
      if (done) break;
      upgrade.connection.recv(value);
    }
    assertEquals(messages(upgrade.connection), ["Hello"]);
    assertEquals(stream.log, []);
  }
});

Deno.test("requestUpgrade() and acceptUpgrade() read nothing ahead when the stream holds more", async () => {
  const cases = [
    [
      (stream: ByteStream) => requestUpgrade(stream, ADDRESS, { random }),
      SWITCHING,
    ],
    [(stream: ByteStream) => acceptUpgrade(stream), REQUEST],
  ] as const;
  for (const [upgrade, head] of cases) {
    let given = 0;
    const chunks = function* () {
      for (const chunk of [head.slice(0, 9), head.slice(9), "next"]) {
        given++;
        yield bytes(chunk);
      }
    };
    const stream = scripted(chunks());
    assert((await upgrade(stream)).accepted);
    assertEquals(given, 2);
    const { value } = await stream.readable.getReader().read();
    assertEquals(value, bytes("next"));
  }
});

Deno.test("requestUpgrade() and acceptUpgrade() agree on subprotocol, origin and headers", async () => {
  const { near, far } = duplex();
  const [client, server] = await Promise.all([
    requestUpgrade(near, "wss://u:p@example.com:8443/a?b", {
      subprotocols: ["v1", "v2"],
      origin: "https://example.com",
      headers: { Cookie: "a=1" },
    }),
    acceptUpgrade(far, {
      subprotocols: ["v2"],
      origins: ["https://example.com"],
      headers: [["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"]],
    }),
  ]);
  assert(client.accepted && server.accepted);
  assertEquals([client.subprotocol, server.subprotocol], ["v2", "v2"]);
  assertEquals(server.request.target, "/a?b");
  assertEquals(server.request.headers.get("Host"), "example.com:8443");
  assertEquals(server.request.headers.get("Cookie"), "a=1");
  assertEquals(server.request.headers.get("Authorization"), "Basic dTpw");
  assertEquals(client.response.headers.getSetCookie(), ["a=1", "b=2"]);
});

Deno.test("requestUpgrade() and acceptUpgrade() pass the connection's options through, typed", async () => {
  const { near, far } = duplex();
  const connection = {
    opcodes: { ascii: 3, time: 11 },
    reserved: [1, 0, 0],
    maxMessageBytes: 10,
  } as const;
  const [client, server] = await Promise.all([
    requestUpgrade(near, ADDRESS, { connection }),
    acceptUpgrade(far, {
      connection: { opcodes: { ascii: 3, time: 11 }, reserved: [1, 0, 0] },
    }),
  ]);
  assert(client.accepted && server.accepted);
  assertEquals([client.connection.role, server.connection.role], [
    "client",
    "server",
  ]);
  server.connection.recv(
    client.connection.send({
      type: "ascii",
      message: "a",
      reserved: [1, 0, 0],
    }),
  );
  const event = server.connection.nextEvent();
  assert(typeof event === "object" && event.type === "ascii");
  assertEquals(text(event.message), "a");

  client.connection.recv(
    server.connection.send({ type: "binary", message: new Uint8Array(11) }),
  );
  const failed = client.connection.nextEvent();
  assert(typeof failed === "object" && failed.type === "fail");
  assertEquals(failed.code, 1009);
});

Deno.test("requestUpgrade() and acceptUpgrade() throw when an option is a mistake, and leave the stream alone", async () => {
  const stream = scripted([]);
  const mistakes: [() => Promise<unknown>, new () => Error][] = [
    [() => requestUpgrade(stream, "ftp://example.com/"), TypeError],
    [() => requestUpgrade(stream, "ws://example.com/\r\na"), TypeError],
    [() => requestUpgrade(stream, ADDRESS, { subprotocols: [""] }), TypeError],
    [() => requestUpgrade(stream, ADDRESS, { origin: "a\x01" }), TypeError],
    [
      () => requestUpgrade(stream, ADDRESS, { headers: { Upgrade: "" } }),
      TypeError,
    ],
    [
      () =>
        requestUpgrade(stream, ADDRESS, { connection: { maxFrameBytes: -1 } }),
      RangeError,
    ],
    [() => acceptUpgrade(stream, { origins: ["*"] }), TypeError],
    [
      () => acceptUpgrade(stream, { headers: { "X-A": "\x01" } }),
      TypeError,
    ],
    [
      () => acceptUpgrade(stream, { connection: { maxMessageBytes: NaN } }),
      RangeError,
    ],
    [() => acceptUpgrade(stream, { headLimits: { maxBytes: 0 } }), RangeError],
    [
      () => requestUpgrade(stream, "ws://a/", { headLimits: { maxFields: 0 } }),
      RangeError,
    ],
  ];
  for (const [mistake, kind] of mistakes) {
    await assertRejects(mistake, kind);
    assertEquals(stream.written(), "");
    assertEquals(stream.log, []);
    assertUnlocked(stream);
  }
});

Deno.test("requestUpgrade() and acceptUpgrade() throw when the stream is locked", async () => {
  for (const side of ["readable", "writable"] as const) {
    const { near } = duplex();
    if (side === "readable") near.readable.getReader();
    else near.writable.getWriter();
    await assertRejects(() => requestUpgrade(near, ADDRESS), TypeError);
    await assertRejects(() => acceptUpgrade(near), TypeError);
  }
});

// --- The client --------------------------------------------------------------

Deno.test("requestUpgrade() hands a refusal back with the beginning of its body", async () => {
  const refusal = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 5\r\n\r\n";
  const stream = scripted([bytes(refusal + "wh"), bytes("o?!")]);
  const upgrade = await requestUpgrade(stream, ADDRESS, { random });
  assert(!upgrade.accepted);
  assertEquals(upgrade.request.target, "/chat");
  assertEquals(upgrade.response.status, 401);
  assertEquals(upgrade.response.headers.get("Content-Length"), "5");
  assertEquals(text(upgrade.rest), "wh");
  assertUnlocked(stream);
  assertEquals(stream.log, []);
  const { value } = await stream.readable.getReader().read();
  assertEquals(value, bytes("o?!"));
});

Deno.test("requestUpgrade() skips interim responses, however they are cut", async () => {
  const interim = "HTTP/1.1 100 Continue\r\n\r\n" +
    "HTTP/1.1 102 Processing\r\n\r\n" +
    "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
  for (const pieces of cuttings(bytes(interim + SWITCHING + HELLO))) {
    const stream = scripted(pieces);
    const upgrade = await requestUpgrade(stream, ADDRESS, { random });
    assert(upgrade.accepted);
    assertEquals(upgrade.response.headers.has("Link"), false);
  }
  const refused = await requestUpgrade(
    scripted([bytes(interim + "HTTP/1.1 503 \r\n\r\nx")]),
    ADDRESS,
  );
  assert(!refused.accepted);
  assertEquals([refused.response.status, text(refused.rest)], [503, "x"]);
});

Deno.test("requestUpgrade() skips 16 interim responses and no more", async () => {
  const interim = "HTTP/1.1 103 \r\n\r\n";
  const stream = scripted([bytes(interim.repeat(16) + SWITCHING)]);
  assert((await requestUpgrade(stream, ADDRESS, { random })).accepted);
  await assertBroken(
    "head-limit",
    interim.repeat(17) + SWITCHING,
    "There are more than 16 interim responses",
  );
});

Deno.test("requestUpgrade() throws when the 101 breaks a rule", async () => {
  await assertBroken(
    "accept",
    SWITCHING.replace("s3pP", "S3pP"),
    "Sec-WebSocket-Accept is not",
  );
  await assertBroken(
    "upgrade",
    SWITCHING.replace("Upgrade: websocket\r\n", ""),
    "Upgrade is not websocket: it is missing",
  );
  await assertBroken(
    "subprotocol",
    SWITCHING.replace("Upgrade:", "Sec-WebSocket-Protocol: a\r\nUpgrade:"),
    'The subprotocol is not one that was offered: "a"',
  );
  await assertBroken(
    "extension",
    SWITCHING.replace("Upgrade:", "Sec-WebSocket-Extensions: a\r\nUpgrade:"),
    'The extension "a" was not offered',
  );
});

Deno.test("requestUpgrade() throws when the response is no head", async () => {
  await assertBroken("head", "HTTP/1.0 101 OK\r\n\r\n", "not 1.1");
  await assertBroken("head", "SSH-2.0-OpenSSH_9.2\r\n", "Unexpected byte 0x53");
  await assertBroken("head", "\x15\x03\x01\x00\x02\x02\x0a", "byte 0x15");
  await assertBroken(
    "head",
    SWITCHING.replace("Sec-", "Sec-WebSocket-Accept: x\r\nSec-"),
    "The field Sec-WebSocket-Accept came twice",
  );
  const long = "HTTP/1.1 200 " + "a".repeat(100);
  await assertRejects(
    () =>
      requestUpgrade(scripted([bytes(long)]), ADDRESS, {
        headLimits: { maxBytes: 100 },
      }),
    HandshakeError,
    "Head is longer than 100 bytes",
  );
});

Deno.test("requestUpgrade() throws when the stream ends or fails before the head does", async () => {
  for (const length of [0, 1, 50, SWITCHING.length - 1]) {
    const part = SWITCHING.slice(0, length);
    await assertBroken("end-of-stream", part, "The stream ended in");
    await assertBroken(
      "end-of-stream",
      part,
      "The stream failed before the response head was read",
      new Error("reset"),
    );
  }
});

Deno.test("requestUpgrade() throws when the request cannot be written", async () => {
  const cause = new Error("broken pipe");
  const stream = {
    readable: new ReadableStream<Uint8Array>(),
    writable: new WritableStream<Uint8Array>({
      write: () => Promise.reject(cause),
    }),
  };
  const error = await assertRejects(
    () => requestUpgrade(stream, ADDRESS),
    HandshakeError,
    "before the head was written",
  );
  assertEquals([error.rule, error.cause], ["end-of-stream", cause]);
});

// --- The server --------------------------------------------------------------

/** Asserts what is answered, and that the stream is closed after it. */
async function assertAnswers(
  request: string,
  answer: string,
  options?: AcceptUpgradeOptions,
) {
  for (const pieces of cuttings(bytes(request)).slice(0, 4)) {
    const stream = scripted(pieces);
    const upgrade = await acceptUpgrade(stream, options);
    assert(!upgrade.accepted);
    assert(upgrade.response !== undefined);
    assertEquals(upgrade.failure === undefined, upgrade.request !== undefined);
    assertEquals(stream.written(), `HTTP/1.1 ${answer}`);
    assertEquals(stream.log, ["close", "cancel"]);
    assertUnlocked(stream);
  }
}

/** A refusal as it is written. */
function refusal(status: string, body: string, more = ""): string {
  return `${status}\r\n${more.includes("Allow") ? more : ""}` +
    `Connection: close${more.includes("Upgrade") ? ", Upgrade" : ""}\r\n` +
    `Content-Length: ${body.length + 1}\r\n` +
    "Content-Type: text/plain; charset=utf-8\r\n" +
    `${more.includes("Upgrade") ? more : ""}\r\n${body}\n`;
}

const UPGRADE = "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n";

Deno.test("acceptUpgrade() answers a bad request and closes the stream", async () => {
  await assertAnswers(
    REQUEST.replace("GET", "POST"),
    refusal(
      "405 Method Not Allowed",
      "The method is not GET",
      "Allow: GET\r\n",
    ),
  );
  await assertAnswers(
    REQUEST.replace("Host: example.com\r\n", ""),
    refusal("400 Bad Request", "Host is missing or malformed"),
  );
  await assertAnswers(
    REQUEST.replace("Version: 13", "Version: 8"),
    refusal("426 Upgrade Required", "Sec-WebSocket-Version is not 13", UPGRADE),
  );
  await assertAnswers(
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    refusal(
      "426 Upgrade Required",
      "An upgrade to websocket is required",
      UPGRADE,
    ),
  );
  await assertAnswers(
    REQUEST,
    refusal("403 Forbidden", "This origin may not connect"),
    { origins: ["https://example.com"] },
  );
  await assertAnswers(
    REQUEST.replace("Host", "Content-Length: 5\r\nHost") + "hello",
    refusal("400 Bad Request", "The request has a body"),
  );
  await assertAnswers(
    REQUEST.replace("Host", "Transfer-Encoding: chunked\r\nHost") + "0\r\n\r\n",
    refusal("400 Bad Request", "The request has a body"),
  );
});

Deno.test("acceptUpgrade() answers what is no head and closes the stream", async () => {
  await assertAnswers(
    "GET / HTTP/1.0\r\n\r\n",
    refusal("426 Upgrade Required", "The version of HTTP is not 1.1", UPGRADE),
  );
  await assertAnswers(
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    refusal(
      "505 HTTP Version Not Supported",
      "The major version of HTTP is not 1",
    ),
  );
  await assertAnswers(
    "\x16\x03\x01\x02\x00",
    refusal("400 Bad Request", "Unexpected byte 0x16 in or after the method"),
  );
  await assertAnswers(
    REQUEST.replace("Host:", "Host: evil.example\r\nHost:"),
    refusal("400 Bad Request", "The field Host came twice"),
  );
  await assertAnswers(
    REQUEST,
    refusal(
      "431 Request Header Fields Too Large",
      "Head has more than 2 fields",
    ),
    { headLimits: { maxFields: 2 } },
  );
  await assertAnswers(
    REQUEST,
    refusal(
      "431 Request Header Fields Too Large",
      "Head is longer than 20 bytes",
    ),
    { headLimits: { maxBytes: 20 } },
  );
});

Deno.test("acceptUpgrade() leaves the body out when the method is HEAD", async () => {
  const answer = refusal(
    "405 Method Not Allowed",
    "The method is not GET",
    "Allow: GET\r\n",
  );
  await assertAnswers(
    REQUEST.replace("GET", "HEAD"),
    answer.slice(0, answer.indexOf("\r\n\r\n") + 4),
  );
});

Deno.test("acceptUpgrade() tells request and failure apart when it refuses", async () => {
  const judged = await acceptUpgrade(
    scripted([bytes("GET /a HTTP/1.1\r\nHost: a\r\n\r\n")]),
  );
  assert(!judged.accepted);
  assertEquals(judged.request?.target, "/a");
  assertEquals(judged.response?.status, 426);
  assertEquals(judged.failure, undefined);

  const failed = await acceptUpgrade(scripted([bytes("GET /\n")]));
  assert(!failed.accepted);
  assertEquals(failed.request, undefined);
  assertEquals(failed.response?.status, 400);
  assertEquals(failed.failure?.rule, "head");
});

Deno.test("acceptUpgrade() gives a failure when the stream ends or fails before the head does", async () => {
  for (const part of ["", "GET", REQUEST.slice(0, -1)]) {
    for (const end of [undefined, new Error("reset")]) {
      for (const pieces of cuttings(bytes(part)).slice(0, 4)) {
        const stream = scripted(pieces, end);
        const upgrade = await acceptUpgrade(stream);
        assert(!upgrade.accepted);
        const { request, response, failure } = upgrade;
        assertEquals([request, response], [undefined, undefined]);
        assert(failure?.rule === "end-of-stream");
        assertEquals(failure.cause, end);
        assertEquals(stream.written(), "");
        assertEquals(stream.log, ["close"]);
        assertUnlocked(stream);
      }
    }
  }
});

Deno.test("acceptUpgrade() gives a failure when the answer cannot be written", async () => {
  const cases = [
    [REQUEST, "end-of-stream", "/chat"],
    [REQUEST.replace("Key", "Kay"), "end-of-stream", "/chat"],
    ["\n", "head", undefined],
  ] as const;
  for (const [request, rule, target] of cases) {
    const stream = {
      readable: scripted([bytes(request)]).readable,
      writable: new WritableStream<Uint8Array>({
        write: () => Promise.reject(new Error("broken pipe")),
      }),
    };
    const upgrade = await acceptUpgrade(stream);
    assert(!upgrade.accepted);
    assertEquals(upgrade.request?.target, target);
    assertEquals(upgrade.response, undefined);
    assertEquals(upgrade.failure?.rule, rule);
    assertUnlocked(stream);
  }
});

Deno.test("acceptUpgrade() shows onRequest every well-formed request before it judges", async () => {
  const seen: string[] = [];
  const onRequest = ({ method, target }: RequestHead) => {
    seen.push(`${method} ${target}`);
  };
  const requests = [
    "POST /a HTTP/1.1\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\n\r\n",
    "GET /b HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
    REQUEST,
    "GET /c HTTP/1.0\r\n\r\n", // no head of HTTP/1.1
    "GET /d\n",
  ];
  for (const request of requests) {
    await acceptUpgrade(scripted([bytes(request)]), { onRequest });
  }
  assertEquals(seen, ["POST /a", "OPTIONS *", "GET /b", "GET /chat"]);
});

Deno.test("acceptUpgrade() writes what onRequest answers", async () => {
  await assertAnswers(
    REQUEST,
    "401 Unauthorized\r\nConnection: close\r\nContent-Length: 3\r\n" +
      "Content-Type: text/plain; charset=utf-8\r\n" +
      "Www-Authenticate: Basic\r\n\r\nno\n",
    {
      headers: { "X-A": "for judged requests alone" },
      onRequest: async () => {
        await Promise.resolve();
        return {
          status: 401,
          reason: "Unauthorized",
          headers: { "WWW-Authenticate": "Basic" },
          body: "no\n",
        };
      },
    },
  );
  await assertAnswers(
    "HEAD / HTTP/1.1\r\n\r\n",
    "200 \r\nConnection: close\r\nContent-Length: 2\r\n\r\n",
    { onRequest: () => ({ status: 200, body: Uint8Array.of(1, 2) }) },
  );
});

Deno.test("acceptUpgrade() judges when onRequest gives nothing", async () => {
  for (
    const onRequest of [() => {}, () => undefined, () => Promise.resolve()]
  ) {
    const stream = scripted([bytes(REQUEST)]);
    assert((await acceptUpgrade(stream, { onRequest })).accepted);
  }
});

Deno.test("acceptUpgrade() rejects when the caller's own functions throw or are mistaken", async () => {
  const offer = REQUEST.replace(
    "Upgrade:",
    "Sec-WebSocket-Protocol: a\r\nUpgrade:",
  );
  const fail = () => {
    throw new URIError("mine");
  };
  const cases: [AcceptUpgradeOptions, new () => Error][] = [
    [{ onRequest: fail }, URIError],
    [{ onRequest: () => Promise.reject(new URIError("mine")) }, URIError],
    [{ onRequest: () => ({ status: 101 }) }, RangeError],
    [{ onRequest: () => ({ status: 200, reason: "a\r\nb" }) }, TypeError],
    [{ selectSubprotocol: fail }, URIError],
    [{ selectSubprotocol: () => "b" }, TypeError],
  ];
  for (const [options, kind] of cases) {
    const stream = scripted([bytes(offer)]);
    await assertRejects(() => acceptUpgrade(stream, options), kind);
    assertEquals(stream.written(), "");
    assertEquals(stream.log, []); // the caller's to close
    assertUnlocked(stream);
  }
});

Deno.test("acceptUpgrade() never rejects when the peer sends what it likes", async () => {
  const input = bytes(REQUEST + MASKED_HELLO);
  for (let at = 0; at < input.length; at += 3) {
    for (const byte of [0x00, 0x0a, 0x20, 0x2c, 0xff]) {
      const changed = input.slice();
      changed[at] = byte;
      const upgrade = await acceptUpgrade(scripted([changed]));
      if (upgrade.accepted) Array.from(upgrade.connection.events());
    }
  }
});

// --- The signal ----------------------------------------------------------------

Deno.test("requestUpgrade() and acceptUpgrade() close the stream when the signal aborts", async () => {
  const upgrades: ((s: ByteStream, signal: AbortSignal) => Promise<unknown>)[] =
    [
      (stream, signal) => requestUpgrade(stream, ADDRESS, { signal }),
      (stream, signal) => acceptUpgrade(stream, { signal }),
    ];
  for (const upgrade of upgrades) {
    for (const early of [true, false]) {
      const { near, far } = duplex();
      const controller = new AbortController();
      if (early) controller.abort(new Error("enough"));
      const rejected = assertRejects(
        () => upgrade(near, controller.signal),
        Error,
        "enough",
      );
      if (!early) controller.abort(new Error("enough"));
      await rejected;
      assertUnlocked(near);
      await assertRejects(() => far.readable.getReader().read(), Error);
    }
  }
});

Deno.test("acceptUpgrade() closes the stream when the signal aborts while onRequest waits", async () => {
  const stream = scripted([bytes(REQUEST)]);
  const controller = new AbortController();
  const answer = Promise.withResolvers<void>();
  await assertRejects(
    () =>
      acceptUpgrade(stream, {
        signal: controller.signal,
        onRequest: () => {
          controller.abort(new Error("enough"));
          return answer.promise;
        },
      }),
    Error,
    "enough",
  );
  answer.resolve();
  await answer.promise;
  assertEquals(stream.log, ["cancel", "abort"]);
  assertEquals(stream.written(), "");
});

// --- Transports ------------------------------------------------------------------

/** Something with two ends to do a handshake over. */
interface Ends extends Disposable {
  client: ByteStream;
  server: ByteStream;
}

function testdata(name: string): string {
  return Deno.readTextFileSync(new URL(`testdata/${name}`, import.meta.url));
}

function ends(client: ByteStream, server: ByteStream, more: Disposable[]) {
  return {
    client,
    server,
    [Symbol.dispose]() {
      for (const one of more) one[Symbol.dispose]();
    },
  };
}

const TRANSPORTS: Record<string, () => Promise<Ends>> = {
  "streams in memory": () => {
    const { near, far } = duplex();
    return Promise.resolve(ends(near, far, []));
  },
  "byte streams in memory": () => {
    // A byte stream on the receiving side, fed by the sending one.
    const { near, far } = duplex();
    const asBytes = (stream: ByteStream): ByteStream => {
      const reader = stream.readable.getReader();
      return {
        writable: stream.writable,
        readable: new ReadableStream({
          type: "bytes",
          async pull(controller) {
            const { done, value } = await reader.read();
            if (!done) return controller.enqueue(value.slice());
            controller.close();
            controller.byobRequest?.respond(0);
          },
          cancel: (reason) => reader.cancel(reason),
        }),
      };
    };
    return Promise.resolve(ends(asBytes(near), asBytes(far), []));
  },
  "Deno.connect over TCP": async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    const [client, server] = await Promise.all([
      Deno.connect({ hostname: "127.0.0.1", port }),
      listener.accept(),
    ]);
    return ends(client, server, [client, server, listener]);
  },
  "Deno.connectTls": async () => {
    const cert = testdata("cert.pem");
    const key = testdata("key.pem");
    const hostname = "127.0.0.1";
    const listener = Deno.listenTls({ hostname, port: 0, cert, key });
    const { port } = listener.addr;
    const [client, server] = await Promise.all([
      Deno.connectTls({ hostname, port, caCerts: [cert] }),
      listener.accept(),
    ]);
    return ends(client, server, [client, server, listener]);
  },
  "Deno.connect over a Unix socket": async () => {
    const folder = await Deno.makeTempDir();
    const address = { transport: "unix", path: `${folder}/socket` } as const;
    const listener = Deno.listen(address);
    const [client, server] = await Promise.all([
      Deno.connect(address),
      listener.accept(),
    ]);
    return ends(client, server, [client, server, listener, {
      [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }),
    }]);
  },
};

/** Writes and reads as one would go on: by the socket itself where there is one. */
async function write(stream: ByteStream, bytes: Uint8Array): Promise<void> {
  const writer = stream.writable.getWriter();
  await writer.write(bytes);
  writer.releaseLock();
}

async function read(stream: ByteStream): Promise<Uint8Array | null> {
  if ("read" in stream) {
    // Those streams which have a `read` are connections of Deno.
    const conn = stream as Deno.Conn;
    const buffer = new Uint8Array(4096);
    const count = await conn.read(buffer);
    return count === null ? null : buffer.subarray(0, count);
  }
  const reader = stream.readable.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  return value ?? null;
}

for (const [name, open] of Object.entries(TRANSPORTS)) {
  Deno.test(`requestUpgrade() and acceptUpgrade() make connections that talk over ${name}`, async () => {
    using both = await open();
    const [client, server] = await Promise.all([
      requestUpgrade(both.client, ADDRESS),
      acceptUpgrade(both.server),
    ]);
    assert(client.accepted && server.accepted);

    const hear = async (stream: ByteStream, connection: AnyConnection) => {
      while (true) {
        const event = connection.nextEvent();
        if (event !== Information.NEED_DATA) return event;
        connection.recv(await read(stream));
      }
    };
    for (const message of ["to", "and", "fro"]) {
      const out = client.connection.send({ type: "text", message });
      const [heard] = await Promise.all([
        hear(both.server, server.connection),
        write(both.client, out),
      ]);
      assert(typeof heard === "object" && heard.type === "text");
      assertEquals(heard.message, message);
      const back = server.connection.send({ type: "text", message });
      const [echo] = await Promise.all([
        hear(both.client, client.connection),
        write(both.server, back),
      ]);
      assert(typeof echo === "object" && echo.type === "text");
      assertEquals(echo.message, message);
    }
  });

  Deno.test(`requestUpgrade() sees the whole refusal when acceptUpgrade() refuses over ${name}`, async () => {
    using both = await open();
    const [client, server] = await Promise.all([
      requestUpgrade(both.client, ADDRESS).then(async (upgrade) => {
        assert(!upgrade.accepted);
        let body = text(upgrade.rest);
        for await (const chunk of both.client.readable) body += text(chunk);
        return { status: upgrade.response.status, body };
      }),
      acceptUpgrade(both.server, { origins: [] }),
    ]);
    assertEquals(client, {
      status: 403,
      body: "This origin may not connect\n",
    });
    assert(!server.accepted);
    assertEquals(server.response?.status, 403);
  });

  Deno.test(`requestUpgrade() throws when the peer closes in the middle of the head over ${name}`, async () => {
    using both = await open();
    const [error] = await Promise.all([
      assertRejects(() => requestUpgrade(both.client, ADDRESS), HandshakeError),
      (async () => {
        await read(both.server);
        await write(both.server, bytes("HTTP/1.1 101 "));
        await both.server.writable.close();
      })(),
    ]);
    assertEquals(error.rule, "end-of-stream");
    assertUnlocked(both.client);
  });

  Deno.test(`acceptUpgrade() gives a failure when the peer closes in the middle of the head over ${name}`, async () => {
    using both = await open();
    const [upgrade] = await Promise.all([
      acceptUpgrade(both.server),
      write(both.client, bytes("GET / HT"))
        .then(() => both.client.writable.close()),
    ]);
    assert(!upgrade.accepted);
    assertEquals(upgrade.failure?.rule, "end-of-stream");
    assertUnlocked(both.server);
  });

  Deno.test(`requestUpgrade() and acceptUpgrade() close the stream when aborted over ${name}`, async () => {
    using both = await open();
    const controller = new AbortController();
    const { signal } = controller;
    const rejected = Promise.all([
      assertRejects(
        // Both wait for a request, so that neither gets an answer.
        () => acceptUpgrade(both.client, { signal }),
        Error,
        "enough",
      ),
      assertRejects(
        () => acceptUpgrade(both.server, { signal }),
        Error,
        "enough",
      ),
    ]);
    await write(both.client, bytes("")).catch(() => {});
    controller.abort(new Error("enough"));
    await rejected;
    assertUnlocked(both.client);
    assertUnlocked(both.server);
  });

  Deno.test(`requestUpgrade() closes the stream when the server is silent over ${name}`, async () => {
    using both = await open();
    const signal = AbortSignal.timeout(20);
    const error = await assertRejects(
      () => requestUpgrade(both.client, ADDRESS, { signal }),
      DOMException,
    );
    assertInstanceOf(error, DOMException);
    assertEquals(error.name, "TimeoutError");
    assertUnlocked(both.client);
  });
}

Deno.test("requestUpgrade() leaves conn.read usable when the 101 and a frame come in one packet", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    using conn = await listener.accept();
    const request = text(await read(conn) ?? bytes(""));
    const key = /Sec-WebSocket-Key: (\S+)/.exec(request)?.[1] ?? "";
    const accept = acceptKey(key);
    await write(
      conn,
      bytes(SWITCHING.replace(/Accept: \S+/, `Accept: ${accept}`) + HELLO),
    );
    await write(conn, bytes(HELLO));
    assertEquals(await read(conn), null);
  })();
  {
    using conn = await Deno.connect({
      hostname: "127.0.0.1",
      port: listener.addr.port,
    });
    const upgrade = await requestUpgrade(conn, ADDRESS);
    assert(upgrade.accepted);
    const { connection } = upgrade;
    const got: unknown[] = [];
    while (got.length < 2) {
      const event = connection.nextEvent();
      if (event === Information.NEED_DATA) connection.recv(await read(conn));
      else if (typeof event === "object") got.push(event.message);
    }
    assertEquals(got, ["Hello", "Hello"]);
  }
  await served;
});

Deno.test("acceptUpgrade() gives a failure when the peer resets the connection", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const client = await Deno.connect({
    hostname: "127.0.0.1",
    port: listener.addr.port,
  });
  using conn = await listener.accept();
  // A socket that is closed with bytes unread is reset.
  await write(conn, bytes("early"));
  await write(client, bytes("GET / HT"));
  await new Promise((resolve) => setTimeout(resolve, 20));
  client.close();
  const upgrade = await acceptUpgrade(conn);
  assert(!upgrade.accepted);
  assertEquals(upgrade.failure?.rule, "end-of-stream");
});
