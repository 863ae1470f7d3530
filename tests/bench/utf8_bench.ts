// Text from bytes that are judged on the way, and the runtime's strict decoder.

import { decodeText } from "../../src/framing/utf8.ts";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const UNITS = {
  ASCII: "The quick brown fox jumps over the lazy dog. ",
  "mixed scripts": "Grüße, Привет, 世界, 🌍 and so on. ",
};

for (const [kind, unit] of Object.entries(UNITS)) {
  for (const times of [1, 25, 1500]) {
    const bytes = new TextEncoder().encode(unit.repeat(times));
    const group = `decode ${bytes.length} bytes of ${kind}`;
    Deno.bench({
      name: "@noio/ws",
      group,
      baseline: true,
      fn: () => {
        decodeText(bytes, 0, bytes.length);
      },
    });
    Deno.bench({
      name: "TextDecoder, fatal",
      group,
      fn: () => {
        strict.decode(bytes);
      },
    });
  }
}
