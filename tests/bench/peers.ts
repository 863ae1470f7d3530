// deno-lint-ignore-file no-console -- a program, and what it prints is its result
// Ours and the popular libraries side by side: `deno task bench:peers [filter]`.
//
// All run in one process, in turn, and of several rounds the best counts, so that
// a busy machine harms nobody in particular. What is measured is what a user gets:
// text is always delivered as a string, binary as bytes. The last line is one JSON
// object of ratios, the peer's time over ours: higher is better for us.
//
// Undici's parser, which is Node's own WebSocket, is not among them: its public
// API gives no way to hand it bytes.

import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import { Connection, type SendData } from "@noio/ws";
import bufferutil from "bufferutil";

// `ws` uses its native add-on only where it finds it, so count its calls.
let nativeCalls = 0;
const { unmask, mask } = bufferutil;
bufferutil.unmask = (...args: unknown[]) => {
  nativeCalls++;
  return unmask(...args);
};
bufferutil.mask = (...args: unknown[]) => {
  nativeCalls++;
  return mask(...args);
};
const { Receiver, Sender } = await import("ws");
const { default: driver } = await import("websocket-driver");

const KIB = 1024;
const SIZES = [16, 125, KIB, 16 * KIB, 64 * KIB, KIB * KIB];
const ASCII = "The quick brown fox jumps over the lazy dog. ";
const MIXED = "Grüße, Привет, 世界, 🌍 and so on. ";
const ROUNDS = 15;

type Kind = "binary" | "text" | "mixed";
type Role = "client" | "server";

/** Something to measure: what each does with the same input, in milliseconds. */
interface Case {
  readonly name: string;
  readonly count: number;
  readonly runs: ReadonlyMap<string, () => number>;
}

/** A message of some bytes. */
function messageOf(kind: Kind, size: number): string | Uint8Array<ArrayBuffer> {
  if (kind === "binary") return new Uint8Array(size).fill(0x61);
  const unit = kind === "text" ? ASCII : MIXED;
  const bytes = new TextEncoder().encode(unit.repeat(Math.ceil(size / 30)));
  // Whole code points alone, filled up with ASCII.
  const text = new TextDecoder().decode(bytes.subarray(0, size), {
    stream: true,
  });
  const length = new TextEncoder().encode(text).length;
  return text + "x".repeat(size - length);
}

/** The bytes of `count` messages, as the other role sends them. */
function stream(role: Role, kind: Kind, size: number, count: number) {
  const peer = new Connection(role === "server" ? "client" : "server");
  const message = messageOf(kind, size);
  const type = kind === "binary" ? "binary" : "text";
  return peer.send(Array.from({ length: count }, () => ({ type, message })));
}

/**
 * Cuts bytes into fresh chunks, as everybody unmasks in place: of the kind that
 * each gets from its sockets, which for the peers is a Buffer.
 */
function cut(bytes: Uint8Array, size: number): Uint8Array<ArrayBuffer>[] {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for (let i = 0; i < bytes.length; i += size) {
    chunks.push(bytes.slice(i, i + size));
  }
  return chunks;
}

function cutBuffers(bytes: Uint8Array, size: number): Buffer[] {
  return cut(bytes, size).map(({ buffer }) => Buffer.from(buffer));
}

function time(work: () => number, count: number): number {
  const start = performance.now();
  const done = work();
  const elapsed = performance.now() - start;
  if (done !== count) throw new Error(`${done} of ${count} messages`);
  return elapsed;
}

const LIMIT = 64 * KIB * KIB;

function decodeOurs(
  role: Role,
  chunks: Uint8Array<ArrayBuffer>[],
): number {
  const ws = new Connection(role, { maxMessageBytes: LIMIT });
  let count = 0;
  for (const chunk of chunks) {
    ws.recv(chunk);
    for (;;) {
      const event = ws.nextEvent();
      if (typeof event === "string") break;
      if (event.type === "text" || event.type === "binary") count++;
    }
  }
  return count;
}

function decodeWs(role: Role, chunks: Buffer[]): number {
  const receiver = new Receiver({
    isServer: role === "server",
    maxPayload: LIMIT,
  });
  let count = 0;
  receiver.on("message", (data: Buffer, isBinary: boolean) => {
    if (!isBinary) data.toString();
    count++;
  });
  for (const chunk of chunks) receiver._write(chunk, "buffer", () => {});
  return count;
}

/** A driver, for servers, that has its handshake behind it. */
function openDriver() {
  const request = Object.assign(new Duplex(), {
    url: "/",
    method: "GET",
    headers: {
      host: "127.0.0.1",
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
      "sec-websocket-version": "13",
    },
    connection: {},
  });
  const server = driver.http(request, { maxLength: LIMIT });
  server.start();
  return server;
}

function decodeDriver(_role: Role, chunks: Buffer[]): number {
  const peer = openDriver();
  let count = 0;
  peer.messages.on("data", () => count++);
  for (const chunk of chunks) peer.parse(chunk);
  return count;
}

/** Decoding, one case. */
function decodeCase(role: Role, kind: Kind, size: number, chunk: number): Case {
  // Enough to take some milliseconds, and small chunks take longer.
  const total = chunk === 7 ? 128 * KIB : 4 * KIB * KIB;
  const count = Math.max(1, Math.floor(total / (size + 8)));
  const bytes = stream(role, kind, size, count);
  const theirs = (work: (role: Role, chunks: Buffer[]) => number) => () => {
    const chunks = cutBuffers(bytes, chunk);
    return time(() => work(role, chunks), count);
  };
  const runs = new Map([
    ["noio", () => {
      const chunks = cut(bytes, chunk);
      return time(() => decodeOurs(role, chunks), count);
    }],
    ["ws", theirs(decodeWs)],
  ]);
  if (role === "server") runs.set("driver", theirs(decodeDriver));
  const where = chunk === 64 * KIB ? "" : `/chunks-${chunk}`;
  const who = role === "server" ? "" : "/unmasked";
  return { name: `decode/${kind}/${size}${who}${where}`, count, runs };
}

/**
 * Encoding, one case: the bytes of each message, ready to be written; both are
 * given the same object. As a server, which masks nothing, `ws` hands the caller's
 * own memory to the socket behind a head of its own; ours copies it into one
 * piece, so large messages are not like for like there.
 */
function encodeCase(role: Role, kind: Kind, size: number): Case {
  const count = Math.max(4, Math.floor(4 * KIB * KIB / (size + 256)));
  const message = messageOf(kind, size);
  const type = kind === "binary" ? "binary" : "text";
  const data: SendData = { type, message };
  return {
    name: `encode/${role}/${kind}/${size}`,
    count,
    runs: new Map([
      ["noio", () => {
        const ws = new Connection(role);
        return time(() => {
          let sent = 0;
          for (let i = 0; i < count; i++) if (ws.send(data).length > 0) sent++;
          return sent;
        }, count);
      }],
      ["ws", () => {
        let sent = 0;
        // What it would write goes nowhere, as ours does.
        const socket = new Duplex();
        socket.cork = () => {};
        socket.uncork = () => {};
        socket.write = () => true;
        const sender = new Sender(socket);
        const options = {
          binary: type === "binary",
          compress: false,
          fin: true,
          mask: role === "client",
        };
        return time(() => {
          for (let i = 0; i < count; i++) {
            sender.send(message, options);
            sent++;
          }
          return sent;
        }, count);
      }],
    ]),
  };
}

const cases: (() => Case)[] = [];
for (const kind of ["binary", "text", "mixed"] as const) {
  for (const size of kind === "mixed" ? [125, 5000, 64 * KIB] : SIZES) {
    cases.push(() => decodeCase("server", kind, size, 64 * KIB));
    cases.push(() => decodeCase("client", kind, size, 64 * KIB));
    cases.push(() => decodeCase("server", kind, size, 1400));
    if (size <= KIB) cases.push(() => decodeCase("server", kind, size, 7));
  }
}
for (const role of ["client", "server"] as const) {
  for (const size of SIZES) {
    cases.push(() => encodeCase(role, "binary", size));
    cases.push(() => encodeCase(role, "text", size));
  }
}

const [filter = ""] = Deno.args;
const ratios: Record<string, number> = {};
console.log(
  "Thousands of messages per second, the best of",
  ROUNDS,
  "rounds; ratios to each peer.",
);
for (const make of cases) {
  const { name, count, runs } = make();
  if (!name.includes(filter)) continue;
  const best = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [who, run] of runs) {
      best.set(who, Math.min(best.get(who) ?? Infinity, run()));
    }
  }
  const ours = best.get("noio") ?? NaN;
  const columns = Array.from(best, ([who, elapsed]) => {
    const rate = `${who} ${(count / elapsed).toPrecision(4)}`;
    if (who === "noio") return rate;
    const ratio = Number((elapsed / ours).toPrecision(3));
    ratios[who === "ws" ? name : `${name} (${who})`] = ratio;
    return `${rate} (${ratio}x)`;
  });
  console.log(`${name.padEnd(36)} ${columns.join("   ")}`);
}
console.log(
  nativeCalls > 0
    ? `npm:ws ran with its native add-on (bufferutil): ${nativeCalls} calls of it`
    : "npm:ws ran without its native add-on",
);
console.log(JSON.stringify(ratios));
