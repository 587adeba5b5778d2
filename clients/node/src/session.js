// The connection of a client, and the next one when it is lost.

import { setTimeout as pause } from 'node:timers/promises'

import { Connection } from './connection.js'
import { ClosedError, ConnectionLostError, NoAnswerError, UnreachableError } from './errors.js'
import { Wait } from './wait.js'

/**
 * How to connect again: the first attempt at once, then after waits that grow from `first` by `factor` to `most`, each
 * shorter by up to its `jitter` at random, so that not all clients come back in step. Milliseconds.
 */
const patience = { first: 50, factor: 2, most: 5_000, jitter: 0.5, giveUpAfter: Infinity }

/** - emit: tells the program: `disconnected`, `reconnected`, `ended`, `blocked`, `unblocked`, `refused`. */
export class Session {
  connection
  timeout
  #address
  #greeting
  #policy
  #emit
  #number = 0
  #over // why there is no connection any more, nor will be
  #isClosing = false
  #waiting = []
  #subscriptions = new Set()
  #closing = new AbortController()

  constructor(address, greeting, { reconnect = true, timeout }, emit) {
    this.#address = address
    this.#greeting = greeting
    this.#policy = reconnect ? { ...patience, ...(reconnect === true ? {} : reconnect) } : undefined
    this.#emit = emit
    this.timeout = timeout
  }

  async open(signal) {
    this.connection = await this.#connect({ signal, timeout: this.timeout })
  }

  async #connect(limits) {
    const connection = await Connection.open(this.#address, this.#greeting.next(), this, limits)
    if (!connection.isOpen) throw new UnreachableError('the server said hello, and closed the connection')
    return connection
  }

  get reconnects() {
    return this.#policy !== undefined && this.#over === undefined && !this.#isClosing
  }

  /** How long to wait for an answer that the program does not wait for. */
  get limits() {
    return { timeout: this.timeout }
  }

  /** A number for a consumer, on whichever connection. */
  nextNumber() {
    return ++this.#number
  }

  /** A promise of a connection.
   *
   * @throws {ColaError} why there will be none */
  async #live(limits) {
    if (this.#over) throw this.#over
    const wait = new Wait({
      ...limits,
      expired: () => new NoAnswerError(`${this.#address.shown} is still being connected to again`),
    })
    this.#waiting.push(wait)
    return wait.promise
  }

  /**
   * Asks, once the connection is there; once more over the next one, if that does no more than asking once.
   *
   * - request: `label`, `parts` and perhaps `late` and `done` as those of `Connection.call`; `isRepeatable`.
   */
  async ask(request, { signal, timeout = this.timeout } = {}) {
    const { label, parts, late, done, isRepeatable } = request
    const end = performance.now() + timeout
    const limits = { signal, timeout, late, done }
    for (;;) {
      try {
        while (!this.connection.isOpen) await this.#live(limits)
      } catch (error) {
        done?.()
        throw error
      }
      try {
        return await this.connection.call(label, parts, limits)
      } catch (error) {
        if (!(error instanceof ConnectionLostError) || !isRepeatable || !this.reconnects) throw error
      }
      limits.timeout = Math.max(0, end - performance.now())
    }
  }

  /** Has `begin(connection)`, `lost()` and `ended(error)` of it called, with this connection and the next. */
  subscribe(subscription) {
    if (this.#over) return subscription.ended(this.#over)
    this.#subscriptions.add(subscription)
    if (this.connection.isOpen) subscription.begin(this.connection)
  }

  unsubscribe(subscription) {
    this.#subscriptions.delete(subscription)
  }

  // What a connection calls

  lost(connection, error) {
    if (connection !== this.connection || this.#over || this.#isClosing) return
    if (this.#policy === undefined) {
      this.#end(error)
      return
    }
    for (const subscription of this.#subscriptions) subscription.lost()
    this.#reconnect()
    this.#emit('disconnected', error)
  }

  blocked(sentence) {
    if (sentence === undefined) this.#emit('unblocked')
    else this.#emit('blocked', sentence)
  }

  refused(error) {
    this.#emit('refused', error)
  }

  async #reconnect() {
    const { first, factor, most, jitter, giveUpAfter } = this.#policy
    const { signal } = this.#closing
    const begun = performance.now()
    for (let longest = first; ; longest = Math.min(most, longest * factor)) {
      try {
        this.connection = await this.#connect({ signal, timeout: this.timeout })
        break
      } catch (error) {
        if (this.#over) return
        const wait = longest * (1 - jitter * Math.random())
        if (!error.retryable || performance.now() + wait > begun + giveUpAfter) {
          this.#end(error)
          return
        }
        await pause(wait, undefined, { signal }).catch(() => {})
        if (this.#over) return
      }
    }
    for (const subscription of [...this.#subscriptions]) subscription.begin(this.connection)
    for (const wait of this.#waiting.splice(0)) wait.resolve()
    this.#emit('reconnected')
  }

  /** Takes leave, when the server has answered what it was asked before. */
  async close(timeout) {
    this.#isClosing = true
    const closed = new ClosedError('the client was closed by its program')
    for (const subscription of [...this.#subscriptions]) subscription.ended(closed)
    if (this.connection.isOpen) await this.connection.quit(timeout)
    this.#end(closed)
  }

  #end(error) {
    if (this.#over) return
    this.#over = error
    this.#closing.abort()
    for (const wait of this.#waiting.splice(0)) wait.reject(error)
    for (const subscription of [...this.#subscriptions]) subscription.ended(error)
    this.#subscriptions.clear()
    if (!(error instanceof ClosedError)) this.#emit('ended', error)
  }
}
