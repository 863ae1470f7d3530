// Thousands of connections that come and go, most of them not in order, leave
// nothing behind in a server: no descriptor, and no memory.

import { assert, assertEquals } from "@std/assert";
import {
  inRounds,
  OWN,
  PATIENCE,
  ROUND,
  ROUNDS,
  type Rounds,
} from "./churn.ts";
import { exampleTest, flagsOf, Program } from "./helpers.ts";

/** What a connection may leave behind, in bytes: one that is held is 1000 and more. */
const LEFT = 100;

function assertNothingIsLeft({ before, after, complaints }: Rounds): void {
  // A machine that does other things may keep a few waiting for too long.
  assert(complaints.length < ROUNDS * ROUND / 20, complaints.join("\n"));

  // What Deno itself opens, it opens once.
  const [warm, ...rest] = after;
  assert(warm.descriptors <= before.descriptors + OWN, `${warm.descriptors}`);
  for (const { descriptors } of rest) {
    assert(descriptors <= warm.descriptors, `${descriptors}`);
  }

  // A leak shows in every round and stays. All else - connections that are still
  // closing, timers that have not gone off, code as it is compiled - comes in this
  // round or in that, and mostly goes: the least of several rounds has none of it.
  const half = ROUNDS / 2; // as many are between the least early and the least late
  const heaps = rest.map(({ heap }) => heap);
  const grown = Math.min(...heaps.slice(half)) -
    Math.min(...heaps.slice(0, half - 1));
  assert(
    grown < LEFT * ROUND * half,
    `so much is in use after ${ROUND} connections each: ${heaps}`,
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
