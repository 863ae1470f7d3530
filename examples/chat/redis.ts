// Several servers, one chat: lines and who is where go through Redis.
//
// A line is shown on its own server at once and goes to the others through a list,
// the common history, and a channel. While Redis is away what is said waits, and
// what was missed is looked up in the list afterwards. Who is where is told every
// few seconds: a server that falls silent has no people.

import { Elsewhere } from "./elsewhere.ts";
import { Outbox } from "./outbox.ts";
import { type Client, redisClients } from "./redis_client.ts";
import { HISTORY, type Line, type Person, type Room } from "./room.ts";

const LINES = "noio-chat:lines";
const PEOPLE = "noio-chat:people";

/** How often a server says who is there, in milliseconds. */
const INTERVAL = 3000;

/** Connects a room to the others. Resolves at once: Redis may come later. */
export async function joinRedis(
  url: string,
  room: Room,
): Promise<RedisExchange> {
  const [client, subscriber] = await redisClients(url);
  return new RedisExchange(client, subscriber, room);
}

/** The way to the other servers. */
export class RedisExchange {
  readonly #server = crypto.randomUUID();
  readonly #client: Client;
  readonly #subscriber: Client;
  readonly #room: Room;
  readonly #elsewhere: Elsewhere;
  readonly #outbox = new Outbox((lines) => this.#send(lines));
  readonly #timer: ReturnType<typeof setInterval>;
  #isAway = false;
  #isClosed = false;

  constructor(client: Client, subscriber: Client, room: Room) {
    this.#client = client;
    this.#subscriber = subscriber;
    this.#room = room;
    this.#elsewhere = new Elsewhere(room);
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
    this.#outbox.add(line);
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
      await this.#subscriber.subscribe(PEOPLE, this.#takePeople);
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
    this.#elsewhere.forget(performance.now());
    this.#room.tellPeople();
    this.#flush();
  }

  /** Says what is waiting; what fails is tried again with the next tick. */
  async #flush(): Promise<void> {
    await this.#outbox.flush().catch((error) => this.#noteAway(error));
  }

  async #send(lines: readonly Line[]): Promise<void> {
    const multi = this.#client.multi();
    for (const line of lines) {
      const json = JSON.stringify(line);
      multi.rPush(LINES, json).publish(LINES, json);
    }
    await multi.lTrim(LINES, -HISTORY, -1).exec();
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
    const isNew = this.#elsewhere.take(server, people, performance.now());
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
