// `echo()` by itself: its stream is one that the test holds, in a time that only the
// test moves.
import { assertEquals } from "@std/assert";
import { echo } from "../../examples/echo_server.ts";
import { Connection } from "../../mod.ts";
import { hex, toHex, utf8 } from "../helpers/bytes.ts";
import { Clock, turn } from "../handshake/clock.ts";

/** A stream whose peer sends some chunks, and then nothing. */
function held(chunks: Uint8Array[]) {
  const closed = Promise.withResolvers<null>();
  const written: string[] = [];
  let isClosed = false;
  return {
    written,
    get isClosed() {
      return isClosed;
    },
    transport: {
      read: () => Promise.resolve(chunks.shift() ?? closed.promise),
      async write(bytes: Uint8Array) {
        const before = toHex(bytes);
        await turn();
        assertEquals(
          toHex(bytes),
          before,
          "what is being written is left alone",
        );
        written.push(before);
      },
      closeWrite: () => Promise.resolve(),
      close() {
        isClosed = true;
        closed.resolve(null);
      },
    },
  };
}

const GOODBYE = "88 02 03 e9";

Deno.test("echo() says goodbye and closes in 5 s, whenever it is to leave", async () => {
  for (const when of ["before", "while it waits"]) {
    using clock = new Clock();
    const leaving = new AbortController();
    if (when === "before") leaving.abort();
    const stream = held([]);
    const echoing = echo(
      stream.transport,
      new Connection("server"),
      leaving.signal,
    );
    await turn();
    leaving.abort();
    await turn();
    await turn();
    assertEquals([stream.written, stream.isClosed], [[GOODBYE], false], when);
    assertEquals(clock.advance(), true);
    await echoing;
    assertEquals([clock.now, clock.pending, stream.isClosed], [5000, 0, true]);
  }
});

Deno.test("echo() answers what one read has brought with one write, short or long", async () => {
  for (const length of [10, 5000, 100_000]) {
    using _clock = new Clock();
    const client = new Connection("client");
    const server = new Connection("server");
    const text = "a".repeat(length);
    const bytes = client.send([
      { type: "text", message: text },
      { type: "ping", message: "1" },
      { type: "binary", message: hex("01 02") },
      { type: "close", statusCode: 1000 },
    ]);
    const stream = held([bytes]);
    const connection = new Connection("server", { delivery: "chunk" });
    const echoing = echo(
      stream.transport,
      connection,
      new AbortController().signal,
    );
    for (let i = 0; i < 5; i++) await turn();
    stream.transport.close();
    await echoing;
    const expected = server.send([
      { type: "text", message: utf8(text) },
      { type: "pong", message: "1" },
      { type: "binary", message: hex("01 02") },
      { type: "close", statusCode: 1000 },
    ]);
    assertEquals(stream.written.join(" "), toHex(expected));
    assertEquals(stream.written.length, 1);
  }
});
