// The stream's locks, its end, and the signal.
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Transport,
  withTransport,
} from "../../src/handshake/transport.ts";
import { bytes, duplex, text } from "./helpers.ts";

/** A stream that receives these chunks, then ends or fails. */
function receiving(chunks: string[], failure?: Error) {
  const readable = new ReadableStream<Uint8Array>({
    pull(controller) {
      const chunk = chunks.shift();
      if (chunk !== undefined) controller.enqueue(bytes(chunk));
      else if (failure !== undefined) controller.error(failure);
      else controller.close();
    },
  }, { highWaterMark: 0 });
  return { readable, writable: new WritableStream<Uint8Array>() };
}

Deno.test("Transport.readHead() leaves what follows the head in rest, and in the stream", async () => {
  const stream = receiving([
    "HTTP/1.1 100 \r",
    "\n\r\nHTTP/1.1 2",
    "00 \r\n\r\nab",
    "cd",
  ]);
  await withTransport(stream, undefined, async (transport) => {
    for (const status of [100, 200]) {
      const head = await transport.readHead("response", undefined);
      assert(!("type" in head));
      assertEquals(head.status, status);
    }
    assertEquals(text(transport.rest), "ab");
  });
  const reader = stream.readable.getReader();
  assertEquals(text((await reader.read()).value ?? bytes("")), "cd");
});

Deno.test("Transport.readHead() gives what is no head, and keeps the limits", async () => {
  await withTransport(
    receiving(["GET / HTTP/1.0"]),
    undefined,
    async (transport) => {
      assertEquals(await transport.readHead("request", undefined), {
        type: "fail",
        rule: "head",
        message: "The version of HTTP is not 1.1",
        status: 426,
      });
    },
  );
  await withTransport(
    receiving(["GET / HTTP/1.1"]),
    undefined,
    async (transport) => {
      const failure = await transport.readHead("request", { maxBytes: 5 });
      assert("type" in failure);
      assertEquals(failure.rule, "head-limit");
    },
  );
});

Deno.test("Transport.readHead() gives a failure when the stream ends or fails", async () => {
  for (const chunks of [[], ["GET"], ["", "GET / HTTP/1.1\r\n\r"]]) {
    await withTransport(
      receiving([...chunks]),
      undefined,
      async (transport) => {
        assertEquals(await transport.readHead("request", undefined), {
          type: "fail",
          rule: "end-of-stream",
          message: "The stream ended in the request head",
          cause: undefined,
        });
      },
    );
    const reset = new Error("reset");
    await withTransport(
      receiving([...chunks], reset),
      undefined,
      async (transport) => {
        assertEquals(await transport.readHead("request", undefined), {
          type: "fail",
          rule: "end-of-stream",
          message: "The stream failed before the request head was read",
          cause: reset,
        });
      },
    );
  }
});

Deno.test("Transport.readHead() sees the end of a byte stream that only closes", async () => {
  // Such a stream leaves a read into memory of ours waiting for ever.
  const sources = [
    ["GET / HTTP/1.1\r\n"],
    [],
    ["GET / ", "HTTP/1.1\r\n"],
  ];
  for (const pieces of sources) {
    const left = [...pieces];
    const stream = {
      readable: new ReadableStream({
        type: "bytes",
        pull(controller) {
          const piece = left.shift();
          if (piece === undefined) controller.close();
          else controller.enqueue(bytes(piece));
        },
      }),
      writable: new WritableStream<Uint8Array>(),
    };
    await withTransport(stream, undefined, async (transport) => {
      const head = await transport.readHead("request", undefined);
      assertEquals("type" in head && head.rule, "end-of-stream");
    });
  }
});

Deno.test("Transport.readHead() reads what looks like a Deno.Conn and has no byte stream", async () => {
  const stream = {
    readable: ReadableStream.from([bytes("GET / HTTP/1.1\r\n\r\n")]),
    writable: new WritableStream<Uint8Array>(),
    closeWrite: () => Promise.resolve(),
  };
  await withTransport(stream, undefined, async (transport) => {
    const head = await transport.readHead("request", undefined);
    assertEquals("target" in head && head.target, "/");
  });
});

Deno.test("Transport.write() gives a failure when the stream fails", async () => {
  const reset = new Error("reset");
  const stream = {
    readable: new ReadableStream<Uint8Array>(),
    writable: new WritableStream<Uint8Array>({
      write: () => Promise.reject(reset),
    }),
  };
  await withTransport(stream, undefined, async (transport) => {
    assertEquals(await transport.write(bytes("a")), {
      type: "fail",
      rule: "end-of-stream",
      message: "The stream failed before the head was written",
      cause: reset,
    });
    await transport.close(); // closes what can be closed, and does not throw
  });
});

Deno.test("Transport.close() closes both ways once what was written is out", async () => {
  const { near, far } = duplex();
  const received = new Response(far.readable).text();
  await withTransport(near, undefined, async (transport) => {
    assertEquals(await transport.write(bytes("bye")), undefined);
    await transport.close();
  });
  assertEquals(await received, "bye");
  const written = far.writable.getWriter().write(bytes("a"));
  assertEquals(await written.then(() => true, () => false), false);
});

Deno.test("withTransport() gives the locks back when the work is done or fails", async () => {
  const { near } = duplex();
  const locked: boolean[] = [];
  const look = () => locked.push(near.readable.locked, near.writable.locked);
  const done = await withTransport(near, undefined, () => {
    look();
    return Promise.resolve(1);
  });
  assertEquals(done, 1);
  look();
  await assertRejects(
    () => withTransport(near, undefined, () => Promise.reject(new Error("no"))),
    Error,
    "no",
  );
  look();
  assertEquals(locked, [true, true, false, false, false, false]);
});

Deno.test("withTransport() takes no lock when one is taken", async () => {
  const work = () => Promise.resolve();
  for (const side of ["readable", "writable"] as const) {
    const { near } = duplex();
    if (side === "readable") near.readable.getReader();
    else near.writable.getWriter();
    await assertRejects(() => withTransport(near, undefined, work), TypeError);
    assertEquals(near.readable.locked, side === "readable");
    assertEquals(near.writable.locked, side === "writable");
  }
});

Deno.test("withTransport() closes the stream when the signal aborts, whatever is under way", async () => {
  const works: ((transport: Transport) => Promise<unknown>)[] = [
    (transport) => transport.readHead("request", undefined),
    (transport) => transport.write(bytes("nobody reads this")),
    () => new Promise(() => {}),
    () => Promise.race([]),
  ];
  for (const work of works) {
    const log: unknown[] = [];
    const stream = {
      readable: new ReadableStream<Uint8Array>({
        cancel: (reason) => void log.push("cancel", reason),
      }),
      writable: new WritableStream<Uint8Array>({
        write: () => new Promise(() => {}),
        start: (controller) =>
          controller.signal.addEventListener("abort", () => {
            log.push("abort", controller.signal.reason);
          }),
      }),
    };
    const controller = new AbortController();
    const reason = new Error("enough");
    const rejected = assertRejects(
      () => withTransport(stream, controller.signal, work),
      Error,
      "enough",
    );
    await Promise.resolve();
    controller.abort(reason);
    assertEquals(await rejected, reason);
    assertEquals(log, ["cancel", reason, "abort", reason]);
    assertEquals([stream.readable.locked, stream.writable.locked], [
      false,
      false,
    ]);
  }
});

Deno.test("withTransport() closes the stream and does no work when the signal has aborted", async () => {
  const { near, far } = duplex();
  let worked = false;
  await assertRejects(
    () =>
      withTransport(near, AbortSignal.abort(new Error("early")), () => {
        worked = true;
        return Promise.resolve();
      }),
    Error,
    "early",
  );
  assertEquals(worked, false);
  await assertRejects(() => far.readable.getReader().read(), Error, "early");
  await assertRejects(
    () => far.writable.getWriter().write(bytes("")),
    Error,
    "early",
  );
});

Deno.test("withTransport() swallows what the work comes to when it was aborted", async () => {
  const { near } = duplex();
  const controller = new AbortController();
  const hook = Promise.withResolvers<void>();
  const late = Promise.withResolvers<unknown>();
  const rejected = assertRejects(
    () =>
      withTransport(near, controller.signal, async (transport) => {
        await hook.promise;
        late.resolve(await transport.write(bytes("late")));
        await transport.close();
        throw new Error("not seen");
      }),
    Error,
    "enough",
  );
  controller.abort(new Error("enough"));
  await rejected;
  hook.resolve();
  const failure = await late.promise;
  assert(failure instanceof Object && "rule" in failure);
  assertEquals(failure.rule, "end-of-stream");
});

Deno.test("withTransport() leaves the stream open when the signal aborts afterwards", async () => {
  const { near, far } = duplex();
  const controller = new AbortController();
  await withTransport(near, controller.signal, () => Promise.resolve());
  controller.abort();
  const written = near.writable.getWriter().write(bytes("a"));
  assertEquals((await far.readable.getReader().read()).value, bytes("a"));
  await written;
});
