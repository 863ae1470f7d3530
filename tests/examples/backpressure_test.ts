import { assert, assertEquals } from "@std/assert";

Deno.test("WebSocketStream holds back a fast sender: 500 MB pass in little memory", async () => {
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    cwd: new URL("../..", import.meta.url),
    args: [
      ...["run", "--quiet", "--no-lock", "--allow-net=127.0.0.1"],
      "tests/examples/backpressure.ts",
    ],
    signal: AbortSignal.timeout(120_000),
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  const seen = JSON.parse(new TextDecoder().decode(stdout));
  assertEquals(
    [seen.received, seen.closeCode, seen.stops],
    [500_000_000, 1000, 4],
  );
  // What the system's buffers take is all that the sender can be ahead.
  assert(seen.mostAhead < 48_000_000, `${seen.mostAhead} bytes ahead`);
  assert(seen.most - seen.least < 64_000_000, JSON.stringify(seen));
  assert(seen.most < 256_000_000, JSON.stringify(seen));
});
