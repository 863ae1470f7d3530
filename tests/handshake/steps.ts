// The steps that are taken with a stream, one by one: for a test to abort, or to
// let the stream fail, at each of them in turn.

/** What is to happen, and when; `undefined` for nothing. */
export type Plan =
  | undefined
  /** The signal aborts so many microtasks after a step has begun or ended. */
  | { readonly kind: "abort"; readonly mark: number; readonly ticks: number }
  | { readonly kind: Mishap; readonly step: number };

/** What becomes of a stream at a step. */
export type Mishap =
  /** All that is done with it fails, from then on. */
  | "cut"
  /** What is done then fails, and nothing else. */
  | "slip"
  /** Nothing comes to its end any more. */
  | "freeze"
  /** Nothing more is sent to us. */
  | "hang up";

/** For so many microtasks after the last step something is tried. */
const MOST_TICKS = 64;

/** Counts what is done with a stream, and lets happen what is planned. */
export class Steps {
  /** When a step began or ended, and how many microtasks later the next did. */
  readonly marks: { readonly name: string; ticks: number }[] = [];
  readonly failure = new Error("the wire was cut");
  readonly #plan: Plan;
  readonly #onEvent: () => void;
  readonly #frozen = new Set<PromiseWithResolvers<never>>();
  readonly #names: string[] = [];
  #hasHappened = false;
  #isBroken = false;
  #isEnded = false;

  constructor(plan: Plan, onEvent: () => void) {
    this.#plan = plan;
    this.#onEvent = onEvent;
  }

  /** What has been done, in order. */
  get names(): readonly string[] {
    return this.#names;
  }

  /** Whether what is planned has happened. */
  get hasHappened(): boolean {
    return this.#hasHappened;
  }

  /**
   * Does one step, at once. If it is `ours` and not the stream's, it goes well
   * also where that does not any more.
   */
  take<T>(
    name: string,
    work: () => T | Promise<T>,
    ours = false,
  ): T | Promise<T> {
    const step = this.#names.push(name) - 1;
    this.mark(`${name} begins`);
    const plan = this.#plan;
    if (plan !== undefined && plan.kind !== "abort") {
      const isIt = step === plan.step;
      if (isIt) this.#happen();
      if (plan.kind === "hang up") return this.#end(name, work());
      // What is wrong with the stream stays so.
      if (isIt && !ours && plan.kind !== "slip") this.#isBroken = true;
      if (isIt || this.#isBroken && !ours) {
        if (plan.kind !== "freeze") throw this.failure;
        const frozen = Promise.withResolvers<never>();
        if (!ours) this.#frozen.add(frozen);
        return frozen.promise;
      }
    }
    return this.#end(name, work());
  }

  /** Ends what is frozen. */
  thaw(error: unknown): void {
    for (const { reject } of this.#frozen) reject(error);
  }

  /** Says that nothing is left to happen. */
  end(): void {
    this.#isEnded = true;
  }

  #end<T>(name: string, result: T | Promise<T>): T | Promise<T> {
    if (result instanceof Promise) {
      return result.then((value) => this.#end(name, value));
    }
    this.mark(`${name} ends`);
    return result;
  }

  #happen(): void {
    this.#hasHappened = true;
    this.#onEvent();
  }

  /** Counts the microtasks from here to the next such call. */
  async mark(what: string): Promise<void> {
    const plan = this.#plan;
    const mark = { name: `${this.marks.length} (${what})`, ticks: 0 };
    const index = this.marks.push(mark) - 1;
    const isIt = plan?.kind === "abort" && plan.mark === index;
    for (;; mark.ticks++) {
      if (isIt && mark.ticks === plan.ticks) return this.#happen();
      const isLast = this.marks.length === index + 1;
      if (!isIt && (this.#isEnded || !isLast)) return;
      if (mark.ticks === MOST_TICKS) return;
      await undefined;
    }
  }
}
