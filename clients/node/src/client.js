// What a program can ask of a server.

import { EventEmitter } from 'node:events'

import { Address, Greeting, takeToken } from './address.js'
import { Consumer } from './consumer.js'
import { gotten, valueOf } from './decoder.js'
import { ClosedError, ConnectionLostError, ProtocolError, TooLargeError } from './errors.js'
import { Message } from './message.js'
import { Publisher } from './publisher.js'
import { Replies } from './replies.js'
import { bodyOf, encode, pub, pubs } from './requests.js'
import { Session } from './session.js'
import { Wait, asyncDispose } from './wait.js'
import { Window } from './window.js'

const open = Symbol('open')

// What does no more when it is asked twice than when once; so it is, when a connection was lost on the way.
const repeatable = new Set(
  ['ping', 'declare', 'alter', 'policy', 'bind', 'peek', 'commit', 'list', 'describe', 'why', 'stat'])

/** Connects to a server. cola.d.ts says what each option and each method means. */
export async function connect(url, options = {}) {
  if (typeof url === 'object' && url !== null && !(url instanceof URL)) [url, options] = [undefined, url]
  const client = new Client(url === undefined ? undefined : String(url), options)
  await client[open](options.signal)
  return client
}

/** The body of an answer that is JSON. */
function json({ ok }) {
  try {
    return JSON.parse(ok.body.toString())
  } catch (problem) {
    throw new ProtocolError('an answer should have a body of JSON', { cause: problem })
  }
}

const numberOf = (name) => ({ ok }) => Number(valueOf(ok, name) ?? 0)
const nothing = () => undefined

class Client extends EventEmitter {
  #session
  #window
  #replies
  #closing

  constructor(url, options) {
    super()
    const { reconnect = true, timeout = 30_000, window = 1_000, windowBytes = 16_777_216 } = options
    const address = new Address(url)
    // Over a Unix socket the kernel tells when the other side has gone.
    const heartbeat = options.heartbeat ?? (address.path === undefined ? 60 : 0)
    const token = options.token ?? (url === undefined ? takeToken() : undefined)
    const greeting = new Greeting(address, { ...options, heartbeat, token })
    this.#window = new Window(window, windowBytes)
    const tell = (event, ...said) => this.emit(event, ...said)
    this.#session = new Session(address, greeting, { reconnect, timeout }, tell)
    this.#replies = new Replies(this, this.#session)
  }

  async [open](signal) {
    await this.#session.open(signal)
  }

  get #welcome() {
    return this.#session.connection.welcome
  }

  get server() { return this.#welcome.server }
  get user() { return this.#welcome.user }
  get isAdmin() { return this.#welcome.isAdmin }
  get features() { return this.#welcome.features }
  get bodyMax() { return this.#welcome.bodyMax }
  get isConnected() { return this.#session.connection.isOpen }
  get blocked() { return this.#session.connection.blocked }

  // Queues, topics, exchanges

  declareQueue(name = '', options) {
    return this.#ask('declare', ['queue', name], options, ({ ok }) => (
      { name: valueOf(ok, 'name') ?? name, messages: Number(valueOf(ok, 'ready') ?? 0) }))
  }

  declareTopic(name, options) {
    return this.#ask('declare', ['topic', name], options)
  }

  declareExchange(name, options) {
    return this.#ask('declare', ['exchange', name], options)
  }

  deleteQueue(name, options) {
    return this.#ask('delete', ['queue', name], options, numberOf('messages'))
  }

  deleteTopic(name, options) {
    return this.#ask('delete', ['topic', name], options, numberOf('messages'))
  }

  deleteExchange(name, options) {
    return this.#ask('delete', ['exchange', name], options)
  }

  deleteGroup(topic, group, options) {
    return this.#ask('delete', ['group', topic, group], options)
  }

  bind(exchange, name, options) {
    return this.#ask('bind', [exchange, name], options)
  }

  unbind(exchange, name, options) {
    return this.#ask('unbind', [exchange, name], options)
  }

  alter(name, options) {
    return this.#ask('alter', [name], options)
  }

  setPolicy(name, options) {
    return this.#ask('policy', [name], options)
  }

  clearPolicy(name, options) {
    return this.#ask('unpolicy', [name], options)
  }

  purge(name, options) {
    return this.#ask('purge', [name], options, numberOf('messages'))
  }

  redrive(name, options) {
    // With a rate it may take any time.
    return this.#ask('redrive', [name], { timeout: Infinity, ...options }, numberOf('messages'))
  }

  // Publishing

  publish(routingKey, body, options) {
    return this.#publish(routingKey, body, options)
  }

  publishMany(routingKey, bodies, options) {
    return this.#publish(routingKey, bodies, options, undefined, true)
  }

  publisher() {
    return new Publisher((...message) => this.#publish(...message))
  }

  /** Resolves to false if it was taken before, by its id. `sent` is told when it is on its way. */
  async #publish(routingKey, given, said = {}, sent = undefined, isMany = false) {
    const { signal, timeout = this.#session.timeout, retry = false, ...options } = said
    if (this.#closing) throw closed()
    if (retry && options.messageId === undefined) {
      throw new TypeError('what is to be published again needs a messageId, by which the server knows it again')
    }
    const body = isMany ? Array.from(given, bodyOf) : given === null ? null : bodyOf(given)
    const size = isMany ? body.reduce((sum, { length }) => sum + length, 0) : body?.length ?? 0
    if (size > this.bodyMax) {
      throw new TooLargeError(`${size} bytes are published; the server allows at most ${this.bodyMax} (its body-max)`)
    }
    const parts = (tag) => (isMany ? pubs : pub)(routingKey, body, options, tag)
    parts(0) // what is of no use is said now
    for (;;) {
      const room = this.#window.enter(size, { signal, timeout })
      if (room !== undefined) await room
      const label = `publish to ${options.exchange ?? routingKey}`
      const answer = this.#session.ask(
        { label, parts, done: () => this.#window.leave(size) }, { signal, timeout })
      sent?.()
      sent = undefined
      try {
        return valueOf((await answer).ok, 'duplicate') !== 'yes'
      } catch (error) {
        if (!retry || !(error instanceof ConnectionLostError) || !this.#session.reconnects) throw error
      }
    }
  }

  request(routingKey, body, options) {
    return this.#closing ? Promise.reject(closed()) : this.#replies.ask(routingKey, body, options)
  }

  // Consuming

  consume(queue, options = {}) {
    if (this.#closing) throw closed()
    return new Consumer(this, this.#session, queue, false, options)
  }

  read(topic, options = {}) {
    if (this.#closing) throw closed()
    return new Consumer(this, this.#session, topic, true, options)
  }

  get(queue, { ack = 'manual', ...options } = {}) {
    const read = ({ ok, connection }) => {
      const fields = gotten(ok)
      return fields && new Message(fields, this, ack === 'manual' ? connection : undefined)
    }
    // One that comes when nobody waits for it goes back to its place.
    const late = ({ ok, connection }) => {
      const delivery = gotten(ok)?.delivery
      if (delivery) connection.write([encode('fail', [delivery], { end: 'cancelled', then: 'give-back' })])
    }
    return this.#ask('get', [queue], { ack, ...options }, read, late)
  }

  peek(name, options) {
    return this.#ask('peek', [name], options, ({ messages }) => messages.map((fields) => new Message(fields, this)))
  }

  async * browse(name, { signal, partition } = {}) {
    let position = { from: 0 }
    while (position !== undefined) {
      const { messages, ok } = await this.#ask(
        'peek', [name], { ...position, count: 1_000, partition, signal }, (answer) => answer)
      for (const fields of messages) yield new Message(fields, this)
      const [from, priority] = [valueOf(ok, 'next'), valueOf(ok, 'priority')]
      position = from === undefined ? undefined : { from, priority: partition === undefined ? priority : undefined }
    }
  }

  commit(topic, group, offset, options) {
    return this.#ask('commit', [topic, group, offset], options)
  }

  // Looking inside

  list(kind, options) {
    return this.#ask('list', [kind], options, json)
  }

  describe(kind, ...names) {
    const options = typeof names.at(-1) === 'object' ? names.pop() : undefined
    return this.#ask('describe', [kind, ...names], options, json)
  }

  why(queue, offset, options) {
    return this.#ask('why', offset === undefined ? [queue] : [queue, offset], options, json)
  }

  stat(options) {
    return this.#ask('stat', [], options, json)
  }

  ping(options) {
    return this.#ask('ping', [], options)
  }

  command(verb, words, options) {
    return this.#ask(verb, words, options, ({ ok }) => (
      { options: Object.fromEntries(ok.options.map(([name, value]) => [name, value.toString()])), body: ok.body }))
  }

  // The end

  close() {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [asyncDispose]() {
    return this.close()
  }

  async #close() {
    const { timeout } = this.#session
    const end = performance.now() + timeout
    // What is being published may still be confirmed, unless nobody is there to do so.
    if (this.isConnected) {
      const limit = new Wait({ timeout, expired: nothing })
      await Promise.race([this.#window.idle(), limit.promise.catch(nothing)])
      limit.resolve()
    }
    await this.#session.close(Math.max(0, end - performance.now()))
  }

  async #ask(verb, words, { signal, timeout, ...options } = {}, read = nothing, late = undefined) {
    if (this.#closing) throw closed()
    const parts = (tag) => [encode(verb, words, options, tag)]
    parts(0) // what is of no use is said now, and not when the connection is there again
    const isRepeatable = repeatable.has(verb) && words[1] !== ''
    return read(await this.#session.ask({ label: [verb, ...words].join(' '), parts, late, isRepeatable }, {
      signal, timeout,
    }))
  }
}

const closed = () => new ClosedError('the client was closed by its program')
