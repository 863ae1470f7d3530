// Python's `websockets`, in a process of its own: `websockets_peer.py`.

import { Queue, type Scope } from "../helpers.ts";
import type {
  Peer,
  PeerClientOptions,
  PeerEvent,
  PeerOptions,
  PeerRefusal,
  PeerServer,
  PeerServerOptions,
  PeerSocket,
} from "../peer.ts";

/** The Python that has the package of the distribution. */
const PYTHON = "/usr/bin/python3";

const SCRIPT = `${import.meta.dirname}/websockets_peer.py`;

/** A line that the script writes: it has the fields that its event needs. */
interface Line {
  readonly event: string;
  readonly id: number;
  readonly port: number;
  readonly target: string;
  readonly headers: [string, string][];
  readonly subprotocol: string | null;
  readonly extensions: string[];
  readonly text: string;
  readonly binary: string;
  readonly status: number | null;
  readonly message: string;
  readonly code: number;
  readonly reason: string;
}

/** One process, which has any number of connections. */
class Process {
  /** What it reports of itself, and connections that it has opened. */
  readonly #ports = new Queue<number>();
  readonly #opened = new Queue<PythonSocket | PeerRefusal>();
  readonly #sockets = new Map<number, PythonSocket>();
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;

  constructor(scope: Scope) {
    const child = new Deno.Command(PYTHON, {
      args: ["-I", SCRIPT],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#stdin = child.stdin.getWriter();
    const reading = this.#listen(child.stdout);
    scope.defer(async () => {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended already, of whatever.
      }
      await child.status;
      await reading;
      // What it did not take no longer matters.
      await this.#stdin.abort().catch(() => {});
    });
  }

  /** Gives a command. */
  tell(command: Record<string, unknown>): void {
    const line = new TextEncoder().encode(`${JSON.stringify(command)}\n`);
    // A process that is gone shows in what it does not report.
    this.#stdin.write(line).catch(() => {});
  }

  /** Where its server listens. */
  port(): Promise<number> {
    return this.#ports.next();
  }

  /** The next connection that it has, or was refused. */
  opened(): Promise<PythonSocket | PeerRefusal> {
    return this.#opened.next();
  }

  /** Takes what the process reports, until it ends. */
  async #listen(
    stdout: ReadableStream<Uint8Array<ArrayBuffer>>,
  ): Promise<void> {
    let failure = new Error("the Python process has ended");
    try {
      for await (const line of linesOf(stdout)) this.#take(JSON.parse(line));
    } catch (cause) {
      failure = new Error("the Python process has failed", { cause });
    }
    for (const queue of [this.#ports, this.#opened, ...this.#queues()]) {
      queue.fail(failure);
    }
  }

  *#queues(): Iterable<Queue<PeerEvent>> {
    for (const { events } of this.#sockets.values()) yield events;
  }

  #take(line: Line): void {
    switch (line.event) {
      case "listening":
        return this.#ports.push(line.port);
      case "open": {
        const socket = new PythonSocket(this, line);
        this.#sockets.set(line.id, socket);
        return this.#opened.push(socket);
      }
      case "refused":
        return this.#opened.push({
          status: line.status ?? undefined,
          headers: new Headers(line.headers),
          body: undefined,
          message: line.message,
        });
      default:
        this.#sockets.get(line.id)?.events.push(eventOf(line));
    }
  }
}

async function* linesOf(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string> {
  let line: string[] = [];
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const [end, ...more] = text.split("\n");
    line.push(end);
    for (const begin of more) {
      yield line.join("");
      line = [begin];
    }
  }
}

function eventOf(line: Line): PeerEvent {
  switch (line.event) {
    case "text":
      return { type: "text", message: line.text };
    case "binary":
    case "ping":
    case "pong":
      return { type: line.event, message: Uint8Array.fromBase64(line.binary) };
    case "close":
      return { type: "close", code: line.code, reason: line.reason };
    default:
      throw new Error(`the Python process reports "${line.event}"`);
  }
}

/** A payload, as the script takes it. */
function payload(message: string | Uint8Array): unknown {
  return typeof message === "string" ? message : { binary: message.toBase64() };
}

/** An end that the process holds. */
class PythonSocket implements PeerSocket {
  readonly target: string;
  readonly headers: Headers;
  readonly subprotocol: string | undefined;
  readonly extensions: readonly string[];
  /** What has happened. */
  readonly events = new Queue<PeerEvent>();
  readonly #process: Process;
  readonly #id: number;

  constructor(process: Process, line: Line) {
    this.#process = process;
    this.#id = line.id;
    this.target = line.target;
    this.headers = new Headers(line.headers);
    this.subprotocol = line.subprotocol ?? undefined;
    this.extensions = line.extensions;
  }

  next(): Promise<PeerEvent> {
    return this.events.next();
  }

  send(message: string | Uint8Array): void {
    this.#tell("send", { message: payload(message) });
  }

  sendFragments(
    parts: readonly string[] | readonly Uint8Array[],
    ping?: string,
  ): void {
    this.#tell("fragments", { parts: parts.map(payload), ping: ping ?? null });
  }

  ping(message: Uint8Array): void {
    this.#tell("ping", { message: payload(message) });
  }

  pong(message: Uint8Array): void {
    this.#tell("pong", { message: payload(message) });
  }

  close(code: number | undefined, reason: string): void {
    this.#tell("close", { code: code ?? null, reason });
  }

  raw(bytes: Uint8Array): void {
    this.#tell("raw", { message: payload(bytes) });
  }

  abort(): void {
    this.#tell("abort", {});
  }

  #tell(what: string, fields: Record<string, unknown>): void {
    this.#process.tell({ do: what, id: this.#id, ...fields });
  }
}

/** The options that both sides have in common. */
function commonOptions(options: PeerOptions): Record<string, unknown> {
  return {
    subprotocols: options.subprotocols ?? [],
    headers: options.headers ?? [],
    maxMessageBytes: options.maxMessageBytes ?? null,
    own: options.own ?? {},
  };
}

async function serve(
  scope: Scope,
  options: PeerServerOptions = {},
): Promise<PeerServer> {
  const process = new Process(scope);
  process.tell({
    do: "serve",
    greeting: options.greeting ?? null,
    refuse: options.refuse ?? null,
    ...commonOptions(options),
  });
  const port = await process.port();
  return {
    port,
    async accept() {
      const opened = await process.opened();
      if ("next" in opened) return opened;
      throw new Error("the Python server was refused");
    },
  };
}

/** The process whose clients a test uses. */
const clients = new WeakMap<Scope, Process>();

function connect(
  scope: Scope,
  url: string,
  options: PeerClientOptions = {},
): Promise<PeerSocket | PeerRefusal> {
  const process = clients.get(scope) ?? new Process(scope);
  clients.set(scope, process);
  process.tell({
    do: "connect",
    url,
    origin: options.origin ?? null,
    ...commonOptions(options),
  });
  return process.opened();
}

/** Python's `websockets`. */
export const pythonWebsockets: Peer = {
  name: "Python websockets",
  insistsOnSubprotocol: false,
  serve,
  connect,
};

/** The version that is installed, `undefined` if there is none. */
export function installedVersion(): string | undefined {
  const code = "import websockets.version; print(websockets.version.version)";
  try {
    const { success, stdout } = new Deno.Command(PYTHON, {
      args: ["-I", "-c", code],
      stderr: "null",
    }).outputSync();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
