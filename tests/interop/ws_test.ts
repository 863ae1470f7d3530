// Against `npm:ws`, and what only its API can do.

import { assert, assertEquals } from "@std/assert";
import { testInterop } from "./cases.ts";
import {
  accept,
  answer,
  assertClean,
  assertSame,
  connect,
  interopTest,
  listen,
  textOf,
} from "./helpers.ts";
import type { PeerRefusal, PeerSocket } from "./peer.ts";
import { PLAIN } from "./stage.ts";
import { npmWs, WsPeerSocket } from "./peers/npm_ws.ts";

// Its server would compress, and its client offers to: we have not asked for it.
testInterop(npmWs, { ...PLAIN, peerServer: { perMessageDeflate: true } });

function wsOf(socket: PeerSocket | PeerRefusal): WsPeerSocket {
  assert(socket instanceof WsPeerSocket, "npm:ws did not connect");
  return socket;
}

interopTest(
  "our client and the server of npm:ws: bytes sent as text that is not UTF-8 fail with 1007",
  async (scope) => {
    const server = await npmWs.serve(scope);
    const ours = await connect(scope, `ws://127.0.0.1:${server.port}/`);
    const theirs = wsOf(await server.accept());
    theirs.socket.send(Uint8Array.of(0x68, 0xff), { binary: false });
    const { failure } = await ours.finish();
    assertEquals([failure?.rule, failure?.code], ["utf-8", 1007]);
    const reason = failure?.message ?? "";
    assertEquals(await theirs.next(), { type: "close", code: 1007, reason });
  },
);

interopTest(
  "our client and the server of npm:ws: a message that it masks fails with 1002",
  async (scope) => {
    const server = await npmWs.serve(scope);
    const ours = await connect(scope, `ws://127.0.0.1:${server.port}/`);
    const theirs = wsOf(await server.accept());
    theirs.socket.send("masked", { mask: true });
    const { failure } = await ours.finish();
    assertEquals([failure?.rule, failure?.code], ["masked-frame", 1002]);
    const reason = failure?.message ?? "";
    assertEquals(await theirs.next(), { type: "close", code: 1002, reason });
  },
);

interopTest(
  "our server and the client of npm:ws: a message that it does not mask fails with 1002, or passes by choice",
  async (scope) => {
    const listener = listen(scope);
    const url = `ws://127.0.0.1:${listener.addr.port}/`;
    for (const unmaskedClient of [false, true]) {
      scope.at = `unmaskedClient: ${unmaskedClient}`;
      const [ours, socket] = await Promise.all([
        accept(scope, listener, {
          connection: { lenient: { unmaskedClient } },
        }),
        npmWs.connect(scope, url),
      ]);
      const theirs = wsOf(socket);
      theirs.socket.send("bare", { mask: false });
      if (unmaskedClient) {
        assertEquals((await ours.expect("text")).message, "bare");
        theirs.close(1000, "");
        const close = { statusCode: 1000, message: "" };
        assertClean(await ours.finish(), "peer", close, close);
      } else {
        const { failure } = await ours.finish();
        assertEquals([failure?.rule, failure?.code], ["unmasked-frame", 1002]);
        const reason = failure?.message ?? "";
        assertEquals(await theirs.next(), {
          type: "close",
          code: 1002,
          reason,
        });
      }
    }
  },
);

interopTest(
  "our server and the client of npm:ws: version 8 is refused with 426",
  async (scope) => {
    const listener = listen(scope);
    const url = `ws://127.0.0.1:${listener.addr.port}/`;
    const [{ upgrade }, socket] = await Promise.all([
      answer(scope, listener),
      npmWs.connect(scope, url, { own: { protocolVersion: 8 } }),
    ]);
    assertEquals(upgrade.accepted, false);
    assert("status" in socket, "npm:ws took a refusal for a 101");
    assertEquals(socket.status, 426);
    assertEquals(socket.headers.get("Sec-WebSocket-Version"), "13");
    assertEquals(socket.body, "Sec-WebSocket-Version is not 13\n");
  },
);

interopTest(
  "our server and the client of npm:ws: a long refusal is read to its end",
  async (scope) => {
    const listener = listen(scope);
    const url = `ws://127.0.0.1:${listener.addr.port}/`;
    const body = textOf(300_000);
    const [{ upgrade }, socket] = await Promise.all([
      answer(scope, listener, { onRequest: () => ({ status: 503, body }) }),
      npmWs.connect(scope, url),
    ]);
    assertEquals(upgrade.accepted, false);
    assert("status" in socket, "npm:ws took a refusal for a 101");
    assertEquals(socket.status, 503);
    assertSame(socket.body ?? "", body, "the body");
  },
);

interopTest(
  "our server and the client of npm:ws: our redirection is followed",
  async (scope) => {
    const listener = listen(scope);
    const url = `ws://127.0.0.1:${listener.addr.port}/`;
    const serving = async () => {
      const headers = { Location: "/there?x=1" };
      await answer(scope, listener, {
        onRequest: () => ({ status: 302, headers }),
      });
      return await accept(scope, listener);
    };
    const [ours, socket] = await Promise.all([
      serving(),
      npmWs.connect(scope, url, { own: { followRedirects: true } }),
    ]);
    assertEquals(ours.upgrade.request.target, "/there?x=1");
    wsOf(socket).close(1000, "");
    const close = { statusCode: 1000, message: "" };
    assertClean(await ours.finish(), "peer", close, close);
  },
);
