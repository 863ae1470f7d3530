// Who is in the chat and what was said: its rules, and nothing of sockets.

import { PreparedMessage } from "@noio/ws";

/** A line of the chat. */
export interface Line {
  readonly id: string;
  /** When it was said, in milliseconds since 1970. */
  readonly at: number;
  readonly kind: "said" | "joined" | "left";
  /** Who has said it. */
  readonly by: Person;
  /** What was said; `""` if nothing. */
  readonly text: string;
}

/** Somebody who is in the chat. */
export interface Person {
  readonly id: string;
  readonly name: string;
}

/** Takes a message to somebody: JSON, as it is or prepared for many. */
export type Send = (message: string | PreparedMessage) => void;

/** Tells the other servers of the same chat. */
export interface Exchange {
  line(line: Line): void;
  people(people: readonly Person[]): void;
}

/** How many lines who comes late is shown. */
export const HISTORY = 100;
const MAX_NAME = 24;
const MAX_TEXT = 1000;

/** How many lines are recognised when they come again. */
const KNOWN = 10 * HISTORY;

/** How long changes of who is here are gathered, in milliseconds. */
const GATHER = 50;

/** The people of this server, and what they have in common with others. */
export class Room {
  /** The other servers, if there are any. */
  exchange: Exchange | undefined = undefined;
  readonly #members = new Map<Person, Send>();
  readonly #elsewhere = new Map<string, readonly Person[]>();
  readonly #known = new Set<string>();
  #lines: Line[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined = undefined;

  /** Who is here, on all servers. */
  get people(): Person[] {
    return [...this.#members.keys(), ...[...this.#elsewhere.values()].flat()]
      .sort((a, b) => a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1));
  }

  /** Lets somebody in, under a name that nobody else has. */
  join(wanted: string, send: Send): Person {
    const taken = new Set(this.people.map(({ name }) => name));
    let name = wanted;
    for (let i = 2; taken.has(name); i++) name = `${wanted} ${i}`;
    const person = { id: crypto.randomUUID(), name };
    this.#members.set(person, send);
    const lines = this.#lines;
    const { people } = this;
    send(JSON.stringify({ type: "welcome", you: person, people, lines }));
    this.#tell("joined", person, "");
    this.#membersChanged();
    return person;
  }

  /** Says goodbye to somebody. */
  leave(person: Person): void {
    if (!this.#members.delete(person)) return;
    this.#tell("left", person, "");
    this.#membersChanged();
  }

  /** Says something to everybody; gives why not, if it may not be said. */
  say(person: Person, said: string): string | undefined {
    const text = said.replace(/\r\n?/g, "\n").replace(/[^\P{Cc}\n\t]/gu, "")
      .trim();
    if (text === "") return "There is nothing to say.";
    if (text.length > MAX_TEXT) {
      return `That is too long: ${text.length} of ${MAX_TEXT} characters.`;
    }
    this.#tell("said", person, text);
    return undefined;
  }

  /** Takes a line, of this server or another; once, however often it comes. */
  receive(line: Line): void {
    if (this.#known.has(line.id)) return;
    this.#known.add(line.id);
    for (const id of this.#known) {
      if (this.#known.size <= KNOWN) break;
      this.#known.delete(id);
    }
    this.#lines = [...this.#lines, line].sort((a, b) => a.at - b.at)
      .slice(-HISTORY);
    this.#broadcast({ type: "line", line });
  }

  /** Takes who is on another server. */
  setElsewhere(server: string, people: readonly Person[]): void {
    const before = this.#elsewhere.get(server) ?? [];
    if (people.length === 0) this.#elsewhere.delete(server);
    else this.#elsewhere.set(server, people);
    if (JSON.stringify(before) !== JSON.stringify(people)) this.#gather();
  }

  /** Tells the other servers who is on this one. */
  tellPeople(): void {
    this.exchange?.people([...this.#members.keys()]);
  }

  #tell(kind: Line["kind"], by: Person, text: string): void {
    const line = { id: crypto.randomUUID(), at: Date.now(), kind, by, text };
    this.receive(line);
    this.exchange?.line(line);
  }

  #membersChanged(): void {
    this.tellPeople();
    this.#gather();
  }

  /** Tells everybody who is here: once, where many come and go. */
  #gather(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#broadcast({ type: "people", people: this.people });
    }, GATHER);
  }

  /** Sends something to everybody on this server, encoded once. */
  #broadcast(value: unknown): void {
    const message = JSON.stringify(value);
    const prepared = new PreparedMessage({ type: "text", message });
    for (const send of this.#members.values()) send(prepared);
  }
}

/** A name as it is shown: without what is invisible. `undefined` if it is none. */
export function nameOf(text: string | null): string | undefined {
  const name = (text ?? "").normalize("NFC").replace(/\p{C}/gu, "")
    .replace(/\s+/g, " ").trim();
  return name === "" || name.length > MAX_NAME ? undefined : name;
}
