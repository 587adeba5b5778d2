// Publishing without waiting for each confirm.

import { PublishRefusedError } from './errors.js'
import { Wait, asyncDispose } from './wait.js'

/**
 * `publish` resolves when there is room in the client's window and the message is on its way, and `flush` when all are
 * confirmed. So a loop that awaits each `publish` keeps the window full, and never holds more than that in memory.
 */
export class Publisher {
  #send
  #count = 0
  #confirmed = 0
  #unanswered = 0
  #refused = new Map()
  #flushing = []

  constructor(send) {
    this.#send = send
  }

  /** How many the server has confirmed. */
  get confirmed() {
    return this.#confirmed
  }

  /** Takes what `Client.publish` does; resolves to the message's number: 0, 1, 2 … */
  publish(routingKey, body, options) {
    return new Promise((resolve, reject) => {
      let number
      const sent = () => {
        number = this.#count++
        this.#unanswered += 1
        resolve(number)
      }
      this.#send(routingKey, body, options, sent).then(() => {
        this.#confirmed += 1
        this.#answered()
      }, (error) => {
        if (number === undefined) return reject(error) // it was not sent
        this.#refused.set(number, error)
        this.#answered()
      })
    })
  }

  #answered() {
    this.#unanswered -= 1
    if (this.#unanswered > 0) return
    for (const wait of this.#flushing.splice(0)) wait.resolve()
  }

  /**
   * Resolves when all that was published until now is confirmed.
   *
   * @throws {PublishRefusedError} with the numbers of those that were not, each with its error: refused, or a
   *   ConnectionLostError for what may have been published or not. They are told of once.
   */
  async flush({ signal } = {}) {
    if (this.#unanswered > 0) {
      const wait = new Wait({ signal })
      this.#flushing.push(wait)
      await wait.promise
    }
    if (this.#refused.size === 0) return
    const refused = this.#refused
    this.#refused = new Map()
    throw new PublishRefusedError(refused)
  }

  [asyncDispose]() {
    return this.flush()
  }
}
