type Listener = () => void;

/**
 * Tells a run that it is to end, once. The `AbortSignal` that handlers know is made when one asks for it: most never do, and
 * while it runs an operation would be larger by a kilobyte.
 */
export class OperationHalt {
  #reason: DOMException | undefined;
  #abort: AbortController | undefined;
  #listeners: Listener[] = [];

  /** Why it is to end; nothing while it is not. */
  get reason(): DOMException | undefined {
    return this.#reason;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#reason !== undefined) this.#abort.abort(this.#reason);
    }
    return this.#abort.signal;
  }

  /** The first reason counts. */
  now(why: string): void {
    if (this.#reason !== undefined) return;
    this.#reason = new DOMException(why, "AbortError");
    this.#abort?.abort(this.#reason);
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const each of listeners) each();
  }

  listen(listener: Listener): void {
    this.#listeners.push(listener);
  }

  leave(listener: Listener): void {
    this.#listeners = this.#listeners.filter((each) => each !== listener);
  }
}
