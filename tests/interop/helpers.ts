// What the interop tests share: a scope that closes what a test has opened, and
// our own end of a connection, pumped over a `Deno.Conn` by the public API alone.

import { assertEquals } from "@std/assert";
import { equals } from "@std/bytes";
import {
  type CloseInfo,
  type Connection,
  Information,
  type ReceivedEvent,
  type SendData,
  type Summary,
} from "../../mod.ts";
import {
  type AcceptUpgrade,
  acceptUpgrade,
  type AcceptUpgradeOptions,
  type RequestRefused,
  type RequestUpgrade,
  requestUpgrade,
  type RequestUpgradeOptions,
  type UpgradeAccepted,
} from "../../handshake.ts";

/** How long one test may take, in milliseconds: it fails then, and says where. */
const TIMEOUT = 20_000;

/** One running test: what it is at, and what has to be closed after it. */
export class Scope {
  /** The case that the test is at, for its failure to name. */
  at = "start";
  readonly #stack = new AsyncDisposableStack();

  /** Does something when the test is over, the last that was asked for first. */
  defer(close: () => void | PromiseLike<void>): void {
    this.#stack.defer(close);
  }

  /** Does what was deferred. */
  close(): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/**
 * Registers a test. Its failure names the test, which says who the peer is, and
 * the case. Whatever happens, and on a timeout too, all it has opened is closed.
 */
export function interopTest(
  name: string,
  run: (scope: Scope) => Promise<void>,
): void {
  Deno.test(name, async () => {
    const scope = new Scope();
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new Error(`not done after ${TIMEOUT} ms`)),
      TIMEOUT,
    );
    try {
      await Promise.race([run(scope), late.promise]);
    } catch (error) {
      const what = error instanceof Error ? error.message : `${error}`;
      throw new Error(`${name}: ${scope.at}: ${what}`, { cause: error });
    } finally {
      clearTimeout(timer);
      await scope.close();
    }
  });
}

/** Values that are waited for, in order. */
export class Queue<T> {
  readonly #values: T[] = [];
  readonly #waiting: PromiseWithResolvers<T>[] = [];
  #failure: Error | undefined;

  /** Adds a value. */
  push(value: T): void {
    const first = this.#waiting.shift();
    if (first === undefined) this.#values.push(value);
    else first.resolve(value);
  }

  /** Says that no more values will come: those who wait have waited in vain. */
  fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }

  /** The next value. */
  next(): Promise<T> {
    const value = this.#values.shift();
    if (value !== undefined) return Promise.resolve(value);
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const waiter = Promise.withResolvers<T>();
    this.#waiting.push(waiter);
    return waiter.promise;
  }
}

/** Our end of a connection: the core between a socket and a test. */
export class Pump {
  /** How the handshake went. */
  readonly upgrade: UpgradeAccepted;
  readonly #connection: Connection;
  readonly #conn: Deno.Conn;
  /** Read into again and again. */
  readonly #buffer = new Uint8Array(65_536);
  /** What has been read and not handed over; `undefined` if nothing. */
  #held: Uint8Array | null | undefined;
  #written: Promise<void> = Promise.resolve();

  constructor(conn: Deno.Conn, upgrade: UpgradeAccepted) {
    this.#conn = conn;
    this.upgrade = upgrade;
    this.#connection = upgrade.connection;
  }

  /** Sends one thing or several, the latter in one write. */
  send(data: SendData | Iterable<SendData>): Promise<void> {
    return this.write(this.#connection.send(data));
  }

  /** Writes bytes, all of them, after those that are being written. */
  write(bytes: Uint8Array): Promise<void> {
    this.#written = this.#written.then(() => writeAll(this.#conn, bytes));
    return this.#written;
  }

  /**
   * The next event, which has been replied to; `undefined` after the last. Its
   * bytes are the caller's.
   */
  async next(): Promise<ReceivedEvent | undefined> {
    for (;;) {
      const event = this.#connection.nextEvent();
      if (event === Information.CONNECTION_CLOSED) return undefined;
      if (event === Information.NEED_DATA) {
        await this.hold();
        const chunk = this.#held ?? null;
        this.#held = undefined;
        this.#connection.recv(chunk);
        continue;
      }
      // A peer that is gone takes no reply: what it saw, it says itself.
      await this.write(this.#connection.reply(event)).catch(() => {});
      return "message" in event && event.message instanceof Uint8Array
        ? withMessage(event, event.message.slice())
        : event;
    }
  }

  /** The next event, which is to be of this type. */
  async expect<T extends ReceivedEvent["type"]>(
    type: T,
  ): Promise<ReceivedEvent & { type: T }> {
    const event = await this.next();
    if (event === undefined || !isOf(event, type)) {
      throw new Error(`we wanted "${type}" and got ${describe(event)}`);
    }
    return event;
  }

  /** Reads, without the connection being told. */
  async hold(): Promise<void> {
    if (this.#held === undefined) this.#held = await this.#read();
  }

  /**
   * Reads to the end, where nothing but a close or a failure may come, and closes
   * the stream: the server, or who failed, goes first (RFC 6455, section 7.1.1).
   * A peer that does not go in its turn is a timeout.
   */
  async finish(): Promise<Summary> {
    for (let event; (event = await this.next()) !== undefined;) {
      if (event.type !== "close" && event.type !== "fail") {
        throw new Error(`we wanted the end and got ${describe(event)}`);
      }
    }
    const { role, summary } = this.#connection;
    if (summary === undefined) {
      throw new Error("there is no summary at the end");
    }
    if (summary.failure?.code !== 1006) {
      if (role === "server" || summary.failure !== null) {
        // The peer may have gone already.
        await this.#conn.closeWrite().catch(() => {});
      }
      while (await this.#read() !== null);
    }
    this.close();
    return summary;
  }

  /** Closes the stream without a word. */
  close(): void {
    closeQuietly(this.#conn);
  }

  /** A read that fails is the end of the stream too. */
  async #read(): Promise<Uint8Array | null> {
    try {
      const count = await this.#conn.read(this.#buffer);
      return count === null ? null : this.#buffer.subarray(0, count);
    } catch {
      return null;
    }
  }
}

function withMessage<E extends ReceivedEvent>(
  event: E,
  message: Uint8Array,
): E {
  return { ...event, message };
}

function isOf<T extends ReceivedEvent["type"]>(
  event: ReceivedEvent,
  type: T,
): event is ReceivedEvent & { type: T } {
  return event.type === type;
}

function describe(event: ReceivedEvent | undefined): string {
  if (event === undefined) return "the end";
  return event.type === "fail"
    ? `a failure, ${event.code} ${event.rule}: ${event.message}`
    : `"${event.type}" of ${event.message.length}`;
}

/** Writes all: `Deno.Conn.write` may write less than it was given. */
async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    written += await conn.write(bytes.subarray(written));
  }
}

function closeQuietly(closer: { close(): void }): void {
  try {
    closer.close();
  } catch (error) {
    // The end of its stream has closed it, or the test has.
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/** Asks a server for a WebSocket, with our client. */
export async function request(
  scope: Scope,
  url: string,
  options: RequestUpgradeOptions = {},
): Promise<{ conn: Deno.Conn; upgrade: RequestUpgrade }> {
  const { hostname, port } = new URL(url);
  const conn = await Deno.connect({ hostname, port: Number(port) });
  scope.defer(() => closeQuietly(conn));
  return { conn, upgrade: await requestUpgrade(conn, url, options) };
}

/** Connects our client to a server that accepts it. */
export async function connect(
  scope: Scope,
  url: string,
  options: RequestUpgradeOptions = {},
): Promise<Pump> {
  const { conn, upgrade } = await request(scope, url, options);
  if (upgrade.accepted) return new Pump(conn, upgrade);
  throw new Error(`we were refused with ${upgrade.response.status}`);
}

/** Listens on a port that the system chooses. */
export function listen(scope: Scope): Deno.TcpListener {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  scope.defer(() => closeQuietly(listener));
  return listener;
}

/** Answers the next client, with our server. */
export async function answer(
  scope: Scope,
  listener: Deno.Listener,
  options: AcceptUpgradeOptions = {},
): Promise<{ conn: Deno.Conn; upgrade: AcceptUpgrade }> {
  const conn = await listener.accept();
  scope.defer(() => closeQuietly(conn));
  return { conn, upgrade: await acceptUpgrade(conn, options) };
}

/** Accepts the next client, with our server. */
export async function accept(
  scope: Scope,
  listener: Deno.Listener,
  options: AcceptUpgradeOptions = {},
): Promise<Pump> {
  const { conn, upgrade } = await answer(scope, listener, options);
  if (upgrade.accepted) return new Pump(conn, upgrade);
  throw new Error(`we refused with ${upgrade.response?.status}`);
}

/** The body of a refusal: what came with its head, and what is still to be read. */
export async function readBody(
  conn: Deno.Conn,
  { rest, response }: RequestRefused,
): Promise<string> {
  const length = Number(response.headers.get("Content-Length") ?? NaN);
  const body = new Uint8Array(length);
  body.set(rest);
  let at = rest.length;
  while (at < length) {
    const count = await conn.read(body.subarray(at));
    if (count === null) throw new Error(`the body ended at ${at} of ${length}`);
    at += count;
  }
  return new TextDecoder().decode(body);
}

/** Asserts that two messages are the same to the byte, however long they are. */
export function assertSame(
  actual: string | Uint8Array,
  expected: string | Uint8Array,
  what: string,
): void {
  const same = typeof actual === "string" || typeof expected === "string"
    ? actual === expected
    : equals(actual, expected);
  if (same) return;
  const at = Array.prototype.findIndex.call(
    expected,
    (unit, index) => actual[index] !== unit,
  );
  throw new Error(
    `${what} was changed on the way: ${typeof expected} of ` +
      `${expected.length} became ${typeof actual} of ${actual.length}, ` +
      `first at ${at}`,
  );
}

/** Asserts that a connection has ended by a closing handshake, begun by whom. */
export function assertClean(
  summary: Summary,
  initiator: "us" | "peer",
  sent: CloseInfo,
  received: CloseInfo,
): void {
  assertEquals(summary, {
    clean: true,
    initiator,
    sent,
    received,
    failure: null,
  });
}

/** A text whose UTF-8 has a length in bytes; its characters take one to four. */
export function textOf(length: number): string {
  const pattern = "aé€😀"; // 1 + 2 + 3 + 4 bytes
  return pattern.repeat(Math.floor(length / 10)) + "z".repeat(length % 10);
}
