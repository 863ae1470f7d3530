// deno-lint-ignore-file no-console -- it answers on the standard output
// Preloaded into a program, with `--v8-flags=--expose-gc`: says how much memory
// its objects take, whenever it gets SIGUSR2.

declare const gc: () => void;

Deno.addSignalListener("SIGUSR2", () => {
  gc();
  gc();
  console.log(`heap: ${Deno.memoryUsage().heapUsed}`);
});
