// Another implementation of WebSocket, as the tests drive it.

import type { Scope } from "./helpers.ts";

/** What can be asked of a peer, whichever side it is. */
export interface PeerOptions {
  /** The subprotocols that it offers, or speaks. */
  readonly subprotocols?: readonly string[];
  /** Further fields of its request or response. */
  readonly headers?: readonly (readonly [string, string])[];
  /** The longest message that it takes. */
  readonly maxMessageBytes?: number;
  /** Further options, as the implementation itself knows them. */
  readonly own?: Readonly<Record<string, unknown>>;
}

/** What can be asked of a peer as a client. */
export interface PeerClientOptions extends PeerOptions {
  /** The value of `Origin`. */
  readonly origin?: string;
}

/** What can be asked of a peer as a server. */
export interface PeerServerOptions extends PeerOptions {
  /** A text to send as soon as there is a connection. */
  readonly greeting?: string;
  /** Refuses every request. */
  readonly refuse?: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
  };
}

/** What a peer reports. */
export type PeerEvent =
  | { readonly type: "text"; readonly message: string }
  | { readonly type: "binary"; readonly message: Uint8Array }
  | { readonly type: "ping" | "pong"; readonly message: Uint8Array }
  /** The end: 1005 is a close without a code, 1006 none at all. */
  | { readonly type: "close"; readonly code: number; readonly reason: string };

/** The peer's end of a connection. */
export interface PeerSocket {
  /** The target of the request. */
  readonly target: string;
  /** The fields that it received in the handshake. */
  readonly headers: Headers;
  /** The subprotocol, as it sees it. */
  readonly subprotocol: string | undefined;
  /** The names of the extensions that are in use, as it sees it. */
  readonly extensions: readonly string[];
  /** What happens next. */
  next(): Promise<PeerEvent>;
  /** Sends a message. */
  send(message: string | Uint8Array): void;
  /** Sends a message in fragments, with pings between them if there is a payload. */
  sendFragments(
    parts: readonly string[] | readonly Uint8Array[],
    ping?: string,
  ): void;
  /** Sends a ping. */
  ping(payload: Uint8Array): void;
  /** Sends a pong that nobody has asked for. */
  pong(payload: Uint8Array): void;
  /** Begins the closing handshake. */
  close(code: number | undefined, reason: string): void;
  /** Writes bytes past the implementation. */
  raw(bytes: Uint8Array): void;
  /** Cuts the connection off. */
  abort(): void;
}

/** What a peer reports of a server that did not accept it. */
export interface PeerRefusal {
  /** The status of the answer; `undefined` if the peer did not like a 101. */
  readonly status: number | undefined;
  /** The fields of the answer. */
  readonly headers: Headers;
  /** Its body, `undefined` if the peer does not give it. */
  readonly body: string | undefined;
  /** What the peer says. */
  readonly message: string;
}

/** A server of the peer. */
export interface PeerServer {
  /** Where it listens, on 127.0.0.1. */
  readonly port: number;
  /** The next client. */
  accept(): Promise<PeerSocket>;
}

/** An implementation. */
export interface Peer {
  /** Its name, for the names of the tests. */
  readonly name: string;
  /** Whether its client fails where none of its subprotocols is chosen. */
  readonly insistsOnSubprotocol: boolean;
  /** Starts a server, which goes with the scope. */
  serve(scope: Scope, options?: PeerServerOptions): Promise<PeerServer>;
  /** Connects a client, which goes with the scope. */
  connect(
    scope: Scope,
    url: string,
    options?: PeerClientOptions,
  ): Promise<PeerSocket | PeerRefusal>;
}
