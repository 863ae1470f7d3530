// Peers that are slow, silent or half gone, and what a `WebSocketStream` makes
// of them: in memory, and in a time that only the test moves.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { Connection, type ReceivedEvent, type Role } from "../../mod.ts";
import {
  WebSocketStream,
  WebSocketStreamError,
  type WebSocketStreamOptions,
} from "../../examples/websocket_stream.ts";
import { concat, hex, payloadOf, utf8 } from "../helpers/bytes.ts";
import { Clock, turn } from "../handshake/clock.ts";

/** A connection to a peer that reads and sends as the test says. */
class Pair {
  readonly clock = new Clock();
  readonly role: Role;
  readonly ws: WebSocketStream;
  readonly peer: Connection;
  readonly #controller = new AbortController();
  readonly #down = new TransformStream<Uint8Array, Uint8Array>();
  readonly #sender = this.#down.writable.getWriter();
  readonly #taken: Uint8Array[] = [];
  readonly #gate = Promise.withResolvers<void>();
  #failure: Error | undefined;
  #isWritable = true;
  #isEnded = false;

  constructor(role: Role, options: WebSocketStreamOptions) {
    this.role = role;
    const writable = new WritableStream<Uint8Array>({
      start: ({ signal }) => {
        signal.addEventListener("abort", () => {
          this.#isWritable = false;
          this.read();
        });
      },
      write: async (bytes) => {
        await this.#gate.promise;
        if (this.#failure !== undefined) throw this.#failure;
        if (this.#isWritable) this.#taken.push(bytes);
      },
      close: () => void (this.#isWritable = false),
    }, { highWaterMark: 0 });
    const { signal } = this.#controller;
    this.ws = WebSocketStream.over(
      { readable: this.#down.readable, writable },
      { connection: new Connection(role) },
      { ...options, signal },
    );
    this.peer = new Connection(role === "client" ? "server" : "client");
  }

  /** Whether the stream of bytes is closed, both ways. */
  get isClosed(): boolean {
    const isReadable = !this.#isEnded && this.#sender.desiredSize !== null;
    return !this.#isWritable && !isReadable;
  }

  abort(reason: Error): void {
    this.#controller.abort(reason);
  }

  /** Lets the peer read, from now on. */
  read(): void {
    this.#gate.resolve();
  }

  /** Lets writing fail, and not reading. */
  cut(failure: Error): void {
    this.#failure = failure;
    this.#isWritable = false;
    this.read();
  }

  /** What the peer has read since the last time. */
  heard(): ReceivedEvent[] {
    this.peer.recv(concat(...this.#taken.splice(0)));
    return [...this.peer.events()];
  }

  /** The same, no more than how long each was. */
  lengths(): string[] {
    return this.heard().map(({ type, message }) => `${type} ${message.length}`);
  }

  /** Sends something; resolves when it is read, or nothing is any more. */
  async send(data: Parameters<Connection["send"]>[0]): Promise<void> {
    await this.sendBytes(this.peer.send(data).slice());
  }

  async sendBytes(bytes: Uint8Array): Promise<void> {
    await this.#sender.write(bytes).catch(() => {});
  }

  /** Ends what the peer sends. */
  hangUp(): void {
    this.#isEnded = true;
    this.#sender.close().catch(() => {});
  }

  /** Lets time pass until something is settled; how much, in milliseconds. */
  async until(promise: Promise<unknown>): Promise<number> {
    const began = this.clock.now;
    let isSettled = false;
    const settle = () => void (isSettled = true);
    promise.then(settle, settle);
    for (;;) {
      await turn();
      if (isSettled) return this.clock.now - began;
      assert(this.clock.advance(), "it is pending for ever");
    }
  }

  /** Closes it in order. */
  async close(): Promise<void> {
    this.read();
    this.ws.close();
    await turn();
    this.heard();
    this.send({ type: "close", statusCode: 1000 });
    this.hangUp();
    await this.until(this.ws.closed);
  }
}

/** A test in either role; at its end all is closed, and no timer is left. */
function test(
  what: string,
  does: string,
  run: (pair: Pair) => Promise<void>,
  options: WebSocketStreamOptions = {},
): void {
  for (const role of ["client", "server"] as const) {
    Deno.test(`${what}: WebSocketStream as a ${role} ${does}`, async () => {
      const pair = new Pair(role, options);
      try {
        await run(pair);
        await turn();
        assert(pair.isClosed);
        assertEquals(pair.clock.pending, 0, "timers are left");
      } finally {
        pair.clock[Symbol.dispose]();
      }
    });
  }
}

// --- Half-open peers. ---

for (
  const [where, bytes] of [
    ["from the beginning", ""],
    ["in the head of a frame", "82 fe"],
    ["in a message", "01 89 00 00 00 00 61 62"],
  ]
) {
  test(
    "half-open peers",
    `gives up who is silent ${where}, after 30 s, a ping and 10 s more`,
    async (pair) => {
      pair.read();
      const { readable } = await pair.ws.opened;
      const reading = assertRejects(() => readable.getReader().read(), Error);
      const frame = hex(bytes);
      if (pair.role === "client" && frame.length > 0) frame[1] &= 0x7f;
      if (frame.length > 0) pair.sendBytes(frame);
      assertEquals(await pair.until(pair.ws.closed), 40_000);
      const error = await assertRejects(
        () => pair.ws.closed,
        Error,
        "The peer is silent and does not answer pings",
      );
      assertEquals(await reading, error);
      assertEquals(pair.lengths(), ["ping 1"]);
    },
  );
}

test(
  "half-open peers",
  "does not wait for ever until who has closed ends the stream",
  async (pair) => {
    pair.read();
    await pair.ws.opened;
    pair.send({ type: "close", statusCode: 1000 });
    // A client lets the server go first, so it waits longer.
    const patience = pair.role === "client" ? 5000 : 1000;
    assertEquals(await pair.until(pair.ws.closed), patience);
    assertEquals(await pair.ws.closed, { closeCode: 1000, reason: "" });
    assertEquals(pair.lengths(), ["close 0"]);
  },
);

test(
  "half-open peers",
  "writes what waits to who has ended its own half, and closes",
  async (pair) => {
    const { writable } = await pair.ws.opened;
    const writing = writable.getWriter().write(payloadOf(60_000));
    pair.hangUp();
    await turn();
    pair.read();
    assertEquals(await pair.until(pair.ws.closed), 0);
    const { summary } = await assertRejects(
      () => pair.ws.closed,
      WebSocketStreamError,
    );
    assertEquals(summary.failure?.rule, "end-of-stream");
    await writing;
    assertEquals(pair.lengths(), ["binary 60000"]);
  },
);

test(
  "half-open peers",
  "closes 5 s after writing has failed, if reading does not show why",
  async (pair) => {
    const cut = new Error("cut");
    pair.cut(cut);
    const { readable, writable } = await pair.ws.opened;
    await writable.getWriter().write("lost");
    await pair.send({ type: "text", message: "still there" });
    const reader = readable.getReader();
    assertEquals((await reader.read()).value, "still there");
    await turn();
    pair.ws.close(); // which cannot be said any more
    assertEquals(await pair.until(pair.ws.closed), 5000);
    assertEquals(await assertRejects(() => pair.ws.closed, Error), cut);
    assertEquals(await assertRejects(() => reader.read(), Error), cut);
  },
  { keepalive: false },
);

// --- Peers that never read. ---

test(
  "peers that never read",
  "holds 64 KiB and one message for them",
  async (pair) => {
    const { writable } = await pair.ws.opened;
    const writer = writable.getWriter();
    let taken = 0;
    const writing = assertRejects(
      async () => {
        for (;; taken += 10_000) await writer.write(payloadOf(10_000));
      },
      TypeError,
      "The stream was closed",
    );
    for (let i = 0; i < 50; i++) await turn();
    assertEquals(taken, 60_000); // the seventh waits
    pair.hangUp();
    assertEquals(await pair.until(pair.ws.closed), 5000);
    await writing;
    assertEquals(taken, 60_000);
  },
);

test(
  "peers that never read",
  "takes no more of what is sent back to them",
  async (pair) => {
    const { readable, writable } = await pair.ws.opened;
    const echoing = assertRejects(() => readable.pipeTo(writable), Error);
    const message = payloadOf(1000);
    let taken = 0;
    const sending = (async () => {
      for (; !pair.isClosed; taken += 1000) {
        await pair.send({ type: "binary", message });
        await turn(); // in memory it would go on for ever
      }
    })();
    for (let before = -1; before !== taken;) {
      before = taken;
      for (let i = 0; i < 50; i++) await turn();
    }
    // 64 KiB wait to be written, and 64 KiB until there is room for them.
    assert(taken > 2 * 60_000, `${taken}`);
    assert(taken < 2 * 70_000, `${taken}`);
    pair.ws.close();
    assertEquals(await pair.until(pair.ws.closed), 5000);
    await Promise.all([echoing, sending]);
  },
);

test(
  "peers that never read",
  "is ended by an abort, though messages wait for us to read them",
  async (pair) => {
    const { readable } = await pair.ws.opened;
    const message = payloadOf(50_000);
    const sending = Promise.all(
      Array.from({ length: 5 }, () => pair.send({ type: "binary", message })),
    );
    await turn();
    const enough = new Error("enough");
    pair.abort(enough);
    assertEquals(await pair.until(pair.ws.closed), 0);
    await sending;
    const reader = readable.getReader();
    assertEquals(await assertRejects(() => reader.read(), Error), enough);
    assertEquals(await assertRejects(() => pair.ws.closed, Error), enough);
  },
);

// --- Ping floods. ---

test(
  "ping flood",
  "answers in order until more than 16 KiB are unwritten, and then the latest",
  async (pair) => {
    await pair.ws.opened;
    const ping = (number: number) => {
      const message = utf8(`${number}`.padStart(100, "0"));
      return { type: "ping", message } as const;
    };
    for (let first = 0; first < 10_000; first += 100) {
      await pair.send(Array.from({ length: 100 }, (_, i) => ping(first + i)));
    }
    await turn();
    pair.read();
    await turn();
    const answered = pair.heard().map(({ type, message }) => {
      assertEquals(type, "pong");
      assert(typeof message !== "string");
      return Number(new TextDecoder().decode(message));
    });
    // Of 102 bytes each from a server, of 106 from a client, which masks.
    const count = pair.role === "server" ? 161 : 155;
    assertEquals(answered, [...Array(count).keys(), 9_999]);

    await pair.send(ping(10_000));
    await turn();
    assertEquals(pair.lengths(), ["pong 100"]);
    await pair.close();
  },
);

// --- Close during send. ---

type End = (pair: Pair, opened: Opened) => unknown;

/** Each way to begin the end, its code, and the patience in seconds. */
const ENDS: [string, number, number, End][] = [
  ["close()", 1000, 5, ({ ws }) => ws.close()],
  ["aborting writable", 1001, 5, (_, { writer }) => writer.abort()],
  ["cancelling readable", 1000, 5, (_, { reader }) => reader.cancel()],
  // A WritableStream closes when all is written: until then the peer is silent.
  ["closing writable", 1000, 40, (_, { writer }) => writer.close()],
];

type Opened = Awaited<ReturnType<typeof sending>>;

/** Writes more than there is room for. */
async function sending(pair: Pair) {
  const { readable, writable } = await pair.ws.opened;
  const [reader, writer] = [readable.getReader(), writable.getWriter()];
  reader.closed.catch(() => {});
  writer.closed.catch(() => {});
  let isWritten = false;
  const writing = writer.write(payloadOf(200_000));
  writing.then(() => isWritten = true, () => {});
  await turn();
  assert(!isWritten);
  return { reader, writer, writing };
}

for (const [way, code, patience, end] of ENDS) {
  test(
    "close during send",
    `says so behind what waits to be read, when told to by ${way}`,
    async (pair) => {
      const opened = await sending(pair);
      Promise.resolve(end(pair, opened)).catch(() => {});
      await turn();
      assertEquals(pair.heard(), []);
      pair.read();
      await pair.until(opened.writing);
      await turn();
      const [message, close] = pair.heard();
      assertEquals(message.message, payloadOf(200_000));
      assert(close.type === "close");
      assertEquals(close.statusCode, code);
      pair.send({ type: "close", statusCode: code });
      pair.hangUp();
      assertEquals(await pair.until(pair.ws.closed), 0);
      assertEquals((await pair.ws.closed).closeCode, code);
    },
  );

  test(
    "close during send",
    `gives up who does not read in ${patience} s, when told to by ${way}`,
    async (pair) => {
      const opened = await sending(pair);
      Promise.resolve(end(pair, opened)).catch(() => {});
      const failing = assertRejects(() => opened.writing, Error);
      assertEquals(await pair.until(pair.ws.closed), 1000 * patience);
      await assertRejects(() => pair.ws.closed, Error);
      await failing;
      assertEquals(pair.heard(), []);
    },
  );
}

test(
  "close during send",
  "answers the peer's close behind what waits to be read",
  async (pair) => {
    const { writing } = await sending(pair);
    await pair.send({ type: "close", statusCode: 3000 });
    pair.hangUp();
    await turn();
    pair.read();
    assertEquals(await pair.until(pair.ws.closed), 0);
    assertEquals(await pair.ws.closed, { closeCode: 3000, reason: "" });
    await writing;
    assertEquals(pair.lengths(), ["binary 200000", "close 0"]);
  },
);

test(
  "close during send",
  "gives up who closes and does not read, in 5 s",
  async (pair) => {
    const { writing } = await sending(pair);
    const failing = assertRejects(() => writing, Error);
    await pair.send({ type: "close", statusCode: 3000 });
    assertEquals(await pair.until(pair.ws.closed), 5000);
    await failing;
    assertEquals(pair.heard(), []);
  },
);
