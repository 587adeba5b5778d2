// A message as it comes from the server, and what a program says became of it.

import { encode } from './requests.js'

// Of what is said of a failed attempt, so much is kept; the server takes 8,192 bytes of both together.
const STORY_MAX = 4_000

/** At most so many bytes of a text. */
const cut = (text) => (text === undefined ? undefined : Buffer.from(text).toString('utf8', 0, STORY_MAX))

/**
 * A message of a queue, or a record of a topic.
 *
 * What belongs to a connection is settled once, with `ack`, `nack`, `retry` or `reject`. Each returns true, or false if
 * the connection is lost over which the message came: the server then gives it to a consumer again.
 */
export class Message {
  #held // the connection that is to be told; undefined: nothing is to be said
  #client
  #isSettled = false
  #rawHeaders
  #rawKey
  #headers

  constructor(fields, client, held) {
    this.offset = fields.offset
    this.partition = fields.partition
    this.delivery = fields.delivery
    this.body = fields.body
    this.hasValue = fields.hasValue
    this.timestamp = fields.timestamp
    this.redelivered = fields.releases !== undefined
    this.failures = fields.releases ?? 0
    this.#rawHeaders = fields.rawHeaders
    this.#rawKey = fields.rawKey
    this.#client = client
    this.#held = held
  }

  text() {
    return this.body.toString()
  }

  json() {
    return JSON.parse(this.body.toString())
  }

  get key() {
    return this.#rawKey?.toString()
  }

  get rawKey() {
    return this.#rawKey
  }

  get headers() {
    this.#headers ??= Object.assign(Object.create(null), Object.fromEntries(
      this.#rawHeaders.map(([name, value]) => [name.toString(), value.toString()])))
    return this.#headers
  }

  get rawHeaders() {
    return this.#rawHeaders
  }

  get messageId() {
    return this.headers['cola-message-id']
  }

  get replyTo() {
    return this.headers['cola-reply-to']
  }

  get correlationId() {
    return this.headers['cola-correlation-id']
  }

  get priority() {
    return Number(this.headers['cola-priority'] ?? 0)
  }

  get exchange() {
    return this.headers['cola-exchange']
  }

  get routingKey() {
    return this.headers['cola-routing-key']
  }

  /** Done: the queue deletes it. Of what needs no acknowledgement it is true already. */
  ack() {
    return this.#held === undefined || this.#settle(() => this.#held.ack(this.delivery))
  }

  /** Back to the queue: as its `retry` says, or at once to its place. */
  nack({ delay } = {}) {
    return this.#say('nack', { delay })
  }

  /** A failed attempt: to be tried again, later. A `retry` of the queue goes before what is said here. */
  retry({ delay = 1_000, attempts = 5, reason, output } = {}) {
    return this.#say('fail', {
      end: 'refused', then: 'retry', delay, attempts, default: true, detail: cut(reason), output: cut(output),
    })
  }

  /** Not to be delivered again: a dead letter, if the queue says where those go. */
  reject({ reason, output } = {}) {
    if (reason === undefined && output === undefined) return this.#say('reject')
    return this.#say('fail', { end: 'refused', then: 'bury', detail: cut(reason), output: cut(output) })
  }

  /** Publishes an answer to whoever asked; where nobody waits for it any more it is dropped. */
  async reply(body, options = {}) {
    const { replyTo, correlationId } = this
    if (replyTo === undefined) throw new TypeError(`${this.#name} asks for no answer: it has no replyTo`)
    await this.#client.publish(replyTo, body, { ...options, correlationId, mandatory: false })
  }

  #say(verb, options) {
    if (this.#held === undefined) throw new TypeError(`${this.#name} is not held: there is nothing to ${verb}`)
    const line = encode(verb, [this.delivery], options)
    return this.#settle(() => this.#held.write([line]))
  }

  #settle(tell) {
    if (this.#isSettled) throw new TypeError(`${this.#name} was settled already`)
    this.#isSettled = true
    if (!this.#held.isOpen) return false
    tell()
    return true
  }

  get #name() {
    return `the message with offset ${this.offset}`
  }
}
