// Where bytes come from and go to, for `websocket_stream.ts`: a `Deno.Conn`, or
// any pair of a readable and a writable stream; and who closes them.

import type { AnyConnection } from "../mod.ts";
import type { ByteStream } from "../handshake.ts";

/** How long the other side may take to close the stream, in milliseconds. */
const LINGER = { server: 1000, client: 5000 };

/** What is done with a stream of bytes. */
export interface Transport {
  /**
   * Reads what is there, `null` at the end or when the stream fails. The bytes
   * are good until the next read.
   */
  read(): Promise<Uint8Array | null>;
  /** Writes all of the bytes, and tells how many of them were taken each time. */
  write(
    bytes: Uint8Array<ArrayBuffer>,
    onProgress?: (count: number) => void,
  ): Promise<void>;
  /** Says that nothing more will be written. Never rejects. */
  closeWrite(): Promise<void>;
  /** Closes both directions, at once; a read that waits ends. */
  close(): void;
}

/** The part of a `Deno.Conn` that is used here. */
interface Conn {
  read(buffer: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  close(): void;
  setNoDelay?(noDelay: boolean): void;
}

/** The transport of a stream. */
export function transportOf(stream: ByteStream): Transport {
  return "closeWrite" in stream && "read" in stream
    ? overConn(stream as ByteStream & Conn) // it has what a Deno.Conn has
    : overStreams(stream);
}

const SMALL = 4096;
const LARGE = 65_536;
const LARGEST = 262_144;

function overConn(conn: Conn): Transport {
  // One buffer, read into again and again, is twice as fast as a fresh one for
  // each read. It is small while little comes, as most connections are idle.
  let buffer = new Uint8Array(SMALL);
  let closed = false;
  // What is to go together is written together, so nothing is gained by waiting.
  quietly(() => conn.setNoDelay?.(true));
  return {
    async read() {
      try {
        const count = await conn.read(buffer);
        if (count === null) return null;
        const bytes = new Uint8Array(buffer.buffer, 0, count);
        if (count === buffer.length && count < LARGEST) {
          buffer = new Uint8Array(count < LARGE ? LARGE : LARGEST);
        } else if (count < SMALL && buffer.length > SMALL) {
          buffer = new Uint8Array(SMALL);
        }
        return bytes;
      } catch {
        return null;
      }
    },
    async write(bytes, onProgress) {
      let written = await conn.write(bytes);
      onProgress?.(written);
      while (written < bytes.length) {
        const count = await conn.write(bytes.subarray(written));
        onProgress?.(count);
        written += count;
      }
    },
    closeWrite: () => conn.closeWrite().catch(() => {}),
    close() {
      if (closed) return;
      closed = true;
      quietly(() => conn.close());
    },
  };
}

/** Does something to a socket, which the peer may have closed already. */
function quietly(work: () => void): void {
  try {
    work();
  } catch {
    // Reading shows it.
  }
}

function overStreams({ readable, writable }: ByteStream): Transport {
  const reader = readable.getReader();
  const writer = writable.getWriter();
  // Failures show in `read` and `write`; these are the same ones again.
  reader.closed.catch(() => {});
  writer.closed.catch(() => {});
  let isClosed = false;
  let stop: ((reason: unknown) => void) | undefined;
  /** Waits for something that closing must not have to wait for. */
  function untilClosed(work: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      stop = reject;
      work.then(resolve, reject);
    });
  }
  return {
    async read() {
      try {
        const { value } = await reader.read();
        return value ?? null;
      } catch {
        return null;
      }
    },
    async write(bytes, onProgress) {
      for (let at = 0; at < bytes.length; at += LARGE) {
        if (isClosed) throw new TypeError("The stream was closed");
        // A stream may transfer what it is given, and this memory is shared.
        const piece = bytes.slice(at, at + LARGE);
        const { length } = piece;
        await untilClosed(writer.write(piece));
        onProgress?.(length);
      }
    },
    closeWrite: () => untilClosed(writer.close()).catch(() => {}),
    close() {
      isClosed = true;
      reader.cancel().catch(() => {});
      writer.abort().catch(() => {});
      stop?.(new TypeError("The stream was closed"));
    },
  };
}

/**
 * Closes a stream once `nextEvent` has said `CONNECTION_CLOSED` and the reply is
 * written.
 *
 * The server closes its half first (RFC 6455, section 7.1.1), and so does whoever
 * has failed the connection. What still arrives is dropped until the other side
 * has closed: to close with bytes unread would reset the stream, and could take
 * our last words with it.
 */
export async function closeTransport(
  transport: Transport,
  { role, summary }: AnyConnection,
): Promise<void> {
  const failure = summary?.failure ?? null;
  if (failure?.code !== 1006) {
    const isFirst = role === "server" || failure !== null;
    const patience = isFirst ? LINGER.server : LINGER.client;
    const timer = setTimeout(() => transport.close(), patience);
    if (isFirst) await transport.closeWrite();
    while (await transport.read() !== null);
    clearTimeout(timer);
  }
  transport.close();
}
