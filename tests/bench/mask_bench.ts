// Masking in place: a payload of its own, and one at an odd place in a chunk.

import { mask } from "@noio/ws";

const KEY = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d);

for (const size of [16, 125, 1024, 65_536]) {
  const bytes = new Uint8Array(size + 1);
  const odd = bytes.subarray(1);
  const even = bytes.subarray(0, size);
  const group = `mask ${size} bytes`;
  Deno.bench({
    name: "aligned",
    group,
    baseline: true,
    fn: () => {
      mask(even, KEY);
    },
  });
  Deno.bench({
    name: "at an odd place",
    group,
    fn: () => {
      mask(odd, KEY);
    },
  });
}
