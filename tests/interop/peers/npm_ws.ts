// `npm:ws`, in this process.

import {
  WebSocket as UntypedWebSocket,
  WebSocketServer as UntypedWebSocketServer,
} from "ws";
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

/** What is used of a socket of node:net. */
interface RawSocket {
  write(bytes: Uint8Array): void;
}

/** What is used of a message of node:http. */
interface HttpMessage extends AsyncIterable<Uint8Array> {
  readonly url?: string;
  readonly statusCode?: number;
  readonly rawHeaders: readonly string[];
  readonly socket: RawSocket;
}

/** What is used of a `WebSocket` of the package, which comes without types. */
export interface WsSocket {
  readonly protocol: string;
  readonly extensions: string;
  readonly readyState: number;
  send(
    data: string | Uint8Array,
    options?: { binary?: boolean; fin?: boolean; mask?: boolean },
  ): void;
  ping(data: Uint8Array): void;
  pong(data: Uint8Array): void;
  close(code?: number, reason?: string): void;
  terminate(): void;
  on(event: "message", on: (data: Uint8Array, binary: boolean) => void): void;
  on(event: "ping" | "pong", on: (data: Uint8Array) => void): void;
  on(event: "close", on: (code: number, reason: Uint8Array) => void): void;
  on(event: "error", on: (error: Error) => void): void;
  on(event: "open", on: () => void): void;
  on(event: "upgrade", on: (response: HttpMessage) => void): void;
  on(
    event: "unexpected-response",
    on: (request: { destroy(): void }, response: HttpMessage) => void,
  ): void;
}

/** What is used of a `WebSocketServer` of the package. */
interface WsServer {
  readonly clients: Iterable<WsSocket>;
  address(): { readonly port: number };
  close(done: () => void): void;
  on(event: "listening", on: () => void): void;
  on(event: "error", on: (error: Error) => void): void;
  on(event: "headers", on: (headers: string[]) => void): void;
  on(
    event: "connection",
    on: (socket: WsSocket, request: HttpMessage) => void,
  ): void;
}

const WebSocket: new (
  url: string,
  subprotocols: readonly string[],
  options: Record<string, unknown>,
) => WsSocket = UntypedWebSocket;

const WebSocketServer: new (options: Record<string, unknown>) => WsServer =
  UntypedWebSocketServer;

/** An end that `npm:ws` holds, and the object itself for what only it can do. */
export class WsPeerSocket implements PeerSocket {
  readonly socket: WsSocket;
  target = "";
  headers = new Headers();
  /** Settles when the socket is closed. */
  readonly closed: Promise<void>;
  readonly #events = new Queue<PeerEvent>();
  #raw: RawSocket | undefined;

  constructor(socket: WsSocket) {
    this.socket = socket;
    const closed = Promise.withResolvers<void>();
    this.closed = closed.promise;
    socket.on("message", (data, isBinary) => {
      this.#events.push(
        isBinary ? { type: "binary", message: data } : {
          type: "text",
          message: new TextDecoder("utf-8", STRICT).decode(data),
        },
      );
    });
    socket.on(
      "ping",
      (message) => this.#events.push({ type: "ping", message }),
    );
    socket.on(
      "pong",
      (message) => this.#events.push({ type: "pong", message }),
    );
    // What it says of a peer that breaks a rule; that it says so, the close shows.
    socket.on("error", () => {});
    socket.on("close", (code, reason) => {
      closed.resolve();
      this.#events.push({
        type: "close",
        code,
        reason: new TextDecoder().decode(reason),
      });
    });
  }

  /** Notes what the other side has said in the handshake. */
  opened(target: string, head: HttpMessage): void {
    this.target = target;
    this.headers = headersOf(head);
    this.#raw = head.socket;
  }

  get subprotocol(): string | undefined {
    return this.socket.protocol === "" ? undefined : this.socket.protocol;
  }

  get extensions(): readonly string[] {
    return this.socket.extensions === ""
      ? []
      : this.socket.extensions.split(",");
  }

  next(): Promise<PeerEvent> {
    return this.#events.next();
  }

  send(message: string | Uint8Array): void {
    this.socket.send(message);
  }

  sendFragments(
    parts: readonly string[] | readonly Uint8Array[],
    ping?: string,
  ): void {
    for (const [index, part] of parts.entries()) {
      this.socket.send(part, { fin: index === parts.length - 1 });
      if (ping !== undefined && index < parts.length - 1) {
        this.ping(new TextEncoder().encode(`${ping}${index}`));
      }
    }
  }

  ping(payload: Uint8Array): void {
    this.socket.ping(payload);
  }

  pong(payload: Uint8Array): void {
    this.socket.pong(payload);
  }

  close(code: number | undefined, reason: string): void {
    if (code === undefined) this.socket.close();
    else this.socket.close(code, reason);
  }

  raw(bytes: Uint8Array): void {
    if (this.#raw === undefined) throw new Error("npm:ws has no socket");
    this.#raw.write(bytes);
  }

  abort(): void {
    this.socket.terminate();
  }
}

/** Text that is not UTF-8 must not get by, and a BOM is content. */
const STRICT = { fatal: true, ignoreBOM: true };

function headersOf({ rawHeaders }: HttpMessage): Headers {
  const headers = new Headers();
  for (let i = 0; i < rawHeaders.length; i += 2) {
    headers.append(rawHeaders[i], rawHeaders[i + 1]);
  }
  return headers;
}

/** The options that both sides have in common. */
function commonOptions(options: PeerOptions): Record<string, unknown> {
  const { maxMessageBytes, own } = options;
  // Its own default is 100 MiB; 0 is no limit.
  return { maxPayload: maxMessageBytes ?? 0, ...own };
}

async function serve(
  scope: Scope,
  options: PeerServerOptions = {},
): Promise<PeerServer> {
  const { subprotocols = [], headers = [], greeting, refuse } = options;
  const verifyClient = (
    _: unknown,
    done: (
      accepted: boolean,
      status?: number,
      body?: string,
      headers?: unknown,
    ) => void,
  ) =>
    refuse === undefined
      ? done(true)
      : done(false, refuse.status, refuse.body, refuse.headers);
  const server = new WebSocketServer({
    host: "127.0.0.1",
    port: 0,
    handleProtocols: (offered: ReadonlySet<string>) =>
      subprotocols.find((name) => offered.has(name)) ?? false,
    verifyClient,
    ...commonOptions(options),
  });
  const accepted = new Queue<WsPeerSocket>();
  const closed: Promise<void>[] = [];
  scope.defer(async () => {
    for (const client of server.clients) client.terminate();
    await new Promise<void>((done) => server.close(done));
    await Promise.all(closed);
  });
  server.on("headers", (lines) => {
    for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  });
  server.on("connection", (socket, request) => {
    const peer = new WsPeerSocket(socket);
    closed.push(peer.closed);
    peer.opened(request.url ?? "", request);
    if (greeting !== undefined) peer.send(greeting);
    accepted.push(peer);
  });
  await new Promise<void>((done, fail) => {
    server.on("listening", done);
    server.on("error", fail);
  });
  return { port: server.address().port, accept: () => accepted.next() };
}

async function connect(
  scope: Scope,
  url: string,
  options: PeerClientOptions = {},
): Promise<WsPeerSocket | PeerRefusal> {
  const { subprotocols = [], headers = [], origin } = options;
  const socket = new WebSocket(url, subprotocols, {
    headers: Object.fromEntries(headers),
    ...(origin === undefined ? {} : { origin }),
    ...commonOptions(options),
  });
  const peer = new WsPeerSocket(socket);
  scope.defer(() => {
    socket.terminate();
    return peer.closed;
  });
  const outcome = Promise.withResolvers<WsPeerSocket | PeerRefusal>();
  const { pathname, search } = new URL(url);
  socket.on("upgrade", (head) => peer.opened(pathname + search, head));
  socket.on("open", () => outcome.resolve(peer));
  socket.on("unexpected-response", (request, response) => {
    const text = textOf(response).finally(() => request.destroy());
    outcome.resolve(text.then((body) => ({
      status: response.statusCode,
      headers: headersOf(response),
      body,
      message: `${response.statusCode}`,
    })));
  });
  socket.on("error", ({ message }) => {
    outcome.resolve({
      status: undefined,
      headers: peer.headers,
      body: undefined,
      message,
    });
  });
  return await outcome.promise;
}

async function textOf(message: HttpMessage): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of message) {
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** `npm:ws`. */
export const npmWs: Peer & { connect: typeof connect } = {
  name: "npm:ws",
  insistsOnSubprotocol: true,
  serve,
  connect,
};
