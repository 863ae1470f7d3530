// An echo server over node:net: prints its port, serves one client, and ends.

import { createServer } from "node:net";
import process from "node:process";
import { Duplex } from "node:stream";
import { acceptUpgrade } from "@noio/ws/handshake";
import { permessageDeflate } from "@noio/ws/permessage-deflate";

const listener = createServer(async (socket) => {
  listener.close();
  const stream = Duplex.toWeb(socket);
  const { connection } = await acceptUpgrade(stream, {
    extensions: [permessageDeflate()],
  });
  const reader = stream.readable.getReader();
  do {
    for (const event of connection.events()) {
      const isMessage = event.type === "text" || event.type === "binary";
      // Written at once, and to the socket itself: the raw way.
      socket.write(
        isMessage ? connection.send(event) : connection.reply(event),
      );
    }
    if (connection.summary !== undefined) break;
    connection.recv((await reader.read()).value ?? null);
  } while (true);
  socket.end();
  say(JSON.stringify(connection.summary));
});
listener.listen(0, "127.0.0.1", () => say(listener.address().port));

function say(line) {
  process.stdout.write(`${line}\n`);
}
