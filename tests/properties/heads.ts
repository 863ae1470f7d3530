// Heads of requests and responses, right and nearly so, and what must hold of what
// the handshake makes of them.

import { acceptKey } from "../../src/handshake/accept_key.ts";
import { ClientHandshake } from "../../src/handshake/client.ts";
import {
  type FieldElement,
  formatElements,
  isToken,
  parseElements,
  parseProtocols,
  parseTokens,
} from "../../src/handshake/field.ts";
import { encodeHead } from "../../src/handshake/head.ts";
import {
  HeadDecoder,
  type HeadLimits,
  type Heads,
} from "../../src/handshake/head_decoder.ts";
import {
  isAuthority,
  isTarget,
  normaliseOrigin,
} from "../../src/handshake/origin.ts";
import { ServerHandshake } from "../../src/handshake/server.ts";
import { HandshakeError } from "../../src/errors.ts";
import { permessageDeflate } from "../../src/extensions/permessage_deflate.ts";
import { ExtensionError } from "../../src/extensions/extension.ts";
import { Information } from "../../src/information.ts";
import { xor } from "../helpers/extensions.ts";
import { holds } from "./checks.ts";
import { type Dice, join } from "./dice.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

const ACCEPT = acceptKey(KEY);

/** Pieces of fields that mean something, and some that only seem to. */
const PIECES = [
  ...["websocket", "WebSocket", "Upgrade", "upgrade", "keep-alive", "13", "8"],
  ...["chat", "superchat", "CHAT", "permessage-deflate", "xor", "by=7", "; "],
  ...[", ", ",", ";", "=", '"', "\\", '"a,b"', '"\\""', " ", "\t", "/", "h2c"],
  ...["client_max_window_bits", "server_max_window_bits=", "8", "15", "16"],
  ...["server_no_context_takeover", "client_no_context_takeover", "0", "+8"],
  ...["__proto__", "constructor", "toString", "example.com", ":80", "[::1]"],
  ...["https://", "http://", "null", "example.com:443", "file://", "user@"],
  ...[KEY, ACCEPT, "\u00e9", "\u00ff", "chunked", "1", "00", "#", "?", "%0d"],
];

const NAMES = [
  ...["Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Origin"],
  ...["Sec-WebSocket-Version", "Sec-WebSocket-Accept", "Content-Length"],
  ...["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Cookie"],
  ...["Transfer-Encoding", "host", "UPGRADE", "Set-Cookie", "__proto__", "X"],
  ...["Host ", " Host", "Ho\u00e4st", "", "a\0b"],
];

/** Some value of a field, most often made of what stands in such fields. */
export function anyValue(dice: Dice): string {
  let value = "";
  for (let i = dice.below(6); i >= 0; i--) {
    value += dice.once(15)
      ? String.fromCharCode(dice.below(256))
      : dice.of(PIECES);
  }
  return value;
}

function anyExtensions(dice: Dice): string {
  return dice.of([
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits",
    'permessage-deflate; server_max_window_bits="10"',
    "xor; by=7",
    "xor; by=7, permessage-deflate",
    'x; y=",permessage-deflate,"',
    "permessage-deflate; server_no_context_takeover",
  ]);
}

const ENDS = ["\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "\r\n ", "\r\n\t"];

/** The bytes of a head, and some that follow it. */
export function anyHead(
  dice: Dice,
  kind: keyof Heads,
): Uint8Array<ArrayBuffer> {
  const isRequest = kind === "request";
  const wrong = dice.once(2) ? 0 : dice.between(1, 3);
  const lines = isRequest
    ? [
      dice.once(3) ? `GET ${anyTarget(dice)} HTTP/1.1` : "GET /chat HTTP/1.1",
      "Host: example.com",
      "Upgrade: websocket",
      "Connection: keep-alive, Upgrade",
      `Sec-WebSocket-Key: ${KEY}`,
      "Sec-WebSocket-Version: 13",
    ]
    : [
      dice.once(6)
        ? `HTTP/1.1 ${dice.of([200, 302, 401, 426, 100, 99, 1000])} OK`
        : "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Accept: ${ACCEPT}`,
    ];
  if (dice.once(3)) lines.push("Sec-WebSocket-Protocol: chat");
  if (dice.once(3)) {
    lines.push(`Sec-WebSocket-Extensions: ${anyExtensions(dice)}`);
  }
  if (dice.once(4)) lines.push(`Origin: ${anyValue(dice)}`);
  for (let i = 0; i < wrong; i++) {
    const at = 1 + dice.below(lines.length - 1);
    const line = `${dice.of(NAMES)}:${dice.once(2) ? " " : ""}${
      anyValue(dice)
    }`;
    switch (dice.below(6)) {
      case 0:
        lines.splice(at, 1);
        break;
      case 1:
        lines.splice(at, 0, lines[at]);
        break;
      case 2:
        lines[0] = dice.of([
          ...["POST / HTTP/1.1", "GET / HTTP/1.0", "GET / HTTP/2.0", "GET  /"],
          ...["get / HTTP/1.1", "GET http://a/ HTTP/1.1", "GET * HTTP/1.1"],
          ...["CONNECT a:1 HTTP/1.1", "PRI * HTTP/2.0", "HTTP/1.1 101"],
          ...["HTTP/1.1 101 ", "HTTP/1.1 1O1 x", "GET / HTTP/1.1 ", ""],
        ]);
        break;
      case 3: {
        const name = lines[at].split(":")[0];
        lines[at] = `${name}: ${anyValue(dice)}`;
        break;
      }
      case 4:
        lines[at] += anyValue(dice);
        break;
      default:
        lines.splice(at, 0, line);
    }
  }
  let text = dice.once(10) ? "\r\n".repeat(dice.below(6)) : "";
  for (const line of lines) {
    text += line + (wrong > 0 && dice.once(40) ? dice.of(ENDS) : "\r\n");
  }
  text += wrong > 0 && dice.once(20) ? dice.of(ENDS) : "\r\n";
  const head = Uint8Array.from(text, (char) => char.charCodeAt(0));
  return join(head, dice.bytes(dice.once(2) ? 0 : dice.below(12)));
}

function anyTarget(dice: Dice): string {
  return dice.of([
    ...["/", "/?a=b", "http://example.com/", "ws://a", "https://[::1]:1/x"],
    ...["//a", "/#x", "*", "a:1", "http://", "http://u@a/", "ftp://a/"],
    ...["/\u00e9", "/%0d%0a", "/a b", "/\0", "http://a?b"],
  ]);
}

/** What a decoder made of the bytes: all that can be told of it. */
function decode<K extends keyof Heads>(
  kind: K,
  limits: HeadLimits,
  bytes: Uint8Array,
  places: readonly number[],
): { head: Heads[K] | undefined; told: string; rest: Uint8Array } {
  const decoder = new HeadDecoder(kind, limits);
  let from = 0;
  let first: unknown;
  for (const to of [...places, bytes.length]) {
    decoder.recv(bytes.slice(from, to));
    from = to;
    const next = decoder.next();
    if (next === Information.NEED_DATA) continue;
    first ??= next;
    holds(first === next, "the decoder changes its mind");
  }
  const next = decoder.next();
  const rest = decoder.rest.slice();
  if (next === Information.NEED_DATA) {
    holds(rest.length === 0, "there is a rest of what is not complete");
    return { head: undefined, told: next, rest };
  }
  if ("type" in next) {
    const { rule, status, message } = next;
    return { head: undefined, told: `${rule} ${status} ${message}`, rest };
  }
  const { headers, ...start } = next;
  return { head: next, told: JSON.stringify([start, ...headers]), rest };
}

/** Checks what holds of a head decoder, and of the judges, for any bytes. */
export function checkHead(
  dice: Dice,
  kind: keyof Heads,
  bytes: Uint8Array,
  at: number,
): void {
  const limits = {
    maxBytes: dice.once(4) ? dice.between(1, 400) : undefined,
    maxFields: dice.once(6) ? dice.between(1, 8) : undefined,
  };
  const whole = decode(kind, limits, bytes, []);
  const places = dice.once(4)
    ? Array.from(bytes, (_, i) => i)
    : at > 0 && dice.once(2)
    ? [at]
    : dice.places(bytes.length, 8);
  const cut = decode(kind, limits, bytes, places);
  holds(
    cut.told === whole.told && cut.rest.join() === whole.rest.join(),
    `cutting at ${places} gives ${cut.told} and not ${whole.told}`,
  );
  const { head } = whole;
  if (head === undefined) return;
  checkLines(bytes, whole.rest, limits);
  if ("method" in head) checkRequest(head);
  else checkResponse(head);
}

/** What was taken for a head must look like one to anybody else. */
function checkLines(
  bytes: Uint8Array,
  rest: Uint8Array,
  { maxBytes = 16_384, maxFields = 100 }: HeadLimits,
): void {
  const length = bytes.length - rest.length;
  holds(length <= maxBytes, `a head of ${length} bytes`);
  let text = "";
  for (let i = 0; i < length; i++) text += String.fromCharCode(bytes[i]);
  const lines = text.replace(/^(\r\n)+/, "").split("\r\n");
  holds(lines.pop() === "" && lines.pop() === "", "a head ends with no line");
  holds(lines.length - 1 <= maxFields, `${lines.length - 1} fields`);
  for (const line of lines) {
    // deno-lint-ignore no-control-regex -- they are what is looked for
    holds(!/[\0-\x08\x0a-\x1f\x7f]/.test(line), `a head has ${line}`);
  }
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(":");
    holds(isToken(line.slice(0, colon)), `a field is ${line}`);
  }
  for (const name of ["host", "content-length", "sec-websocket-key"]) {
    const count = lines.filter((line) =>
      line.toLowerCase().startsWith(`${name}:`)
    ).length;
    holds(count <= 1, `${name} came ${count} times`);
  }
}

const server = new ServerHandshake({
  subprotocols: ["chat"],
  extensions: [permessageDeflate(), xor(7)],
});
const strict = new ServerHandshake({
  origins: ["https://example.com", null],
  headers: { "Set-Cookie": "a=b" },
});
const STATUSES = [101, 400, 403, 405, 426];

function checkRequest(head: Heads["request"]): void {
  for (const judge of [server, strict]) {
    const outcome = judge.judge(head);
    const { response } = outcome;
    holds(STATUSES.includes(response.status), `status ${response.status}`);
    holds(outcome.accepted === (response.status === 101), "accepted, or not");
    // It is a head that a client can read, and nothing follows it.
    const answer = encodeHead(response);
    const again = decode("response", {}, answer, []);
    holds(again.head?.status === response.status, `we answer ${again.told}`);
    holds(again.rest.length === 0, "something follows our answer");
    if (!outcome.accepted) continue;
    const { headers, method, target } = head;
    holds(method === "GET" && isTarget(target), `accepted ${method} ${target}`);
    holds(headers.get("Sec-WebSocket-Version") === "13", "accepted a version");
    holds(!headers.has("Transfer-Encoding"), "accepted a Transfer-Encoding");
    holds(
      (headers.get("Content-Length") ?? "0") === "0",
      "accepted a body",
    );
    const key = headers.get("Sec-WebSocket-Key") ?? "";
    holds(key.length === 24, `accepted the key ${key}`);
    holds(
      (headers.get("Upgrade") ?? "").toLowerCase().includes("websocket"),
      "accepted another upgrade",
    );
    const { subprotocol } = outcome;
    holds(
      subprotocol === undefined ||
        (headers.get("Sec-WebSocket-Protocol") ?? "").includes(subprotocol),
      "accepted with a subprotocol that was not offered",
    );
    const origin = headers.get("Origin");
    holds(
      judge === server || origin === null ||
        /^https:\/\/example\.com(:443)?$/i.test(origin),
      `accepted the origin ${origin}`,
    );
  }
}

const bytesOfKey = Uint8Array.from(atob(KEY), (char) => char.charCodeAt(0));
const plain = new ClientHandshake("ws://example.com/", {
  random: (bytes) => bytes.set(bytesOfKey),
});
const asking = new ClientHandshake("ws://example.com/", {
  random: (bytes) => bytes.set(bytesOfKey),
  subprotocols: ["chat"],
  extensions: [permessageDeflate(), xor(7)],
});

function checkResponse(head: Heads["response"]): void {
  const { headers, status } = head;
  for (const shake of [plain, asking]) {
    try {
      const outcome = shake.verify(head);
      holds(outcome.accepted === (status === 101), `accepted a ${status}`);
      if (!outcome.accepted) continue;
      holds(headers.get("Sec-WebSocket-Accept") === ACCEPT, "a wrong accept");
      holds(
        shake === asking || outcome.subprotocol === undefined,
        "a subprotocol that was not offered",
      );
      holds(
        shake === asking || outcome.extensions.length === 0,
        "an extension that was not offered",
      );
    } catch (error) {
      if (error instanceof HandshakeError) continue;
      throw error;
    }
  }
}

const deflates = [
  permessageDeflate(),
  permessageDeflate({ serverMaxWindowBits: 9, clientMaxWindowBits: 10 }),
  permessageDeflate({
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
  }),
];

/** Elements are written as they were read, unless a quoted value is no token. */
function checkWriting(elements: readonly FieldElement[], value: string): void {
  const isWritable = elements.every(({ parameters }) =>
    parameters.every(([, value]) => value === null || isToken(value))
  );
  let text: string | undefined = undefined;
  try {
    text = formatElements(elements);
  } catch (error) {
    holds(error instanceof TypeError, `formatElements() throws ${error}`);
  }
  holds((text !== undefined) === isWritable, `${value} becomes ${text}`);
  holds(
    text === undefined ||
      JSON.stringify(parseElements(text)) === JSON.stringify(elements),
    `${value} becomes ${text}`,
  );
}

/** Checks what holds of the grammar of fields for any value. */
export function checkField(dice: Dice, value: string): void {
  const elements = parseElements(value);
  if (elements !== undefined) {
    for (const { name, parameters } of elements) {
      holds(isToken(name), `an element is named ${name}`);
      for (const deflate of deflates) {
        const { extension, parameters: own } = deflate.answer(parameters) ?? {};
        holds(
          (own === undefined) === (extension === undefined),
          "half answers",
        );
        try {
          deflate.accept(parameters);
        } catch (error) {
          holds(error instanceof ExtensionError, `accept() throws ${error}`);
        }
      }
    }
    checkWriting(elements, value);
  }
  const tokens = parseTokens(value);
  if (tokens !== undefined) {
    holds(tokens.every(isToken), `tokens: ${tokens}`);
    const texts = JSON.stringify(parseTokens(tokens.join(" , ")));
    holds(texts === JSON.stringify(tokens), `tokens: ${texts}`);
    // A list of tokens is one of protocols and of elements too.
    const protocols = JSON.stringify(parseProtocols(value));
    holds(protocols === JSON.stringify(tokens), `protocols: ${protocols}`);
    holds(elements?.length === tokens.length, "elements and tokens differ");
  }
  const origin = normaliseOrigin(value);
  if (origin !== undefined) {
    holds(normaliseOrigin(origin) === origin, `${origin} is not normal`);
  }
  holds(
    !isAuthority(value) || isTarget(`http://${value}/`),
    `${value} is an authority, but not in a target`,
  );
  if (dice.once(20)) {
    const list = `${value},`.repeat(50);
    const length = parseTokens(list)?.length;
    holds(
      length === undefined || length === 50 * (tokens?.length ?? NaN),
      "a list of lists is another list",
    );
  }
}
