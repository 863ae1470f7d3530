// The other examples: what they print, and what their exit codes are.

import { assert, assertEquals } from "@std/assert";
import { npmWs, WsPeerSocket } from "../interop/peers/npm_ws.ts";
import { exampleTest, flagsOf, Program, runExample } from "./helpers.ts";
import { serveOne } from "./serve_one.ts";

const EXAMPLES = new URL("../../examples/", import.meta.url);

const PROGRAMS = [
  ...["autobahn_client.ts", "autobahn_server.ts", "demo.ts", "echo_client.ts"],
  ...["echo_server.ts", "handshake_only.ts", "large_file.ts", "proxy.ts"],
  ...["multicore_server.ts", "seed_walkthrough.ts", "tls_server.ts"],
  ...["unix_socket.ts", "wscat.ts", "chat/server.ts"],
];

/** An option that only the program itself uses. */
const INTERNAL = ["process"];

/** The options that a program takes, as its source has them. */
async function optionsOf(name: string): Promise<string[]> {
  const source = await Deno.readTextFile(new URL(name, EXAMPLES));
  const common = source.includes("...SERVER_OPTIONS") ||
      source.includes("SERVER_OPTIONS,")
    ? ["hostname", "handshake-timeout"]
    : [];
  const own = source.matchAll(/^ +"?([\w-]+)"?: \{ type: "(?:str|bool)/gm);
  return ["help", ...common, ...[...own].map(([, name]) => name)];
}

exampleTest(
  "each example has --help, and refuses what it does not know",
  async (scope) => {
    for (const name of PROGRAMS) {
      const flags = await flagsOf(name);
      assert(!flags.includes("--allow-all") && !flags.includes("-A"), name);
      const help = await runExample(scope, name, ["--help"]);
      assertEquals([help.code, help.stderr], [0, ""], name);
      assert(help.stdout.length > 10, name);
      for (const option of await optionsOf(name)) {
        if (INTERNAL.includes(option) || !help.stdout.includes("  --")) {
          continue;
        }
        assert(help.stdout.includes(`--${option}`), `${name}: ${option}`);
      }
      const mistake = await runExample(scope, name, ["--no-such-option"]);
      assertEquals(mistake, {
        code: 2,
        stdout: "",
        stderr: "Unknown option '--no-such-option'; see --help\n",
      });
    }
  },
);

exampleTest(
  "no example asks for a permission that it does not need",
  async (scope) => {
    const args: Readonly<Record<string, string[]>> = {
      "large_file.ts": ["receive", "0"],
      "multicore_server.ts": ["--processes=2", "0"],
      "proxy.ts": ["ws://127.0.0.1:1/", "0"],
      "unix_socket.ts": ["/tmp/echo.sock"], // of its first line
      "wscat.ts": ["ws://127.0.0.1:1/"],
      "chat/server.ts": ["--port=0"],
    };
    // Asked for later: to write when something has come, to listen when a
    // certificate is read.
    const later = ["large_file.ts --allow-write", "tls_server.ts --allow-net"];
    for (const name of PROGRAMS) {
      const flags = await flagsOf(name);
      for (const flag of flags) {
        scope.at = `${name} ${flag.split("=")[0]}`;
        if (later.includes(scope.at)) continue;
        const { code, stderr } = await runExample(
          scope,
          name,
          args[name] ?? [],
          "",
          flags.filter((other) => other !== flag),
        );
        assert(code !== 0, scope.at);
        const [, needed] = scope.at.split(" ");
        assert(stderr.includes(needed), `${scope.at}: ${stderr}`);
      }
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

    scope.at = "Ctrl-C, as no answer comes";
    const program = await Program.start(scope, "echo_client.ts", [url, "a"]);
    const silent = await server.accept();
    assertEquals((await silent.next()).type, "text");
    assertEquals(await program.interrupt(), 1);
    assertEquals(await silent.next(), {
      type: "close",
      code: 1000,
      reason: "",
    });
    assertEquals(program.stderr, "0 of 1 messages were answered\n");
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

/** Waits until something holds. */
async function until(holds: () => boolean): Promise<void> {
  const late = performance.now() + 30_000;
  while (!holds()) {
    if (performance.now() > late) throw new Error("It does not come to hold");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

exampleTest(
  "large_file.ts says that a transfer was interrupted, and receives others",
  async (scope) => {
    const folder = await Deno.makeTempDir();
    scope.defer(() => Deno.remove(folder, { recursive: true }));
    const to = `${folder}/to`;
    const receiver = await Program.start(
      scope,
      "large_file.ts",
      ["receive", `--to=${to}`, "0"],
      ["--allow-net=127.0.0.1", `--allow-write=${folder}`],
    );
    const url = `ws://127.0.0.1:${await receiver.port()}/`;
    const size = () => Deno.statSync(to).size;
    const start = async () => {
      await Deno.writeTextFile(to, "");
      const sender = await Program.start(
        scope,
        "large_file.ts",
        ["send", "--size=1000000000000", url],
        ["--allow-net=127.0.0.1"],
      );
      await until(() => size() > 0);
      return sender;
    };
    const interrupted = async (times: number) => {
      const pattern = /^Interrupted after \d+ bytes$/gm;
      await until(() => receiver.stderr.match(pattern)?.length === times);
    };

    scope.at = "Ctrl-C at the sender";
    const first = await start();
    assertEquals(await first.interrupt(), 1);
    const [last] = first.stderr.trim().split("\n").slice(-1);
    assert(/^Interrupted after \d+ of 1000000000000 bytes: /.test(last), last);
    await interrupted(1);

    scope.at = "a sender that is killed";
    const second = await start();
    Deno.kill(second.pid, "SIGKILL");
    await second.code();
    await interrupted(2);

    scope.at = "two messages on one connection, the first with an empty end";
    const client = await npmWs.connect(scope, url);
    assert(client instanceof WsPeerSocket);
    const sumOf = async (text: string) => {
      const bytes = new TextEncoder().encode(text);
      const digest = await crypto.subtle.digest("SHA-256", bytes);
      return { type: "text", message: new Uint8Array(digest).toHex() } as const;
    };
    client.sendFragments([new TextEncoder().encode("one"), new Uint8Array()]);
    client.send(new TextEncoder().encode("two"));
    assertEquals(await client.next(), await sumOf("one"));
    assertEquals(await client.next(), await sumOf("two"));
    assertEquals(await Deno.readTextFile(to), "two");
    client.close(1000, "");
    assertEquals((await client.next()).type, "close");

    scope.at = "Ctrl-C at the receiver";
    const third = await start();
    assertEquals(await receiver.interrupt(), 0);
    assertEquals(await third.code(), 1);
    assert(third.stderr.endsWith("code 1001\n"), third.stderr);

    for (
      const args of [
        ...[[], ["nothing"], ["send"], ["send", "a", "b", "c"]],
        ...[["send", "--size=x"], ["receive", "1", "2"]],
      ]
    ) {
      const { code, stderr } = await runExample(scope, "large_file.ts", args);
      assertEquals(code, 2, `${args}: ${stderr}`);
    }
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

exampleTest("autobahn_client.ts says why there is no report", async (scope) => {
  const server = await npmWs.serve(scope);
  const url = `ws://127.0.0.1:${server.port}`;
  const program = await Program.start(scope, "autobahn_client.ts", [url]);
  const counting = await server.accept();
  counting.send("2");
  counting.close(1000, "");
  const running = await server.accept();
  assertEquals(running.target, "/runCase?agent=noio-ws&case=1");
  running.send("hello");
  assertEquals((await running.next()).type, "text");
  assertEquals(await program.interrupt(), 1);
  const close = await running.next();
  assert(close.type === "close" && close.code === 1001);
  assertEquals(program.stderr, "Interrupted, without a report\n");
  const none = await runExample(scope, "autobahn_client.ts", [
    "ws://127.0.0.1:1",
  ]);
  assertEquals(none.code, 1);
  assert(none.stderr.includes("refused"), none.stderr);
});

exampleTest("the servers say why they cannot listen", async (scope) => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = `${taken.addr.port}`;
  for (
    const [name, ...args] of [
      ["autobahn_server.ts", port],
      ["echo_server.ts", port],
      ["large_file.ts", "receive", port],
      ["proxy.ts", "ws://127.0.0.1:1/", port],
      ["multicore_server.ts", port],
      ["chat/server.ts", `--port=${port}`],
    ]
  ) {
    const { code, stdout, stderr } = await runExample(scope, name, args);
    assertEquals([code, stdout], [1, ""], name);
    const pattern = new RegExp(`^Cannot listen on 127.0.0.1 ${port}: .+\\n$`);
    assert(pattern.test(stderr), `${name}: ${stderr}`);
  }
  const tls = await runExample(scope, "tls_server.ts", ["0"]);
  assertEquals(tls.code, 1);
  assert(/^Cannot listen: .*cert\.pem.*\n$/.test(tls.stderr), tls.stderr);
});

exampleTest(
  "tls_server.ts takes the certificate that its first lines make",
  async (scope) => {
    const folder = await Deno.makeTempDir();
    scope.defer(() => Deno.remove(folder, { recursive: true }));
    const source = await Deno.readTextFile(new URL("tls_server.ts", EXAMPLES));
    const [command] = /openssl req(.*\\\n)*.*/.exec(
      source.replace(/^\/\/ +/gm, ""),
    ) ?? [];
    assert(command !== undefined);
    const made = await new Deno.Command("sh", {
      args: ["-c", command],
      cwd: folder,
      stderr: "null",
    }).output();
    if (made.code === 127) return; // there is no openssl
    const [cert, key] = [`${folder}/cert.pem`, `${folder}/key.pem`];
    const server = await Program.start(
      scope,
      "tls_server.ts",
      [`--cert=${cert}`, `--key=${key}`, "0"],
      ["--allow-net=127.0.0.1", `--allow-read=${cert},${key}`],
    );
    const port = await server.port();
    for (const name of ["localhost", "127.0.0.1"]) {
      const args = ["--count=1", `--ca=${cert}`, `wss://${name}:${port}/`];
      const flags = ["--allow-net", `--allow-read=${cert}`];
      const program = await Program.start(scope, "wscat.ts", args, flags);
      await program.write("hello\n");
      assertEquals(await program.code(), 0, program.stderr);
      assertEquals(program.stdout, "hello\n");
    }
    assertEquals(await server.interrupt(), 0);
  },
);

exampleTest(
  "unix_socket.ts removes its own socket at the end, and nothing else",
  async (scope) => {
    const folder = await Deno.makeTempDir();
    scope.defer(() => Deno.remove(folder, { recursive: true }));
    const path = `${folder}/echo.sock`;
    const flagsFor = (path: string) => [
      `--allow-net=unix:${path}`,
      ...[`--allow-read=${path}`, `--allow-write=${path}`],
    ];
    const server = await Program.start(
      scope,
      "unix_socket.ts",
      [path],
      flagsFor(path),
    );
    await server.line(/^Echoing on /);

    scope.at = "a second one";
    const run = (path: string) =>
      runExample(scope, "unix_socket.ts", [path], "", flagsFor(path));
    const second = await run(path);
    assertEquals([second.code, second.stdout], [1, ""]);
    assert(second.stderr.startsWith("Cannot listen on "), second.stderr);
    assert((await Deno.lstat(path)).isSocket);

    scope.at = "Ctrl-C";
    assertEquals(await server.interrupt(), 0);
    const left = await Array.fromAsync(Deno.readDir(folder));
    assertEquals(left, []);

    scope.at = "a file that is no socket";
    await Deno.writeTextFile(path, "precious");
    assertEquals((await run(path)).code, 1);
    assertEquals(await Deno.readTextFile(path), "precious");
  },
);

exampleTest(
  "multicore_server.ts ends when one of its processes has, or cannot start",
  async (scope) => {
    const flags = ["--unstable-net", "--allow-net=127.0.0.1"];
    const args = ["--processes=2", "0"];
    const alone = await runExample(
      scope,
      "multicore_server.ts",
      args,
      "",
      flags,
    );
    assertEquals(alone.code, 1);
    assert(alone.stderr.startsWith("Cannot start a process: "), alone.stderr);

    if (Deno.build.os !== "linux") return;
    const program = await Program.start(scope, "multicore_server.ts", args);
    const port = await program.port();
    const { pid } = program;
    const children = await Deno.readTextFile(
      `/proc/${pid}/task/${pid}/children`,
    );
    Deno.kill(Number(children.trim()), "SIGKILL");
    assertEquals(await program.code(), 1);
    assertEquals(program.stderr, "A process has ended with 137\n");
    const gone = await Deno.connect({ port }).catch((error) => error);
    assert(gone instanceof Deno.errors.ConnectionRefused);
  },
);

exampleTest(
  "node_net.mjs has --help, and exit codes for what goes wrong",
  async (scope) => {
    const run = (...args: string[]) =>
      runExample(scope, "node_net.mjs", args, "", ["--allow-net"]); // in Deno
    const help = await run("--help");
    assertEquals([help.code, help.stderr], [0, ""]);
    assert(help.stdout.startsWith("Sends messages to a WebSocket server"));
    assertEquals(await run("--no-such-option"), {
      code: 2,
      stdout: "",
      stderr: "Unknown option '--no-such-option'; see --help\n",
    });
    assertEquals((await run("no-url")).code, 2);

    const server = await npmWs.serve(scope);
    const url = `ws://127.0.0.1:${server.port}/`;
    scope.at = "an answer";
    const answered = run(url, "hello");
    const peer = await server.accept();
    assertEquals(await peer.next(), { type: "text", message: "hello" });
    peer.send("world");
    assertEquals(await answered, {
      code: 0,
      stdout: `connected to ${url}, with nothing\nworld\nclosed with 1000\n`,
      stderr: "",
    });
    scope.at = "no answer";
    const unanswered = run(url, "hello");
    (await server.accept()).close(1000, "");
    assertEquals((await unanswered).code, 1);
    scope.at = "Ctrl-C";
    const program = await Program.start(
      scope,
      "node_net.mjs",
      [url],
      ["--allow-net"],
    );
    const silent = await server.accept();
    assertEquals((await silent.next()).type, "text");
    assertEquals((await silent.next()).type, "text");
    assertEquals(await program.interrupt(), 1);
    const close = await silent.next();
    assert(close.type === "close" && close.code === 1001);
  },
);
