// Elsewhere than Deno: the core, bundled to one JavaScript file, in Node over
// node:net, in Bun if it is there, and in a page in Chromium.

import { assert, assertEquals } from "@std/assert";
import { permessageDeflate } from "../../src/extensions/permessage_deflate.ts";
import { utf8 } from "../helpers/bytes.ts";
import { CHROMIUM, startBrowser, Troubles } from "./browser.ts";
import {
  accept,
  assertClean,
  connect,
  interopTest,
  listen,
  type Scope,
} from "./helpers.ts";
import type { PeerSocket } from "./peer.ts";
import { npmWs } from "./peers/npm_ws.ts";
import { isInstalled, needing, Program } from "./programs.ts";
import { openedOf } from "./stage.ts";

const NODE = "/usr/bin/node";

const ROOT = new URL("../../", import.meta.url);
const ENTRIES = [
  "mod.ts",
  "handshake.ts",
  "src/extensions/permessage_deflate.ts",
];
const SOURCES = ["exchange.mjs", "report.mjs", "node_server.mjs", "page.mjs"];

/** What `exchange.mjs` reports where all is well. */
const REPORT = {
  frames: ["binary 3 B 00 00 00", true],
  connections: [true, "ping", "pong", "reserved-bits"],
  handshake: [101, true],
  streams: ["permessage-deflate", true, true, "close", true],
};

/**
 * Makes a folder in which `@noio/ws` is installed, as it would be for somebody
 * without Deno, and the programs that use it.
 */
async function install(scope: Scope): Promise<string> {
  const dir = await Deno.makeTempDir();
  scope.defer(() => Deno.remove(dir, { recursive: true }));
  const target = `${dir}/node_modules/@noio/ws`;
  await Deno.mkdir(target, { recursive: true });
  const entry = `${dir}/all.ts`;
  const lines = ENTRIES.map((path) =>
    `export * from ${JSON.stringify(new URL(path, ROOT).href)};\n`
  );
  await Deno.writeTextFile(entry, lines.join(""));
  const bundled = await new Program(scope, Deno.execPath(), [
    "bundle",
    "--quiet",
    "--no-lock",
    "--platform=browser",
    `--output=${target}/noio_ws.js`,
    entry,
  ]).end();
  assertEquals(bundled.code, 0, bundled.errors);
  const file = "./noio_ws.js";
  await Deno.writeTextFile(
    `${target}/package.json`,
    JSON.stringify({
      type: "module",
      exports: { ".": file, "./handshake": file, "./permessage-deflate": file },
    }),
  );
  for (const name of SOURCES) {
    const source = new URL(`tests/interop/elsewhere/${name}`, ROOT);
    await Deno.copyFile(source, `${dir}/${name}`);
  }
  const example = new URL("examples/node_net.mjs", ROOT);
  await Deno.copyFile(example, `${dir}/node_net.mjs`);
  return dir;
}

/** The tests of a runtime that has node:net. */
function testRuntime(name: string, command: string): void {
  interopTest(`elsewhere, in ${name}: streams in memory`, async (scope) => {
    const dir = await install(scope);
    const program = new Program(scope, command, [`${dir}/report.mjs`]);
    const { code, errors } = await program.end();
    assertEquals([code, errors], [0, ""]);
    assertEquals(JSON.parse(await program.lines.next()), REPORT);
  });

  interopTest(
    `elsewhere, in ${name}: examples/node_net.mjs and our server`,
    async (scope) => {
      const dir = await install(scope);
      const listener = listen(scope);
      const url = `ws://127.0.0.1:${listener.addr.port}/`;
      const long = "long and long ".repeat(5000).trim();
      const args = [`${dir}/node_net.mjs`, url, "hello", "wörld 👋", long];
      const program = new Program(scope, command, args);
      const pump = await accept(scope, listener, {
        extensions: [permessageDeflate()],
      });
      await pump.send({ type: "ping", message: "before" });
      for (let i = 0; i < 3; i++) await pump.send(await pump.expect("text"));
      assertEquals((await pump.expect("pong")).message, utf8("before"));
      const close = { statusCode: 1000, message: "" };
      assertClean(await pump.finish(), "peer", close, close);
      await assertOutput(program, [
        `connected to ${url}, with permessage-deflate`,
        "hello",
        "wörld 👋",
        long,
        "closed with 1000",
      ]);
    },
  );

  interopTest(
    `elsewhere, in ${name}: examples/node_net.mjs and npm:ws`,
    async (scope) => {
      const dir = await install(scope);
      const server = await npmWs.serve(scope, {
        own: { perMessageDeflate: true },
      });
      const url = `ws://127.0.0.1:${server.port}/`;
      const args = [`${dir}/node_net.mjs`, url, "hello", "world"];
      const program = new Program(scope, command, args);
      await echo(await server.accept());
      await assertOutput(program, [
        `connected to ${url}, with permessage-deflate`,
        "hello",
        "world",
        "closed with 1000",
      ]);
    },
  );

  interopTest(
    `elsewhere, in ${name}: examples/node_net.mjs where nobody listens`,
    async (scope) => {
      const dir = await install(scope);
      const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const url = `ws://127.0.0.1:${listener.addr.port}/`;
      listener.close();
      const args = [`${dir}/node_net.mjs`, url];
      const { code, errors } = await new Program(scope, command, args).end();
      assertEquals(code, 1);
      assert(/^.*(ECONNREFUSED|connect).*\n$/i.test(errors), errors);
    },
  );

  interopTest(
    `elsewhere, in ${name}: a server over node:net, our client and npm:ws`,
    async (scope) => {
      const dir = await install(scope);
      const extensions = [permessageDeflate()];
      const message = "to and fro ".repeat(10_000);
      const close = { statusCode: 1000, message: "" };

      scope.at = "our client";
      const first = await serve(scope, command, dir);
      const pump = await connect(scope, first.url, { extensions });
      await pump.send({ type: "text", message });
      assertEquals((await pump.expect("text")).message, message);
      await pump.send({ type: "close", statusCode: 1000 });
      assertClean(await pump.finish(), "us", close, close);
      await assertServed(first.program);

      scope.at = "npm:ws";
      const second = await serve(scope, command, dir);
      const theirs = openedOf(await npmWs.connect(scope, second.url));
      assertEquals(theirs.extensions, ["permessage-deflate"]);
      theirs.send(message);
      assertEquals(await theirs.next(), { type: "text", message });
      theirs.close(1000, "");
      assertEquals(await theirs.next(), {
        type: "close",
        code: 1000,
        reason: "",
      });
      await assertServed(second.program);
    },
  );
}

async function serve(scope: Scope, command: string, dir: string) {
  const program = new Program(scope, command, [`${dir}/node_server.mjs`]);
  const [port] = await program.line(/^\d+$/);
  return { program, url: `ws://127.0.0.1:${port}/` };
}

/** Asserts that the server says that all was well. */
async function assertServed(program: Program): Promise<void> {
  const summary = JSON.parse(await program.lines.next());
  assertEquals([summary.clean, summary.initiator], [true, "peer"]);
  const { code, errors } = await program.end();
  assertEquals([code, errors], [0, ""]);
}

async function assertOutput(
  program: Program,
  lines: readonly string[],
): Promise<void> {
  const { code, errors } = await program.end();
  assertEquals([code, errors], [0, ""]);
  for (const line of lines) assertEquals(await program.lines.next(), line);
}

/** Sends back what a peer receives, until it is closed. */
async function echo(peer: PeerSocket): Promise<void> {
  assertEquals(peer.extensions, ["permessage-deflate"]);
  for (;;) {
    const event = await peer.next();
    if (event.type === "close") {
      assertEquals(event.code, 1000);
      return;
    }
    if (event.type === "text") peer.send(event.message);
  }
}

needing({ nodejs: NODE }, "elsewhere", () => testRuntime("Node", NODE));

const bun = ["/usr/bin/bun", "/usr/local/bin/bun"].find(isInstalled);
if (bun !== undefined) testRuntime("Bun", bun);
else {
  Deno.test({
    name: "elsewhere, in Bun: not installed",
    ignore: true,
    fn() {},
  });
}

needing({ chromium: CHROMIUM }, "elsewhere, in a page in Chromium", () => {
  interopTest(
    "elsewhere, in a page in Chromium: streams in memory, and its own WebSocket with our server",
    async (scope) => {
      const dir = await install(scope);
      const listener = listen(scope);
      const files = serveFiles(scope, dir);
      const browser = await startBrowser(scope);
      const page = await browser.newPage();
      const troubles = new Troubles();
      troubles.watch(page);
      const echo = `ws://127.0.0.1:${listener.addr.port}/`;
      await page.goto(`${files}?echo=${encodeURIComponent(echo)}`);

      scope.at = "its own WebSocket";
      const pump = await accept(scope, listener, {
        extensions: [permessageDeflate()],
      });
      const { request, extensions } = pump.upgrade;
      const offer = request.headers.get("Sec-WebSocket-Extensions");
      assertEquals(offer, "permessage-deflate; client_max_window_bits");
      assertEquals(extensions.map(({ name }) => name), ["permessage-deflate"]);
      for (let i = 0; i < 4; i++) {
        const event = await pump.next();
        assert(event?.type === "text" || event?.type === "binary");
        await pump.send(event);
      }
      const close = { statusCode: 3001, message: "enough" };
      const reply = { statusCode: 3001, message: "" };
      assertClean(await pump.finish(), "peer", reply, close);

      scope.at = "the report";
      const text = await page.locator("pre:not(:empty)").textContent();
      const { own, ...report } = JSON.parse(text ?? "");
      assertEquals(report, REPORT);
      assert(own.extensions.startsWith("permessage-deflate"), own.extensions);
      assertEquals(own.same, [true, true, true, true]);
      assertEquals([own.code, own.wasClean], [3001, true]);
      assertEquals(troubles.list, []);
    },
  );
});

/** Serves a page and what it imports; gives its URL. */
function serveFiles(scope: Scope, dir: string): string {
  const imports = Object.fromEntries(
    ["@noio/ws", "@noio/ws/handshake", "@noio/ws/permessage-deflate"]
      .map((name) => [name, "./node_modules/@noio/ws/noio_ws.js"]),
  );
  const html = `<!DOCTYPE html><title>Elsewhere</title>
    <link rel="icon" href="data:,">
    <script type="importmap">${JSON.stringify({ imports })}</script>
    <pre></pre>
    <script type="module" src="./page.mjs"></script>`;
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/") {
        return new Response(html, { headers: { "Content-Type": "text/html" } });
      }
      const headers = { "Content-Type": "text/javascript" };
      return new Response(await Deno.readFile(dir + pathname), { headers });
    },
  );
  scope.defer(() => server.shutdown());
  return `http://127.0.0.1:${server.addr.port}/`;
}
