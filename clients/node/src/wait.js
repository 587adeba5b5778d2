// Promises that somebody else settles, and that a signal or the end of a time may reject.

/** What `await using` calls, also where Node does not know it yet. */
export const asyncDispose = Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')

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
  #signal
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
    if (signal !== undefined) {
      this.#signal = signal
      signal.addEventListener('abort', this)
    }
    if (timeout <= TIMER_MAX) this.#timer = setTimeout(() => this.abandon(expired()), timeout)
  }

  /** What a signal calls. */
  handleEvent() {
    this.abandon(this.#signal.reason)
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
    this.#signal?.removeEventListener('abort', this)
  }
}
