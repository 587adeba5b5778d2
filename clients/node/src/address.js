// Where the server is, and who says hello to it.

import { closeSync, fstatSync, readSync } from 'node:fs'
import net from 'node:net'

import { UnreachableError } from './errors.js'

const DEFAULT_URL = 'unix:./cola-data/cola.sock'
const DEFAULT_PORT = 7672
// The token of a worker's process is a file of so many bytes.
const TOKEN_LENGTH = 64

/**
 * Reads `unix:///path`, `unix:relative/path` or `tcp://[user:password@]host[:port]`.
 *
 * @throws {TypeError} the URL has another form; no password is in what it says
 */
export class Address {
  constructor(url = process.env.COLA_URL || DEFAULT_URL) {
    const found = /^unix:(?:\/\/)?([^\0]+)$/.exec(url)
    if (found) {
      this.path = found[1]
      this.shown = url
      if (Buffer.byteLength(this.path) > 107) {
        throw new TypeError(`the path in ${url} has ${Buffer.byteLength(this.path)} bytes; a socket's may have 107`)
      }
      return
    }
    this.shown = String(url).replace(/^([^/]*\/\/)[^]*@/, '$1')
    const parts = parsed(url)
    if (!parts?.hostname) {
      throw new TypeError(`cannot read the URL '${this.shown}'; write unix:///PATH/cola.sock or tcp://HOST:PORT`)
    }
    if (!['', '/'].includes(parts.pathname) || parts.search || parts.hash) {
      throw new TypeError(
        `the URL '${this.shown}' has more than a host and a port; a virtual host is named by the option vhost`)
    }
    this.host = parts.hostname.replace(/^\[|\]$/g, '')
    this.port = Number(parts.port || DEFAULT_PORT)
    this.user = parts.username
    this.password = parts.password
  }

  /** A socket that is connecting. */
  open() {
    return this.path === undefined
      ? net.connect({ host: this.host, port: this.port, noDelay: true })
      : net.connect({ path: this.path })
  }

  /** What to say when no connection could be made. */
  unreachable(problem) {
    if (problem.code === 'EACCES' || problem.code === 'EPERM') {
      return new UnreachableError(
        `may not use ${this.shown} (${problem.code}); who may is said by the server's setting socket-mode and by the ` +
        "permissions of the socket's directory", { cause: problem })
    }
    return new UnreachableError(
      `no server answers at ${this.shown} (${problem.code ?? problem.message}); start one with \`cola serve\`, or ` +
      'set COLA_URL to where it is', { cause: problem })
  }
}

/** The parts of a URL of TCP, undefined where it is none. A name of no letters is none. */
function parsed(url) {
  try {
    const { protocol, hostname, port, username, password, pathname, search, hash } = new URL(url)
    if (protocol !== 'tcp:') return undefined
    const [user, secret] = [username, password].map((text) => decodeURIComponent(text) || undefined)
    return { hostname, port, username: user, password: secret, pathname, search, hash }
  } catch {
    return undefined
  }
}

/** How a client says who it is, on its first connection and on those after it. Nothing shows password or token. */
export class Greeting {
  #token
  #options

  constructor(address, { user, password, token, vhost, client, heartbeat, need }) {
    this.#token = token
    user ??= address.user
    password ??= address.password
    // Nobody comes in over TCP without a name.
    const isGuest = address.path === undefined && user === undefined && password === undefined
    this.#options = { user, password, vhost, client, heartbeat: heartbeat || undefined, need, isGuest }
  }

  /** The options of the next `hello`: the token is said once, since it is good once. */
  next() {
    const { isGuest, ...options } = this.#options
    const token = this.#token
    this.#token = undefined
    if (token !== undefined) options.token = token
    else if (isGuest) options.user = options.password = 'guest'
    return options
  }
}

/**
 * The token by which a server knows the processes that it has started as workers of mode `client`. It is read and its
 * descriptor closed, so that no child has it; undefined: there is none, or it was taken before.
 */
export function takeToken() {
  const { COLA_TOKEN_FD: number = '' } = process.env
  delete process.env.COLA_TOKEN_FD
  if (!/^[0-9]{1,9}$/.test(number)) return undefined
  const descriptor = Number(number)
  try {
    const status = fstatSync(descriptor)
    // A process further down may have inherited the variable, and have something else there.
    if (!status.isFile() || status.size !== TOKEN_LENGTH) return undefined
    const token = Buffer.alloc(TOKEN_LENGTH)
    // Where several processes share the descriptor the first reads it, and the others find nothing.
    const count = readSync(descriptor, token, 0, TOKEN_LENGTH, null)
    closeSync(descriptor)
    return count === TOKEN_LENGTH ? token.toString('latin1') : undefined
  } catch {
    return undefined
  }
}
