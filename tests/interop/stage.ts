// Both ends of a connection, one ours and one a peer's, and what every case does
// with them.

import { assertEquals } from "@std/assert";
import type {
  ConnectionOptions,
  NoOpcodes,
  NoReserved,
  Role,
  SendData,
} from "../../mod.ts";
import type {
  AcceptUpgradeOptions,
  RequestUpgradeOptions,
} from "../../handshake.ts";
import {
  accept,
  assertClean,
  assertSame,
  connect,
  listen,
  type Pump,
  type Scope,
} from "./helpers.ts";
import type {
  Peer,
  PeerEvent,
  PeerOptions,
  PeerRefusal,
  PeerSocket,
} from "./peer.ts";

/** What all connections of a run have in common. */
export interface Variant {
  /** Added to the names of the tests. */
  readonly name: string;
  /** The options of our client. */
  readonly client: RequestUpgradeOptions;
  /** The options of our server. */
  readonly server: AcceptUpgradeOptions;
  /** The peer's own options as a client, and as a server. */
  readonly peerClient: Readonly<Record<string, unknown>>;
  readonly peerServer: Readonly<Record<string, unknown>>;
  /** The names of the extensions that are to be in use. */
  readonly extensions: readonly string[];
}

/** Both sides as they are, without extensions. */
export const PLAIN: Variant = {
  name: "",
  client: {},
  server: {},
  peerClient: {},
  peerServer: {},
  extensions: [],
};

/** What one case asks of both sides, besides the variant. */
export interface Wishes {
  readonly connection?: ConnectionOptions<NoOpcodes, NoReserved>;
  readonly ours?: { readonly subprotocols?: readonly string[] };
  readonly theirs?: PeerOptions;
  /** The target of the request. */
  readonly target?: string;
}

/** Both ends of one connection. */
export interface Ends {
  readonly ours: Pump;
  readonly theirs: PeerSocket;
}

/** A test that is running, and who plays whom. */
export interface Stage {
  readonly scope: Scope;
  readonly peer: Peer;
  readonly variant: Variant;
  /** Our role. */
  readonly role: Role;
  /** Opens a connection; those of one stage share a server. */
  open(): Promise<Ends>;
}

/** Starts what is needed to open connections. */
export async function setStage(
  scope: Scope,
  peer: Peer,
  variant: Variant,
  role: Role,
  wishes: Wishes = {},
): Promise<Stage> {
  const open = role === "client"
    ? await againstServer(scope, peer, variant, wishes)
    : againstClient(scope, peer, variant, wishes);
  return {
    scope,
    peer,
    variant,
    role,
    async open() {
      const ends = await open();
      assertEquals(ends.theirs.extensions, variant.extensions);
      return ends;
    },
  };
}

async function againstServer(
  scope: Scope,
  peer: Peer,
  variant: Variant,
  { connection, ours, theirs, target = "/" }: Wishes,
): Promise<() => Promise<Ends>> {
  const own = variant.peerServer;
  const server = await peer.serve(scope, { own, ...theirs });
  const url = `ws://127.0.0.1:${server.port}${target}`;
  const options = withConnection({ ...variant.client, ...ours }, connection);
  return async () => ({
    ours: await connect(scope, url, options),
    theirs: await server.accept(),
  });
}

function againstClient(
  scope: Scope,
  peer: Peer,
  variant: Variant,
  { connection, ours, theirs, target = "/" }: Wishes,
): () => Promise<Ends> {
  const own = variant.peerClient;
  const listener = listen(scope);
  const url = `ws://127.0.0.1:${listener.addr.port}${target}`;
  const options = withConnection({ ...variant.server, ...ours }, connection);
  return async () => {
    const [pump, socket] = await Promise.all([
      accept(scope, listener, options),
      peer.connect(scope, url, { own, ...theirs }),
    ]);
    return { ours: pump, theirs: openedOf(socket) };
  };
}

function withConnection<
  T extends { connection?: ConnectionOptions | undefined },
>(
  options: T,
  connection: ConnectionOptions | undefined,
): T {
  return { ...options, connection: { ...options.connection, ...connection } };
}

export function openedOf(socket: PeerSocket | PeerRefusal): PeerSocket {
  if ("next" in socket) return socket;
  throw new Error(`the peer did not connect: ${socket.message}`);
}

/** The next message that the peer gets, which is to be this one. */
export async function assertGets(
  theirs: PeerSocket,
  expected: string | Uint8Array,
): Promise<void> {
  const type = typeof expected === "string" ? "text" : "binary";
  const event = await theirs.next();
  if (event.type !== type) throw new Error(`the peer got ${say(event)}`);
  assertSame(event.message, expected, "what we sent");
}

/** The next control frame that the peer gets, which is to be this one. */
export async function assertGetsControl(
  theirs: PeerSocket,
  type: "ping" | "pong",
  expected: Uint8Array,
): Promise<void> {
  const event = await theirs.next();
  if (event.type !== type) throw new Error(`the peer got ${say(event)}`);
  assertSame(event.message, expected, `our ${type}`);
}

/** The peer's connection is to end now, and like this. */
export async function assertEnds(
  theirs: PeerSocket,
  code: number | undefined,
  reason: string,
): Promise<void> {
  const event = await theirs.next();
  assertEquals(event, { type: "close", code: code ?? 1005, reason });
}

function say(event: PeerEvent): string {
  return event.type === "close"
    ? `its end: ${event.code} "${event.reason}"`
    : `"${event.type}" of ${event.message.length}`;
}

/** Sends a message, which the peer sends back, and compares at both ends. */
export async function echo(
  { ours, theirs }: Ends,
  message: string | Uint8Array,
): Promise<void> {
  // It may be more than the sockets hold: reading goes on beside writing.
  await Promise.all([ours.send(dataOf(message)), assertGets(theirs, message)]);
  theirs.send(message);
  assertSame(await nextMessage(ours), message, "what the peer sent");
}

export function dataOf(message: string | Uint8Array): SendData {
  return { type: typeof message === "string" ? "text" : "binary", message };
}

export async function nextMessage(ours: Pump): Promise<string | Uint8Array> {
  const event = await ours.next();
  if (event?.type === "text" || event?.type === "binary") return event.message;
  throw new Error(`we wanted a message and got ${JSON.stringify(event)}`);
}

/** Closes a connection from our side, and asserts that both ends are content. */
export async function closeOurs(
  { ours, theirs }: Ends,
  statusCode: number | undefined = 1000,
  message = "",
): Promise<void> {
  await ours.send({ type: "close", statusCode, message });
  const summary = await ours.finish();
  // Both peers answer with the code and the reason that they got.
  const close = { statusCode, message };
  assertClean(summary, "us", close, close);
  await assertEnds(theirs, statusCode, message);
}

/** Closes a connection from the peer's side. */
export async function closeTheirs(
  { ours, theirs }: Ends,
  statusCode: number | undefined,
  message: string,
): Promise<void> {
  theirs.close(statusCode, message);
  const summary = await ours.finish();
  const reply = { statusCode, message: "" };
  assertClean(summary, "peer", reply, { statusCode, message });
  await assertEnds(theirs, statusCode, "");
}

/** A case: what is wished of both sides, and what is done then. */
export type Case = readonly [
  name: string,
  wishes: Wishes,
  run: (stage: Stage) => Promise<void>,
];
