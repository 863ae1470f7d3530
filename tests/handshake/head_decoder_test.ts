// What bytes are a head. Every vector goes in whole, byte by byte and cut at
// random, through one read buffer that is overwritten each time.
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  HeadDecoder,
  type HeadLimits,
  type Heads,
} from "../../src/handshake/head_decoder.ts";
import { Information } from "../../src/information.ts";
import { assertLinear, bytes, cuttings, plain, text } from "./helpers.ts";

/** What one way of cutting comes to: the outcome, when it came, and the rest. */
function decodePieces(
  kind: keyof Heads,
  pieces: readonly Uint8Array[],
  limits: HeadLimits | undefined,
): { outcome: unknown; rest: string } {
  const decoder = new HeadDecoder(kind, limits);
  const buffer = new Uint8Array(Math.max(0, ...pieces.map((p) => p.length)));
  for (const [i, piece] of pieces.entries()) {
    buffer.fill(0x21); // what was received before is gone
    buffer.set(piece);
    decoder.recv(buffer.subarray(0, piece.length));
    const outcome = decoder.next();
    if (outcome === Information.NEED_DATA) {
      assertEquals(decoder.rest.length, 0);
      continue;
    }
    assertEquals(decoder.next(), outcome, "it stays as it is");
    return {
      outcome: "type" in outcome ? outcome : plain(outcome),
      rest: text(decoder.rest) + pieces.slice(i + 1).map(text).join(""),
    };
  }
  return { outcome: "NEED_DATA", rest: "" };
}

/** What the input comes to, which must be the same however it is cut. */
function decode(kind: keyof Heads, input: string, limits?: HeadLimits) {
  const [first, ...others] = cuttings(bytes(input)).map((pieces) =>
    decodePieces(kind, pieces, limits)
  );
  for (const other of others) assertEquals(other, first);
  return first;
}

/** Asserts that the input fails, at the byte before `rest` and not earlier. */
function assertFails(
  kind: keyof Heads,
  input: string,
  rest: string,
  message: string,
  status = 400,
  limits?: HeadLimits,
) {
  const rule = status === 431 ? "head-limit" : "head";
  assertEquals(decode(kind, input + rest, limits), {
    outcome: { type: "fail", rule, message, status },
    rest,
  }, JSON.stringify(input));
  assertEquals(
    decode(kind, input.slice(0, -1), limits).outcome,
    "NEED_DATA",
    JSON.stringify(input),
  );
}

Deno.test("HeadDecoder decodes a request and leaves what follows it", () => {
  assertEquals(
    decode(
      "request",
      "GET /chat?a=1 HTTP/1.1\r\nHost: example.com\r\nUpgrade:websocket\r\n\r\n\x81\x80",
    ),
    {
      outcome: {
        method: "GET",
        target: "/chat?a=1",
        headers: [["host", "example.com"], ["upgrade", "websocket"]],
      },
      rest: "\x81\x80",
    },
  );
});

Deno.test("HeadDecoder decodes a response and leaves what follows it", () => {
  assertEquals(
    decode(
      "response",
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x02hi",
    ),
    {
      outcome: {
        status: 101,
        reason: "Switching Protocols",
        headers: [["upgrade", "websocket"]],
      },
      rest: "\x81\x02hi",
    },
  );
});

Deno.test("HeadDecoder decodes heads without fields", () => {
  assertEquals(decode("request", "M * HTTP/1.1\r\n\r\n").outcome, {
    method: "M",
    target: "*",
    headers: [],
  });
  for (const line of ["HTTP/1.1 999 ", "HTTP/1.1 999"]) {
    assertEquals(decode("response", `${line}\r\n\r\n`).outcome, {
      status: 999,
      reason: "",
      headers: [],
    });
  }
  assertEquals(decode("response", "HTTP/1.1 100 \t \xe4\r\n\r\n").outcome, {
    status: 100,
    reason: "\t \xe4",
    headers: [],
  });
});

Deno.test("HeadDecoder keeps values as byte strings and takes the space around them away", () => {
  assertEquals(
    decode(
      "request",
      "GET / HTTP/1.1\r\nA: \t \xe4\xff\t\x80 b \t\r\nb:\r\nC:x:y\r\na: 2\r\n__proto__: p\r\n\r\n",
    ).outcome,
    {
      method: "GET",
      target: "/",
      headers: [
        ["__proto__", "p"],
        ["a", "\xe4\xff\t\x80 b, 2"],
        ["b", ""],
        ["c", "x:y"],
      ],
    },
  );
});

Deno.test("HeadDecoder keeps each Set-Cookie apart", () => {
  assertEquals(
    decode(
      "response",
      "HTTP/1.1 200 OK\r\nSet-Cookie: a=1, b\r\nset-cookie: c=2\r\n\r\n",
    ).outcome,
    {
      status: 200,
      reason: "OK",
      headers: [["set-cookie", "a=1, b"], ["set-cookie", "c=2"]],
    },
  );
});

Deno.test("HeadDecoder gives NEED_DATA when the head is not complete", () => {
  const head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  for (let length = 1; length < head.length; length++) {
    assertEquals(decode("request", head.slice(0, length)), {
      outcome: "NEED_DATA",
      rest: "",
    });
  }
  const decoder = new HeadDecoder("request");
  assertEquals(decoder.next(), Information.NEED_DATA);
  decoder.recv(new Uint8Array(0));
  assertEquals(decoder.next(), Information.NEED_DATA);
});

Deno.test("HeadDecoder skips four empty lines before a request and no more", () => {
  const head = "GET / HTTP/1.1\r\n\r\n";
  const expected = decode("request", head);
  for (let lines = 1; lines <= 4; lines++) {
    assertEquals(decode("request", "\r\n".repeat(lines) + head), expected);
  }
  assertFails(
    "request",
    "\r\n\r\n\r\n\r\n\r",
    "\n" + head,
    "Unexpected byte 0x0d in or after the method",
  );
  assertFails(
    "request",
    "\r\r",
    head,
    "Unexpected byte 0x0d in or after an empty line",
  );
  assertFails(
    "response",
    "\r",
    "\nHTTP/1.1 200 OK\r\n\r\n",
    "Unexpected byte 0x0d in or after the version",
  );
});

Deno.test("HeadDecoder fails when a request line is malformed", () => {
  const cases: [string, string, string][] = [
    ["\n", "0x0a", "the method"],
    [" ", "0x20", "the method"],
    ["\x16", "0x16", "the method"], // a TLS client
    ["GET\t", "0x09", "the method"],
    ["GET\r", "0x0d", "the method"],
    ["G(", "0x28", "the method"],
    ["G\xc4", "0xc4", "the method"],
    ["GET  ", "0x20", "the request target"],
    ["GET /\r", "0x0d", "the request target"], // HTTP/0.9
    ["GET /\n", "0x0a", "the request target"],
    ["GET /\t", "0x09", "the request target"],
    ["GET /\0", "0x00", "the request target"],
    ["GET /\x7f", "0x7f", "the request target"],
    ["GET /\xe4", "0xe4", "the request target"],
    ["GET /  ", "0x20", "the version"],
    ["GET / h", "0x68", "the version"],
    ["GET / HTTPS", "0x53", "the version"],
    ["GET / HTTP/\r", "0x0d", "the version"],
    ["GET / HTTP/x", "0x78", "the version"],
    ["GET / HTTP/11", "0x31", "the version"],
    ["GET / HTTP/1.x", "0x78", "the version"],
    ["GET / HTTP/1.1 ", "0x20", "the request line"],
    ["GET / HTTP/1.11", "0x31", "the request line"],
    ["GET / HTTP/1.1\n", "0x0a", "the request line"],
    ["GET / HTTP/1.1\r\r", "0x0d", "a line"],
    ["GET / HTTP/1.1\rH", "0x48", "a line"],
  ];
  for (const [input, byte, place] of cases) {
    const message = `Unexpected byte ${byte} in or after ${place}`;
    assertFails("request", input, "\r\n\r\n", message);
  }
});

Deno.test("HeadDecoder fails with a status of its own when the version is another", () => {
  for (const major of ["0", "2", "3", "9"]) {
    const message = "The major version of HTTP is not 1";
    assertFails("request", `GET / HTTP/${major}`, ".0\r\n\r\n", message, 505);
  }
  const message = "The version of HTTP is not 1.1";
  assertFails("request", "GET / HTTP/1.0", "\r\n\r\n", message, 426);
  assertFails("response", "HTTP/1.0 101", "\r\n\r\n", message, 426);
});

Deno.test("HeadDecoder takes a higher minor version for 1.1, and a refusal in 1.0", () => {
  for (const minor of ["1", "2", "9"]) {
    for (const kind of ["request", "response"] as const) {
      const decoder = new HeadDecoder(kind);
      const line = kind === "request"
        ? `GET / HTTP/1.${minor}`
        : `HTTP/1.${minor} 101 Ok`;
      decoder.recv(bytes(`${line}\r\n\r\n`));
      assert(!("type" in (decoder.next() as object)), line);
    }
  }
  const decoder = new HeadDecoder("response");
  decoder.recv(bytes("HTTP/1.0 401 Unauthorized\r\nA: b\r\n\r\n"));
  const head = decoder.next();
  assert(typeof head === "object" && !("type" in head));
  assertEquals([head.status, head.headers.get("A")], [401, "b"]);
});

Deno.test("HeadDecoder fails when a status line is malformed", () => {
  const cases: [string, string, string][] = [
    ["h", "0x68", "the version"],
    ["\x81", "0x81", "the version"], // a server that speaks frames at once
    ["HTTP/1.1\r", "0x0d", "the version"],
    ["HTTP/1.1\t", "0x09", "the version"],
    ["HTTP/1.1  ", "0x20", "the status code"],
    ["HTTP/1.1 0", "0x30", "the status code"],
    ["HTTP/1.1 +", "0x2b", "the status code"],
    ["HTTP/1.1 1 ", "0x20", "the status code"],
    ["HTTP/1.1 10 ", "0x20", "the status code"],
    ["HTTP/1.1 10\r", "0x0d", "the status code"],
    ["HTTP/1.1 1x", "0x78", "the status code"],
    ["HTTP/1.1 1010", "0x30", "the status code"],
    ["HTTP/1.1 101\n", "0x0a", "the status code"],
    ["HTTP/1.1 101\t", "0x09", "the status code"],
    ["HTTP/1.1 101 OK\n", "0x0a", "the reason phrase"],
    ["HTTP/1.1 101 \0", "0x00", "the reason phrase"],
    ["HTTP/1.1 101 \x7f", "0x7f", "the reason phrase"],
    ["HTTP/1.1 101 OK\r ", "0x20", "a line"],
  ];
  for (const [input, byte, place] of cases) {
    const message = `Unexpected byte ${byte} in or after ${place}`;
    assertFails("response", input, "\r\n\r\n", message);
  }
});

Deno.test("HeadDecoder fails when a field is malformed", () => {
  const cases: [string, string, string][] = [
    [":", "0x3a", "a field name"],
    ["\n", "0x0a", "a field name"],
    ["Host ", "0x20", "a field name"],
    ["Host\t", "0x09", "a field name"],
    ["Host\r", "0x0d", "a field name"],
    ["Host\0", "0x00", "a field name"],
    ["Ho(", "0x28", "a field name"],
    ["\xc4", "0xc4", "a field name"],
    ["Host: a\n", "0x0a", "a field value"],
    ["Host:\n", "0x0a", "a field value"],
    ["Host: \0", "0x00", "a field value"],
    ["Host: \x1b", "0x1b", "a field value"],
    ["Host: \x7f", "0x7f", "a field value"],
    ["Host: a\r\r", "0x0d", "a line"],
    ["Host: a\rb", "0x62", "a line"],
    ["Host: a\r\n\r\r", "0x0d", "the last line"],
    ["Host: a\r\n\rb", "0x62", "the last line"],
    ["Host: a\r\n\n", "0x0a", "a field name"],
  ];
  for (const [input, byte, place] of cases) {
    const message = `Unexpected byte ${byte} in or after ${place}`;
    assertFails("request", `GET / HTTP/1.1\r\n${input}`, "\r\n\r\n", message);
    assertFails("response", `HTTP/1.1 200 OK\r\n${input}`, "\r\n", message);
  }
});

Deno.test("HeadDecoder fails when a field is folded", () => {
  for (const space of [" ", "\t"]) {
    for (const before of ["", "Host: a\r\n"]) {
      assertFails(
        "request",
        `GET / HTTP/1.1\r\n${before}${space}`,
        "b: c\r\n\r\n",
        "A field is folded over two lines",
      );
    }
  }
});

Deno.test("HeadDecoder fails when a field that Headers would merge comes twice", () => {
  const names = [
    "Host",
    "Content-Length",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Accept",
  ];
  for (const name of names) {
    const once = `GET / HTTP/1.1\r\n${name}: 1\r\nA: 2\r\n`;
    for (const again of [name, name.toLowerCase(), name.toUpperCase()]) {
      const message = `The field ${name} came twice`;
      assertFails("request", `${once}${again}:`, " 1\r\n\r\n", message);
    }
  }
  assertFails(
    "response",
    "HTTP/1.1 101 \r\nSec-WebSocket-Accept: a\r\nSec-WebSocket-Accept:",
    "a\r\n\r\n",
    "The field Sec-WebSocket-Accept came twice",
  );
});

Deno.test("HeadDecoder takes several Sec-WebSocket-Version in a response, as in RFC 6455, section 4.4", () => {
  assertEquals(
    decode(
      "response",
      "HTTP/1.1 426 \r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 8, 7\r\n\r\n",
    ).outcome,
    {
      status: 426,
      reason: "",
      headers: [["sec-websocket-version", "13, 8, 7"]],
    },
  );
});

Deno.test("HeadDecoder counts every byte when the head nears its limit", () => {
  const message = (bytes: number) => `Head is longer than ${bytes} bytes`;
  const parts = [
    ["request", "GET / HTTP/1.1\r\nA: ", "\r\n\r\n"],
    ["request", "\r\nGET /", " HTTP/1.1\r\n\r\n"],
    ["request", "", " / HTTP/1.1\r\n\r\n"],
    ["request", "GET / HTTP/1.1\r\n", ":\r\n\r\n"],
    ["response", "HTTP/1.1 200 ", "\r\n\r\n"],
  ] as const;
  for (const [kind, before, after] of parts) {
    for (const maxBytes of [64, 300]) {
      const fill = "a".repeat(maxBytes - before.length - after.length);
      const exact = before + fill + after;
      assertEquals(exact.length, maxBytes);
      const { outcome, rest } = decode(kind, exact + "rest", { maxBytes });
      assertEquals(rest, "rest");
      assert(outcome instanceof Object && "headers" in outcome);
      // One more, and it fails at the byte that cannot be the last any more.
      const over = `${before}a${fill}${after}`;
      assertFails(
        kind,
        over.slice(0, maxBytes),
        over.slice(maxBytes),
        message(maxBytes),
        431,
        { maxBytes },
      );
    }
  }
});

Deno.test("HeadDecoder fails at 16 KiB when a line has no end", () => {
  for (const before of ["", "GET /", "GET / HTTP/1.1\r\na: "]) {
    const input = new Uint8Array(1 << 20).fill(0x61);
    input.set(bytes(before));
    const decoder = new HeadDecoder("request");
    decoder.recv(input.subarray(0, 16_383));
    assertEquals(decoder.next(), Information.NEED_DATA);
    decoder.recv(input.subarray(16_383));
    assertEquals(decoder.next(), {
      type: "fail",
      rule: "head-limit",
      message: "Head is longer than 16384 bytes",
      status: 431,
    });
    assertEquals(decoder.rest.length, (1 << 20) - 16_384);
  }
});

Deno.test("HeadDecoder fails at the first byte when there is one field too many", () => {
  const fields = (count: number) =>
    Array.from({ length: count }, (_, i) => `a${i}:\r\n`).join("");
  const start = "GET / HTTP/1.1\r\n";

  const accepted = new HeadDecoder("request");
  accepted.recv(bytes(start + fields(100) + "\r\n"));
  const head = accepted.next();
  assert(head !== Information.NEED_DATA && !("type" in head));
  assertEquals([...head.headers].length, 100);

  const refused = new HeadDecoder("request");
  refused.recv(bytes(start + fields(100_000) + "\r\n"));
  assertEquals(refused.next(), {
    type: "fail",
    rule: "head-limit",
    message: "Head has more than 100 fields",
    status: 431,
  });
  assertEquals(text(refused.rest.slice(0, 8)), "100:\r\na1"); // but for its "a"

  const limits = { maxFields: 1 };
  const message = "Head has more than 1 fields";
  assertFails("request", `${start}a:\r\nb`, ":\r\n\r\n", message, 431, limits);
  // What is no field breaks a rule that comes first.
  assertFails(
    "request",
    `${start}a:\r\n:`,
    "\r\n\r\n",
    "Unexpected byte 0x3a in or after a field name",
    400,
    limits,
  );
  assertEquals(
    decode("response", "HTTP/1.1 200 \r\na:\r\n\r\n", limits).outcome,
    { status: 200, reason: "", headers: [["a", ""]] },
  );
});

Deno.test("HeadDecoder takes Infinity for a limit and refuses what is no limit", () => {
  const limits = { maxBytes: Infinity, maxFields: Infinity };
  const value = "v".repeat(100_000);
  assertEquals(
    decode("response", `HTTP/1.1 200 \r\na:${value}\r\n\r\n`, limits).outcome,
    { status: 200, reason: "", headers: [["a", value]] },
  );
  for (const limit of [0, -1, 1.5, NaN, 2 ** 53]) {
    for (const name of ["maxBytes", "maxFields"]) {
      assertThrows(
        () => new HeadDecoder("request", { [name]: limit }),
        RangeError,
        `${name} is ${limit}`,
      );
    }
  }
});

Deno.test("HeadDecoder keeps what is received after the end", () => {
  const decoder = new HeadDecoder("request");
  decoder.recv(bytes("GET / HTTP/1.1\r\n\r\nab"));
  decoder.recv(bytes("cd"));
  decoder.recv(new Uint8Array(0));
  assertEquals(text(decoder.rest), "abcd");
  decoder.recv(bytes("e"));
  assertEquals(text(decoder.rest), "abcde");
  assertEquals(text(decoder.rest), "abcde");
});

Deno.test("HeadDecoder.rest is a view into the last chunk when there is one", () => {
  const decoder = new HeadDecoder("request");
  const chunk = bytes("xxGET / HTTP/1.1\r\n\r\nab").subarray(2);
  decoder.recv(chunk);
  assertEquals(decoder.rest.buffer, chunk.buffer);
  assertEquals(text(decoder.rest), "ab");
});

Deno.test("HeadDecoder takes linear time when the head comes byte by byte", () => {
  const limits = { maxBytes: Infinity };
  const inputs: ((size: number) => Uint8Array)[] = [
    (size) => bytes("a".repeat(size)),
    (size) => bytes("GET /" + "a".repeat(size)),
    (size) => bytes("GET / HTTP/1.1\r\nA:" + " ".repeat(size) + "\r\n\r\n"),
    (size) => bytes("GET / HTTP/1.1\r\n" + "a".repeat(size) + ":\r\n\r\n"),
  ];
  const piece = new Uint8Array(1);
  for (const input of inputs) {
    assertLinear(
      text(input(8)),
      (size) => {
        const decoder = new HeadDecoder("request", limits);
        for (const byte of input(size)) {
          piece[0] = byte;
          decoder.recv(piece);
          decoder.next();
        }
      },
      1 << 12,
    );
  }
});

Deno.test("HeadDecoder never throws when the bytes are random or nearly right", () => {
  const head = "GET /a HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n";
  const input = bytes(head);
  for (let at = 0; at < input.length; at++) {
    for (const byte of [0x00, 0x0a, 0x0d, 0x20, 0x3a, 0x61, 0x80, 0xff]) {
      const changed = input.slice();
      changed[at] = byte;
      decode("request", text(changed));
      decode("response", text(changed));
    }
  }
});
