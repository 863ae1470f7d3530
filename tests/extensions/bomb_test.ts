// A few bytes that inflate to many: what a peer can make a connection hold is the
// limit and one piece, not the message. The numbers come from a program of its own,
// whose peak of memory (VmHWM) is read before and after.
import { assert, assertEquals } from "@std/assert";

const MIB = 1_048_576;

/** What the program says. */
interface Result {
  readonly bytes: number;
  readonly seen: string[];
  readonly grown: number;
}

async function run(...args: string[]): Promise<Result> {
  const script = new URL("../helpers/bomb.ts", import.meta.url);
  // Counting which lines are reached takes memory, and would be measured.
  const { DENO_COVERAGE_DIR: _, ...env } = Deno.env.toObject();
  const command = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-lock",
      "--allow-all",
      "--v8-flags=--expose-gc",
      script.href,
      ...args,
    ],
    clearEnv: true,
    env,
    stderr: "inherit",
  });
  const { success, stdout } = await command.output();
  assert(success);
  return JSON.parse(new TextDecoder().decode(stdout));
}

for (const codec of ["portable", "zlib"]) {
  for (const megabytes of [10, 1024]) {
    for (const way of ["whole", "in fragments"]) {
      Deno.test({
        name:
          `a bomb of ${megabytes} MiB ${way} fails with 1009 and takes less than 4 MiB with ${codec}Codec`,
        ignore: Deno.build.os !== "linux",
        async fn() {
          const { bytes, seen, grown } = await run(
            codec,
            `${megabytes}`,
            way,
            "1",
          );
          assert(bytes < megabytes * MIB / 1000, `${bytes} bytes`);
          assertEquals(seen, ["1009"]);
          assert(grown < 4 * MIB, `${grown} bytes`);
        },
      });
    }
  }
}

Deno.test({
  name: "a bomb takes more where the limit allows more: it is seen",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const { seen, grown } = await run("pako", "1024", "whole", "256");
    assertEquals(seen, ["1009"]);
    assert(grown > 64 * MIB, `${grown} bytes`);
  },
});
