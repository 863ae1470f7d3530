// The streams of `examples/websocket_stream.ts`, over sockets and over streams that
// the test holds in its hands.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  Connection,
  LocalProtocolError,
  PreparedMessage,
  type ReceivedEvent,
} from "../../mod.ts";
import { requestUpgrade } from "../../handshake.ts";
import {
  type ByteStream,
  type Message,
  WebSocketRefusedError,
  WebSocketStream,
  type WebSocketStreamAcceptOptions,
  type WebSocketStreamConnectOptions,
  WebSocketStreamError,
} from "../../examples/websocket_stream.ts";
import { concat, hex, payloadOf, utf8 } from "../helpers/bytes.ts";
import { allBytes, ruleAt, VIOLATIONS } from "../helpers/violations.ts";

/** A test that fails when it takes too long. */
function test(name: string, run: () => Promise<void>): void {
  Deno.test(`WebSocketStream ${name}`, async () => {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error("too late")), 30_000);
    try {
      await Promise.race([run(), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  });
}

/** Both ends of a connection over a socket, both open. */
async function open(
  client: WebSocketStreamConnectOptions = {},
  server: WebSocketStreamAcceptOptions = {},
) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `ws://127.0.0.1:${listener.addr.port}/`;
  const accepting = listener.accept();
  const ours = new WebSocketStream(url, client);
  const theirs = WebSocketStream.accept(await accepting, server);
  listener.close();
  const opened = await Promise.all([ours.opened, theirs.opened]);
  return { ours, theirs, client: opened[0], server: opened[1] };
}

/** Accepts a socket and does nothing with it. */
async function silentServer(
  run: (url: string, conn: Promise<Deno.Conn>) => Promise<void>,
): Promise<void> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepting = listener.accept();
  await run(`ws://127.0.0.1:${listener.addr.port}/`, accepting);
  const conn = await accepting;
  while (await conn.read(new Uint8Array(1024)).catch(() => null) !== null);
  conn.close();
}

/** A stream over bytes that the test feeds and takes, with no handshake. */
function wired(options: Parameters<typeof WebSocketStream.over>[2] = {}) {
  const up = new TransformStream<Uint8Array, Uint8Array>();
  const writes: Uint8Array[] = [];
  let gate = Promise.resolve();
  const stream: ByteStream = {
    readable: up.readable,
    writable: new WritableStream({
      write: async (bytes) => {
        await gate;
        writes.push(bytes);
      },
    }, { highWaterMark: 0 }),
  };
  const connection = new Connection("server", { maxMessageBytes: 1_000_000 });
  const ws = WebSocketStream.over(stream, { connection }, {
    closeTimeout: 100,
    ...options,
  });
  return {
    ws,
    writes,
    peer: new Connection("client"),
    writer: up.writable.getWriter(),
    /** Lets no byte out until the result is called. */
    shut(): () => void {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return resolve;
    },
  };
}

async function take(readable: ReadableStream<Message>, count: number) {
  const messages: Message[] = [];
  const reader = readable.getReader();
  while (messages.length < count) {
    const { value, done } = await reader.read();
    if (done) break;
    messages.push(value);
  }
  reader.releaseLock();
  return messages;
}

/** Lets everything run that waits for nothing. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

test("opens on both sides, and closes with a code and a reason", async () => {
  const { ours, theirs, client, server } = await open(
    { subprotocols: ["chat"], headers: { "X-Name": "Ada" } },
    { subprotocols: ["chat"] },
  );
  assertEquals([client.subprotocol, server.subprotocol], ["chat", "chat"]);
  assertEquals(
    [client, server].map(({ extensions }) => extensions.map((e) => e.name)),
    [["permessage-deflate"], ["permessage-deflate"]],
  );
  assertEquals(server.request?.headers.get("X-Name"), "Ada");
  assertEquals(client.response?.status, 101);

  const sent = ["hello", "wörld ".repeat(100), payloadOf(200_000), ""];
  const writer = client.writable.getWriter();
  for (const message of sent) writer.write(message);
  assertEquals(await take(server.readable, 4), sent);

  theirs.close({ closeCode: 3001, reason: "enough" });
  assertEquals(await take(client.readable, 1), []);
  assertEquals(await ours.closed, { closeCode: 3001, reason: "enough" });
  assertEquals(await theirs.closed, { closeCode: 3001, reason: "" });
  const late = await assertRejects(() => writer.write("late"), Error);
  assert(late instanceof WebSocketStreamError);
  assertEquals(late.message, "The connection was closed with 3001");
});

test("does without compression where it is not wanted", async () => {
  const { client, ours, theirs } = await open({ extensions: [] });
  assertEquals(client.extensions, []);
  ours.close();
  await Promise.all([ours.closed, theirs.closed]);
});

test("echoes by readable.pipeTo(writable), and ends clean", async () => {
  const { ours, theirs, client, server } = await open();
  const echoing = server.readable.pipeTo(server.writable);
  const writer = client.writable.getWriter();
  const sent = Array.from({ length: 500 }, (_, i) => `message ${i}`);
  const sending = Promise.all(sent.map((message) => writer.write(message)));
  assertEquals(await take(client.readable, 500), sent);
  await sending;
  await writer.close();
  await echoing;
  assertEquals(await ours.closed, { closeCode: 1000, reason: "" });
  assertEquals(await theirs.closed, { closeCode: 1000, reason: "" });
});

test("closes with 1000 when writable is closed or readable cancelled, 1001 on abort", async () => {
  for (
    const [end, code] of [
      [({ writable }) => writable.close(), 1000],
      [({ readable }) => readable.cancel(), 1000],
      [({ writable }) => writable.abort(), 1001],
    ] as [
      (client: Awaited<ReturnType<typeof open>>["client"]) => Promise<void>,
      number,
    ][]
  ) {
    const { ours, theirs, client } = await open();
    await end(client);
    assertEquals((await theirs.closed).closeCode, code);
    assertEquals((await ours.closed).closeCode, code);
  }
});

test("gives 1005 where the peer's close has no code", async () => {
  const { ours, theirs, client, server } = await open();
  await client.writable.getWriter().write({ type: "close" });
  await take(server.readable, 1);
  assertEquals(await ours.closed, { closeCode: 1005, reason: "" });
  assertEquals(await theirs.closed, { closeCode: 1005, reason: "" });
});

test("throws on a close code or reason that may not be sent, and stays open", async () => {
  const { ours, theirs } = await open();
  assertThrows(() => ours.close({ closeCode: 1006 }), LocalProtocolError);
  assertThrows(
    () => ours.close({ reason: "x".repeat(124) }),
    LocalProtocolError,
  );
  assert(await ours.ping() > 0);
  ours.close();
  ours.close({ closeCode: 3000 }); // the first one counts
  assertEquals((await theirs.closed).closeCode, 1000);
  await ours.closed;
});

test("rejects with the answer where a handshake is refused, on both sides", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const ours = new WebSocketStream(
    `ws://127.0.0.1:${listener.addr.port}/`,
  );
  const theirs = WebSocketStream.accept(await listener.accept(), {
    onRequest: () => ({ status: 401, body: "no" }),
  });
  listener.close();
  for (const { opened, closed } of [ours, theirs]) {
    const error = await opened.then(() => undefined, (error) => error);
    assert(error instanceof WebSocketRefusedError);
    assertEquals(error.upgrade.response?.status, 401);
    assertEquals(
      error.message,
      "Cannot open the WebSocket: the answer is 401",
    );
    await assertRejects(() => closed, WebSocketRefusedError);
  }
  await assertRejects(() => ours.ping(), WebSocketRefusedError);
});

test("rejects where nobody listens, and throws where the URL is none", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const ws = new WebSocketStream(`ws://127.0.0.1:${port}/`);
  await assertRejects(() => ws.opened, Deno.errors.ConnectionRefused);
  await assertRejects(() => ws.closed, Deno.errors.ConnectionRefused);
  assertThrows(() => new WebSocketStream("no URL"), TypeError);
  assertThrows(
    () => new WebSocketStream("ws://x/", { keepalive: { interval: 0 } }),
    RangeError,
  );
  assertThrows(() => new WebSocketStream("ftp://127.0.0.1/"), TypeError);
  assertThrows(
    () => new WebSocketStream("ws://x/", { headers: { Upgrade: "x" } }),
    TypeError,
  );
});

test("gives up a handshake: by its timeout, by the signal, by close()", async () => {
  await silentServer(async (url) => {
    const ws = new WebSocketStream(url, { handshakeTimeout: 20 });
    const error = await assertRejects(() => ws.opened, Error);
    assertEquals(
      [error.name, error.message],
      ["TimeoutError", "The opening handshake was not done in 20 ms"],
    );
  });
  await silentServer(async (url, conn) => {
    const controller = new AbortController();
    const ws = new WebSocketStream(url, { signal: controller.signal });
    await (await conn).read(new Uint8Array(1));
    controller.abort(new Error("enough"));
    assertEquals(
      (await assertRejects(() => ws.opened, Error)).message,
      "enough",
    );
  });
  await silentServer(async (url) => {
    const ws = new WebSocketStream(url);
    ws.close();
    const error = await assertRejects(() => ws.closed, Error);
    assertEquals(error.name, "AbortError");
    await Deno.connect({ port: Number(new URL(url).port) })
      .then((conn) => conn.close()); // it may not have come to connecting
  });
  const aborted = AbortSignal.abort(new Error("before"));
  const ws = new WebSocketStream("ws://127.0.0.1:9/", { signal: aborted });
  assertEquals((await assertRejects(() => ws.opened, Error)).message, "before");

  // And a client that never asks.
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using conn = await Deno.connect({ port: listener.addr.port });
  const server = WebSocketStream.accept(await listener.accept(), {
    handshakeTimeout: 20,
  });
  await assertRejects(() => server.opened, Error, "was not done in 20 ms");
  assertEquals(await conn.read(new Uint8Array(1)).catch(() => null), null);
});

test("ends everything at once when the signal aborts", async () => {
  const controller = new AbortController();
  const { ours, theirs, client, server } = await open({
    signal: controller.signal,
  });
  const reading = client.readable.getReader().read();
  controller.abort(new Error("enough"));
  await Promise.all([ours.closed, reading, ours.ping()].map(async (promise) => {
    const error = await assertRejects(() => promise, Error);
    assertEquals(error.message, "enough");
  }));
  const error = await assertRejects(() => theirs.closed, WebSocketStreamError);
  assertEquals(error.closeCode, 1006);
  assertEquals(error.summary.failure?.rule, "end-of-stream");
  await assertRejects(() => take(server.readable, 1), WebSocketStreamError);
  await assertRejects(
    () => server.writable.getWriter().write("x"),
    WebSocketStreamError,
  );
});

test("is not waiting for a close that is not answered", async () => {
  const { ws, peer, writes } = wired({ closeTimeout: 20 });
  await ws.opened;
  ws.close();
  const error = await assertRejects(() => ws.closed, WebSocketStreamError);
  assertEquals(error.closeCode, 1006);
  peer.recv(concat(...writes));
  assertEquals(Array.from(peer.events(), ({ type }) => type), ["close"]);
});

test("fails as the connection does, for every rule that a peer can break", async () => {
  // Those that need options of their own are left to the connection's tests.
  const violations = VIOLATIONS.filter(({ options }) => options === undefined);
  assert(violations.length > 50);
  await Promise.all(violations.map(async (violation) => {
    const { ws, writer, writes } = wired();
    const { readable } = await ws.opened;
    const reading = take(readable, 1).catch((error) => error);
    writer.write(allBytes(violation, "server")).catch(() => {});
    const [error] = await Promise.all([
      assertRejects(() => ws.closed, WebSocketStreamError),
      reading,
    ]);
    assertEquals(error.summary.failure?.rule, ruleAt(violation, "server"));
    assertEquals(error.closeCode, violation.code);
    const last = concat(...writes);
    assertEquals(last[0], 0x88);
    assertEquals(last[2] << 8 | last[3], violation.code);
  }));
});

test("judges the length of a message by maxMessageBytes", async () => {
  const { ours, theirs, client, server } = await open({}, {
    connection: { maxMessageBytes: 100 },
  });
  const writer = client.writable.getWriter();
  await writer.write("x".repeat(100));
  assertEquals((await take(server.readable, 1))[0].length, 100);
  await writer.write("x".repeat(101));
  const error = await assertRejects(() => theirs.closed, WebSocketStreamError);
  assertEquals(error.closeCode, 1009);
  assertEquals((await ours.closed).closeCode, 1009);
});

test("measures pings, and takes a pong for those before it too", async () => {
  const { ws, peer, writes, writer } = wired();
  await ws.opened;
  assertEquals(ws.latency, undefined);
  const pings = [ws.ping(), ws.ping(), ws.ping()];
  await settle();
  peer.recv(concat(...writes));
  const [, second] = Array.from(peer.events());
  await writer.write(peer.send({ type: "pong", message: "unknown" }));
  await writer.write(peer.send(
    { ...second, type: "pong" } as ReceivedEvent & {
      type: "pong"; // a ping as a pong
    },
  ));
  const latencies = await Promise.all(pings.slice(0, 2));
  assert(latencies.every((latency) => latency > 0));
  assertEquals(ws.latency, latencies[1]);
  ws.close();
  await assertRejects(() => pings[2], WebSocketStreamError);
  await assertRejects(() => ws.ping(), LocalProtocolError);
  await ws.closed.catch(() => {});
});

test("pings a silent peer, and gives it up when it stays silent", async () => {
  const { ws, peer, writes, writer } = wired({
    keepalive: { interval: 30, timeout: 300 },
  });
  await ws.opened;
  const pings: string[] = [];
  const answering = Promise.withResolvers<void>();
  const poll = setInterval(async () => {
    for (const bytes of writes.splice(0)) {
      peer.recv(bytes.slice());
      for (const event of peer.events()) {
        pings.push(event.type);
        if (pings.length <= 3) await writer.write(peer.reply(event));
        else answering.resolve();
      }
    }
  }, 1);
  await answering.promise;
  const error = await assertRejects(() => ws.closed, Error);
  clearInterval(poll);
  assertEquals(error.message, "The peer is silent and does not answer pings");
  assertEquals(pings, ["ping", "ping", "ping", "ping"]);
  assert(ws.latency !== undefined);
});

test("does not take its own slowness for silence of the peer", async () => {
  const { ws, peer, writer, writes } = wired({
    keepalive: { interval: 100, timeout: 100 },
  });
  const { readable } = await ws.opened;
  await writer.write(
    peer.send({ type: "binary", message: payloadOf(100_000) }),
  );
  const held = writer.write(peer.send({ type: "text", message: "late" }));
  await settle();
  const before = writes.length;
  await new Promise((resolve) => setTimeout(resolve, 500)); // of silence
  assertEquals(writes.length, before);
  const messages = await take(readable, 2);
  assertEquals(messages[1], "late");
  await held;
  ws.close();
  await ws.closed.catch(() => {});
});

test("does not give up a peer that reads slowly, only one that does not", async () => {
  const { ws, shut } = wired({ keepalive: { interval: 20, timeout: 600 } });
  const { writable } = await ws.opened;
  let release = shut();
  const writing = assertRejects(
    () => writable.getWriter().write(payloadOf(900_000)),
    Error,
    "does not answer pings",
  );
  for (let i = 0; i < 10; i++) { // 64 KiB each, for longer than the timeout
    await new Promise((resolve) => setTimeout(resolve, 100));
    const before = release;
    release = shut();
    before();
  }
  const error = await Promise.race([
    ws.closed.then(() => undefined, (error) => error),
    settle(),
  ]);
  assertEquals(error, undefined);
  await assertRejects(() => ws.closed, Error, "does not answer pings");
  await writing;
  release();
});

test("writes what one read has caused in one write, and a lone message at once", async () => {
  const { ws, peer, writes, writer } = wired();
  const { readable, writable } = await ws.opened;
  const echoing = readable.pipeTo(writable);
  const messages = Array.from({ length: 100 }, (_, i) => ({
    type: i % 3 === 0 ? "ping" : "text",
    message: `${i}`,
  } as const));
  await writer.write(peer.send(messages));
  await settle();
  assertEquals(writes.length, 1);
  peer.recv(writes[0]);
  assertEquals(Array.from(peer.events()).length, 100);

  const alone = new Promise<void>((resolve) => {
    setTimeout(resolve); // no later than this
  });
  await writer.write(peer.send({ type: "text", message: "alone" }));
  await alone;
  assertEquals(writes.length, 2);

  await writer.write(peer.send({ type: "close", statusCode: 1000 }));
  await echoing;
  await writer.close();
  assertEquals(await ws.closed, { closeCode: 1000, reason: "" });
});

test("answers pings in order until 16 KiB wait, and then the latest alone", async () => {
  const { ws, peer, writes, writer, shut } = wired();
  await ws.opened;
  const release = shut();
  const count = 10_000;
  for (let i = 0; i < count; i += 100) {
    const pings = Array.from({ length: 100 }, (_, j) => ({
      type: "ping",
      message: `${i + j}`.padStart(100, "0"),
    } as const));
    await writer.write(peer.send(pings));
    await settle();
  }
  release();
  while (writes.length < 2) await settle();
  await settle();
  peer.recv(concat(...writes));
  const pongs = Array.from(
    peer.events(),
    ({ message }) => Number(new TextDecoder().decode(message as Uint8Array)),
  ); // pongs alone
  assert(pongs.length * 102 > 16_384, `${pongs.length}`);
  assert(pongs.length * 102 < 2 * 16_384, `${pongs.length}`);
  assertEquals(pongs.pop(), count - 1);
  assertEquals(pongs, Array.from(pongs, (_, i) => i));
  ws.close();
  await ws.closed.catch(() => {});
});

test("takes no more than there is room for, on both sides", async () => {
  const { ws, peer, writer, shut } = wired();
  const { readable, writable } = await ws.opened;
  // Nobody reads: the peer has to wait.
  let written = 0;
  const feeding = (async () => {
    for (let i = 0; i < 100; i++) {
      await writer.write(
        peer.send({ type: "binary", message: payloadOf(10_000) }),
      );
      written++;
    }
  })();
  while (written < 6) await settle();
  for (let i = 0; i < 50; i++) await settle();
  assert(written < 12, `${written} of 100 were taken`);
  await take(readable, 100);
  await feeding;
  // The peer does not read: the writer has to wait.
  const release = shut();
  const sink = writable.getWriter();
  let taken = 0;
  const sending = (async () => {
    for (let i = 0; i < 100; i++, taken++) await sink.write(payloadOf(10_000));
  })();
  while (taken < 6) await settle();
  for (let i = 0; i < 50; i++) await settle();
  assert(taken < 12, `${taken} of 100 were taken`);
  release();
  await sending;
  ws.close();
  await ws.closed.catch(() => {});
});

test("gives messages that are the reader's own", async () => {
  const { ours, theirs, client, server } = await open({ extensions: [] });
  const writer = client.writable.getWriter();
  const reader = server.readable.getReader();
  const kept: Message[] = [];
  for (let i = 0; i < 20; i++) {
    await writer.write(new Uint8Array(1000).fill(i));
    const { value } = await reader.read();
    if (value !== undefined) kept.push(value);
  }
  kept.forEach((message, i) =>
    assertEquals(message, new Uint8Array(1000).fill(i))
  );
  ours.close();
  await Promise.all([ours.closed, theirs.closed]);
});

test("takes whatever send takes", async () => {
  const { ours, theirs, client, server } = await open();
  const writer = server.writable.getWriter();
  writer.write(new Uint16Array([0x6261]));
  writer.write(new Uint8Array([1, 2]).buffer);
  writer.write({ type: "text", message: "data" });
  writer.write(new PreparedMessage({ type: "text", message: "prepared" }));
  writer.write([
    { type: "text", message: "one ", fin: false },
    { type: "ping" },
    { type: "continue", message: "message" },
  ]);
  assertEquals(await take(client.readable, 5), [
    utf8("ab"),
    hex("01 02"),
    "data",
    "prepared",
    "one message",
  ]);
  await assertRejects(
    () => writer.write({ type: "continue" }),
    LocalProtocolError,
  );
  theirs.close(); // which goes even so
  await Promise.all([ours.closed, theirs.closed]);
});

test("hands opcodes of one's own to onEvent, and waits for what that gives", async () => {
  const opcodes = { ascii: 3, time: 11 } as const;
  const seen: string[] = [];
  let done = 0;
  const up = new TransformStream<Uint8Array, Uint8Array>();
  const down = new TransformStream<Uint8Array, Uint8Array>();
  const ws = WebSocketStream.over(
    { readable: up.readable, writable: down.writable },
    { connection: new Connection("server", { opcodes, delivery: "frame" }) },
    {
      onEvent: async (event) => {
        assertEquals(done, seen.length);
        seen.push(event.type === "continue" ? event.of : event.type);
        await settle();
        done++;
      },
    },
  );
  const peer = WebSocketStream.over(
    { readable: down.readable, writable: up.writable },
    { connection: new Connection("client", { opcodes }) },
  );
  const writer = (await peer.opened).writable.getWriter();
  await writer.write([
    { type: "ascii", message: "a", fin: false },
    { type: "time" },
    { type: "continue", message: "b" },
    { type: "text", message: "c", fin: false },
    { type: "continue", message: "d" },
  ]);
  assertEquals(await take((await ws.opened).readable, 2), ["c", "d"]);
  peer.close();
  await Promise.all([peer.closed, ws.closed]);
  assertEquals(seen, ["ascii", "time", "ascii", "text", "text", "close"]);
});

test("ends with what onEvent throws", async () => {
  const { ours, theirs, client } = await open({}, {
    onEvent: () => {
      throw new Error("a mistake");
    },
  });
  await client.writable.getWriter().write("x");
  await assertRejects(() => theirs.closed, Error, "a mistake");
  await assertRejects(() => ours.closed, WebSocketStreamError);
});

test("takes over what requestUpgrade gives, and a stream for a URL", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `ws://127.0.0.1:${listener.addr.port}/`;
  for (const way of ["over", "stream"]) {
    const conn = await Deno.connect({ port: listener.addr.port });
    const server = WebSocketStream.accept(await listener.accept());
    let ws;
    if (way === "over") {
      const upgrade = await requestUpgrade(conn, url);
      assert(upgrade.accepted);
      ws = WebSocketStream.over(conn, upgrade);
    } else ws = new WebSocketStream(url, { stream: conn });
    const { readable, request } = await ws.opened;
    assertEquals(request?.target, "/");
    await (await server.opened).writable.getWriter().write("welcome");
    server.close();
    assertEquals(await take(readable, 2), ["welcome"]);
    await Promise.all([ws.closed, server.closed]);
  }
});

test("kills no process by what nobody looks at", async () => {
  const program = `
    import { WebSocketStream } from "${new URL(
    "../../examples/websocket_stream.ts",
    import.meta.url,
  )}";
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const url = "ws://127.0.0.1:" + listener.addr.port;
    const conn = await Deno.connect({ port: listener.addr.port });
    WebSocketStream.accept(await listener.accept());
    await conn.write(new TextEncoder().encode("garbage\\r\\n\\r\\n"));
    await conn.read(new Uint8Array(1000));
    conn.close();
    const ws = new WebSocketStream(url);
    const server = WebSocketStream.accept(await listener.accept());
    await ws.opened;
    ws.ping();
    server.close({ closeCode: 1011 });
    const raw = await Deno.connect({ port: listener.addr.port });
    const other = WebSocketStream.accept(await listener.accept());
    raw.close();
    await other.closed.catch(() => {});
    listener.close();
    new WebSocketStream(url);
    await ws.closed;
    console.log("alive");
  `;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-lock", "--allow-net=127.0.0.1", "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    cwd: new URL("../..", import.meta.url),
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(utf8(program));
  await writer.close();
  const { stdout, stderr, code } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assertEquals([text(stdout), text(stderr), code], ["alive\n", "", 0]);
});
