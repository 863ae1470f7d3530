import { assert } from "@std/assert";

Deno.test("WebSocketStream has nothing left of events whose onEvent is asynchronous", async () => {
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    cwd: new URL("../..", import.meta.url),
    args: [
      ...["run", "--quiet", "--no-lock", "--v8-flags=--expose-gc"],
      "tests/examples/event_heap.ts",
    ],
    signal: AbortSignal.timeout(120_000),
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  const heap = JSON.parse(new TextDecoder().decode(stdout));
  const grown = heap[90_000] - heap[50_000];
  // To keep as little as a word for each would be 320,000 bytes.
  assert(grown < 300_000, `${grown} bytes of 40,000 events`);
});
