// deno run --allow-net examples/wscat.ts ws://127.0.0.1:8080/
//
// A WebSocket on the terminal: what you type is sent, what comes is printed. With
// `--unix` and `--ca` it also needs `--allow-read`, with `--unix` `--allow-write`.

import { once } from "node:events";
import { isIP } from "node:net";
import { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { TextLineStream } from "@std/streams";
import { type ByteStream, ClientHandshake } from "@noio/ws/handshake";
import { permessageDeflate } from "@noio/ws/permessage-deflate";
import { connect } from "./connect.ts";
import { tapped } from "./frame_tap.ts";
import { fail, interruption, messageOf, numberOf, parse } from "./program.ts";
import { GREY, lineOf, paint } from "./terminal.ts";
import {
  WebSocketRefusedError,
  WebSocketStream,
  WebSocketStreamError,
} from "./websocket_stream.ts";

const HELP = `
Sends each line of the input, and prints each message.

  deno run --allow-net examples/wscat.ts [options] <url>

  --header=<name: value>  a field of the request; may be repeated
  --subprotocol=<name>    a subprotocol to offer; may be repeated
  --binary                send lines as binary messages
  --compress              offer permessage-deflate
  --ping=<seconds>        ping that often, and print how long it took
  --show-frames           print each frame, in both directions
  --unix=<path>           connect to a Unix socket (--allow-read, --allow-write)
  --ca=<file>             trust a certificate authority too (--allow-read)
  --insecure              trust any certificate
  --count=<n>             close after n messages
  --wait=<ms>             at the end of the input, close after that [1000]
  --help                  this

Exits with 0 if the connection was closed in order with 1000, 1001 or no code, with
1 after another code, 2 for wrong arguments, 3 if it cannot connect, 4 if the server
refuses, 5 if the connection breaks. Ctrl-C closes it in order.
`;

const { values, positionals: [url] } = parse(HELP, {
  header: { type: "string", multiple: true, default: [] },
  subprotocol: { type: "string", multiple: true, default: [] },
  binary: { type: "boolean", default: false },
  compress: { type: "boolean", default: false },
  ping: { type: "string" },
  "show-frames": { type: "boolean", default: false },
  unix: { type: "string" },
  ca: { type: "string" },
  insecure: { type: "boolean", default: false },
  count: { type: "string", default: "0" },
  wait: { type: "string", default: "1000" },
});
if (url === undefined) fail("There is no URL; see --help", 2);
const DAY = 86_400_000;
const count = numberOf("count", values.count, DAY);
const wait = numberOf("wait", values.wait, DAY);
const pingEach = 1000 * numberOf("ping", values.ping ?? "0", 86_400);

const note = (text: string) => console.error(paint(GREY, text));

const ca = values.ca === undefined ? [] : [await readFile(values.ca)];

async function readFile(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    return fail(`Cannot read ${path}: ${messageOf(error)}`, 2);
  }
}

/** Opens the stream of bytes. */
async function open(url: URL): Promise<ByteStream> {
  const { unix, insecure } = values;
  const signal = AbortSignal.timeout(10_000);
  if (unix !== undefined) {
    return await Deno.connect({ transport: "unix", path: unix });
  }
  if (!insecure || url.protocol === "ws:") {
    return await connect(url, { caCerts: ca }, signal);
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1"); // of an IPv6 address
  const socket = connectTls({
    host,
    port: Number(url.port) || 443,
    servername: isIP(host) ? "" : host, // no address is sent as a name
    rejectUnauthorized: false,
  });
  await once(socket, "secureConnect", { signal });
  return Duplex.toWeb(socket) as ByteStream; // of bytes, as no encoding is set
}

/** What the exit code is for. */
function codeOf(error: unknown): number {
  if (error instanceof WebSocketRefusedError) return 4;
  return error instanceof WebSocketStreamError ? 5 : 3;
}

let ws: WebSocketStream;
try {
  const headers = values.header.map((field): [string, string] => {
    const [name] = field.split(":", 1);
    return [name.trim(), field.slice(name.length + 1).trim()];
  });
  const asked = { headers, subprotocols: values.subprotocol };
  new ClientHandshake(url, asked); // a mistake of ours throws here
  const stream = await open(new URL(url));
  ws = new WebSocketStream(url, {
    ...asked,
    extensions: values.compress ? [permessageDeflate()] : [],
    stream: values["show-frames"]
      ? tapped(stream, (direction, line) => note(`${direction} ${line}`))
      : stream,
  });
} catch (error) {
  if (error instanceof TypeError) fail(messageOf(error), 2);
  fail(`Cannot connect to ${url}: ${messageOf(error)}`, 3);
}

/** Sends the lines of the input; at its end, the connection is closed. */
async function sendLines(writable: WritableStream): Promise<void> {
  const writer = writable.getWriter();
  const encoder = new TextEncoder();
  const lines = Deno.stdin.readable
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream());
  for await (const line of lines) {
    await writer.write(values.binary ? encoder.encode(line) : line);
  }
  setTimeout(() => ws.close(), wait);
}

try {
  const { readable, writable, subprotocol, extensions } = await ws.opened;
  const agreed = extensions.map(({ name }) => name).join(", ") || "none";
  note(`open, subprotocol ${subprotocol ?? "none"}, extensions ${agreed}`);
  interruption().addEventListener("abort", () => ws.close());
  if (pingEach > 0) {
    setInterval(() => {
      ws.ping().then((ms) => note(`ping ${ms.toFixed(1)} ms`), () => {});
    }, pingEach);
  }
  sendLines(writable).catch(() => {}); // `closed` says why
  let received = 0;
  for await (const message of readable) {
    console.log(lineOf(message));
    if (++received === count) ws.close();
  }
  const { closeCode, reason } = await ws.closed;
  note(`closed with ${closeCode} ${JSON.stringify(reason)}`);
  Deno.exit([1000, 1001, 1005].includes(closeCode) ? 0 : 1);
} catch (error) {
  fail(messageOf(error), codeOf(error));
}
