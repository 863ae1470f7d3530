// What becomes of a `WebSocketStream` that is aborted, or whose stream of bytes
// fails or stands still, at each step that it takes.

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { Connection, LocalProtocolError, type Role } from "../../mod.ts";
import { HandshakeError } from "../../handshake.ts";
import {
  WebSocketRefusedError,
  WebSocketStream,
  WebSocketStreamError,
  type WebSocketStreamOptions,
} from "../../examples/websocket_stream.ts";
import { payloadOf } from "../helpers/bytes.ts";
import {
  ADDRESS,
  bytes,
  REQUEST,
  sampleNonce as random,
  SWITCHING,
  text,
} from "../handshake/helpers.ts";
import {
  abortEverywhere,
  failEverywhere,
  PLAY,
  play,
  type Scenario,
  type Stage,
} from "../handshake/stage.ts";
import { connWire, streamWire, type Taker } from "../handshake/wires.ts";

/** So long that it takes several writes, and waits for room. */
const LARGE = payloadOf(100_000);

/** What is noted when the peer has sent its close. */
const PEER_CLOSES = "the peer closes";

/** The other end for a role: shakes hands, answers, and sends things back. */
function peerOf(role: Role, hasHandshake: boolean, closes: boolean) {
  return ({ wire, notes }: Stage): Taker => {
    const ws = new Connection(role === "client" ? "server" : "client");
    const send = (bytes: Uint8Array) => wire.push(bytes.slice());
    const sendHead = (head: string) => {
      send(bytes(head.slice(0, 40)));
      send(bytes(head.slice(40)));
    };
    let head: string | undefined = hasHandshake ? "" : undefined;
    if (hasHandshake && role === "server") sendHead(REQUEST);
    return (chunk) => {
      if (chunk === null) return wire.push(null);
      if (head !== undefined) {
        head += text(chunk);
        if (!head.endsWith("\r\n\r\n")) return;
        head = undefined;
        if (role === "client") sendHead(SWITCHING);
        return;
      }
      ws.recv(chunk);
      for (const event of ws.events()) {
        if (event.type === "close") notes.add(PEER_CLOSES);
        const reply = ws.reply(event);
        if (reply.length > 0) send(reply);
        if (event.type === "text") {
          send(ws.send({ type: "text", message: "hel", fin: false }));
          send(ws.send({ type: "ping", message: "?" }));
          send(ws.send({ type: "continue", message: "lo" }));
        } else if (event.type === "binary") {
          send(ws.send(event));
          if (closes) {
            notes.add(PEER_CLOSES);
            send(ws.send({ type: "close", statusCode: 1000 }));
          }
        } else if (event.type === "close" && role === "client") wire.push(null);
      }
    };
  };
}

/** A ping that is asked for when all is over. */
const LATE_PING = "a late ping";

/** A conversation with that peer, all of whose promises are watched. */
async function converse(
  stage: Stage,
  ws: WebSocketStream,
  closes: boolean,
): Promise<void> {
  stage.watch("closed", ws.closed);
  stage.watch("a ping at once", ws.ping());
  const { readable, writable } = await stage.watch("opened", ws.opened);
  const reader = readable.getReader();
  const writer = writable.getWriter();
  stage.watch("reader.closed", reader.closed);
  stage.watch("writer.closed", writer.closed);
  const heard: unknown[] = [];
  const hasHeard = Promise.withResolvers<void>();
  const listen = async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (heard.push(value) === 2) hasHeard.resolve();
    }
  };
  const listening = stage.watch("reading", listen());
  stage.watch("a ping", ws.ping());
  await stage.watch("a text", writer.write("hello"));
  await stage.watch("bytes", writer.write(LARGE));
  if (closes) {
    await Promise.race([hasHeard.promise, ws.closed]);
    ws.close();
  }
  await listening;
  assertEquals(heard, ["hello", LARGE]);
  assertEquals(await ws.closed, { closeCode: 1000, reason: "" });
}

type Make = (stage: Stage, options: WebSocketStreamOptions) => WebSocketStream;

/** Each way to come by one: its role, whether it has a handshake. */
const WAYS: Record<string, [Role, boolean, Make]> = {
  "new WebSocketStream()": [
    "client",
    true,
    ({ wire: { stream } }, options) =>
      new WebSocketStream(ADDRESS, { ...options, stream, random }),
  ],
  "WebSocketStream.accept()": [
    "server",
    true,
    ({ wire }, options) => WebSocketStream.accept(wire.stream, options),
  ],
  "WebSocketStream.over() as a client": [
    "client",
    false,
    ({ wire }, options) => {
      const connection = new Connection("client");
      return WebSocketStream.over(wire.stream, { connection }, options);
    },
  ],
  "WebSocketStream.over() as a server": [
    "server",
    false,
    ({ wire }, options) => {
      const connection = new Connection("server");
      return WebSocketStream.over(wire.stream, { connection }, options);
    },
  ],
};

/** With every option as it is if left out. */
const CLOSE_TIMEOUT = 5000;
const HANDSHAKE_TIMEOUT = 10_000;
const SILENCE = 40_000;

/** What is later than all of these. */
const LATE = 60_000;

/** What `closed` has come to. */
function closedOf(stage: Stage) {
  const fate = stage.fate("closed");
  assert(fate.state !== "pending");
  assert(stage.wire.isClosed());
  return fate;
}

/** Why a `WebSocketStream` has not opened, where its stream has failed. */
function causeOf(error: unknown): unknown {
  if (error instanceof HandshakeError) return error.cause;
  assertInstanceOf(error, WebSocketRefusedError);
  assert("failure" in error.upgrade && error.upgrade.failure !== undefined);
  assert("cause" in error.upgrade.failure);
  return error.upgrade.failure.cause;
}

for (const [way, [role, hasHandshake, make]] of Object.entries(WAYS)) {
  for (const wire of [streamWire, connWire]) {
    for (const closes of [true, false]) {
      // An `onEvent` is one more thing to wait for.
      const hasEvents = closes === (role === "server");
      const scenario: Scenario = {
        wire,
        peer: peerOf(role, hasHandshake, !closes),
        play: (stage) => {
          const onEvent = async () =>
            await stage.steps.take("onEvent", async () => {}, true);
          const { signal } = stage;
          const options = hasEvents ? { signal, onEvent } : { signal };
          const ws = make(stage, options);
          return converse(stage, ws, closes).finally(async () => {
            await ws.closed.catch(() => {});
            ws.close(); // comes too late to be anything
            stage.watch(LATE_PING, ws.ping());
          });
        },
      };
      const name = `${way} over a ${
        wire === connWire ? "Deno.Conn" : "stream"
      }${closes ? "" : ", closed by the peer"}:`;

      Deno.test(`${name} the whole of it`, async () => {
        const stage = await play(scenario);
        assertEquals(stage.fate(PLAY).state, "fulfilled");
        assert(stage.wire.isClosed());
        assertEquals(stage.took, 0);
        const { names } = stage.steps;
        assert(names.length >= 13, `${names}`);
        assertEquals(
          new Set(names),
          new Set([
            "read",
            "write",
            ...(hasEvents ? ["onEvent"] : []),
            ...(wire === connWire ? ["close"] : []),
            ...(wire === connWire && role === "server" ? ["closeWrite"] : []),
            ...(wire === streamWire && role === "server" ? ["close"] : []),
            ...(wire === streamWire && role === "client" ? ["abort"] : []),
          ]),
        );
      });

      Deno.test(`${name} an abort at any time ends all of it at once, with its reason`, async () => {
        let rejected = 0;
        await abortEverywhere(scenario, (stage) => {
          assertEquals(stage.took, 0);
          const closed = closedOf(stage);
          const reasons = new Set(
            stage.all("rejected").map(([, { reason }]) => reason),
          );
          if (closed.state === "rejected") {
            rejected++;
            assertEquals([...reasons], [stage.reason]);
          } else {
            // The closing handshake was done already.
            assert(stage.notesThen.has(PEER_CLOSES));
            assertEquals(closed.value, { closeCode: 1000, reason: "" });
            assertEquals(stage.fate(PLAY).state, "fulfilled");
          }
        });
        assert(rejected > 50, `${rejected}`);
      });

      for (const kind of ["cut", "slip"] as const) {
        Deno.test(`${name} where the stream fails in any step, all of it ends with that (${kind})`, async () => {
          await failEverywhere(kind, scenario, (stage, step) => {
            assert(stage.took <= (kind === "cut" ? 0 : CLOSE_TIMEOUT));
            const { failure } = stage.steps;
            const closed = closedOf(stage);
            if (closed.state === "fulfilled") {
              assert(stage.notes.has(PEER_CLOSES));
              assertEquals(closed.value, { closeCode: 1000, reason: "" });
              return;
            }
            const { reason } = closed;
            if (stage.fate("opened").state === "rejected") {
              assertEquals(causeOf(reason), failure);
            } else if (step === "onEvent") assertEquals(reason, failure);
            else if (reason !== failure) {
              assertInstanceOf(reason, WebSocketStreamError);
              assertEquals(reason.closeCode, 1006);
            }
            for (const [, fate] of stage.all("rejected")) {
              if (fate.reason === reason || fate.reason === failure) continue;
              // It was written when the end was read, and not all was over.
              assertInstanceOf(fate.reason, LocalProtocolError);
            }
          });
        });
      }

      Deno.test(`${name} where the peer hangs up in any step, all of it ends at once`, async () => {
        await failEverywhere("hang up", scenario, (stage) => {
          assertEquals(stage.took, 0);
          const closed = closedOf(stage);
          if (closed.state === "fulfilled") {
            assert(stage.notesThen.has(PEER_CLOSES));
            return;
          }
          const { reason } = closed;
          if (stage.fate("opened").state === "rejected") {
            if (reason instanceof WebSocketRefusedError) {
              assert("failure" in reason.upgrade);
              assertEquals(reason.upgrade.failure?.rule, "end-of-stream");
            } else {
              assertInstanceOf(reason, HandshakeError);
              assertEquals(reason.rule, "end-of-stream");
            }
            return;
          }
          assertInstanceOf(reason, WebSocketStreamError);
          assertEquals(reason.summary.failure?.rule, "end-of-stream");
          for (const [, fate] of stage.all("rejected")) {
            if (fate.reason !== reason) {
              assertInstanceOf(fate.reason, LocalProtocolError);
            }
          }
        });
      });

      Deno.test(`${name} where the stream stands still in any step, all of it ends in time`, async () => {
        const patient: Scenario = {
          ...scenario,
          async play(stage) {
            const timer = setTimeout(() => stage.abort(), LATE);
            await scenario.play(stage).finally(() => clearTimeout(timer));
          },
        };
        await failEverywhere("freeze", patient, (stage, step) => {
          const closed = closedOf(stage);
          if (step === "onEvent") {
            // We are who is waited for, so the signal alone ends it.
            assertEquals(stage.took, LATE);
            assert(closed.state === "rejected");
            assertEquals(closed.reason, stage.reason);
            return;
          }
          if (stage.fate("opened").state === "rejected") {
            assertEquals(stage.took, HANDSHAKE_TIMEOUT);
            assert(closed.state === "rejected");
            assertInstanceOf(closed.reason, DOMException);
            assertEquals(closed.reason.name, "TimeoutError");
            return;
          }
          assert(stage.took <= SILENCE, `${stage.took}`);
          if (closed.state === "fulfilled") {
            assert(stage.notes.has(PEER_CLOSES));
            return;
          }
          for (const [name, { reason }] of stage.all("rejected")) {
            if (name !== LATE_PING) assertEquals(reason, closed.reason);
          }
        });
      });
    }
  }
}
