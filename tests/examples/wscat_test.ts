// wscat.ts, as a process: its flags, what it prints, and its exit codes.

import { assert, assertEquals } from "@std/assert";
import type {
  WebSocketStream,
  WebSocketStreamAcceptOptions,
} from "../../examples/websocket_stream.ts";
import { npmWs } from "../interop/peers/npm_ws.ts";
import { makeCertificate } from "./certificate.ts";
import { exampleTest, Program, runExample, type Scope } from "./helpers.ts";
import { echo, serveOne } from "./serve_one.ts";

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
    let said = await peer.next();
    while (said.type === "ping") said = await peer.next(); // we were slow
    assertEquals(said, { type: "text", message: "hello" });
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
    const program = await Program.start(scope, "wscat.ts", args);
    await program.write("hi\n");
    await program.line(/^6869$/); // before the end, however slow we are
    const ended = performance.now();
    await program.closeInput();
    assertEquals(await program.code(), 0);
    assert(performance.now() - ended > 190); // timers are off by a little
    await done;
    assertEquals(program.stdout, "6869\n");
    assertEquals(program.stderr.split("\n"), [
      "open, subprotocol none, extensions permessage-deflate",
      "-> binary 2 B 68 69",
      "<- binary 2 B 68 69",
      '-> close 2 B 1000 ""',
      '<- close 2 B 1000 ""',
      'closed with 1000 ""',
      "",
    ]);
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
    // Its input goes on: at the end of that it would close by itself.
    const program = await Program.start(scope, "wscat.ts", [url]);
    assertEquals(await program.code(), expected, program.stderr);
    await done;
    return program.stderr;
  };
  const closing = (closeCode: number) => async (ws: WebSocketStream) => {
    await ws.opened;
    ws.close({ closeCode, reason: "why" });
    await ws.closed;
  };
  await run(0, closing(1001));
  await run(0, async (ws) => { // 1005, as there is no code
    const { writable } = await ws.opened;
    await writable.getWriter().write({ type: "close" });
    await ws.closed;
  });
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
  const port = await server.port();
  const url = `wss://localhost:${port}/`;
  const byAddress = `wss://127.0.0.1:${port}/`;
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
      [["--insecure", byAddress], 0],
      [[`--ca=${file("ca.pem")}`, byAddress], 0], // it is in the certificate
      [[byAddress], 3],
      [["--insecure", "wss://127.0.0.1:1/"], 3],
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

/** The first bytes that a client sends, as text: what is not ASCII does not matter. */
async function helloOf(scope: Scope, name: string, flags: string[]) {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `wss://${name}:${listener.addr.port}/`;
  const running = runExample(scope, "wscat.ts", [...flags, url]);
  const conn = await listener.accept();
  const buffer = new Uint8Array(4096);
  const count = await conn.read(buffer) ?? 0;
  conn.close();
  const { code, stderr } = await running;
  assertEquals(code, 3, stderr);
  return new TextDecoder("latin1").decode(buffer.subarray(0, count));
}

exampleTest(
  "wscat.ts tells a server of TLS by which name it asks, unless that is an address",
  async (scope) => {
    for (const flags of [["--insecure"], []]) {
      scope.at = `${flags}`;
      const named = await helloOf(scope, "localhost", flags);
      assert(named.includes("localhost"), named);
      const addressed = await helloOf(scope, "127.0.0.1", flags);
      assert(addressed.length > 100 && !addressed.includes("127.0.0.1"));
    }
  },
);

/** Runs wscat with colours allowed, on a terminal or not; gives all of its output. */
async function colourful(
  command: string,
  args: readonly string[],
): Promise<string> {
  const child = new Deno.Command(command, {
    args: [...args],
    cwd: new URL("../../", import.meta.url),
    env: { TERM: "xterm", NO_COLOR: "" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.status,
  ]);
  await child.stdin.close().catch(() => {});
  return stdout + stderr;
}

exampleTest(
  "wscat.ts has colours on a terminal alone, which takes no commands from a server",
  async (scope) => {
    if (Deno.build.os !== "linux") return; // `script` is another program elsewhere
    const server = await npmWs.serve(scope);
    const url = `ws://127.0.0.1:${server.port}/`;
    const run = ["run", "--quiet", "--no-lock", "--no-prompt", "--allow-net"];
    const args = [...run, "examples/wscat.ts", "--count=2", url];
    const served = async () => {
      const peer = await server.accept();
      peer.send("\x1b]0;title\x07a\tb");
      peer.send(Uint8Array.of(1, 255));
    };

    scope.at = "no terminal";
    const [plain] = await Promise.all([
      colourful(Deno.execPath(), args),
      served(),
    ]);
    assert(plain.startsWith("\x1b]0;title\x07a\tb\n01ff\nopen, "), plain);

    scope.at = "a terminal";
    const words = [Deno.execPath(), ...args].map((word) => `'${word}'`);
    const [shown] = await Promise.all([
      colourful("script", ["-qfec", words.join(" "), "/dev/null"]),
      served(),
    ]);
    assert(shown.includes("\x1b[90mopen, subprotocol none"), shown);
    assert(shown.includes("\\x1b]0;title\\x07a\tb\r\n"), shown);
    assert(shown.includes("\x1b[36m01ff\x1b[0m"), shown);
  },
);
