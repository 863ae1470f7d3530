// Thousands of connections that come and go, most of them not in order, leave
// nothing behind in a server: no descriptor, and no memory.

import { assert, assertEquals } from "@std/assert";
import { inRounds, PATIENCE, ROUND, ROUNDS, type Rounds } from "./churn.ts";
import { exampleTest, flagsOf, Program } from "./helpers.ts";

/** What a connection may leave behind, in bytes: one that is held is 1000 and more. */
const LEFT = 100;

function assertNothingIsLeft({ before, after, complaints }: Rounds): void {
  // A machine that does other things may keep a few waiting for too long.
  assert(complaints.length < ROUNDS * ROUND / 20, complaints.join("\n"));

  // What Deno itself opens, it opens once.
  const [warm, ...rest] = after;
  assert(warm.descriptors <= before.descriptors + 4, `${warm.descriptors}`);
  for (const { descriptors } of rest) {
    assertEquals(descriptors, warm.descriptors);
  }

  // A leak shows in every round. What is made once for all, and code as it is
  // compiled, is 60 to 150 KB in this round or in that: the median knows none.
  const growth = rest.map(({ heap }, i) => heap - after[i].heap);
  const median = growth.toSorted((a, b) => a - b)[growth.length >> 1];
  assert(
    median < LEFT * ROUND,
    `so many bytes are left of ${ROUND} connections each: ${growth}`,
  );
}

exampleTest(
  "echo_server.ts has nothing left of 10000 connections that came and went",
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
    `${server} has nothing left of 10000 connections that came and went`,
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
