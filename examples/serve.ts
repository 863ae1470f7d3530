// The loops of the servers: they accept, whatever a client does, until Ctrl-C.

import { fail, messageOf } from "./arguments.ts";
import {
  WebSocketStream,
  type WebSocketStreamAcceptOptions,
} from "./websocket_stream.ts";

/** Aborts on Ctrl-C, and on SIGTERM; the second time the process ends at once. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  const interrupt = () => {
    if (controller.signal.aborted) Deno.exit(130);
    controller.abort();
  };
  Deno.addSignalListener("SIGINT", interrupt);
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", interrupt);
  return controller.signal;
}

/** Listens; says why not where that cannot be, and exits. */
export function listen(options: Deno.TcpListenOptions): Deno.TcpListener {
  try {
    return Deno.listen(options);
  } catch (error) {
    const { hostname, port } = options;
    return fail(`Cannot listen on ${hostname} ${port}: ${messageOf(error)}`);
  }
}

/** Where it listens, as a URL has it: an address of IPv6 is in brackets. */
export function hostOf({ addr }: { readonly addr: Deno.NetAddr }): string {
  const { hostname, port } = addr;
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/**
 * Accepts until the signal aborts, and waits for those that were accepted. No client
 * can end it: what goes wrong with one is printed.
 *
 * @param listener Where to accept; it is closed at the end
 * @param handle Deals with one connection
 * @param signal Ends it
 */
export async function serve(
  listener: Deno.Listener,
  handle: (conn: Deno.Conn) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const close = () => listener.close();
  signal.addEventListener("abort", close);
  const handling = new Set<Promise<void>>();
  while (!signal.aborted) {
    try {
      const conn = await listener.accept();
      const handled = handle(conn)
        .catch((error) => {
          if (!signal.aborted) console.error(`A client: ${messageOf(error)}`);
        })
        .finally(() => handling.delete(handled));
      handling.add(handled);
    } catch (error) {
      if (signal.aborted) break;
      // The client has gone, or no descriptor is left: others may come and go.
      console.error(`Cannot accept: ${messageOf(error)}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  await Promise.all(handling);
}

/**
 * Does the same with WebSockets, which are closed with 1001 at the end.
 *
 * @param listener Where to accept
 * @param options What to accept, and how
 * @param handle Deals with one WebSocket, which is closed when this is done
 * @param signal Ends it
 */
export async function serveWebSockets(
  listener: Deno.Listener,
  options: WebSocketStreamAcceptOptions,
  handle: (
    ws: WebSocketStream,
    opened: Awaited<WebSocketStream["opened"]>,
  ) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  await serve(listener, async (conn) => {
    const ws = WebSocketStream.accept(conn, options);
    const leave = () =>
      ws.close({ closeCode: 1001, reason: "The server goes away" });
    signal.addEventListener("abort", leave);
    try {
      await handle(ws, await ws.opened);
      ws.close();
      await ws.closed;
    } finally {
      ws.close(); // where `handle` has thrown
      await ws.closed.catch(() => {});
      signal.removeEventListener("abort", leave);
      closeConn(conn);
    }
  }, signal);
}

/** Closes what a client may have left half open: half a TLS handshake, say. */
function closeConn(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // It is closed already, as it should be.
  }
}
