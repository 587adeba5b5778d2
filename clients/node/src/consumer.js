// Messages of a queue, or records of a topic, as they come.

import { ClosedError, ConnectionLostError, NoAnswerError } from './errors.js'
import { Fifo } from './fifo.js'
import { Message } from './message.js'
import { encode, range } from './requests.js'
import { successor } from './text.js'
import { Wait, asyncDispose, onAbort } from './wait.js'

const END = { value: undefined, done: true }
const IDLE = Symbol('nothing came')

/** Positions in a topic as the protocol has them. */
export const positionOf = (from) => (from instanceof Date ? `@${from.getTime()}` : from)

/**
 * An async iterator, begun at once and taken up again when the connection was lost.
 *
 * The server sends so many messages ahead as `prefetch` says. Of a queue with acknowledgements it counts those that are
 * not settled. Where there are none, as of a topic, room is made as the program takes messages, so that none pile up
 * here however slow it is.
 */
export class Consumer {
  assignment
  generation
  #client
  #session
  #name
  #number
  #options
  #prefetch
  #idleTimeout
  #forgetSignal = () => {}
  #isTopic
  #isAuto
  #connection
  #started = new Wait()
  #ready = new Fifo()
  #waiting = new Fifo()
  #errors = []
  #closing // a promise, once it is over
  #taken = 0 // since room was made the last time
  #next = new Map() // by partition: the offset behind the last record that was handed out
  #cameBefore = new Map() // and, of a new connection, what came over the one before

  constructor(client, session, name, isTopic, options) {
    const { prefetch = 100, ack = 'manual', idleTimeout, signal, from, consumerTimeout, ...rest } = options
    if (ack !== 'manual' && ack !== 'auto') throw new TypeError(`ack is 'manual' or 'auto', not '${ack}'`)
    if (!Number.isInteger(prefetch) || prefetch < 1 || prefetch > 65_535) {
      throw new RangeError(`prefetch is ${prefetch}; it must be a whole number from 1 to 65,535`)
    }
    this.#client = client
    this.#session = session
    this.#name = name
    this.#isTopic = isTopic
    this.#isAuto = !isTopic && ack === 'auto'
    this.#prefetch = prefetch
    this.#idleTimeout = idleTimeout
    this.#number = session.nextNumber()
    this.#options = isTopic ? { ...rest, from: positionOf(from) } : { ...rest, timeout: consumerTimeout }
    encode('consume', [name], this.#plan()) // what is of no use is said now
    this.#started.promise.catch(() => {})
    if (signal?.aborted) {
      this.#abort(signal.reason)
      return
    }
    if (signal !== undefined) this.#forgetSignal = onAbort(signal, this.#abort)
    session.subscribe(this)
  }

  // What the program calls

  [Symbol.asyncIterator]() {
    return this
  }

  /** Resolves when the server has begun to send. */
  ready() {
    return this.#started.promise
  }

  /** The next message; several may be waited for at a time. */
  async next() {
    if (this.#ready.length > 0) return this.#hand(this.#ready.shift())
    if (this.#errors.length > 0) throw this.#errors.shift()
    if (this.#closing !== undefined) return END
    const wait = new Wait({ timeout: this.#idleTimeout, expired: () => IDLE })
    this.#waiting.push(wait)
    try {
      return await wait.promise
    } catch (error) {
      if (error !== IDLE) throw error
      await this.close()
      return END
    }
  }

  /** What `break` calls. */
  async return() {
    await this.close()
    return END
  }

  /** Takes no more messages, and gives back those that nobody has looked at. What is held can still be settled. */
  close() {
    if (this.#closing === undefined) this.#finish(() => this.#cancel())
    return this.#closing
  }

  [asyncDispose]() {
    return this.close()
  }

  /** Says that the group has read up to and with this record; resolves when that is on the disk. */
  commit(record, options) {
    const { group } = this.#options
    if (group === undefined) {
      return Promise.reject(new TypeError(`the reader of '${this.#name}' has no group to commit for`))
    }
    return this.#client.commit(this.#name, group, successor(record.offset), {
      ...options, partition: record.partition,
    })
  }

  /** Reads a topic on from there, in one partition or in all. What has come already is still handed out. */
  async seek(position, { partition, signal, timeout } = {}) {
    const words = [this.#number, positionOf(position)]
    await this.#session.ask({
      label: `seek in ${this.#name}`, parts: (tag) => [encode('seek', words, { partition }, tag)],
    }, { signal, timeout })
    this.#cameBefore.clear()
    if (partition !== undefined) {
      this.#next.delete(partition)
    } else {
      this.#next.clear()
      this.#options.from = positionOf(position)
    }
  }

  // What the session calls

  begin(connection) {
    this.#connection = connection
    this.#taken = 0
    if (this.#options.join !== undefined) this.#next.clear() // a member goes on where its group has committed
    this.#cameBefore = new Map(this.#next)
    connection.receive(this.#number, this)
    this.#tell(`consume ${this.#name}`, 'consume', [this.#name], this.#plan())
    for (const [partition, offset] of this.#next) {
      this.#tell(`seek in ${this.#name}`, 'seek', [this.#number, offset], { partition })
    }
  }

  lost() {
    // These come again; but those that were acknowledged as they were sent do not.
    if (!this.#isAuto) this.#ready.clear()
    this.#connection = undefined
  }

  ended(error) {
    this.#end(error instanceof ClosedError ? undefined : error)
  }

  // What the connection calls

  arrived(fields) {
    const { delivery, offset, partition } = fields
    if (this.#closing !== undefined) {
      this.#giveBack([delivery])
      return
    }
    if (this.#cameBefore.size > 0 && this.#cameBefore.has(partition)) {
      // It was on its way before the server knew where to go on.
      if (offset < this.#cameBefore.get(partition)) {
        this.#connection.ack(delivery)
        return
      }
      this.#cameBefore.delete(partition)
    }
    const held = this.#isTopic || this.#isAuto ? undefined : this.#connection
    const message = new Message(fields, this.#client, held)
    const wait = this.#waiter()
    if (wait === undefined) this.#ready.push(message)
    else wait.resolve(this.#hand(message))
  }

  assigned({ generation, partitions }) {
    this.generation = generation
    this.assignment = partitions
    // What was not handed out and is another's now, or comes again, is not for the program.
    for (const record of this.#ready.clear()) {
      const from = partitions.get(record.partition)
      if (from !== undefined && record.offset < from) this.#ready.push(record)
      else this.#connection.ack(record.delivery)
    }
  }

  failed(error) {
    if (error.code === 'damaged') {
      if (this.#isAuto) this.#makeRoom()
      this.#throw(error)
    } else {
      this.#connection?.receive(this.#number, undefined)
      this.#end(error)
    }
  }

  // Shared by the above

  #plan() {
    const flow = this.#isAuto
      ? { credit: this.#prefetch - this.#ready.length, ack: 'auto' }
      : { prefetch: this.#prefetch }
    return { c: this.#number, ...this.#options, ...flow }
  }

  #tell(label, verb, words, options) {
    const answer = this.#connection.call(label, (tag) => [encode(verb, words, options, tag)], this.#session.limits)
    answer.then(() => this.#started.resolve(), (error) => {
      // The session says what becomes of a consumer whose connection is lost.
      if (error instanceof ConnectionLostError) return
      if (!(error instanceof NoAnswerError)) return this.failed(error)
      // It may begin yet.
      this.#started.reject(error)
      this.#throw(error)
      this.close()
    })
  }

  #hand(message) {
    if (this.#isTopic) {
      this.#next.set(message.partition, successor(message.offset))
      this.#connection?.ack(message.delivery)
    } else if (this.#isAuto) {
      this.#makeRoom()
    }
    return { value: message, done: false }
  }

  #makeRoom() {
    this.#taken += 1
    if (this.#taken * 2 < this.#prefetch || this.#connection === undefined) return
    this.#connection.write([encode('credit', [this.#number, this.#taken])])
    this.#taken = 0
  }

  /** Whoever has waited longest, and still does. */
  #waiter() {
    while (this.#waiting.head?.isOver) this.#waiting.shift()
    return this.#waiting.shift()
  }

  #throw(error) {
    const wait = this.#waiter()
    if (wait === undefined) this.#errors.push(error)
    else wait.reject(error)
  }

  #end(error) {
    if (this.#closing !== undefined) return
    if (error !== undefined) this.#throw(error)
    this.#finish(async () => this.#dropUnseen(), error)
  }

  #abort = (reason) => {
    this.#throw(reason)
    this.close()
  }

  #finish(leave, error = new ClosedError(`the consumer of '${this.#name}' was closed`)) {
    this.#session.unsubscribe(this)
    this.#forgetSignal()
    this.#started.reject(error)
    this.#closing = leave()
    for (const wait of this.#waiting.clear()) wait.resolve(END)
  }

  async #cancel() {
    const [connection, number] = [this.#connection, this.#number]
    if (!connection?.isOpen) return
    const answer = connection.call(`cancel ${this.#name}`, (tag) => [encode('cancel', [number], undefined, tag)], {
      ...this.#session.limits, done: () => connection.receive(number, undefined),
    })
    this.#dropUnseen()
    try {
      await answer
    } catch {
      // Its queue was deleted, or the connection has ended: nothing comes of it any more.
    }
  }

  #dropUnseen() {
    const unseen = this.#ready.clear()
    if (!this.#isAuto) this.#giveBack(unseen.map(({ delivery }) => delivery))
  }

  /** Of a queue: to their places, and no attempt counts. A topic's records never left theirs. */
  #giveBack(deliveries) {
    if (this.#isAuto || !this.#connection?.isOpen) return
    for (let index = 0; index < deliveries.length;) {
      const first = deliveries[index]
      let last = first
      while (++index < deliveries.length && deliveries[index] === successor(last)) last = deliveries[index]
      const [verb, options] = this.#isTopic ? ['ack'] : ['fail', { end: 'cancelled', then: 'give-back' }]
      // A refusal says that they are not held any more, and so are back already.
      this.#connection.call(
        'give back', (tag) => [encode(verb, [range(first, last)], options, tag)], this.#session.limits).catch(() => {})
    }
  }
}
