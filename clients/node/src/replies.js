// Asking and answering: one queue for answers on each connection, made when the first question is asked.

import { valueOf } from './decoder.js'
import { ConnectionLostError, NoAnswerError } from './errors.js'
import { Message } from './message.js'
import { encode } from './requests.js'
import { Wait } from './wait.js'

export class Replies {
  #client
  #session
  #number
  #queue // waits for its name, on the connection that is there or the next
  #asked = new Map() // what is waited for, by correlation id
  #count = 0

  constructor(client, session) {
    this.#client = client
    this.#session = session
  }

  /** Publishes a question, and resolves to the message that answers it. */
  ask(routingKey, body, { signal, timeout = this.#session.timeout, ...options } = {}) {
    const isFirst = this.#queue === undefined
    if (isFirst) this.#expectQueue()
    const queue = this.#queue
    if (isFirst) {
      this.#number = this.#session.nextNumber()
      this.#session.subscribe(this)
    }
    const correlationId = String(++this.#count)
    const wait = new Wait({
      signal, timeout,
      expired: () => new NoAnswerError(`nobody has answered what was asked of '${routingKey}' within ${timeout} ms`),
      abandoned: () => this.#asked.delete(correlationId),
    })
    if (!wait.isOver) {
      this.#asked.set(correlationId, wait)
      const asked = queue.promise.then((replyTo) => {
        // Nobody waits for it any more, or the connection was lost meanwhile, and its queue with it.
        if (!wait.isOver) return this.#client.publish(routingKey, body, { ...options, replyTo, correlationId })
      })
      asked.catch((error) => wait.abandon(error))
    }
    return wait.promise
  }

  #expectQueue() {
    this.#queue = new Wait()
    this.#queue.promise.catch(() => {})
  }

  // What the session calls

  async begin(connection) {
    const queue = this.#queue
    try {
      const declare = (tag) => [encode('declare', ['queue', ''], { exclusive: true }, tag)]
      const { ok } = await connection.call('declare a queue for answers', declare, this.#session.limits)
      const name = valueOf(ok, 'name')
      connection.receive(this.#number, this)
      const consume = (tag) => [encode('consume', [name], { c: this.#number, ack: 'auto' }, tag)]
      await connection.call('consume answers', consume, this.#session.limits)
      queue.resolve(name)
    } catch (error) {
      // Of a lost connection the session tells, and what was asked may wait for the next.
      if (!(error instanceof ConnectionLostError)) this.ended(error)
    }
  }

  lost() {
    this.#rejectAll(new ConnectionLostError('the connection has ended, and the queue for answers with it'))
    if (this.#queue.isOver) this.#expectQueue()
  }

  ended(error) {
    this.#session.unsubscribe(this)
    this.#rejectAll(error)
    this.#queue?.reject(error)
    this.#queue = undefined // the next question tries again
  }

  #rejectAll(error) {
    for (const wait of [...this.#asked.values()]) wait.abandon(error)
  }

  // What the connection calls

  arrived(fields) {
    const message = new Message(fields, this.#client, undefined)
    const wait = this.#asked.get(message.correlationId)
    this.#asked.delete(message.correlationId)
    wait?.resolve(message)
  }

  failed(error) {
    this.ended(error)
  }
}
