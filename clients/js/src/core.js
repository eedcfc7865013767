// What every other file uses: listeners by name, timers, the error.

/** What the relay or this client refuses. `code` is for programs. */
export class RelayError extends Error {
  constructor(code, message, topic) {
    super(message ?? code);
    this.name = 'RelayError';
    this.code = code;
    this.topic = topic;
  }
}

export const noop = () => {};

/** Listeners by name. One that throws hinders no other: its error is reported as an uncaught one. */
export class Emitter {
  #listeners = new Map();

  on(name, listener) {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  emit(name, ...values) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(...values);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

/** Calls `then` after so many milliseconds; gives what takes that back. In Node it does not keep the process running. */
export const after = (wait, then) => {
  // A longer wait would end at once.
  const timer = setTimeout(then, Math.min(wait, 2 ** 31 - 1));
  timer.unref?.();
  return () => clearTimeout(timer);
};
