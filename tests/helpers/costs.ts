// What attacks cost, as `growth.ts` measures it in a process of its own.

import { assert } from "@std/assert";
import type { Cost } from "./growth.ts";

/**
 * By how much the measurements waver, in bytes: windows of deflate that wait for
 * their next use count or not. To keep a word for each fragment would be 448,000.
 */
const NOISE = 262_144;

const measured = new Map<string, Promise<ReadonlyMap<string, Cost>>>();

/** What each attack of a kind costs, by its name; measured once. */
export function costs(
  kind: "connections" | "heads",
): Promise<ReadonlyMap<string, Cost>> {
  const known = measured.get(kind) ?? measure(kind);
  measured.set(kind, known);
  return known;
}

async function measure(kind: string): Promise<ReadonlyMap<string, Cost>> {
  const script = new URL("./growth.ts", import.meta.url);
  // Counting which lines are reached would slow it down, and measure that.
  const { DENO_COVERAGE_DIR: _, ...env } = Deno.env.toObject();
  const command = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-lock", "--no-check", "--allow-all"],
      ...["--v8-flags=--expose-gc", script.href, kind],
    ],
    clearEnv: true,
    env,
    stderr: "inherit",
  });
  const { success, stdout } = await command.output();
  assert(success);
  return new Map<string, Cost>(
    Object.entries(JSON.parse(new TextDecoder().decode(stdout))),
  );
}

/** Asserts that an attack costs memory as its bytes, and linear time. */
export function assertGrowth(cost: Cost | undefined): void {
  assert(cost !== undefined, "it was not measured");
  const { bytes, held, time } = cost;
  const more = bytes[1] - bytes[0];
  // Less than nothing is held where something older was let go of meanwhile.
  const [few, many] = held.map((count) => Math.max(0, count));
  assert(many - few < 2.5 * more + NOISE, `held: ${held}, of ${bytes}`);
  // Eight times as much at once takes as long, or eight times as long if it is
  // quadratic; what is shorter than 20 ms drowns in what else the machine does.
  assert(time[1] < 4 * Math.max(time[0], 20), `time: ${time}`);
}
