// One connection to a server, from its hello to its end.

import { Decoder, valueOf } from './decoder.js'
import {
  ColaError, ConnectionLostError, NoAnswerError, ProtocolError, TooLargeError, UnreachableError,
} from './errors.js'
import { Outbox } from './outbox.js'
import { errorFor } from './refusal.js'
import { encode } from './requests.js'
import { Wait } from './wait.js'

// What a server takes before it has said more.
const FIRST_LINE_MAX = 8_192

/** What a server has said of itself. */
function welcomeOf(ok) {
  const number = (name, otherwise) => Number(valueOf(ok, name) ?? otherwise)
  return {
    server: valueOf(ok, 'server') ?? '', user: valueOf(ok, 'user') ?? '', isAdmin: valueOf(ok, 'admin') === 'yes',
    features: new Set((valueOf(ok, 'features') ?? '').split(',')),
    heartbeat: number('heartbeat', 0), lineMax: number('line', 65_536), bodyMax: number('body', 16_777_216),
  }
}

/**
 * Requests go out, and each answer settles the promise of its request; messages go to the receiver of their consumer.
 *
 * - listener: `lost(connection, error)`, `blocked(sentence)` (undefined: no longer) and `refused(error)` (of an
 *   acknowledgement or credit, which nobody waits for).
 */
export class Connection {
  isOpen = true
  blocked
  welcome
  #name
  #socket
  #outbox
  #listener
  #decoder = new Decoder()
  #calls = new Map() // by their tags, the oldest first
  #oldest = 1 // the tag of the next answer
  #nextTag = 1
  #receivers = new Map()
  #peeked = []
  #farewell
  #isConnected = false
  #problem
  #heart
  #silent = 0 // how many beats of our own heart ago something came
  #quiet = 0 // and something was written

  /**
   * Connects and says hello.
   *
   * @throws {ColaError} nothing answers there, or it does not let us in
   */
  static async open(address, hello, listener, limits) {
    const connection = new Connection(address, listener)
    try {
      const { ok } = await connection.call('hello', (tag) => [encode('hello', [1], hello, tag)], limits)
      connection.welcome = welcomeOf(ok)
      connection.#beat(connection.welcome.heartbeat)
      return connection
    } catch (error) {
      connection.lose(error)
      throw connection.#reason instanceof ColaError && error instanceof ConnectionLostError ? connection.#reason : error
    }
  }

  #reason

  constructor(address, listener) {
    this.#name = address.shown
    this.#listener = listener
    const socket = (this.#socket = address.open())
    this.#outbox = new Outbox(socket)
    socket.on('connect', () => (this.#isConnected = true))
    socket.on('data', (chunk) => this.#received(chunk))
    socket.on('error', (problem) => (this.#problem = problem))
    socket.on('close', () => {
      const problem = this.#problem
      this.lose(
        this.#farewell ?? (problem && !this.#isConnected ? address.unreachable(problem) : problem) ??
        new Error('the server closed it'))
    })
  }

  /**
   * Asks, and resolves to the answer: `{ ok, messages, connection }`, the messages being those of a `peek`.
   *
   * - parts: makes the request for its tag. late: takes an answer that comes when nobody waits any more.
   * - done: called when no answer is to come any more, also if nobody waits for it.
   * - What is asked when `signal` aborts or the time is over may still be carried out.
   */
  call(label, parts, { signal, timeout, late, done } = {}) {
    let request
    try {
      if (!this.isOpen) throw this.#lost(label, false)
      signal?.throwIfAborted()
      request = parts(this.#nextTag)
      this.#check(label, request[0])
    } catch (error) {
      done?.()
      return Promise.reject(error)
    }
    const wait = new Wait({
      signal, timeout,
      expired: () => new NoAnswerError(`no answer from ${this.#name} to '${label}' within ${timeout} ms`),
    })
    this.#calls.set(this.#nextTag, { label, wait, late, done })
    this.#nextTag += 1
    this.write(request)
    return wait.promise
  }

  /** Sends what is answered only when it is refused. */
  write(parts) {
    this.#quiet = 0
    if (this.isOpen) this.#outbox.write(parts)
  }

  ack(delivery) {
    this.#quiet = 0
    if (this.isOpen) this.#outbox.ack(delivery)
  }

  /** What comes for the consumer `number` goes to `receiver`: its `arrived`, `assigned` and `failed`. */
  receive(number, receiver) {
    if (receiver === undefined) this.#receivers.delete(number)
    else this.#receivers.set(number, receiver)
  }

  /** Ends it now. */
  lose(error) {
    if (!this.isOpen) return
    this.isOpen = false
    this.#reason = error
    this.#socket.destroy()
    clearInterval(this.#heart)
    const calls = this.#calls
    this.#calls = new Map()
    for (const { label, wait, done } of calls.values()) {
      done?.()
      wait.reject(this.#lost(label, true))
    }
    this.#listener.lost(this, this.#lost())
  }

  /** Takes leave; resolves when the server has answered what it was asked before. */
  async quit(timeout) {
    try {
      await this.call('quit', (tag) => [encode('quit', [], undefined, tag)], { timeout })
    } catch {
      // It ends now in any case.
    }
    this.lose(new Error('the client closed it'))
  }

  #lost(label, wasSent) {
    const reason = this.#reason
    const why = reason instanceof ColaError ? `${reason.code}: ${reason.message}` : reason?.message ?? reason
    const what = label === undefined ? '' : wasSent
      ? `; '${label}' was not answered: it may have been done, or not`
      : `; '${label}' was not sent`
    return new ConnectionLostError(`the connection to ${this.#name} has ended (${why})${what}`, { cause: reason })
  }

  #check(label, line) {
    const most = this.welcome?.lineMax ?? FIRST_LINE_MAX
    if (line.length > most) {
      throw new TooLargeError(`the line of '${label}' has ${line.length} bytes; the server allows at most ${most}`)
    }
  }

  #received(chunk) {
    this.#silent = 0
    try {
      this.#decoder.feed(chunk, this.#take)
    } catch (error) {
      this.lose(error)
    }
  }

  #take = (event) => {
    if (!this.isOpen) return
    switch (event.kind) {
      case 'ok': this.#answered(event); break
      case 'msg':
        if (event.consumer === 0) this.#peeked.push(event)
        else this.#receiver(event.consumer).arrived(event)
        break
      case 'err': this.#refused(event); break
      case 'assigned': this.#receiver(event.c).assigned(event); break
      case 'bye': this.#farewell = errorFor(event.code, event.sentence); break
      case 'blocked': case 'unblocked':
        this.blocked = event.sentence
        this.#listener.blocked(event.sentence)
        break
    }
  }

  #receiver(number) {
    const receiver = this.#receivers.get(number)
    if (receiver === undefined) throw new ProtocolError(`something came for a consumer ${number}, which there is not`)
    return receiver
  }

  #answered(ok) {
    const last = ok.tLast ?? ok.t
    // Answers come in the order of their requests, and none comes that was not asked for.
    if (ok.t !== this.#oldest || !(last < this.#nextTag)) {
      throw new ProtocolError(`an answer has the tag ${ok.t}; ${this.#oldest} is the next`)
    }
    const messages = this.#peeked
    if (messages.length > 0) this.#peeked = []
    for (let tag = ok.t; tag <= last; tag++) {
      const { wait, late } = this.#next()
      const answer = { ok, messages, connection: this }
      if (!wait.resolve(answer)) late?.(answer)
    }
  }

  #next() {
    const call = this.#calls.get(this.#oldest)
    this.#calls.delete(this.#oldest)
    this.#oldest += 1
    call.done?.()
    return call
  }

  #refused({ t, c, code, retry, sentence }) {
    const error = errorFor(code, sentence, retry)
    if (c !== undefined) {
      this.#receivers.get(c)?.failed(error)
    } else if (t === undefined) {
      this.#listener.refused(error)
    } else if (t !== this.#oldest || t >= this.#nextTag) {
      throw new ProtocolError(`a refusal has the tag ${t}; ${this.#oldest} is the next`)
    } else {
      this.#peeked = []
      this.#next().wait.reject(error)
    }
  }

  /** Beats every half of `seconds` in which nothing else was sent, and gives up after two of them of silence. */
  #beat(seconds) {
    if (!seconds) return
    this.#heart = setInterval(() => {
      this.#silent += 1
      this.#quiet += 1
      // Counted in beats and not read from a clock: a program that was busy for long has not looked, either.
      if (this.#silent > 8) this.lose(new UnreachableError(`nothing came from the server for ${2 * seconds} s`))
      else if (this.#quiet >= 2) this.write(['beat\n'])
    }, seconds * 250).unref()
  }
}
