// Encoding whole messages, for both roles: a client masks.

import { Connection, type SendData } from "@noio/ws";

for (const size of [16, 125, 1024, 16_384]) {
  const text = "x".repeat(size);
  const messages: readonly SendData[] = [
    { type: "binary", message: new TextEncoder().encode(text) },
    { type: "text", message: text },
  ];
  for (const data of messages) {
    for (const role of ["server", "client"] as const) {
      const ws = new Connection(role);
      Deno.bench({
        name: `${data.type}, as a ${role}`,
        group: `encode a message of ${size} bytes`,
        fn: () => {
          ws.send(data);
        },
      });
    }
  }
}
