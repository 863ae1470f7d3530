// What a piece of work asks of the engine in memory.

/**
 * Runs some work while every `new Uint8Array(size)` is first told to `watch`,
 * which may throw in its place, as an engine without room does.
 */
export function watchAllocations<T>(
  watch: (size: number) => void,
  work: () => T,
): T {
  const original = globalThis.Uint8Array;
  globalThis.Uint8Array = new Proxy(original, {
    construct(target, args) {
      if (typeof args[0] === "number") watch(args[0]);
      return Reflect.construct(target, args);
    },
  });
  try {
    return work();
  } finally {
    globalThis.Uint8Array = original;
  }
}
