// proxy.ts, as a process: what passes, and what becomes of one end without the other.

import { assert, assertEquals } from "@std/assert";
import { encodeFrame } from "../../mod.ts";
import { requestUpgrade } from "../../handshake.ts";
import { permessageDeflate } from "../../src/extensions/permessage_deflate.ts";
import { WebSocketStream } from "../../examples/websocket_stream.ts";
import { npmWs, WsPeerSocket } from "../interop/peers/npm_ws.ts";
import { exampleTest, Program, runExample, type Scope } from "./helpers.ts";

exampleTest(
  "proxy.ts lets npm:ws talk to npm:ws, compressed, and prints each frame",
  async (scope) => {
    const server = await npmWs.serve(scope, {
      subprotocols: ["b"],
      own: { perMessageDeflate: { threshold: 0 } },
    });
    const target = `ws://127.0.0.1:${server.port}/`;
    const program = await Program.start(scope, "proxy.ts", [target, "0"]);
    const url = `ws://127.0.0.1:${await program.port()}/`;
    const client = await npmWs.connect(scope, url, {
      subprotocols: ["a", "b"],
      headers: [["Cookie", "a=1"]],
      own: { perMessageDeflate: { threshold: 0 } },
    });
    assert(client instanceof WsPeerSocket);
    const peer = await server.accept();
    assertEquals(peer.headers.get("Cookie"), "a=1");
    assertEquals([client.subprotocol, peer.subprotocol], ["b", "b"]);
    assertEquals(client.extensions, ["permessage-deflate"]);
    const text = "again and ".repeat(1000);
    client.send(text);
    assertEquals(await peer.next(), { type: "text", message: text });
    peer.sendFragments(["one ", "two"], "ping");
    assertEquals((await client.next()).type, "ping");
    assertEquals(await client.next(), { type: "text", message: "one two" });
    assertEquals((await peer.next()).type, "pong");
    client.close(4000, "enough");
    assertEquals(await peer.next(), {
      type: "close",
      code: 4000,
      reason: "enough",
    });
    await program.line(/#1 client -> server text rsv1 \d\d B /);
    await program.line(/#1 server -> client text more rsv1 /);
    await program.line(/#1 server -> client ping 5 B "ping0"/);
    await program.line(/#1 client -> server close 8 B 4000 "enough"/);
    assertEquals(await program.interrupt(), 0);
  },
);

exampleTest(
  "proxy.ts passes opcodes and reserved bits that it does not know, and refusals",
  async (scope) => {
    const opcodes = { ascii: 3, time: 11 } as const;
    const reserved = [0, 1, 1] as const;
    const seen: unknown[] = [];
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    scope.defer(() => listener.close());
    const target = `ws://127.0.0.1:${listener.addr.port}/`;
    const program = await Program.start(scope, "proxy.ts", [target, "0"]);
    const url = `ws://127.0.0.1:${await program.port()}/`;
    const accept = async () =>
      WebSocketStream.accept(await listener.accept(), {
        connection: { opcodes, reserved, delivery: "frame" },
        onRequest: ({ headers }) =>
          headers.get("Authorization") === "Basic x"
            ? { status: 401, headers: { "WWW-Authenticate": "Basic" } }
            : undefined,
        onEvent: ({ type, ...event }) => {
          if ("fin" in event) seen.push([type, event.fin, event.reserved]);
        },
      });
    const accepting = accept();
    const ws = new WebSocketStream(url, {
      extensions: [],
      connection: { opcodes, reserved },
    });
    const writer = (await ws.opened).writable.getWriter();
    const server = await accepting;
    await writer.write([
      { type: "ascii", message: "a", fin: false, reserved: [0, 1, 0] },
      { type: "time", reserved: [0, 0, 1] },
      { type: "continue", message: "b" },
      { type: "close", statusCode: 3000 },
    ]);
    await (await server.opened).readable.pipeTo(new WritableStream());
    assertEquals((await server.closed).closeCode, 3000);
    await ws.closed;
    assertEquals(seen, [
      ["ascii", false, [0, 1, 0]],
      ["time", true, [0, 0, 1]],
      ["continue", true, [0, 0, 0]],
      ["close", true, [0, 0, 0]],
    ]);
    await program.line(/data3 more rsv2 1 B/);
    await program.line(/control11 rsv3 0 B/);

    const refusing = accept();
    const { port } = new URL(url);
    const conn = await Deno.connect({ port: Number(port) });
    const upgrade = await requestUpgrade(conn, url, {
      headers: { Authorization: "Basic x" },
    });
    assertEquals(upgrade.accepted, false);
    assertEquals(upgrade.response.status, 401);
    assertEquals(upgrade.response.headers.get("WWW-Authenticate"), "Basic");
    conn.close();
    await (await refusing).closed.catch(() => {});
    assertEquals(await program.interrupt(), 0);
  },
);

/** A proxy before `npm:ws`, and a way to get through it. */
async function startBetween(scope: Scope) {
  const server = await npmWs.serve(scope);
  const target = `ws://127.0.0.1:${server.port}/`;
  const program = await Program.start(scope, "proxy.ts", [target, "0"]);
  const url = `ws://127.0.0.1:${await program.port()}/`;
  const { accept } = server;
  const connect = async () => {
    const [client, peer] = await Promise.all([
      npmWs.connect(scope, url, { own: { perMessageDeflate: true } }),
      accept(),
    ]);
    assert(client instanceof WsPeerSocket && peer instanceof WsPeerSocket);
    return { client, peer };
  };
  return { program, url, accept, connect };
}

const GONE = {
  type: "close",
  code: 1001,
  reason: "The peer has gone",
} as const;

exampleTest(
  "proxy.ts tells either end when the other has vanished, and goes on",
  async (scope) => {
    const { program, connect } = await startBetween(scope);

    scope.at = "the server vanishes";
    const first = await connect();
    first.peer.abort();
    assertEquals(await first.client.next(), GONE);
    await program.line(/#1 server -> client The stream ended without/);

    scope.at = "the client vanishes";
    const second = await connect();
    second.client.abort();
    assertEquals(await second.peer.next(), GONE);
    await program.line(/#2 client -> server The stream ended without/);

    scope.at = "the client vanishes, while the server sends";
    const third = await connect();
    for (let i = 0; i < 100; i++) third.peer.send(new Uint8Array(100_000));
    third.client.abort();
    assertEquals(await third.peer.next(), GONE);

    scope.at = "the server breaks a rule";
    const fourth = await connect();
    const masked = { opcode: 1 } as const;
    fourth.peer.raw(encodeFrame(masked, Uint8Array.of(1, 2, 3, 4)));
    assertEquals(await fourth.client.next(), GONE);
    const told = await fourth.peer.next();
    assert(told.type === "close" && told.code === 1002, `${told.type}`);

    scope.at = "it goes on, until Ctrl-C";
    const { client, peer } = await connect();
    client.send("still here");
    assertEquals(await peer.next(), { type: "text", message: "still here" });
    const ending = program.interrupt();
    const leaving = { ...GONE, reason: "The proxy goes away" };
    assertEquals(await client.next(), leaving);
    assertEquals(await peer.next(), leaving);
    assertEquals([await ending, program.stderr], [0, ""]);
  },
);

exampleTest(
  "proxy.ts offers the server what the client has offered, permessage-deflate alone",
  async (scope) => {
    const FIELD = "Sec-WebSocket-Extensions";
    const DEFLATE = "permessage-deflate; client_max_window_bits";
    scope.at = "the server wants none";
    const between = await startBetween(scope);
    const { client, peer } = await between.connect();
    assertEquals(peer.headers.get(FIELD), DEFLATE);
    assertEquals(client.extensions, []);

    scope.at = "another extension";
    const { port } = new URL(between.url);
    const conn = await Deno.connect({ port: Number(port) });
    const other = {
      name: "x-other",
      reserved: [0, 0, 0],
      offers: () => [[]],
      accept: () => {
        throw new Error("The server has accepted what it was not offered");
      },
    } as const;
    const [upgrade, asked] = await Promise.all([
      requestUpgrade(conn, between.url, {
        extensions: [other, permessageDeflate()],
      }),
      between.accept(),
    ]);
    assert(upgrade.accepted);
    assertEquals(upgrade.extensions, []);
    assertEquals(asked.headers.get(FIELD), DEFLATE);
    conn.close();

    scope.at = "the client offers nothing";
    const stream = new WebSocketStream(between.url, { extensions: [] });
    const unasked = await between.accept();
    assertEquals((await stream.opened).extensions, []);
    assertEquals(unasked.headers.get(FIELD), null);
    stream.close();
    await stream.closed;
    assertEquals(await between.program.interrupt(), 0);
  },
);

exampleTest(
  "proxy.ts says so where the server cannot be reached, and refuses what is no URL",
  async (scope) => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const target = `ws://127.0.0.1:${listener.addr.port}/`;
    const program = await Program.start(scope, "proxy.ts", [target, "0"]);
    const url = `http://127.0.0.1:${await program.port()}/`;
    listener.close();
    for (let i = 0; i < 2; i++) {
      const refusal = await npmWs.connect(scope, url.replace("http", "ws"));
      assert("status" in refusal);
      assertEquals(refusal.status, 502);
      assert(refusal.body?.includes("refused"), refusal.body);
    }
    const page = await fetch(url);
    await page.body?.cancel();
    assertEquals(page.status, 426);
    assertEquals(await program.interrupt(), 0);

    for (const args of [[], ["no-url"], ["ftp://x/"], [target, "x"]]) {
      const { code, stderr } = await runExample(scope, "proxy.ts", args);
      assertEquals(code, 2, `${args}`);
      assertEquals(stderr.trim().split("\n").length, 1, stderr);
    }
  },
);
