// Thousands of connections that come and go, most of them not in order, leave
// nothing behind in a server: no descriptor, and no memory.

import { assert, assertEquals } from "@std/assert";
import { inRounds, PATIENCE, ROUND, type Rounds } from "./churn.ts";
import { exampleTest, flagsOf, Program } from "./helpers.ts";

/** By how much a heap wavers after a collection, in bytes. */
const NOISE = 131_072;

function assertNothingIsLeft({ before, after, complaints }: Rounds): void {
  // A machine that does other things may keep a few waiting for too long.
  assert(complaints.length < 3 * ROUND / 20, complaints.join("\n"));

  // What Deno itself opens, it opens once.
  const [warm, half, full] = after;
  assert(warm.descriptors <= before.descriptors + 4, `${warm.descriptors}`);
  assertEquals(half.descriptors, warm.descriptors);
  assertEquals(full.descriptors, warm.descriptors);

  // What is made once for all, and code as it is compiled, costs less and less;
  // a leak costs as much in the second half as in the first, so half of that is
  // where the line is. Half of a leak rises above the noise if each connection
  // leaves 105 bytes. One that is not let go of leaves a thousand and more.
  const first = half.heap - warm.heap;
  const second = full.heap - half.heap;
  assert(
    second < Math.max(first, 0) / 2 + NOISE,
    `of ${ROUND} connections ${first} bytes are left, and of as many ${second}`,
  );
}

exampleTest(
  "echo_server.ts has nothing left of 5000 connections that came and went",
  async (scope) => {
    if (Deno.build.os !== "linux") return;
    const program = await Program.start(
      scope,
      "echo_server.ts",
      [`--handshake-timeout=${PATIENCE}`, "0"],
      [
        ...await flagsOf("echo_server.ts"),
        "--v8-flags=--expose-gc",
        "--preload=tests/examples/heap_on_signal.ts",
      ],
    );
    const port = await program.port();
    assertNothingIsLeft(
      await inRounds(port, program.pid, async () => {
        Deno.kill(program.pid, "SIGUSR2");
        return Number((await program.line(/^heap: (\d+)$/))[1]);
      }),
    );
    assertEquals(await program.interrupt(), 0, program.stderr);
  },
);

for (const server of ["acceptUpgrade", "WebSocketStream"]) {
  exampleTest(
    `${server} has nothing left of 5000 connections that came and went`,
    async () => {
      if (Deno.build.os !== "linux") return;
      const { stdout, stderr, success } = await new Deno.Command(
        Deno.execPath(),
        {
          cwd: new URL("../..", import.meta.url),
          args: [
            ...["run", "--quiet", "--no-lock", "--allow-all"],
            ...["--v8-flags=--expose-gc", "tests/examples/churn.ts", server],
          ],
          signal: AbortSignal.timeout(80_000),
        },
      ).output();
      assert(success, new TextDecoder().decode(stderr));
      assertNothingIsLeft(JSON.parse(new TextDecoder().decode(stdout)));
    },
  );
}
