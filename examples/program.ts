// What the programs of this folder have in common: their arguments, Ctrl-C, and a
// loop that accepts, whatever a client does.

import { parseArgs, type ParseArgsConfig } from "node:util";
import {
  WebSocketStream,
  type WebSocketStreamAcceptOptions,
} from "./websocket_stream.ts";

type Options = NonNullable<ParseArgsConfig["options"]>;

/** What the arguments are, as the options say. */
type Parsed<T extends Options> = ReturnType<
  typeof parseArgs<{
    options: T & { help: { type: "boolean" } };
    allowPositionals: true;
  }>
>;

/**
 * Parses the arguments. For `--help` it prints the help and exits with 0, for a
 * mistake it says so and exits with 2.
 *
 * @param help The help
 * @param options The options, as `parseArgs` of `node:util` takes them
 * @param most How many arguments there may be besides
 * @returns The options and the other arguments
 */
export function parse<const T extends Options>(
  help: string,
  options: T,
  most = 1,
): Parsed<T> {
  try {
    const parsed = parseArgs({
      options: { ...options, help: { type: "boolean", short: "h" } },
      allowPositionals: true,
    }) as Parsed<T>; // the option that was added is in it
    if ((parsed.values as { help?: boolean }).help) {
      console.log(help.trim());
      Deno.exit(0);
    }
    if (parsed.positionals.length <= most) return parsed;
    throw new TypeError(`Unexpected argument '${parsed.positionals[most]}'`);
  } catch (error) {
    return fail(`${messageOf(error)}; see --help`, 2);
  }
}

/** A whole number out of an argument. */
export function numberOf(name: string, text: string, most = 65_535): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number <= most) return number;
  return fail(`Cannot use '${text}' as ${name}: 0 to ${most} is possible`, 2);
}

/** Says what went wrong, and exits. */
export function fail(message: string, code = 1): never {
  console.error(message);
  Deno.exit(code);
}

/** What an error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

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

/** The options that the servers have in common, for `parse`. */
export const SERVER_OPTIONS = {
  hostname: { type: "string", default: "127.0.0.1" },
  "handshake-timeout": { type: "string", default: "10000" },
} as const;

/** Their help. */
export const SERVER_HELP = `\
  --hostname=<name>         where to listen; 0.0.0.0 is everywhere [127.0.0.1]
  --handshake-timeout=<ms>  how long a client may take to ask [10000]
  --help                    this`;
