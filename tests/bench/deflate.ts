// permessage-deflate, ours and that of `npm:ws`, side by side: `deno task
// bench:deflate [filter]`.
//
// Both run in one process, in turn, and of several rounds the best counts. What is
// measured is the whole way of a message of JSON: from a string to frames that
// could be written, and from masked frames as they are read to a string; at a
// server, with context takeover, at the same level and memLevel. `ws` compresses
// asynchronously, so all messages are handed to it at once, and the clock runs
// until the last of them is done.
//
// The last line is one JSON object of ratios, the time of `ws` over ours with the
// codec that is better at the size: higher is better for us.

import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import { Connection, type Role } from "@noio/ws";
import { PerMessageDeflate, Receiver, Sender } from "ws";
import {
  type DeflateCodec,
  permessageDeflate,
  portableCodec,
} from "../../src/extensions/permessage_deflate.ts";
import { zlibCodec } from "../../src/extensions/zlib_codec.ts";

const KIB = 1024;
const LEVEL = 6;
const MEM_LEVEL = 8;
const ROUNDS = 9;
const LIMIT = 64 * KIB * KIB;

/** Sizes, and how many messages of each make a round. */
const SIZES = [[100, 2000], [1000, 1000], [20_000, 100], [1_000_000, 4]];

/** By how much the compressed messages of both may differ in length. */
const MOST = 1.02;

const CODECS: readonly (readonly [name: string, codec: DeflateCodec])[] = [
  ["portable", portableCodec],
  ["zlib", zlibCodec],
];

/** JSON as services send it, each time something else, of some bytes. */
function messagesOf(size: number, count: number): string[] {
  const words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"];
  let seed = 7692;
  const upTo = (most: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return Math.floor(seed / 0x8000_0000 * most);
  };
  const word = () => words[upTo(words.length)];
  return Array.from({ length: count }, () => {
    let text = "[";
    while (text.length < size) {
      text += JSON.stringify({
        id: upTo(1e9),
        user: `${word()}.${word()}`,
        at: 1_700_000_000 + upTo(1e7),
        price: upTo(1e6) / 100,
        tags: [word(), word()],
        ok: upTo(2) === 1,
      }) + ",";
    }
    return text.slice(0, size);
  });
}

function connection(role: Role, codec: DeflateCodec): Connection {
  const deflate = permessageDeflate({
    threshold: 0,
    level: LEVEL,
    memLevel: MEM_LEVEL,
    codec,
  });
  const extension = role === "client"
    ? deflate.accept([])
    : deflate.answer([])?.extension;
  if (extension === undefined) throw new Error("The offer was declined");
  const options = { extensions: [extension], maxMessageBytes: LIMIT };
  return new Connection(role, options);
}

/** What `ws` gives its `Sender` and its `Receiver`. */
function extensionsOfWs(): Record<string, unknown> {
  const deflate = new PerMessageDeflate({
    isServer: true,
    threshold: 0,
    maxPayload: LIMIT,
    zlibDeflateOptions: { level: LEVEL, memLevel: MEM_LEVEL },
  });
  deflate.accept([{}]);
  return { "permessage-deflate": deflate };
}

/** How long it took, in milliseconds, and how many bytes came of it. */
interface Run {
  readonly elapsed: number;
  readonly bytes: number;
}

function compressOurs(codec: DeflateCodec, messages: readonly string[]): Run {
  const ws = connection("server", codec);
  let bytes = 0;
  const start = performance.now();
  for (const message of messages) {
    bytes += ws.send({ type: "text", message }).length;
  }
  return { elapsed: performance.now() - start, bytes };
}

async function compressWs(messages: readonly string[]): Promise<Run> {
  let bytes = 0;
  // What it would write goes nowhere, as ours does.
  const socket = new Duplex();
  socket.cork = () => {};
  socket.uncork = () => {};
  socket.write = (chunk: Uint8Array, done?: unknown) => {
    bytes += chunk.length;
    if (typeof done === "function") done();
    return true;
  };
  const sender = new Sender(socket, extensionsOfWs());
  const options = { binary: false, compress: true, fin: true, mask: false };
  const last = Promise.withResolvers<void>();
  const start = performance.now();
  for (const [i, message] of messages.entries()) {
    const done = i === messages.length - 1 ? last.resolve : undefined;
    sender.send(message, options, done);
  }
  await last.promise;
  return { elapsed: performance.now() - start, bytes };
}

/** The frames of a client, in chunks as they are read, as often as is asked for. */
function chunksOf(messages: readonly string[]): () => Buffer[] {
  const ws = connection("client", zlibCodec);
  const data = messages.map((message) => ({ type: "text" as const, message }));
  const bytes = ws.send(data);
  // Both unmask in place, so each time they get bytes of their own.
  return () => {
    const chunks: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += 65_536) {
      chunks.push(Buffer.from(bytes.slice(at, at + 65_536).buffer));
    }
    return chunks;
  };
}

function decompressOurs(codec: DeflateCodec, chunks: readonly Buffer[]): Run {
  const ws = connection("server", codec);
  let bytes = 0;
  const start = performance.now();
  for (const chunk of chunks) {
    ws.recv(chunk);
    for (;;) {
      const event = ws.nextEvent();
      if (typeof event === "string") break;
      bytes += event.message.length;
    }
  }
  return { elapsed: performance.now() - start, bytes };
}

async function decompressWs(
  count: number,
  chunks: readonly Buffer[],
): Promise<Run> {
  const receiver = new Receiver({
    isServer: true,
    extensions: extensionsOfWs(),
    maxPayload: LIMIT,
  });
  const last = Promise.withResolvers<void>();
  let bytes = 0;
  let left = count;
  receiver.on("message", (data: Buffer) => {
    bytes += data.toString().length;
    if (--left === 0) last.resolve();
  });
  receiver.on("error", last.reject);
  const start = performance.now();
  for (const chunk of chunks) receiver.write(chunk);
  await last.promise;
  return { elapsed: performance.now() - start, bytes };
}

/** The best of several rounds, by who ran. */
async function measure(
  runs: ReadonlyMap<string, () => Run | Promise<Run>>,
): Promise<Map<string, Run>> {
  const best = new Map<string, Run>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [who, run] of runs) {
      const made = await run();
      const before = best.get(who);
      if (before === undefined || made.elapsed < before.elapsed) {
        best.set(who, made);
      }
    }
  }
  return best;
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

const [filter = ""] = Deno.args;
const ratios: Record<string, number> = {};
print(`Microseconds a message, the best of ${ROUNDS} rounds`);
for (const [size, count] of SIZES) {
  const messages = messagesOf(size, count);
  const chunks = chunksOf(messages);
  const total = size * count;
  const cases = {
    compress: new Map<string, () => Run | Promise<Run>>([
      ["ws", () => compressWs(messages)],
      ...CODECS.map(([name, codec]) =>
        [name, () => compressOurs(codec, messages)] as const
      ),
    ]),
    decompress: new Map<string, () => Run | Promise<Run>>([
      ["ws", () => decompressWs(count, chunks())],
      ...CODECS.map(([name, codec]) =>
        [name, () => decompressOurs(codec, chunks())] as const
      ),
    ]),
  };
  for (const [what, runs] of Object.entries(cases)) {
    const name = `${what}/${size}`;
    if (!name.includes(filter)) continue;
    const best = await measure(runs);
    const theirs = best.get("ws");
    if (theirs === undefined) throw new Error("ws did not run");
    const columns = Array.from(best, ([who, { elapsed, bytes }]) => {
      const each = `${who} ${(1000 * elapsed / count).toPrecision(3)}`;
      if (who === "ws") return each;
      const ratio = theirs.elapsed / elapsed;
      const length = bytes / theirs.bytes;
      if (what === "compress" ? length > MOST : bytes !== total) {
        throw new Error(`${name}: ${who} made ${bytes}, ws ${theirs.bytes}`);
      }
      ratios[name] = Math.max(
        ratios[name] ?? 0,
        Number(ratio.toPrecision(3)),
      );
      return what === "compress"
        ? `${each} (${ratio.toFixed(2)}x, length ${length.toFixed(3)})`
        : `${each} (${ratio.toFixed(2)}x)`;
    });
    print(`${name.padEnd(20)} ${columns.join("   ")}`);
  }
}
print(JSON.stringify(ratios));
