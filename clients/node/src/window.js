// How much may be published and not yet confirmed.

import { NoAnswerError } from './errors.js'
import { Fifo } from './fifo.js'
import { Wait } from './wait.js'

/** Lets messages in, in their turn, while there are fewer than `count` and `bytes` inside; one always. */
export class Window {
  #count
  #bytes
  #inside = 0
  #bytesInside = 0
  #waiting = new Fifo()
  #idle = []

  constructor(count, bytes) {
    this.#count = count
    this.#bytes = bytes
  }

  /** A promise if there is no room yet, which is rejected with `signal` and `timeout`. */
  enter(size, limits) {
    if (this.#waiting.length === 0 && this.#hasRoom(size)) {
      this.#admit(size)
      return undefined
    }
    const wait = new Wait({
      ...limits,
      expired: () => new NoAnswerError(`nothing was confirmed for so long that ${limits.timeout} ms were over`),
      abandoned: () => this.#admitWaiting(),
    })
    this.#waiting.push({ wait, size })
    return wait.promise
  }

  leave(size) {
    this.#inside -= 1
    this.#bytesInside -= size
    this.#admitWaiting()
  }

  /** Resolves when nothing is inside or waits. */
  async idle() {
    if (this.#inside > 0 || this.#waiting.length > 0) await new Promise((resolve) => this.#idle.push(resolve))
  }

  #hasRoom(size) {
    return this.#inside === 0 || (this.#inside < this.#count && this.#bytesInside + size <= this.#bytes)
  }

  #admit(size) {
    this.#inside += 1
    this.#bytesInside += size
  }

  #admitWaiting() {
    for (let next; (next = this.#waiting.head) && (next.wait.isOver || this.#hasRoom(next.size));) {
      this.#waiting.shift()
      if (next.wait.resolve()) this.#admit(next.size)
    }
    if (this.#inside > 0) return
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}
