// The opening handshake: what is asked, granted and refused.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { HandshakeError, type HandshakeRule } from "../../handshake.ts";
import { utf8 } from "../helpers/bytes.ts";
import {
  accept,
  answer,
  assertSame,
  connect,
  listen,
  readBody,
  request,
  type Scope,
} from "./helpers.ts";
import type {
  Peer,
  PeerClientOptions,
  PeerRefusal,
  PeerServerOptions,
  PeerSocket,
} from "./peer.ts";
import {
  assertGets,
  type Case,
  closeOurs,
  openedOf,
  type Variant,
} from "./stage.ts";

const REFUSALS = [
  {
    status: 401,
    headers: { "WWW-Authenticate": 'Basic realm="tests"' },
    body: "Who are you?",
  },
  { status: 403, headers: { "X-Why": "because" }, body: "Not you" },
  { status: 503, headers: { "Retry-After": "120" }, body: "Later" },
];

/** A refusal that no single read brings. */
const LONG_REFUSAL = { status: 503, headers: {}, body: "busy ".repeat(60_000) };

/** A target that nobody has a reason to change. */
const TARGET = "/a%20b/%C3%BC;c=1?room=1&x=%2F%3F&y=%C3%A9&&=";

/** The handshakes that go either way. */
export const HANDSHAKE_CASES: readonly Case[] = [
  [
    "the subprotocol is one that both speak",
    {
      ours: { subprotocols: ["v3", "v2"] },
      theirs: { subprotocols: ["v1", "v2"] },
    },
    async (stage) => {
      const ends = await stage.open();
      assertEquals(ends.ours.upgrade.subprotocol, "v2");
      assertEquals(ends.theirs.subprotocol, "v2");
      await closeOurs(ends);
    },
  ],

  [
    "no subprotocol is offered, and none chosen",
    {},
    async (stage) => {
      const ends = await stage.open();
      assertEquals(ends.ours.upgrade.subprotocol, undefined);
      assertEquals(ends.theirs.subprotocol, undefined);
      await closeOurs(ends);
    },
  ],

  [
    "the target has its path and query",
    { target: TARGET },
    async (stage) => {
      const ends = await stage.open();
      // Whoever is the server says what it got.
      const got = stage.role === "client"
        ? ends.theirs.target
        : ends.ours.upgrade.request.target;
      assertEquals(got, TARGET);
      await closeOurs(ends);
    },
  ],
];

/** A case of one direction. */
export type HandshakeCase = readonly [
  name: string,
  run: (scope: Scope, peer: Peer, variant: Variant) => Promise<void>,
];

/** The handshakes of our client. */
export const CLIENT_CASES: readonly HandshakeCase[] = [
  ["fields and cookies go both ways", async (scope, peer, variant) => {
    const cookies = ["a=1; Path=/; HttpOnly", "b=2; Max-Age=60"];
    const server = await serve(scope, peer, variant, {
      headers: [
        ["Set-Cookie", cookies[0]],
        ["Set-Cookie", cookies[1]],
        ["X-Peer", "yes, it is"],
      ],
    });
    const ours = await connect(scope, server.url, {
      ...variant.client,
      origin: "https://example.com",
      headers: { Cookie: "c=3; d=4", "X-Ours": "yes, it is" },
    });
    const { response } = ours.upgrade;
    assertEquals(response.headers.getSetCookie(), cookies);
    assertEquals(response.headers.get("X-Peer"), "yes, it is");
    const theirs = await server.accept();
    assertEquals(theirs.headers.get("Cookie"), "c=3; d=4");
    assertEquals(theirs.headers.get("X-Ours"), "yes, it is");
    assertEquals(theirs.headers.get("Origin"), "https://example.com");
    assertEquals(theirs.headers.get("Host"), new URL(server.url).host);
    await closeOurs({ ours, theirs });
  }],

  ["credentials in the URL are sent", async (scope, peer, variant) => {
    const server = await serve(scope, peer, variant);
    const url = new URL(server.url);
    url.username = "user";
    url.password = "p:w";
    const ours = await connect(scope, url.href, variant.client);
    const theirs = await server.accept();
    const expected = `Basic ${utf8("user:p:w").toBase64()}`;
    assertEquals(theirs.headers.get("Authorization"), expected);
    await closeOurs({ ours, theirs });
  }],

  ["none of our subprotocols is chosen", async (scope, peer, variant) => {
    const server = await serve(scope, peer, variant, { subprotocols: ["v9"] });
    const ours = await connect(scope, server.url, {
      ...variant.client,
      subprotocols: ["v1", "v2"],
    });
    assertEquals(ours.upgrade.subprotocol, undefined);
    const theirs = await server.accept();
    assertEquals(theirs.subprotocol, undefined);
    await closeOurs({ ours, theirs });
  }],

  ["a message right behind the 101 arrives", async (scope, peer, variant) => {
    const greeting = "at once 👋";
    const server = await serve(scope, peer, variant, { greeting });
    const ours = await connect(scope, server.url, variant.client);
    assertEquals((await ours.expect("text")).message, greeting);
    await closeOurs({ ours, theirs: await server.accept() });
  }],

  ["a refusal is handed over with its body", async (scope, peer, variant) => {
    for (const refuse of [...REFUSALS, LONG_REFUSAL]) {
      scope.at = `${refuse.status}`;
      const { url } = await serve(scope, peer, variant, { refuse });
      const { conn, upgrade } = await request(scope, url, variant.client);
      assert(!upgrade.accepted, "we took a refusal for a 101");
      assertEquals(upgrade.response.status, refuse.status);
      for (const [name, value] of Object.entries(refuse.headers)) {
        assertEquals(upgrade.response.headers.get(name), value);
      }
      assertSame(await readBody(conn, upgrade), refuse.body, "the body");
    }
  }],

  ["a 101 that breaks a rule is an error", async (scope, peer, variant) => {
    const broken: [string, string, HandshakeRule][] = [
      ["Sec-WebSocket-Protocol", "unasked", "subprotocol"],
      ["Sec-WebSocket-Extensions", "x-unasked; a=1", "extension"],
      ["Sec-WebSocket-Accept", "bm90IHRoZSBhbnN3ZXIgdG8ga2V5", "head"],
      ["Upgrade", "h2c", "upgrade"],
    ];
    for (const [name, value, rule] of broken) {
      scope.at = name;
      const headers = [[name, value]] as const;
      const { url } = await serve(scope, peer, variant, { headers });
      const error = await assertRejects(
        () => request(scope, url, variant.client),
        HandshakeError,
      );
      assertEquals(error.rule, rule);
    }
  }],
];

/** The handshakes of our server. */
export const SERVER_CASES: readonly HandshakeCase[] = [
  ["fields and cookies go both ways", async (scope, peer, variant) => {
    const cookies = ["a=1; Path=/; HttpOnly", "b=2; Max-Age=60"];
    const headers = new Headers({ "X-Ours": "yes, it is" });
    for (const cookie of cookies) headers.append("Set-Cookie", cookie);
    const { url, listener } = host(scope);
    const [ours, socket] = await Promise.all([
      accept(scope, listener, { ...variant.server, headers }),
      join(scope, peer, variant, url, {
        origin: "https://example.com",
        headers: [["Cookie", "c=3; d=4"], ["X-Peer", "yes, it is"]],
      }),
    ]);
    const theirs = openedOf(socket);
    const { request } = ours.upgrade;
    assertEquals(request.headers.get("Cookie"), "c=3; d=4");
    assertEquals(request.headers.get("X-Peer"), "yes, it is");
    assertEquals(request.headers.get("Origin"), "https://example.com");
    assertEquals(request.headers.get("Host"), new URL(url).host);
    assertEquals(theirs.headers.getSetCookie(), cookies);
    assertEquals(theirs.headers.get("X-Ours"), "yes, it is");
    await closeOurs({ ours, theirs });
  }],

  ["credentials in the URL arrive", async (scope, peer, variant) => {
    const { url, listener } = host(scope);
    const withUser = url.replace("ws://", "ws://user:secret@");
    const [ours, socket] = await Promise.all([
      accept(scope, listener, variant.server),
      join(scope, peer, variant, withUser),
    ]);
    const expected = `Basic ${utf8("user:secret").toBase64()}`;
    const { request } = ours.upgrade;
    assertEquals(request.headers.get("Authorization"), expected);
    await closeOurs({ ours, theirs: openedOf(socket) });
  }],

  ["we choose none of its subprotocols", async (scope, peer, variant) => {
    const { url, listener } = host(scope);
    const [ours, socket] = await Promise.all([
      accept(scope, listener, { ...variant.server, subprotocols: ["v9"] }),
      join(scope, peer, variant, url, { subprotocols: ["v1", "v2"] }),
    ]);
    assertEquals(ours.upgrade.subprotocol, undefined);
    if (peer.insistsOnSubprotocol) {
      // RFC 6455, section 4.1, lets the client choose: this one fails.
      assert("status" in socket, "the peer does without a subprotocol");
      assertEquals((await ours.finish()).failure?.code, 1006);
      return;
    }
    const theirs = openedOf(socket);
    assertEquals(theirs.subprotocol, undefined);
    await closeOurs({ ours, theirs });
  }],

  ["a message right behind our 101 arrives", async (scope, peer, variant) => {
    const { url, listener } = host(scope);
    const greet = async () => {
      const ours = await accept(scope, listener, variant.server);
      await ours.send({ type: "text", message: "at once 👋" });
      return ours;
    };
    const [ours, socket] = await Promise.all([
      greet(),
      join(scope, peer, variant, url),
    ]);
    const theirs = openedOf(socket);
    await assertGets(theirs, "at once 👋");
    await closeOurs({ ours, theirs });
  }],

  ["our refusal is reported", async (scope, peer, variant) => {
    const { url, listener } = host(scope);
    for (const refusal of REFUSALS) {
      scope.at = `${refusal.status}`;
      const [{ upgrade }, socket] = await Promise.all([
        answer(scope, listener, {
          ...variant.server,
          onRequest: () => refusal,
        }),
        join(scope, peer, variant, url),
      ]);
      assert(!upgrade.accepted);
      assertEquals(upgrade.response?.status, refusal.status);
      assertEquals(upgrade.failure, undefined);
      assertRefused(socket, refusal.status, refusal.headers, refusal.body);
    }
  }],

  [
    "an origin that may not connect is refused",
    async (scope, peer, variant) => {
      const { url, listener } = host(scope);
      const options = { ...variant.server, origins: ["https://example.com"] };
      for (const origin of ["https://example.com.evil.example", undefined]) {
        scope.at = `${origin}`;
        const [{ upgrade }, socket] = await Promise.all([
          answer(scope, listener, options),
          join(
            scope,
            peer,
            variant,
            url,
            origin === undefined ? {} : { origin },
          ),
        ]);
        assertEquals(upgrade.accepted, false);
        assertRefused(socket, 403, {}, "This origin may not connect\n");
      }
      scope.at = "the right one";
      const [ours, socket] = await Promise.all([
        accept(scope, listener, options),
        join(scope, peer, variant, url, { origin: "https://example.com" }),
      ]);
      await closeOurs({ ours, theirs: openedOf(socket) });
    },
  ],
];

/** Starts a server of the peer. */
async function serve(
  scope: Scope,
  peer: Peer,
  variant: Variant,
  options: PeerServerOptions = {},
): Promise<{ readonly url: string; accept(): Promise<PeerSocket> }> {
  const own = variant.peerServer;
  const server = await peer.serve(scope, { own, ...options });
  return {
    url: `ws://127.0.0.1:${server.port}/`,
    accept: () => server.accept(),
  };
}

/** Starts a server of ours. */
function host(scope: Scope): { url: string; listener: Deno.TcpListener } {
  const listener = listen(scope);
  return { url: `ws://127.0.0.1:${listener.addr.port}/`, listener };
}

/** Connects a client of the peer. */
function join(
  scope: Scope,
  peer: Peer,
  variant: Variant,
  url: string,
  options: PeerClientOptions = {},
): Promise<PeerSocket | PeerRefusal> {
  return peer.connect(scope, url, { own: variant.peerClient, ...options });
}

function assertRefused(
  socket: PeerSocket | PeerRefusal,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string,
): void {
  assert("status" in socket, "the peer took a refusal for a 101");
  assertEquals(socket.status, status);
  for (const [name, value] of Object.entries(headers)) {
    assertEquals(socket.headers.get(name), value);
  }
  if (socket.body !== undefined) assertSame(socket.body, body, "the body");
}
