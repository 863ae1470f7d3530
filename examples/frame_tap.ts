// Looks at the bytes of a stream as they pass by, and gives a line for each frame.

import {
  formatFrame,
  type FormatFrameOptions,
  FrameDecoder,
  Information,
} from "@noio/ws";
import type { ByteStream } from "@noio/ws/handshake";

/** Which way a frame goes, as it is printed. */
export type Direction = "->" | "<-";

/** Sees the bytes of one direction. */
export class FrameTap {
  readonly #decoder = new FrameDecoder({
    opcodes: "any",
    reserved: [1, 1, 1],
    maxFrameBytes: Infinity,
  });
  readonly #print: (line: string) => void;
  readonly #options: FormatFrameOptions;
  #isBroken = false;

  /**
   * @param print Takes the lines
   * @param options Names for opcodes of one's own
   */
  constructor(print: (line: string) => void, options: FormatFrameOptions = {}) {
    this.#print = print;
    this.#options = options;
  }

  /** Sees some bytes. */
  see(chunk: Uint8Array): void {
    if (this.#isBroken) return;
    this.#decoder.recv(chunk.slice()); // it unmasks in place
    for (;;) {
      const frame = this.#decoder.next();
      if (frame === Information.NEED_DATA) return;
      if ("type" in frame) {
        this.#isBroken = true;
        return this.#print(frame.message);
      }
      this.#print(formatFrame(frame, this.#options));
    }
  }
}

/** How the head of a request or a response ends. */
const HEAD_END = [13, 10, 13, 10];

/**
 * A stream as it is, with a look at the frames that follow the heads of a handshake.
 *
 * @param stream The stream, over which nothing has been sent
 * @param print Takes a line for each frame
 * @returns The stream to use
 */
export function tapped(
  { readable, writable }: ByteStream,
  print: (direction: Direction, line: string) => void,
): ByteStream {
  const outgoing = new TransformStream(watcher((line) => print("->", line)));
  outgoing.readable.pipeTo(writable).catch(() => {}); // its user sees it too
  return {
    readable: readable.pipeThrough(
      new TransformStream(watcher((line) => print("<-", line))),
    ),
    writable: outgoing.writable,
  };
}

function watcher(
  print: (line: string) => void,
): Transformer<Uint8Array, Uint8Array> {
  const tap = new FrameTap(print);
  let matched = 0; // of the end of the head
  return {
    transform(chunk, controller) {
      let from = 0;
      while (matched < HEAD_END.length && from < chunk.length) {
        const byte = chunk[from++];
        matched = byte === HEAD_END[matched] ? matched + 1 : +(byte === 13);
      }
      if (matched === HEAD_END.length) tap.see(chunk.subarray(from));
      controller.enqueue(chunk);
    },
  };
}
