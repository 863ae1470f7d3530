// Each example server: it works, no client ends it or leaves anything behind, and it
// goes in order.

import { assert, assertEquals } from "@std/assert";
import { Connection } from "../../mod.ts";
import { requestUpgrade } from "../../handshake.ts";
import { WebSocketStream } from "../../examples/websocket_stream.ts";
import { concat, hex, utf8 } from "../helpers/bytes.ts";
import { allBytes, VIOLATIONS } from "../helpers/violations.ts";
import { makeCertificate } from "./certificate.ts";
import { exampleTest, Program, type Scope } from "./helpers.ts";

/** How long a client of these servers may take for its handshake, in milliseconds. */
const PATIENCE = 1000;

const QUICK = `--handshake-timeout=${PATIENCE}`;

/**
 * Does what has a handshake in it. Where that took longer than it may, as the whole
 * machine can be slow for a moment, it is done again.
 */
async function inTime<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    const began = performance.now();
    try {
      return await work();
    } catch (error) {
      if (performance.now() - began < PATIENCE) throw error;
    }
  }
}

/** A server that is running, and how to get there. */
interface Server {
  readonly program: Program;
  readonly connect: () => Promise<Deno.Conn>;
  /** Cuts the wire; without it, to close a connection does. */
  readonly cut?: (conn: Deno.Conn) => void;
  /** Whether it sends back what it gets. */
  readonly echoes: boolean;
}

const overTcp = (port: number) => () => Deno.connect({ port });

/** A server that needs nothing but a port. */
function plain(name: string, echoes = true, ...args: string[]) {
  return async (scope: Scope): Promise<Server> => {
    const program = await Program.start(scope, name, [...args, QUICK, "0"]);
    return { program, connect: overTcp(await program.port()), echoes };
  };
}

async function tls(scope: Scope): Promise<Server> {
  const folder = await Deno.makeTempDir();
  scope.defer(() => Deno.remove(folder, { recursive: true }));
  const { ca, cert, key } = await makeCertificate();
  const paths = [`${folder}/cert.pem`, `${folder}/key.pem`];
  await Deno.writeTextFile(paths[0], cert);
  await Deno.writeTextFile(paths[1], key);
  const program = await Program.start(
    scope,
    "tls_server.ts",
    [`--cert=${paths[0]}`, `--key=${paths[1]}`, QUICK, "0"],
    ["--allow-net=127.0.0.1", `--allow-read=${paths}`],
  );
  const port = await program.port();
  // To close a connection of TLS that nobody reads from, Deno waits for its reader.
  // So there is a wire between, which can be cut.
  const wires = new WeakMap<Deno.Conn, Deno.Conn[]>();
  const options = { hostname: "localhost", caCerts: [ca] };
  const connect = async () => {
    const relay = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const connecting = Deno.connectTls({ ...options, port: relay.addr.port });
    const ends = await Promise.all([relay.accept(), Deno.connect({ port })]);
    relay.close();
    const [one, other] = ends;
    one.readable.pipeTo(other.writable).catch(() => {});
    other.readable.pipeTo(one.writable).catch(() => {});
    const conn = await connecting;
    wires.set(conn, ends);
    return conn;
  };
  const cut = (conn: Deno.Conn) => wires.get(conn)?.forEach(close);
  return { program, connect, cut, echoes: true };
}

async function unix(scope: Scope): Promise<Server> {
  const folder = await Deno.makeTempDir();
  scope.defer(() => Deno.remove(folder, { recursive: true }));
  const path = `${folder}/echo.sock`;
  const flags = [
    ...[`--allow-net=unix:${path}`, `--allow-read=${path}`],
    `--allow-write=${path}`,
  ];
  const start = () =>
    Program.start(scope, "unix_socket.ts", [QUICK, path], flags);
  // The socket of one that was killed is no obstacle.
  const killed = await start();
  await killed.line(/Echoing/);
  Deno.kill(killed.pid, "SIGKILL");
  await killed.code();
  const program = await start();
  await program.line(/Echoing/);
  const connect = () => Deno.connect({ transport: "unix", path });
  return { program, connect, echoes: true };
}

async function proxy(scope: Scope): Promise<Server> {
  const behind = await plain("echo_server.ts")(scope);
  const port = await behind.connect().then((conn) => {
    const { port } = conn.remoteAddr as Deno.NetAddr; // over TCP
    conn.close();
    return port;
  });
  const url = `ws://127.0.0.1:${port}/`;
  const program = await Program.start(scope, "proxy.ts", [QUICK, url, "0"]);
  return { program, connect: overTcp(await program.port()), echoes: true };
}

const SERVERS: Record<string, (scope: Scope) => Promise<Server>> = {
  "echo_server.ts": plain("echo_server.ts"),
  "tls_server.ts": tls,
  "unix_socket.ts": unix,
  "multicore_server.ts": plain("multicore_server.ts", true, "--processes=1"),
  "autobahn_server.ts": plain("autobahn_server.ts"),
  "large_file.ts": plain("large_file.ts", false, "receive"),
  "proxy.ts": proxy,
};

/** A client that is connected. */
function open({ connect }: Server) {
  return inTime(async () => {
    const stream = await connect();
    const ws = new WebSocketStream("ws://127.0.0.1/", { stream });
    return { ws, ...await ws.opened };
  });
}

/** A client that does as it should. */
async function behave(server: Server): Promise<void> {
  const { ws, readable, writable } = await open(server);
  await writable.getWriter().write(utf8("hello"));
  const { value } = await readable.getReader().read();
  assert(
    server.echoes
      ? new TextDecoder().decode(value as Uint8Array) === "hello"
      : `${value}`.startsWith("2cf24dba5fb0a30e"), // its SHA-256
    `${value}`,
  );
  ws.close();
  assertEquals((await ws.closed).closeCode, 1000);
}

/** Reads to the end, however it comes; what there was. */
async function drain(conn: Deno.Conn): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const buffer = new Uint8Array(65_536);
  for (;;) {
    const count = await conn.read(buffer).catch(() => null);
    if (count === null) break;
    chunks.push(buffer.slice(0, count));
  }
  close(conn);
  return concat(...chunks);
}

function close(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // The end of the stream has closed it.
  }
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await conn.write(bytes.subarray(at));
  }
}

/** The type of the last event, where a close is answered. */
async function lastOf(conn: Deno.Conn): Promise<string | undefined> {
  const ws = new Connection("client");
  const buffer = new Uint8Array(65_536);
  let last: string | undefined;
  for (;;) {
    const count = await conn.read(buffer).catch(() => null);
    if (count === null) break;
    ws.recv(buffer.subarray(0, count));
    for (const event of ws.events()) {
      last = event.type;
      await writeAll(conn, ws.reply(event)).catch(() => {});
    }
  }
  close(conn);
  return last;
}

/** The handshake alone. */
function upgraded({ connect }: Server): Promise<Deno.Conn> {
  return inTime(async () => {
    const conn = await connect();
    const { accepted } = await requestUpgrade(conn, "ws://127.0.0.1/");
    assert(accepted);
    return conn;
  });
}

const REQUEST = utf8("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: webso");

/** Clients that do not as they should; each ends by itself. */
const MISDEEDS: Record<string, (server: Server) => Promise<void>> = {
  "says nothing": async ({ connect }) => {
    await drain(await connect());
  },
  "says garbage": async ({ connect }) => {
    const conn = await connect();
    await writeAll(conn, new Uint8Array(100_000).fill(0x80)).catch(() => {});
    await drain(conn);
  },
  "asks for a page": ({ connect }) =>
    inTime(async () => {
      const conn = await connect();
      const request = utf8("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      await writeAll(conn, request).catch(() => {});
      const answer = new TextDecoder().decode(await drain(conn));
      assert(/^HTTP\/1.1 4\d\d /.test(answer), answer);
    }),
  "falls silent in the handshake": async ({ connect }) => {
    const conn = await connect();
    await writeAll(conn, REQUEST);
    await drain(conn);
  },
  "vanishes in the handshake": async ({ connect }) => {
    const conn = await connect();
    await writeAll(conn, REQUEST);
    conn.close();
  },
  "vanishes after it": async (server) => {
    close(await upgraded(server));
  },
  "vanishes in a message": async (server) => {
    const conn = await upgraded(server);
    await writeAll(conn, hex("82 fe ff ff 00 00 00 00 01 02 03"));
    close(conn);
  },
  "never reads, and vanishes": async (server) => {
    const conn = await upgraded(server);
    const ws = new Connection("client");
    const message = new Uint8Array(60_000);
    let written = 0;
    const writing = (async () => {
      for (; written < 200; written++) {
        await writeAll(conn, ws.send({ type: "binary", message }));
      }
    })().catch(() => {});
    // Until it comes to a stop, or all of it is taken.
    for (let before = -1; before !== written;) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    server.cut?.(conn);
    close(conn);
    await writing;
  },
  "floods with pings": async (server) => {
    const conn = await upgraded(server);
    const ws = new Connection("client");
    const pings = new Array(10_000).fill({ type: "ping" });
    const last = { type: "binary", message: "enough" } as const;
    const writing = writeAll(conn, ws.send([...pings, last]));
    const types = new Set<string>();
    const buffer = new Uint8Array(65_536);
    while (!types.has("binary") && !types.has("text")) {
      const count = await conn.read(buffer);
      ws.recv(count === null ? null : buffer.subarray(0, count));
      for (const { type } of ws.events()) types.add(type);
    }
    await writing;
    assert(types.has("pong"));
    await writeAll(conn, ws.send({ type: "close", statusCode: 1000 }));
    await drain(conn);
  },
};

/** What a process has open, and how much memory it has, in bytes. */
async function held({ program: { pid } }: Server) {
  let descriptors = 0;
  for await (const _ of Deno.readDir(`/proc/${pid}/fd`)) descriptors++;
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  const memory = 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]);
  return { descriptors, memory };
}

for (const [name, start] of Object.entries(SERVERS)) {
  exampleTest(
    `${name} works, outlives its clients, and goes in order`,
    async (scope) => {
      const server = await start(scope);
      const misbehave = async () => {
        await Promise.all(
          Object.entries(MISDEEDS).map(async ([name, misdeed]) => {
            scope.at = `a client ${name}`;
            await misdeed(server);
          }),
        );
        for (const violation of VIOLATIONS) {
          if (violation.options !== undefined) continue;
          scope.at = violation.name;
          const conn = await upgraded(server);
          await writeAll(conn, allBytes(violation, "server"));
          assertEquals(await lastOf(conn), "close", violation.name);
        }
      };
      scope.at = "the first clients";
      await behave(server);
      await misbehave(); // what is made once for all is there then
      await behave(server);
      const isLinux = Deno.build.os === "linux";
      const before = isLinux ? await held(server) : undefined;

      await misbehave();
      scope.at = "the last clients";
      await behave(server);
      if (before !== undefined) {
        // A descriptor is closed when the server has seen the end of its stream.
        let after = await held(server);
        while (after.descriptors > before.descriptors) {
          scope.at =
            `${after.descriptors} of ${before.descriptors} descriptors`;
          await new Promise((resolve) => setTimeout(resolve, 20));
          after = await held(server);
        }
        const more = after.memory - before.memory;
        assert(more < 48 * 1024 * 1024, `${more} bytes of memory are lost`);
      }

      scope.at = "the end";
      const { ws, readable } = await open(server);
      const silent = await inTime(server.connect); // in its handshake
      const ending = server.program.interrupt();
      assertEquals(await Array.fromAsync(readable), []);
      assertEquals((await ws.closed).closeCode, 1001);
      await drain(silent);
      assertEquals(await ending, 0, server.program.stderr);
    },
  );
}

exampleTest(
  "multicore_server.ts serves with several processes",
  async (scope) => {
    const args = ["--processes=3", QUICK, "0"];
    const program = await Program.start(scope, "multicore_server.ts", args);
    const port = await program.port();
    const seen = new Set<string | null>();
    const count = Deno.build.os === "linux" ? 3 : 1;
    while (seen.size < count) { // the system chooses
      const { ws, response } = await inTime(async () => {
        const ws = new WebSocketStream(`ws://127.0.0.1:${port}/`);
        return { ws, ...await ws.opened };
      });
      seen.add(response?.headers.get("X-Process") ?? null);
      ws.close();
      await ws.closed;
    }
    assertEquals([...seen].sort(), ["1", "2", "3"].slice(0, count));
    assertEquals(await program.interrupt(), 0);
  },
);

exampleTest(
  "echo_server.ts goes on when no descriptor is left",
  async (scope) => {
    if (Deno.build.os !== "linux") return;
    const program = await Program.start(scope, "echo_server.ts", [QUICK, "0"]);
    const port = await program.port();
    const { success } = await new Deno.Command("prlimit", {
      args: [`--pid=${program.pid}`, "--nofile=40:40"],
    }).output().catch(() => ({ success: false }));
    if (!success) return; // there is no prlimit
    const conns = await Promise.all(
      Array.from({ length: 60 }, () => Deno.connect({ port })),
    );
    while (!program.stderr.includes("Cannot accept")) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    conns.forEach(close);
    await behave({ program, connect: overTcp(port), echoes: true });
    const lines = program.stderr.split("Cannot accept").length;
    assert(lines < 100, `${lines} complaints`);
    assertEquals(await program.interrupt(), 0);
  },
);
