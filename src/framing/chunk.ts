// What `recv` takes, and `send` may write to: bytes that the caller hands over.

/**
 * Checks that a chunk is bytes that may be changed in place.
 *
 * @throws {TypeError} If it is not a `Uint8Array`, or lies in shared or in
 * detached memory
 */
export function checkChunk(
  chunk: Uint8Array,
  verb: "receive" | "send into" = "receive",
): asserts chunk is Uint8Array<ArrayBuffer> {
  if (
    !(chunk instanceof Uint8Array) && tagOf(chunk) !== "[object Uint8Array]"
  ) {
    throw new TypeError(`Cannot ${verb} what is not a Uint8Array`);
  }
  checkMemory(chunk, verb);
}

/**
 * Checks that the memory of a view is the caller's own and there.
 *
 * @throws {TypeError} If it is shared or detached
 */
export function checkMemory(
  view: ArrayBufferView,
  verb: "receive" | "send" | "send into",
): asserts view is ArrayBufferView<ArrayBuffer> {
  const { buffer } = view;
  if (
    !(buffer instanceof ArrayBuffer) &&
    tagOf(buffer) !== "[object ArrayBuffer]"
  ) {
    throw new TypeError(
      `Cannot ${verb} a view of shared memory, which others may change meanwhile: copy it first`,
    );
  }
  // What is detached has no length left; only then it is worth asking.
  if (view.byteLength === 0 && isDetached(buffer)) {
    throw new TypeError(`Cannot ${verb} a view whose buffer is detached`);
  }
}

function isDetached(buffer: ArrayBufferLike): boolean {
  if (buffer.byteLength > 0) return false;
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}

/** What an object is, for objects of another realm too. */
function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value);
}
