// Promises that somebody else settles, and that a signal or the end of a time may reject.

/** What `await using` calls, also where Node does not know it yet. */
export const asyncDispose = Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')

const listeners = new WeakMap()

/**
 * Calls `listener` with the signal's reason when it aborts; returns what takes that back.
 *
 * All that wait for one signal share one event listener: Node takes more than ten for a leak, and a program may well
 * publish a thousand messages with one signal.
 */
export function onAbort(signal, listener) {
  let all = listeners.get(signal)
  if (all === undefined) {
    all = new Set()
    listeners.set(signal, all)
    signal.addEventListener('abort', () => {
      for (const one of [...all]) one(signal.reason)
    }, { once: true })
  }
  all.add(listener)
  return () => all.delete(listener)
}

/** The longest that a timer of Node waits. Beyond it, it would not wait at all. */
const TIMER_MAX = 2_147_483_647

/**
 * - signal: rejects with its reason. timeout: milliseconds; then `expired()` makes what it rejects with.
 * - abandoned: called when either of them did.
 */
export class Wait {
  isOver = false
  #resolve
  #reject
  #forget
  #timer

  constructor({ signal, timeout, expired, abandoned } = {}) {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.abandon = (error) => {
      if (!this.reject(error)) return
      abandoned?.(error)
    }
    if (signal?.aborted) {
      this.abandon(signal.reason)
      return
    }
    if (signal !== undefined) this.#forget = onAbort(signal, this.abandon)
    if (timeout <= TIMER_MAX) this.#timer = setTimeout(() => this.abandon(expired()), timeout)
  }

  /** False: it was over before. */
  resolve(value) {
    if (this.isOver) return false
    this.#end()
    this.#resolve(value)
    return true
  }

  reject(error) {
    if (this.isOver) return false
    this.#end()
    this.#reject(error)
    return true
  }

  #end() {
    this.isOver = true
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    this.#forget?.()
  }
}
