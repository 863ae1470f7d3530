// A WebSocket server in the process of a test, for one client.

import {
  WebSocketStream,
  type WebSocketStreamAcceptOptions,
} from "../../examples/websocket_stream.ts";
import type { Scope } from "./helpers.ts";

/** A server in this process, for one client. */
export async function serveOne(
  scope: Scope,
  handle: (ws: WebSocketStream) => Promise<void>,
  options: WebSocketStreamAcceptOptions = {},
): Promise<{ url: string; done: Promise<void> }> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serve = async () => {
    const ws = WebSocketStream.accept(await listener.accept(), options);
    listener.close();
    await handle(ws);
  };
  const done = serve();
  scope.defer(() => done.catch(() => {}));
  await Promise.resolve();
  return { url: `ws://127.0.0.1:${listener.addr.port}/`, done };
}

/** Sends back every message. */
export const echo = async (ws: WebSocketStream) => {
  const { readable, writable } = await ws.opened;
  await readable.pipeTo(writable);
  await ws.closed;
};
