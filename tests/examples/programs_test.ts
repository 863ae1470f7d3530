// The other examples: what they print, and what their exit codes are.

import { assert, assertEquals } from "@std/assert";
import { requestUpgrade } from "../../handshake.ts";
import {
  WebSocketStream,
  type WebSocketStreamAcceptOptions,
} from "../../examples/websocket_stream.ts";
import { npmWs, WsPeerSocket } from "../interop/peers/npm_ws.ts";
import { makeCertificate } from "./certificate.ts";
import {
  exampleTest,
  flagsOf,
  Program,
  runExample,
  type Scope,
} from "./helpers.ts";

const PROGRAMS = [
  ...["autobahn_client.ts", "autobahn_server.ts", "demo.ts", "echo_client.ts"],
  ...["echo_server.ts", "handshake_only.ts", "large_file.ts", "proxy.ts"],
  ...["multicore_server.ts", "seed_walkthrough.ts", "tls_server.ts"],
  ...["unix_socket.ts", "wscat.ts"],
];

exampleTest(
  "each example has --help, and refuses what it does not know",
  async (scope) => {
    for (const name of PROGRAMS) {
      const flags = await flagsOf(name);
      assert(!flags.includes("--allow-all") && !flags.includes("-A"), name);
      const help = await runExample(scope, name, ["--help"]);
      assertEquals([help.code, help.stderr], [0, ""], name);
      assert(help.stdout.length > 10, name);
      const mistake = await runExample(scope, name, ["--no-such-option"]);
      assertEquals([mistake.code, mistake.stdout], [2, ""], name);
      assert(mistake.stderr.endsWith("see --help\n"), mistake.stderr);
    }
  },
);

exampleTest(
  "demo.ts shows every kind of frame, and what compression saves",
  async (scope) => {
    const { code, stdout } = await runExample(scope, "demo.ts");
    assertEquals(code, 0);
    for (
      const part of [
        'client -> server  text 13 B "Hello, wörld"',
        "server -> client  binary 200000 B 07 07",
        'server -> client  pong 12 B "still there?"',
        'client -> server  ascii 15 B "plain old ASCII"',
        "extensions permessage-deflate",
        "client -> server  text rsv1 ",
        "Closed: clean true, begun by us, answered with 1000",
      ]
    ) assert(stdout.includes(part), part);
    const saved = /wrote (\d+) bytes for (\d+), (\d+) % were saved/.exec(
      stdout,
    );
    assert(saved !== null && Number(saved[3]) > 80, stdout);
  },
);

exampleTest(
  "seed_walkthrough.ts and handshake_only.ts run to their end",
  async (scope) => {
    const seed = await runExample(scope, "seed_walkthrough.ts");
    assertEquals(seed.code, 0);
    assert(seed.stdout.includes('server: text (deflated) "much much'));
    assert(seed.stdout.includes('client: pong "are you there?"'));
    const handshake = await runExample(scope, "handshake_only.ts");
    assertEquals(handshake, {
      code: 0,
      stdout: [
        "server: /old is answered 302",
        "client: /old gives 302",
        "server: /chat is answered 401",
        "client: /chat gives 401",
        "server: /chat is answered 101",
        "client: /chat says welcome",
        "",
      ].join("\n"),
      stderr: "",
    });
  },
);

exampleTest(
  "echo_client.ts talks to npm:ws, and says when it cannot",
  async (scope) => {
    const server = await npmWs.serve(scope);
    const url = `ws://127.0.0.1:${server.port}/`;
    const running = runExample(scope, "echo_client.ts", [url, "a", "b"]);
    const peer = await server.accept();
    for (let i = 0; i < 2; i++) {
      const event = await peer.next();
      assert(event.type === "text");
      peer.send(event.message.toUpperCase());
    }
    assertEquals(await running, {
      code: 0,
      stdout: "A\nB\nclosed with 1000\n",
      stderr: "",
    });
    const refused = await runExample(scope, "echo_client.ts", [
      "ws://127.0.0.1:1/",
    ]);
    assertEquals(refused.code, 1);
    assert(refused.stderr.includes("refused"), refused.stderr);
  },
);

/** A server in this process, for one client. */
async function serveOne(
  scope: Scope,
  handle: (ws: WebSocketStream) => Promise<void>,
  options: WebSocketStreamAcceptOptions = {},
): Promise<{ url: string; done: Promise<void> }> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serve = async () => {
    const ws = WebSocketStream.accept(await listener.accept(), options);
    listener.close();
    await handle(ws);
  };
  const done = serve();
  scope.defer(() => done.catch(() => {}));
  await Promise.resolve();
  return { url: `ws://127.0.0.1:${listener.addr.port}/`, done };
}

const echo = async (ws: WebSocketStream) => {
  const { readable, writable } = await ws.opened;
  await readable.pipeTo(writable);
  await ws.closed;
};

exampleTest(
  "wscat.ts sends lines and prints messages, as npm:ws sees it",
  async (scope) => {
    const server = await npmWs.serve(scope, {
      subprotocols: ["b"],
      own: { perMessageDeflate: { threshold: 0 } },
    });
    const url = `ws://127.0.0.1:${server.port}/path`;
    const program = await Program.start(scope, "wscat.ts", [
      ...[
        "--header=X-One: 1",
        "--header",
        "X-Two:  2",
        "--compress",
        "--ping=1",
      ],
      ...["--subprotocol=a", "--subprotocol=b", "--count=2", url],
    ]);
    const peer = await server.accept();
    assertEquals(peer.headers.get("X-One"), "1");
    assertEquals(peer.headers.get("X-Two"), "2");
    assertEquals(peer.subprotocol, "b");
    assertEquals(peer.extensions, ["permessage-deflate"]);
    await program.write("hello\n");
    assertEquals(await peer.next(), { type: "text", message: "hello" });
    peer.send("world");
    await program.line(/^world$/);
    assertEquals((await peer.next()).type, "ping");
    while (!/^ping \d+\.\d ms$/m.test(program.stderr)) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    peer.send(Uint8Array.of(1, 2, 255));
    await program.line(/^0102ff$/);
    assertEquals(await program.code(), 0);
    assert(
      program.stderr.startsWith(
        "open, subprotocol b, extensions permessage-deflate\n",
      ),
      program.stderr,
    );
    assert(program.stderr.endsWith('closed with 1000 ""\n'));
  },
);

exampleTest(
  "wscat.ts shows frames, sends bytes, and closes at the end of its input",
  async (scope) => {
    const { url, done } = await serveOne(scope, echo);
    const args = ["--show-frames", "--binary", "--compress", "--wait=200", url];
    const outcome = await runExample(scope, "wscat.ts", args, "hi\n");
    await done;
    assertEquals(outcome.stdout, "6869\n");
    assertEquals(outcome.stderr.split("\n"), [
      "open, subprotocol none, extensions permessage-deflate",
      "-> binary 2 B 68 69",
      "<- binary 2 B 68 69",
      '-> close 2 B 1000 ""',
      '<- close 2 B 1000 ""',
      'closed with 1000 ""',
      "",
    ]);
    assertEquals(outcome.code, 0);
  },
);

exampleTest("wscat.ts has an exit code for each way to fail", async (scope) => {
  const run = async (
    expected: number,
    handle: (ws: WebSocketStream) => Promise<void>,
    options: WebSocketStreamAcceptOptions = {},
  ) => {
    scope.at = `exit code ${expected}`;
    const { url, done } = await serveOne(scope, handle, options);
    const { code, stderr } = await runExample(scope, "wscat.ts", [url]);
    assertEquals(code, expected, stderr);
    await done;
    return stderr;
  };
  const closing = (closeCode: number) => async (ws: WebSocketStream) => {
    await ws.opened;
    ws.close({ closeCode, reason: "why" });
    await ws.closed;
  };
  await run(0, closing(1001));
  const stderr = await run(1, closing(1008));
  assert(stderr.endsWith('closed with 1008 "why"\n'), stderr);
  await run(4, async (ws) => void await ws.closed.catch(() => {}), {
    onRequest: () => ({ status: 403 }),
  });
  const controller = new AbortController();
  await run(5, async (ws) => {
    await ws.opened;
    controller.abort();
    await ws.closed.catch(() => {});
  }, { signal: controller.signal });
  for (
    const [args, expected] of [
      [["ws://127.0.0.1:1/"], 3],
      [[], 2],
      [["no-url"], 2],
      [["ws://127.0.0.1:1/", "--count=x"], 2],
      [["ws://127.0.0.1:1/", "--header=Upgrade: x"], 2],
    ] as [string[], number][]
  ) {
    const { code, stderr } = await runExample(scope, "wscat.ts", args);
    assertEquals(code, expected, `${args}: ${stderr}`);
    assert(stderr.trim() !== "");
  }
  // Ctrl-C closes in order.
  const { url, done } = await serveOne(scope, echo);
  const program = await Program.start(scope, "wscat.ts", [url]);
  await program.write("hello\n");
  await program.line(/^hello$/);
  assertEquals(await program.interrupt(), 0);
  await done;
});

exampleTest("wscat.ts goes over TLS and Unix sockets", async (scope) => {
  const folder = await Deno.makeTempDir();
  scope.defer(() => Deno.remove(folder, { recursive: true }));
  const { ca, cert, key } = await makeCertificate();
  const file = (name: string) => `${folder}/${name}`;
  await Deno.writeTextFile(file("ca.pem"), ca);
  await Deno.writeTextFile(file("cert.pem"), cert);
  await Deno.writeTextFile(file("key.pem"), key);
  const over = (name: string, args: string[], flags: string[]) =>
    Program.start(scope, name, args, [...flags, `--allow-read=${folder}`]);
  const server = await over("tls_server.ts", [
    ...[`--cert=${file("cert.pem")}`, `--key=${file("key.pem")}`, "0"],
  ], ["--allow-net=127.0.0.1"]);
  const url = `wss://localhost:${await server.port()}/`;
  const path = file("echo.sock");
  const unix = await over("unix_socket.ts", [path], [
    ...[`--allow-net=unix:${path}`, `--allow-write=${folder}`],
  ]);
  await unix.line(/Echoing/);

  for (
    const [args, expected] of [
      [[`--ca=${file("ca.pem")}`, url], 0],
      [["--insecure", url], 0],
      [["--insecure", "--show-frames", url], 0],
      [[url], 3], // who has signed that?
      [[`--ca=${file("none.pem")}`, url], 2],
      [[`--unix=${path}`, "ws://x/"], 0],
      [[`--unix=${file("none.sock")}`, "ws://x/"], 3],
    ] as [string[], number][]
  ) {
    scope.at = `${args}`;
    const program = await over("wscat.ts", ["--count=1", ...args], [
      ...["--allow-net", `--allow-write=${folder}`],
    ]);
    await program.write("hello\n").catch(() => {});
    assertEquals(await program.code(), expected, program.stderr);
    assertEquals(program.stdout, expected === 0 ? "hello\n" : "");
  }
  assertEquals(await server.interrupt(), 0);
  assertEquals(await unix.interrupt(), 0);
});

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

exampleTest(
  "large_file.ts sends a file as one message, in constant memory",
  async (scope) => {
    const folder = await Deno.makeTempDir();
    scope.defer(() => Deno.remove(folder, { recursive: true }));
    const [from, to] = [`${folder}/from`, `${folder}/to`];
    const bytes = Uint8Array.from({ length: 3_000_001 }, (_, i) => i * i >> 3);
    await Deno.writeFile(from, bytes);
    const files = [`--allow-read=${folder}`, `--allow-write=${folder}`];
    const flags = ["--allow-net=127.0.0.1", ...files];
    const server = await Program.start(
      scope,
      "large_file.ts",
      ["receive", `--to=${to}`, "0"],
      flags,
    );
    const url = `ws://127.0.0.1:${await server.port()}/`;
    const send = (...args: string[]) =>
      runExample(scope, "large_file.ts", ["send", ...args], "", flags);
    const first = await send(from, url);
    assertEquals(first.code, 0, first.stderr);
    assert(first.stderr.endsWith(`[${"#".repeat(40)}] 100 %\n`), first.stderr);
    const digest = await crypto.subtle.digest("SHA-256", bytes);
    const sum = new Uint8Array(digest).toHex();
    assertEquals(first.stdout, `3000001 bytes sent, SHA-256 ${sum}\n`);
    assertEquals(await Deno.readFile(to), bytes);

    const size = 300_000_000;
    const second = await send(`--size=${size}`, url);
    assertEquals(second.code, 0, second.stderr);
    if (Deno.build.os === "linux") {
      const status = await Deno.readTextFile(`/proc/${server.pid}/status`);
      const peak = 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]);
      assert(peak < 250_000_000, `${peak} bytes at most`);
    }
    assertEquals(await server.interrupt(), 0);

    scope.at = "a wrong checksum";
    const wrong = await serveOne(scope, async (ws) => {
      const { readable, writable } = await ws.opened;
      await readable.getReader().read();
      await writable.getWriter().write("0");
      await ws.closed.catch(() => {});
    });
    const third = await send("--size=10", wrong.url);
    assertEquals(third.code, 1);
    assert(third.stderr.includes("It was changed"), third.stderr);
    const none = await send(`${folder}/none`, url);
    assertEquals(none.code, 1);
  },
);

exampleTest(
  "autobahn_server.ts sends back what it gets, compressed",
  async (scope) => {
    const program = await Program.start(scope, "autobahn_server.ts", ["0"]);
    const client = await npmWs.connect(
      scope,
      `ws://127.0.0.1:${await program.port()}/`,
      { own: { perMessageDeflate: { threshold: 0 } } },
    );
    assert(client instanceof WsPeerSocket);
    assertEquals(client.extensions, ["permessage-deflate"]);
    for (const message of ["", "x".repeat(70_000), "é".repeat(3)]) {
      client.send(message);
      assertEquals(await client.next(), { type: "text", message });
    }
    client.close(1000, "");
    assertEquals((await client.next()).type, "close");
    assertEquals(await program.interrupt(), 0);
  },
);

exampleTest(
  "autobahn_client.ts runs each case, also where one breaks, and asks for the report",
  async (scope) => {
    const server = await npmWs.serve(scope, {
      own: { perMessageDeflate: true },
    });
    const program = await Program.start(scope, "autobahn_client.ts", [
      "--agent=a b",
      `ws://127.0.0.1:${server.port}`,
    ]);
    const targets: string[] = [];
    const next = async () => {
      const peer = await server.accept();
      targets.push(peer.target);
      return peer;
    };
    const counting = await next();
    counting.send("3");
    counting.close(1000, "");
    for (let number = 1; number <= 3; number++) {
      const peer = await next();
      peer.send(`case ${number}`);
      const answer = await peer.next();
      assertEquals(answer, { type: "text", message: `case ${number}` });
      if (number === 1) peer.raw(Uint8Array.of(0xff, 0xff));
      else if (number === 2) peer.abort();
      else peer.close(1000, "");
    }
    (await next()).close(1000, "");
    assertEquals(await program.code(), 0, program.stderr);
    assertEquals(targets, [
      "/getCaseCount?agent=a+b",
      ...[1, 2, 3].map((number) => `/runCase?agent=a+b&case=${number}`),
      "/updateReports?agent=a+b",
    ]);
    assert(program.stdout.endsWith("The report is written\n"), program.stdout);
  },
);
