// What a peer can cost a connection in memory and in time, as it sends n and 8 n
// of something: a program of its own, as only a forced collection makes the
// numbers exact, and nothing else must run beside it. Prints them as JSON.
//
// deno run --allow-all --v8-flags=--expose-gc tests/helpers/growth.ts [heads]

import { Connection } from "../../src/connection/connection.ts";
import type { Role } from "../../src/connection/options.ts";
import { portableCodec } from "../../src/extensions/deflate_codec.ts";
import { permessageDeflate } from "../../src/extensions/permessage_deflate.ts";
import type { FrameInit } from "../../src/framing/frame.ts";
import { HeadDecoder } from "../../src/handshake/head_decoder.ts";
import { concat, utf8 } from "./bytes.ts";
import { random } from "./cuts.ts";
import { ROLES, wire } from "./events.ts";
import { held, least, timed } from "./measure.ts";

/** What one kind of attack costs, for n and for 8 n of it. */
export interface Cost {
  /** How many bytes of payload have arrived. */
  readonly bytes: readonly [few: number, many: number];
  /** How many bytes are held, with the garbage taken away: the least of several. */
  readonly held: readonly [few: number, many: number];
  /** How long it took, in milliseconds, eight times n and once 8 n: the best of several. */
  readonly time: readonly [few: number, many: number];
}

/** Does something `count` times, and gives what is kept of it. */
type Attack = (count: number) => unknown;

const costs: Record<string, Cost> = {};

function add(name: string, few: number, size: number, attack: Attack): void {
  const many = 8 * few;
  costs[name] = {
    bytes: [few * size, many * size],
    held: [
      least(3, () => held(() => attack(few))),
      least(3, () => held(() => attack(many))),
    ],
    time: [
      least(6, () =>
        timed(() => {
          for (let i = 0; i < 8; i++) attack(few);
        })),
      least(6, () => timed(() => attack(many))),
    ],
  };
}

/** A connection with compression or without it. */
function open(role: Role, compressed: boolean): Connection {
  const deflate = permessageDeflate();
  const answer = deflate.answer([]);
  if (answer === undefined) throw new Error("an offer was declined");
  const extension = role === "client" ? deflate.accept([]) : answer.extension;
  return new Connection(role, { extensions: compressed ? [extension] : [] });
}

/** Hands bytes over, and lets go of all events. */
function give(ws: Connection, bytes: Uint8Array): void {
  ws.recv(bytes);
  for (const event of ws.events()) {
    if (event.type === "fail") throw new Error(event.message);
  }
}

const next = random(6455);
/** Bytes that do not compress. */
const noise = Uint8Array.from({ length: 262_144 }, () => next() * 256);
/** The same, compressed, in 262,224 bytes. */
const squeezed = portableCodec.deflater({
  windowBits: 15,
  level: 6,
  memLevel: 8,
})
  .compress(noise);

function measureConnections(): void {
  for (const role of ROLES) {
    for (const compressed of [false, true]) {
      const how = `at a ${role}${compressed ? " with deflate" : ""}`;
      const first: FrameInit = {
        opcode: 2,
        fin: false,
        reserved: [compressed ? 1 : 0, 0, 0],
      };
      const content = compressed ? squeezed : noise;

      for (const length of [0, 1]) {
        const few = 8000;
        const frames = Array.from({ length: 8 * few }, (_, i) =>
          wire(role, {
            opcode: 0,
            fin: false,
            payload: content.subarray(i, i + length),
          }));
        const batches: Uint8Array[] = [];
        for (let i = 0; i < frames.length; i += 1000) {
          batches.push(concat(...frames.slice(i, i + 1000)));
        }
        add(
          `fragments of ${length} bytes ${how}`,
          few,
          length,
          (count) => {
            const ws = open(role, compressed);
            give(ws, wire(role, first));
            for (let i = 0; i < count / 1000; i++) give(ws, batches[i].slice());
            return ws;
          },
        );
      }

      add(`a frame in 1-byte chunks ${how}`, 8000, 1, (count) => {
        const ws = open(role, compressed);
        const payload = content.subarray(0, count);
        const bytes = wire(role, { ...first, payload });
        const chunk = new Uint8Array(1);
        for (const byte of bytes.subarray(0, bytes.length - 1)) {
          chunk[0] = byte;
          give(ws, chunk);
        }
        return ws;
      });

      // Pings of 125 bytes within a message: they are answered and forgotten.
      const ping = wire(role, { opcode: 9, payload: noise.subarray(0, 125) });
      const pings = concat(...new Array<Uint8Array>(100).fill(ping));
      add(`pings within a message ${how}`, 2000, 0, (count) => {
        const ws = open(role, compressed);
        give(ws, wire(role, first));
        for (let i = 0; i < count; i += 100) {
          ws.recv(pings.slice());
          for (const event of ws.events()) ws.reply(event);
        }
        return ws;
      });
    }
  }
}

function measureHeads(): void {
  const line = utf8("GET / HTTP/1.1\r\n");
  add("a head of many fields", 12_500, 6, (count) => {
    const decoder = new HeadDecoder("request");
    decoder.recv(line);
    const field = utf8("a: b\r\n");
    // Whoever has an outcome reads no more.
    let next = decoder.next();
    for (let i = 0; i < count && typeof next === "string"; i++) {
      decoder.recv(field);
      next = decoder.next();
    }
    if (typeof next === "string" || !("type" in next)) {
      throw new Error("there is no limit");
    }
    return decoder;
  });

  add("a line without an end", 100_000, 1, (count) => {
    const decoder = new HeadDecoder("request", { maxBytes: Infinity });
    decoder.recv(line);
    decoder.recv(utf8("a: "));
    const byte = utf8("b");
    for (let i = 0; i < count; i++) decoder.recv(byte);
    return decoder;
  });
}

if (Deno.args[0] === "heads") measureHeads();
else measureConnections();
await Deno.stdout.write(utf8(JSON.stringify(costs)));
