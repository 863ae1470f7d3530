// deno-lint-ignore-file no-console -- a program, and what it prints is its result
// Clients that come and go, most of them not in order; and a program that
// serves them itself, as only a forced collection makes the numbers exact. Prints
// as JSON what is open, and how much memory is in use, after each round of them.
//
// deno run --allow-all --v8-flags=--expose-gc
// tests/examples/churn.ts (acceptUpgrade | WebSocketStream)

import { acceptUpgrade } from "../../handshake.ts";
import { WebSocketStream } from "../../examples/websocket_stream.ts";
import { concat, hex, toHex, utf8 } from "../helpers/bytes.ts";

declare const gc: () => void;

/** How many rounds there are, of which the first is a warm-up. */
export const ROUNDS = 8;

/** How many come in each round. */
export const ROUND = 1250;

/** How many are there at a time. */
const BATCH = 125;

/** How long they may take for the handshake, in milliseconds. */
export const PATIENCE = 500;

/** How many descriptors Deno itself may open, once. */
export const OWN = 4;

/** How long a server may stand still, in milliseconds: a leak stays for ever. */
const STALL = 20_000;

/** What a server has at some time. */
export interface Held {
  /** How many descriptors are open. */
  readonly descriptors: number;
  /** How many bytes objects take that are in use. */
  readonly heap: number;
}

/** What was seen before the rounds, and after each. */
export interface Rounds {
  readonly before: Held;
  readonly after: readonly Held[];
  /** What clients saw that they should not have, a line each. */
  readonly complaints: readonly string[];
}

const REQUEST = utf8(
  "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n" +
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
    "Sec-WebSocket-Version: 13\r\n\r\n",
);

/** How long the answer is. */
const SWITCHING = 129;

const HELLO = hex("81 85 00 00 00 00 68 65 6c 6c 6f");
const CLOSE = hex("88 82 00 00 00 00 03 e8");
const LARGE = concat(hex("82 fe ea 60 00 00 00 00"), new Uint8Array(60_000));

async function write(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await conn.write(bytes.subarray(at));
  }
}

/** Reads so many bytes, or to the end. */
async function read(conn: Deno.Conn, count = Infinity): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for (let left = count; left > 0;) {
    const buffer = new Uint8Array(Math.min(left, 4096));
    const count = await conn.read(buffer);
    if (count === null) break;
    chunks.push(buffer.subarray(0, count));
    left -= count;
  }
  return concat(...chunks);
}

/** Reads to the end, and complains if it is not this, in hexadecimal digits. */
async function expect(conn: Deno.Conn, digits: string): Promise<void> {
  const bytes = await read(conn);
  if (toHex(bytes) !== digits) throw new Error(`got ${toHex(bytes)}`);
}

async function shake(conn: Deno.Conn): Promise<void> {
  await write(conn, REQUEST);
  const head = new TextDecoder().decode(await read(conn, SWITCHING));
  if (!/^HTTP\/1.1 101 [^]*\r\n\r\n$/.test(head)) throw new Error(head);
}

/** What clients do until they close their end, whatever has come by then. */
const CLIENTS: Record<string, (conn: Deno.Conn) => Promise<void>> = {
  "in order": async (conn) => {
    await shake(conn);
    await write(conn, concat(HELLO, CLOSE));
    await expect(conn, "81 05 68 65 6c 6c 6f 88 02 03 e8");
  },
  "says nothing": async () => {},
  "vanishes in the head": (conn) => write(conn, REQUEST.subarray(0, 80)),
  "ends its half in the head": async (conn) => {
    await write(conn, REQUEST.subarray(0, 80));
    await conn.closeWrite();
    await expect(conn, "");
  },
  "sends no head": async (conn) => {
    await write(conn, HELLO);
    const answer = new TextDecoder().decode(await read(conn));
    if (!answer.startsWith("HTTP/1.1 400 ")) throw new Error(answer);
  },
  "vanishes after the handshake": shake,
  // What is closed with bytes unread is reset.
  "resets in the answer to the handshake": async (conn) => {
    await write(conn, REQUEST);
    await read(conn, 1);
  },
  "vanishes in a frame": async (conn) => {
    await shake(conn);
    await write(conn, HELLO.subarray(0, 8));
  },
  "ends its half after a frame": async (conn) => {
    await shake(conn);
    await write(conn, HELLO);
    await conn.closeWrite();
    await expect(conn, "81 05 68 65 6c 6c 6f");
  },
  "sends garbage": async (conn) => {
    await shake(conn);
    await write(conn, hex("ff ff ff"));
    const answer = toHex((await read(conn)).subarray(0, 4));
    if (!/^88 .. 03 ea$/.test(answer)) throw new Error(answer);
  },
  "resets in the answer to a frame": async (conn) => {
    await shake(conn);
    await write(conn, LARGE);
    await read(conn, 1);
  },
  "vanishes after its close": async (conn) => {
    await shake(conn);
    await write(conn, CLOSE);
  },
};

/** Lets clients come and go; what they complain of. */
async function comeAndGo(port: number): Promise<string[]> {
  const clients = Object.entries(CLIENTS);
  const complaints: string[] = [];
  for (let i = 0; i < ROUND; i += BATCH) {
    await Promise.all(Array.from({ length: BATCH }, async (_, j) => {
      const [name, behave] = clients[(i + j) % clients.length];
      using conn = await Deno.connect({ hostname: "127.0.0.1", port });
      await behave(conn).catch((error) => {
        complaints.push(`who ${name}: ${error}`);
      });
    }));
  }
  return complaints;
}

/**
 * All rounds, after each of which it waits until all have gone.
 *
 * @param port Where the server is
 * @param process Its process
 * @param heapOf Tells how much is in use, once it has collected the garbage
 */
export async function inRounds(
  port: number,
  process: number | "self",
  heapOf: () => Promise<number>,
): Promise<Rounds> {
  const complaints: string[] = [];
  const count = () => [...Deno.readDirSync(`/proc/${process}/fd`)].length;
  const before = { descriptors: count(), heap: await heapOf() };
  const after: Held[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    complaints.push(...await comeAndGo(port));
    // A descriptor is closed when the server has seen the end of its stream,
    // and the timers of the handshakes hold something until they go off. No
    // garbage is collected meanwhile: that closes sockets that were forgotten.
    // A server that stands still changes nothing either, so this alone would not
    // tell: it waits until no more are open than should be.
    const due = after[0]?.descriptors ?? before.descriptors + OWN;
    let descriptors = count();
    const began = performance.now();
    for (let same = 0;;) {
      const waited = performance.now() - began;
      const isOver = descriptors <= due || waited > STALL;
      if (same >= 5 && waited >= PATIENCE && isOver) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
      const now = count();
      same = now === descriptors ? same + 1 : 0;
      descriptors = now;
    }
    after.push({ descriptors, heap: await heapOf() });
    if (descriptors > due) break; // they stay: there is no need to see more
  }
  return { before, after, complaints };
}

/** The server of README.md. */
async function serve(conn: Deno.Conn): Promise<void> {
  const signal = AbortSignal.timeout(PATIENCE);
  const upgrade = await acceptUpgrade(conn, { signal });
  if (!upgrade.accepted) return;
  using _socket = conn;
  const ws = upgrade.connection;
  const buffer = new Uint8Array(65_536);
  for (;;) {
    for (const event of ws.events()) {
      const echoes = event.type === "text" || event.type === "binary";
      let bytes = echoes ? ws.send(event) : ws.reply(event);
      while (bytes.length > 0) bytes = bytes.subarray(await conn.write(bytes));
    }
    if (ws.summary !== undefined) return;
    const count = await conn.read(buffer).catch(() => null);
    ws.recv(count === null ? null : buffer.subarray(0, count));
  }
}

/** The same with streams. */
async function serveStreams(conn: Deno.Conn): Promise<void> {
  const ws = WebSocketStream.accept(conn, { handshakeTimeout: PATIENCE });
  const { readable, writable } = await ws.opened;
  await readable.pipeTo(writable);
  await ws.closed;
}

if (import.meta.main) {
  const handle = Deno.args[0] === "acceptUpgrade" ? serve : serveStreams;
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  (async () => {
    for await (const conn of listener) handle(conn).catch(() => {});
  })();
  const rounds = await inRounds(listener.addr.port, "self", () => {
    gc();
    gc();
    return Promise.resolve(Deno.memoryUsage().heapUsed);
  });
  console.log(JSON.stringify(rounds));
}
