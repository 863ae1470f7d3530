// The chat of `examples/chat`, without a browser: as a process, and its rules.

import { assert, assertEquals } from "@std/assert";
import { Connection, encodeFrame } from "../../mod.ts";
import { permessageDeflate } from "../../src/extensions/permessage_deflate.ts";
import { Elsewhere } from "../../examples/chat/elsewhere.ts";
import { Outbox } from "../../examples/chat/outbox.ts";
import { type Line, nameOf, Room } from "../../examples/chat/room.ts";
import { visit } from "../../examples/chat/visitor.ts";
import { WebSocketStream } from "../../examples/websocket_stream.ts";
import {
  connect,
  interopTest as exampleTest,
  type Pump,
  request,
  type Scope,
} from "../interop/helpers.ts";
import { type Program, runExample } from "../interop/programs.ts";
import { utf8 } from "../helpers/bytes.ts";

interface Said {
  readonly type: string;
  readonly line?: Line;
  readonly lines?: Line[];
  readonly people?: { name: string }[];
  readonly problem?: string;
  readonly said?: string;
}

/** The next message of a type. */
async function next(pump: Pump, type: string): Promise<Said> {
  for (;;) {
    const { message } = await pump.expect("text");
    const said: Said = JSON.parse(message);
    if (said.type === type) return said;
  }
}

/** Waits until it is said who is here, and that is these. */
async function seesPeople(pump: Pump, ...names: string[]): Promise<void> {
  for (;;) {
    const { people = [] } = await next(pump, "people");
    if (people.map(({ name }) => name).join() === names.join()) return;
  }
}

/** Waits until somebody has said this. */
async function sees(pump: Pump, name: string, text: string): Promise<void> {
  for (;;) {
    const { line } = await next(pump, "line");
    if (line?.by.name === name && line.text === text) return;
  }
}

interface Server {
  readonly program: Program;
  /** `127.0.0.1` and the port. */
  readonly host: string;
}

async function start(scope: Scope): Promise<Server> {
  const program = runExample(scope, "chat/server.ts", ["--port=0"], [
    "--allow-net",
  ]);
  const [, host] = await program.line(/http:\/\/(127\.0\.0\.1:\d+)\//);
  return { program, host };
}

function join(scope: Scope, { host }: Server, name: string): Promise<Pump> {
  const query = new URLSearchParams({ name });
  return connect(scope, `ws://${host}/chat?${query}`, {
    extensions: [permessageDeflate()],
  });
}

exampleTest(
  "examples/chat: two clients talk, and Ctrl-C closes with 1001",
  async (scope) => {
    const server = await start(scope);
    const ada = await join(scope, server, "Ada");
    assertEquals((await next(ada, "welcome")).lines, []);
    assertEquals((await next(ada, "line")).line?.kind, "joined");
    await ada.send({ type: "text", message: " Is anybody here?\r\n" });
    await sees(ada, "Ada", "Is anybody here?");

    scope.at = "who comes later sees what was said";
    const grace = await join(scope, server, "Grace");
    const { lines = [], people = [] } = await next(grace, "welcome");
    assertEquals(lines.map(({ text }) => text), ["", "Is anybody here?"]);
    assertEquals(people.map(({ name }) => name), ["Ada", "Grace"]);
    await seesPeople(ada, "Ada", "Grace");
    const answer = "Good morning, ".repeat(50).trim();
    await grace.send({ type: "text", message: answer });
    await sees(ada, "Grace", answer);
    await sees(grace, "Grace", answer);

    scope.at = "what may not be said is given back";
    await ada.send({ type: "text", message: "x".repeat(1001) });
    assertEquals((await next(ada, "problem")).said?.length, 1001);

    scope.at = "Ctrl-C";
    const ending = server.program.interrupt();
    for (const pump of [ada, grace]) {
      const { clean, received } = await end(pump);
      assertEquals([clean, received?.statusCode], [true, 1001]);
    }
    assertEquals(await ending, { code: 0, errors: "" });
  },
);

/** Reads until the end, whatever comes. */
async function end(pump: Pump) {
  while (await pump.next() !== undefined);
  return await pump.finish();
}

exampleTest("examples/chat: no client ends the server", async (scope) => {
  const server = await start(scope);
  const [hostname, port] = server.host.split(":");
  const ada = await join(scope, server, "Ada");
  await seesPeople(ada, "Ada");

  scope.at = "no handshake, or half of one";
  const open: Deno.Conn[] = [];
  for (
    const bytes of [
      "",
      "GET /chat?name=Eve HTTP/1.1\r\nHost: x\r\nUpg",
      "\x16\x03\x01\x02garbage\r\n\r\n",
    ]
  ) {
    for (const isLeft of [true, false]) {
      const conn = await Deno.connect({ hostname, port: Number(port) });
      await conn.write(utf8(bytes));
      if (isLeft) conn.close();
      else open.push(conn);
    }
  }

  scope.at = "frames that break a rule";
  const violations: [Uint8Array, number][] = [
    [encodeFrame({ opcode: 1, payload: utf8("unmasked") }), 1002],
    [Uint8Array.of(0xff, 0xff, 0xff, 0xff), 1002],
    [Uint8Array.of(0x81, 0xfe, 0xff, 0xff, 0, 0, 0, 0), 1009],
    [encodeFrame({ opcode: 2 }, Uint8Array.of(1, 2, 3, 4)), 1003],
  ];
  for (const [bytes, code] of violations) {
    const eve = await join(scope, server, "Eve");
    await seesPeople(ada, "Ada", "Eve");
    await eve.write(bytes);
    const { received } = await end(eve);
    assertEquals(received?.statusCode, code);
    await seesPeople(ada, "Ada");
  }

  scope.at = "a client that vanishes";
  const eve = await join(scope, server, "Eve");
  await seesPeople(ada, "Ada", "Eve");
  eve.close();
  await seesPeople(ada, "Ada");

  scope.at = "a client that sends without end";
  const bot = await join(scope, server, "Bot");
  await seesPeople(ada, "Ada", "Bot");
  const flood = Array.from(
    { length: 100 },
    (_, i) => ({ type: "text", message: `buy ${i}` }) as const,
  );
  await bot.send(flood);
  assertEquals((await end(bot)).received?.statusCode, 1008);
  await seesPeople(ada, "Ada");

  scope.at = "it goes on";
  await ada.send({ type: "text", message: "still here" });
  await sees(ada, "Ada", "still here");
  const ending = server.program.interrupt();
  await end(ada);
  assertEquals(await ending, { code: 0, errors: "" });
  for (const conn of open) conn.close();
});

exampleTest("examples/chat: what is no chat is refused", async (scope) => {
  const { host } = await start(scope);
  const statusOf = async (target: string, origin?: string) => {
    const { upgrade } = await request(scope, `ws://${host}${target}`, {
      origin,
    });
    return upgrade.response.status;
  };
  assertEquals(await statusOf("/chat?name=Ada", `http://${host}`), 101);
  assertEquals(await statusOf("/chat?name=Ada", `https://${host}`), 101);
  assertEquals(await statusOf("/chat?name=Ada", "https://example.com"), 403);
  assertEquals(await statusOf("/chat?name=Ada", "null"), 403);
  assertEquals(await statusOf("/chat"), 400);
  assertEquals(await statusOf(`/chat?name=${"x".repeat(25)}`), 400);
  assertEquals(await statusOf("/elsewhere"), 404);

  const response = await fetch(`http://${host}/`);
  const page = await response.text();
  const policy = response.headers.get("Content-Security-Policy") ?? "";
  assert(page.startsWith("<!DOCTYPE html>"));
  assert(policy.startsWith("default-src 'none'; connect-src 'self'"));
  // An element that the policy does not know would not be run.
  assertEquals(page.match(/<script/g)?.length, 1);
  assertEquals(page.match(/<style/g)?.length, 1);
  assert(!/ (style|on\w+)="/.test(page));

  const post = await fetch(`http://${host}/`, { method: "POST" });
  await post.body?.cancel();
  assertEquals(post.status, 405);
});

Deno.test("visit() drops who does not read what it is sent", async () => {
  const up = new TransformStream<Uint8Array, Uint8Array>();
  const down = new TransformStream<Uint8Array, Uint8Array>(); // nobody reads it
  const abort = new AbortController();
  const ws = WebSocketStream.over(
    { readable: up.readable, writable: down.writable },
    { connection: new Connection("server") },
    { signal: abort.signal },
  );
  const room = new Room();
  const visiting = visit(ws, "Eve", room, () => abort.abort());
  await ws.opened;
  const other = room.join("Ada", () => {});
  let said = 0;
  while (!abort.signal.aborted && said < 10_000) {
    room.say(other, "x".repeat(1000));
    said++;
    await undefined;
  }
  // 64 KiB and 256 messages wait, and no more.
  assert(said > 256 && said < 1000, `dropped after ${said}`);
  await visiting;
  assertEquals(room.people.map(({ name }) => name), ["Ada"]);
  await ws.closed.catch(() => {});
  await nextPeople(room);
});

/** Waits for what the room has gathered to be sent, after which it has no timer. */
function nextPeople(room: Room): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  room.join("last", (message) => {
    if (typeof message === "string") return;
    if (String(message.data.message).includes('"people"')) resolve();
  });
  return promise;
}

/** A line that was said at a time. */
const line = (at: number): Line => ({
  id: `${at}`,
  at,
  kind: "said",
  by: { id: "a", name: "Ada" },
  text: `${at}`,
});

Deno.test("Room keeps the last 100 lines, each of them once, in order", async () => {
  const room = new Room();
  for (let at = 149; at >= 0; at--) room.receive(line(at));
  for (let at = 0; at < 150; at++) room.receive(line(at));
  let lines: Line[] = [];
  room.join("Grace", (message) => {
    if (typeof message === "string") lines = JSON.parse(message).lines;
  });
  assertEquals(
    lines.map(({ at }) => at),
    Array.from({ length: 100 }, (_, i) => i + 50),
  );
  await nextPeople(room);
});

Deno.test("nameOf() takes what is invisible out of a name", () => {
  assertEquals(nameOf("  Ada \u202e\n Lovelace\u0000 "), "Ada Lovelace");
  assertEquals(nameOf("王小明"), "王小明");
  assertEquals(nameOf("x".repeat(24)), "x".repeat(24));
  for (const none of [null, "", " \u200b", "x".repeat(25)]) {
    assertEquals(nameOf(none), undefined);
  }
});

Deno.test("Outbox sends each line once, in order, and keeps what cannot be sent", async () => {
  const sent: number[] = [];
  let isAway = true;
  const outbox = new Outbox(async (lines) => {
    await undefined;
    if (isAway) throw new Error("It is away");
    sent.push(...lines.map(({ at }) => at));
  });
  for (let at = 0; at < 150; at++) outbox.add(line(at));
  await outbox.flush().then(
    () => assert(false, "it has sent them"),
    (error) => assertEquals(error.message, "It is away"),
  );
  isAway = false;
  const flushing = outbox.flush();
  outbox.add(line(150)); // while those before it are on their way
  await Promise.all([flushing, outbox.flush()]);
  assertEquals(sent, Array.from({ length: 101 }, (_, i) => i + 50));
});

Deno.test("Elsewhere forgets the people of a server that falls silent", async () => {
  const room = new Room();
  const elsewhere = new Elsewhere(room);
  const names = () => room.people.map(({ name }) => name);
  const people = (name: string) => [{ id: name, name }];
  assertEquals(elsewhere.take("one", people("Ada"), 0), true);
  assertEquals(elsewhere.take("two", people("Grace"), 0), true);
  assertEquals(elsewhere.take("two", people("Grace"), 3000), false);
  elsewhere.forget(9_999);
  assertEquals(names(), ["Ada", "Grace"]);
  elsewhere.forget(10_000);
  assertEquals(names(), ["Grace"]);
  elsewhere.take("two", [], 10_001);
  assertEquals(names(), []);
  assertEquals(elsewhere.take("one", people("Ada"), 10_002), true);
  await nextPeople(room);
});
