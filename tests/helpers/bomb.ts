// How much memory a deflate bomb takes: a program of its own, as the peak of a
// process only grows. Prints as JSON by how many bytes it grew and how the
// connection ended.
//
// deno run --allow-all --v8-flags=--expose-gc tests/helpers/bomb.ts portable 10 whole 1

import { Connection } from "../../src/connection/connection.ts";
import { portableCodec } from "../../src/extensions/deflate_codec.ts";
import { permessageDeflate } from "../../src/extensions/permessage_deflate.ts";
import { zlibCodec } from "../../src/extensions/zlib_codec.ts";
import { encodeFrame } from "../../src/framing/frame.ts";
import { concat, utf8 } from "./bytes.ts";

declare const gc: () => void;

const MIB = 1_048_576;
const FRAGMENT_BYTES = 100;

/** The codec, the size of the message in MiB, how it is sent, the limit in MiB. */
const [codecName, megabytes, way, limitMegabytes] = Deno.args;
const codec = codecName === "zlib" ? zlibCodec : portableCodec;
const size = Number(megabytes);
const LIMIT = Number(limitMegabytes) * MIB;

/** The peak of the memory of this process, in bytes. */
function peak(): number {
  const status = Deno.readTextFileSync("/proc/self/status");
  const kilobytes = /^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1];
  return Number(kilobytes) * 1024;
}

/** Lets the peak begin anew, where the system allows it. */
function resetPeak(): void {
  try {
    Deno.writeTextFileSync("/proc/self/clear_refs", "5");
  } catch {
    // Then it is as high as the warm-up was.
  }
}

/** Zeros, as many MiB as it says, compressed to about a thousandth. */
function bomb(): Uint8Array<ArrayBuffer> {
  const deflater = portableCodec.deflater({
    windowBits: 15,
    level: 9,
    memLevel: 9,
  });
  const zeros = new Uint8Array(MIB);
  const parts: Uint8Array[] = [];
  // The first knows nothing of the past; those that follow are alike.
  for (let i = 0; i < Math.min(size, 3); i++) {
    parts.push(deflater.compress(zeros));
  }
  for (let i = 3; i < size; i++) parts.push(parts[2]);
  deflater.close();
  return concat(...parts).slice(0, -4);
}

/** The bomb's size, or that of the limit, of what does not compress. */
function benign(length: number): Uint8Array<ArrayBuffer> {
  const blocks: Uint8Array[] = [];
  const random = new Uint8Array(32_768);
  for (let left = length; left > 0; left -= random.length) {
    const count = Math.min(left, random.length);
    crypto.getRandomValues(random);
    // A stored block (RFC 1951, section 3.2.4).
    const head = [
      0,
      count & 0xff,
      count >> 8,
      ~count & 0xff,
      ~count >> 8 & 0xff,
    ];
    blocks.push(Uint8Array.from(head), random.slice(0, count));
  }
  return concat(...blocks, Uint8Array.of(0));
}

/** The frames of a message. */
function frames(bytes: Uint8Array<ArrayBuffer>, length: number) {
  const all: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < bytes.length; at += length) {
    all.push(encodeFrame({
      opcode: at === 0 ? 2 : 0,
      fin: at + length >= bytes.length,
      reserved: [at === 0 ? 1 : 0, 0, 0],
      payload: bytes.subarray(at, at + length),
    }));
  }
  return all;
}

/** What a connection makes of some chunks. */
function receive(chunks: readonly Uint8Array<ArrayBuffer>[], limit: number) {
  const { extension } = permessageDeflate({ codec }).answer([]) ?? {};
  if (extension === undefined) throw new Error("The offer was declined");
  const ws = new Connection("client", {
    extensions: [extension],
    maxMessageBytes: limit,
    maxFrameBytes: Infinity,
  });
  const seen: string[] = [];
  for (const chunk of chunks) {
    ws.recv(chunk);
    for (const event of ws.events()) {
      seen.push(
        event.type === "fail" ? `${event.code}` : `${event.message.length}`,
      );
    }
  }
  return seen;
}

const length = way === "whole" ? Infinity : FRAGMENT_BYTES;
const bytes = bomb();
const evil = frames(bytes, length);
// Warm up: a message as long as the bomb inflates to be under the limit, and one
// that is as long on the wire.
const zeros = codec.deflater({ windowBits: 15, level: 6, memLevel: 8 })
  .compress(new Uint8Array(MIB)).slice(0, -4);
for (let i = 0; i < 10; i++) {
  receive(frames(benign(MIB), length), MIB);
  receive(frames(zeros, length), MIB);
  receive(frames(benign(bytes.length), length), 2 * MIB);
}
gc();
resetPeak();
const before = peak();
const seen = receive(evil, LIMIT);
const grown = peak() - before;
const result = { bytes: bytes.length, seen, grown };
await Deno.stdout.write(utf8(JSON.stringify(result)));
