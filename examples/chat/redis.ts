// Several servers, one chat: lines and who is where go through Redis.
//
// A line is shown on its own server at once and goes to the others through a list,
// the common history, and a channel. While Redis is away what is said waits, and
// what was missed is looked up in the list afterwards. Who is where is told every
// few seconds: a server that falls silent has no people.

import { HISTORY, type Line, type Person, type Room } from "./room.ts";

/** The package, which nobody downloads who does not ask for it by `--redis`. */
const PACKAGE: string = "npm:redis@6.3.1";

const LINES = "noio-chat:lines";
const PEOPLE = "noio-chat:people";

/** How often a server says who is there, and after how long it counts as gone. */
const INTERVAL = 3000;
const PATIENCE = 10_000;

type Redis = typeof import("npm:redis@6.3.1");
type Client = ReturnType<typeof clientOf>;

/** Connects a room to the others. Resolves at once: Redis may come later. */
export async function joinRedis(
  url: string,
  room: Room,
): Promise<RedisExchange> {
  // A name that is not spelt out is not looked up before it is needed, and has no
  // type of its own.
  const redis = await import(PACKAGE) as Redis;
  return new RedisExchange(clientOf(redis, url), clientOf(redis, url), room);
}

function clientOf({ createClient }: Redis, url: string) {
  return createClient({
    url,
    disableOfflineQueue: true,
    maintNotifications: "disabled",
    socket: { reconnectStrategy: (n) => Math.min(100 * 2 ** n, 2000) },
  });
}

/** The way to the other servers. */
export class RedisExchange {
  readonly #server = crypto.randomUUID();
  readonly #client: Client;
  readonly #subscriber: Client;
  readonly #room: Room;
  readonly #heard = new Map<string, number>();
  readonly #timer: ReturnType<typeof setInterval>;
  /** Lines that wait for Redis, and how many of them are on their way. */
  #outbox: Line[] = [];
  #isFlushing = false;
  #isAway = false;
  #isClosed = false;

  constructor(client: Client, subscriber: Client, room: Room) {
    this.#client = client;
    this.#subscriber = subscriber;
    this.#room = room;
    room.exchange = this;
    this.#timer = setInterval(() => this.#tick(), INTERVAL);
    for (const each of [client, subscriber]) {
      each.on("error", (error) => this.#noteAway(error));
    }
    client.on("ready", () => this.#catchUp());
    subscriber.on("ready", () => this.#listen());
    // They try until they are closed: how it goes is told by the events.
    client.connect().catch(() => {});
    subscriber.connect().catch(() => {});
  }

  /** Takes a line to the others. */
  line(line: Line): void {
    this.#outbox = [...this.#outbox, line].slice(-HISTORY);
    this.#flush();
  }

  /** Tells the others who is here. If that is lost, it is told again soon. */
  people(people: readonly Person[]): void {
    if (this.#isClosed) return;
    const message = JSON.stringify({ server: this.#server, people });
    this.#client.publish(PEOPLE, message).catch(() => {});
  }

  /** Says that nobody is here any longer, and ends the connections. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#client.isReady) {
      await this.#flush();
      this.people([]);
      this.#isClosed = true;
      await this.#client.close().catch(() => {});
    }
    this.#isClosed = true;
    for (const each of [this.#client, this.#subscriber]) {
      if (each.isOpen) each.destroy();
    }
  }

  #noteAway(error: unknown): void {
    if (this.#isAway || this.#isClosed) return;
    this.#isAway = true;
    console.error(`Redis is away, and will be tried again: ${error}`);
  }

  /** Subscribes, if that has not been done: the client does it again by itself. */
  async #listen(): Promise<void> {
    try {
      await this.#subscriber.subscribe(LINES, this.#takeLine);
      await this.#subscriber.subscribe(
        PEOPLE,
        (json) => this.#takePeople(json),
      );
    } catch {
      return; // it is gone again
    }
    await this.#catchUp();
  }

  /** Looks up what was said meanwhile, and says what is waiting. */
  async #catchUp(): Promise<void> {
    try {
      for (const json of await this.#client.lRange(LINES, 0, -1)) {
        this.#takeLine(json);
      }
      if (this.#isAway) console.error("Redis is back");
      this.#isAway = false;
    } catch {
      return; // it is gone again
    }
    this.#tick();
  }

  #tick(): void {
    const now = performance.now();
    for (const [server, at] of this.#heard) {
      if (now - at < PATIENCE) continue;
      this.#heard.delete(server);
      this.#room.setElsewhere(server, []);
    }
    this.#room.tellPeople();
    this.#flush();
  }

  /** Says what is waiting; what fails is tried again with the next tick. */
  async #flush(): Promise<void> {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    try {
      while (this.#outbox.length > 0) {
        const batch = this.#outbox;
        const multi = this.#client.multi();
        for (const line of batch) {
          const json = JSON.stringify(line);
          multi.rPush(LINES, json).publish(LINES, json);
        }
        await multi.lTrim(LINES, -HISTORY, -1).exec();
        this.#outbox = this.#outbox.filter((line) => !batch.includes(line));
      }
    } catch (error) {
      this.#noteAway(error);
    }
    this.#isFlushing = false;
  }

  readonly #takeLine = (json: string): void => {
    const line = parse<Line>(json);
    if (isLine(line)) this.#room.receive(line);
  };

  readonly #takePeople = (json: string): void => {
    const { server, people } =
      parse<{ server: string; people: Person[] }>(json) ?? {};
    if (typeof server !== "string" || !Array.isArray(people)) return;
    if (server === this.#server) return;
    const isNew = people.length > 0 && !this.#heard.has(server);
    if (people.length === 0) this.#heard.delete(server);
    else this.#heard.set(server, performance.now());
    this.#room.setElsewhere(server, people);
    if (isNew) this.#room.tellPeople(); // it does not know us
  };
}

/** What other servers have said, unless it is nonsense. */
function parse<T>(json: string): Partial<T> | undefined {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function isLine(line: Partial<Line> | undefined): line is Line {
  return typeof line?.id === "string" && typeof line.at === "number" &&
    typeof line.by?.name === "string" && typeof line.text === "string";
}
