// How time and memory grow with the bytes received: `deno task bench:scaling`.
//
// Time: per byte, a large amount against a small one, interleaved, and the best of
// several rounds counts; 1 is linear. Memory: the peak of a process of its own
// above what it had before the message, in times the message, and in MiB where
// each part is delivered as it arrives; that needs Linux.
//
// The last line is one JSON object of these numbers: lower is better.

// deno-lint-ignore-file no-console -- a program that prints what it finds

import { Connection, type ConnectionOptions, encodeFrame } from "@noio/ws";

const KIB = 1024;
const MIB = KIB * KIB;
const ROUNDS = 7;

/** What goes through a connection, frame by frame. */
interface Traffic {
  /** The payload of each frame. */
  readonly frameBytes: number;
  readonly frames: number;
  /** Whether the frames are one message. */
  readonly isOne: boolean;
  /** How much is received at once. */
  readonly chunkBytes: number;
}

/** A part of the bytes of a stream. */
type Part = readonly [bytes: Uint8Array, from: number, to: number];

const PAYLOAD = new Uint8Array(64 * KIB).fill(0x61);

/** The bytes of the frames, never more of them than a few KiB made at once. */
function* partsOf(traffic: Traffic): Generator<Part, void, void> {
  const { frameBytes, frames, isOne } = traffic;
  for (let i = 0; i < frames; i++) {
    const opcode = isOne && i > 0 ? 0 : 2;
    const fin = !isOne || i === frames - 1;
    const head = headOf(fin, opcode, frameBytes);
    yield [head, 0, head.length];
    // The key is 0 0 0 1: the work of unmasking is done.
    for (let at = 0; at < frameBytes; at += PAYLOAD.length) {
      yield [PAYLOAD, 0, Math.min(PAYLOAD.length, frameBytes - at)];
    }
  }
}

/** The head of a masked frame. */
function headOf(fin: boolean, opcode: number, length: number): Uint8Array {
  const key = Uint8Array.of(0, 0, 0, 1);
  if (length < 65_536) {
    const payload = PAYLOAD.subarray(0, length);
    return encodeFrame({ fin, opcode, payload }, key).slice(0, -length);
  }
  const head = new Uint8Array(14);
  head[0] = (fin ? 0x80 : 0) | opcode;
  head[1] = 0xff;
  new DataView(head.buffer).setBigUint64(2, BigInt(length));
  head.set(key, 10);
  return head;
}

/** Receives it all into one buffer; gives how many bytes were delivered. */
function receive(traffic: Traffic, options: ConnectionOptions = {}): number {
  const ws = new Connection("server", {
    maxMessageBytes: Infinity,
    ...options,
  });
  const buffer = new Uint8Array(traffic.chunkBytes);
  let filled = 0;
  let delivered = 0;
  const flush = () => {
    ws.recv(buffer.subarray(0, filled));
    filled = 0;
    for (;;) {
      const event = ws.nextEvent();
      if (typeof event === "string") return;
      if (event.type === "fail") throw new Error(event.message);
      delivered += event.message.length;
    }
  };
  for (const [bytes, from, to] of partsOf(traffic)) {
    for (let at = from; at < to;) {
      const count = Math.min(to - at, buffer.length - filled);
      buffer.set(bytes.subarray(at, at + count), filled);
      filled += count;
      at += count;
      if (filled === buffer.length) flush();
    }
  }
  flush();
  const expected = traffic.frameBytes * traffic.frames;
  if (delivered !== expected) throw new Error(`${delivered} of ${expected}`);
  return delivered;
}

/** Traffic of some MiB: in messages of 1 MiB. */
function messages(mib: number): Traffic {
  return {
    frameBytes: MIB,
    frames: mib,
    isOne: false,
    chunkBytes: 64 * KIB,
  };
}

/** Traffic of some MiB: one message in one frame, in small chunks. */
function oneFrame(mib: number): Traffic {
  return { frameBytes: mib * MIB, frames: 1, isOne: true, chunkBytes: 1400 };
}

/** Traffic of some MiB: one message in fragments of 64 KiB, in small chunks. */
function fragments(mib: number): Traffic {
  return {
    frameBytes: 64 * KIB,
    frames: mib * 16,
    isOne: true,
    chunkBytes: 1400,
  };
}

/**
 * Time of a large traffic over that of a small one, repeated until it has as many
 * bytes: so both have the garbage collector's work in them.
 */
function growth(small: Traffic, large: Traffic, rounds: number): number {
  const bytes = large.frameBytes * large.frames;
  const best = { small: Infinity, large: Infinity };
  for (let round = 0; round < rounds; round++) {
    best.small = Math.min(best.small, time(small, bytes));
    best.large = Math.min(best.large, time(large, bytes));
  }
  const rate = (elapsed: number) => (bytes / MIB / elapsed * 1e3).toFixed(0);
  console.log(`    ${rate(best.small)} MiB/s, then ${rate(best.large)} MiB/s`);
  return best.large / best.small;
}

/** Milliseconds that it takes to receive some traffic until it has so many bytes. */
function time(traffic: Traffic, bytes: number): number {
  const start = performance.now();
  for (let got = 0; got < bytes;) got += receive(traffic);
  return performance.now() - start;
}

/** A line of what the system knows of this process's memory, in bytes. */
function memory(line: "VmHWM" | "VmRSS"): number {
  const status = Deno.readTextFileSync("/proc/self/status");
  const found = new RegExp(`^${line}:\\s+(\\d+) kB`, "m").exec(status);
  return found === null ? NaN : Number(found[1]) * KIB;
}

/** The traffic that memory is measured with, by name. */
const SHAPES: Readonly<
  Record<string, (mib: number) => readonly [Traffic, ConnectionOptions]>
> = {
  "one frame": (mib) => [oneFrame(mib), {}],
  fragments: (mib) => [fragments(mib), {}],
  "chunk delivery, one frame": (mib) => [oneFrame(mib), { delivery: "chunk" }],
  "chunk delivery, fragments": (mib) => [fragments(mib), { delivery: "chunk" }],
};

/** In the process of its own: prints its peak. */
function measure(shape: string, mib: number): void {
  const make = SHAPES[shape];
  if (make === undefined) throw new Error(`no ${shape}`);
  receive(...make(1)); // the program is loaded and compiled then
  const before = memory("VmRSS");
  receive(...make(mib));
  console.log(memory("VmHWM") - before);
}

/** The peak of a process of its own, in bytes. */
async function peak(shape: string, mib: number): Promise<number> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-lock",
      "--allow-all",
      import.meta.filename ?? "",
      shape,
      `${mib}`,
    ],
    stdout: "piped",
    stderr: "inherit",
    signal: AbortSignal.timeout(120_000),
  }).output();
  if (!success) throw new Error(`The measuring of ${shape} has failed`);
  return Number(new TextDecoder().decode(stdout));
}

async function main(): Promise<void> {
  const results: Record<string, number> = {};
  const note = (name: string, value: number) => {
    results[name] = Number(value.toPrecision(3));
    console.log(`${name}: ${results[name]}`);
  };
  console.log(`Time per byte, the best of ${ROUNDS} rounds`);
  note("time, 64 MiB / 8 MiB", growth(messages(8), messages(64), ROUNDS));
  // What is much smaller than that lies in memory that the allocator has at hand,
  // which says nothing of the connection.
  note(
    "time, one frame, 256 MiB / 128 MiB",
    growth(oneFrame(128), oneFrame(256), ROUNDS),
  );
  note(
    "time, fragments, 256 MiB / 128 MiB",
    growth(fragments(128), fragments(256), ROUNDS),
  );
  if (Deno.build.os !== "linux") {
    console.log("Skipped: the peak of memory is known on Linux alone");
  } else {
    for (const shape of Object.keys(SHAPES)) {
      for (const mib of [64, 256]) {
        const bytes = await peak(shape, mib);
        if (shape.startsWith("chunk")) {
          note(`peak in MiB, ${shape}, ${mib} MiB`, bytes / MIB);
        } else {
          note(`peak / message, ${shape}, ${mib} MiB`, bytes / MIB / mib);
        }
      }
    }
  }
  console.log(JSON.stringify(results));
}

const [shape, mib] = Deno.args;
if (shape !== undefined && mib !== undefined) measure(shape, Number(mib));
else await main();
