// Plays a scenario over a stream in memory, again and again: with an abort at
// each moment of it, and with a mishap at each step.

import { getEventListeners } from "node:events";
import { Clock, turn } from "./clock.ts";
import { type Mishap, type Plan, Steps } from "./steps.ts";
import type { Taker, Wire } from "./wires.ts";

/** What is played, between our end of a wire and a peer. */
export interface Scenario {
  readonly wire: (steps: Steps, taker: Taker) => Wire;
  /** The other end: takes what we write, and sends. */
  readonly peer: (stage: Stage) => Taker;
  /** What we do. */
  readonly play: (stage: Stage) => Promise<unknown>;
}

/** What became of a promise. */
export type Fate =
  | { readonly state: "pending" }
  | { readonly state: "fulfilled"; readonly value: unknown }
  | { readonly state: "rejected"; readonly reason: unknown };

/** Our promise to play a scenario, among those that are watched. */
export const PLAY = "the play";

/** A scenario that is being played, or was. */
export class Stage {
  readonly plan: Plan;
  readonly signal: AbortSignal;
  /** What the signal aborts with. */
  readonly reason = new Error("enough");
  readonly steps: Steps;
  readonly wire: Wire;
  /** What the scenario remembers, and what it did when the plan came about. */
  readonly notes: Set<string> = new Set();
  notesThen: ReadonlySet<string> = new Set();
  /** When all was settled, in milliseconds. */
  took = 0;
  readonly #controller = new AbortController();
  readonly #fates = new Map<string, Fate>();

  constructor({ wire, peer }: Scenario, plan: Plan) {
    this.plan = plan;
    this.signal = this.#controller.signal;
    this.steps = new Steps(plan, () => {
      this.notesThen = new Set(this.notes);
      if (plan?.kind === "abort") this.abort();
      if (plan?.kind === "cut") this.wire.fail(this.steps.failure);
      if (plan?.kind === "hang up") this.wire.hangUp();
    });
    let take: Taker = () => {};
    this.wire = wire(this.steps, (bytes) => take(bytes));
    take = peer(this);
  }

  abort(): void {
    this.#controller.abort(this.reason);
  }

  /** Remembers what becomes of a promise, which is given back. */
  watch<T>(name: string, promise: Promise<T>): Promise<T> {
    const settle = (fate: Fate) => {
      this.#fates.set(name, fate);
      if (this.all("pending").length === 0) this.steps.end();
    };
    this.#fates.set(name, { state: "pending" });
    promise.then(
      (value) => settle({ state: "fulfilled", value }),
      (reason) => settle({ state: "rejected", reason }),
    );
    return promise;
  }

  /** What became of a promise that is watched. */
  fate(name: string): Fate {
    return this.#fates.get(name) ?? { state: "pending" };
  }

  /** Those that have come to this. */
  all<S extends Fate["state"]>(state: S): [string, Fate & { state: S }][] {
    return [...this.#fates].filter(
      (entry): entry is [string, Fate & { state: S }] =>
        entry[1].state === state,
    );
  }
}

/**
 * Plays a scenario until every promise is settled. Throws if one never is, and
 * if a timer, a listener or a rejection that nobody handles is left.
 */
export async function play(scenario: Scenario, plan?: Plan): Promise<Stage> {
  using clock = new Clock();
  const unhandled: unknown[] = [];
  const onUnhandled = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    unhandled.push(event.reason);
  };
  addEventListener("unhandledrejection", onUnhandled);
  try {
    const stage = new Stage(scenario, plan);
    stage.watch(PLAY, scenario.play(stage));
    for (;;) {
      await turn();
      const pending = stage.all("pending").map(([name]) => name);
      if (pending.length === 0) break;
      stage.steps.mark("a timer goes off");
      if (!clock.advance()) throw new Error(`Pending for ever: ${pending}`);
    }
    stage.took = clock.now;
    await turn();
    if (unhandled.length > 0) throw unhandled[0];
    const listeners = getEventListeners(stage.signal, "abort").length;
    const left = clock.pending + listeners;
    if (left > 0) throw new Error(`${left} timers or listeners are left`);
    if (plan !== undefined && !stage.steps.hasHappened) {
      throw new Error("What was planned did not come about");
    }
    return stage;
  } finally {
    removeEventListener("unhandledrejection", onUnhandled);
  }
}

/** Plays a scenario with an abort after each microtask of it, and checks. */
export async function abortEverywhere(
  scenario: Scenario,
  check: (stage: Stage) => void,
): Promise<void> {
  const { steps: { marks } } = await play(scenario);
  for (const [mark, { name, ticks }] of marks.entries()) {
    for (let tick = 0; tick <= ticks; tick++) {
      const plan = { kind: "abort", mark, ticks: tick } as const;
      await at(`aborted ${tick} microtasks after ${name}`, async () => {
        check(await play(scenario, plan));
      });
    }
  }
}

/** Plays a scenario with a mishap at each step of it, and checks. */
export async function failEverywhere(
  kind: Mishap,
  scenario: Scenario,
  check: (stage: Stage, step: string) => void,
): Promise<void> {
  const { steps: { names } } = await play(scenario);
  for (const [step, name] of names.entries()) {
    await at(`${kind} at step ${step}, ${name}`, async () => {
      check(await play(scenario, { kind, step }), name);
    });
  }
}

async function at(where: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    const what = error instanceof Error ? error.message : `${error}`;
    throw new Error(`${where}: ${what}`, { cause: error });
  }
}
