// The requests of protocol/native.md as bytes: words, tag, and options in the order of that page.
//
// Functions without state: they neither read nor write, so the same vectors check them that check the server.

import { escape, escapeName, integer } from './text.js'

// The options of each verb in their order. `h` is where headers stand, `*` where arguments do.
const known = {
  hello: 'user password token vhost client heartbeat need',
  ping: '',
  beat: '',
  quit: '',
  stat: '',
  'declare queue': 'durable exclusive auto-delete *',
  'declare topic': 'partitions *',
  'declare exchange':
    'type alternate durable auto-delete internal delayed hash-header hash-property recent-history-length',
  'declare vhost': 'description tags default-queue-type max-connections max-queues',
  user: 'new password hash no-password tags loopback-only max-connections max-channels',
  permit: 'vhost exchange configure write read',
  unpermit: 'vhost exchange topics',
  delete: 'if-unused if-empty',
  alter: '* clear',
  policy: 'pattern to priority *',
  unpolicy: '',
  bind: 'key to match h',
  unbind: 'key to match h',
  purge: '',
  redrive: 'to count rate reason from end key text older-than younger-than h',
  pub: 'x key h mandatory prio ttl delay id reply corr partition null amqp',
  pubs: 'x mandatory prio ttl delay partition',
  consume: 'c from group join partitions prefetch credit ack priority exclusive timeout',
  credit: '',
  cancel: '',
  seek: 'partition',
  ack: '',
  nack: 'delay',
  reject: '',
  fail: 'end then delay attempts default began ended worker pid detail output',
  get: 'ack',
  peek: 'from count partition priority',
  commit: 'partition',
  list: '',
  describe: '',
  why: 'priority',
  backup: 'as replace',
  worker: 'min max signal value',
  logs: 'from count since stream wait',
  reload: 'dry-run',
  child: 'code signal',
}

const verbs = new Map(Object.entries(known).map(([verb, options]) => [verb, options.split(' ').filter(Boolean)]))

// How this client calls what the protocol has a shorter name for.
const shortened = { priority: 'prio', messageId: 'id', replyTo: 'reply', correlationId: 'corr', exchange: 'x' }
const renamed = { pub: shortened, pubs: shortened }

const kebab = (name) => name.replace(/[A-Z]/g, (letter) => '-' + letter.toLowerCase())

/** What stands behind the `=` of an option, or undefined where nothing is to be said. */
function written(value, name) {
  switch (typeof value) {
    case 'string': return escape(value)
    case 'number': case 'bigint': return integer(value, name)
    case 'boolean': return value ? 'yes' : 'no'
    case 'undefined': return undefined
  }
  if (value === null) return undefined
  if (Array.isArray(value)) return value.map((item) => written(item, name)).join(',')
  if (value instanceof Uint8Array) return escape(value)
  throw new TypeError(`${name} is a string, number, bigint, boolean, array or Uint8Array, not ${typeof value}`)
}

function option(name, value) {
  const text = written(value, name)
  return text === undefined ? '' : ` ${name}=${text}`
}

/** Headers as an object, or as pairs of name and value where one repeats. */
function headers(given) {
  let line = ''
  for (const [name, value] of typeof given[Symbol.iterator] === 'function' ? given : Object.entries(given)) {
    line += ` h.${escapeName(name)}=${written(value, `header ${name}`)}`
  }
  return line
}

function optionsOf(verb, given) {
  const names = verbs.get(verb)
  const named = {}
  const rest = {}
  for (const [name, value] of Object.entries(given)) {
    const wire = renamed[verb]?.[name] ?? kebab(name)
    if (names.includes(wire) || (wire === 'headers' && names.includes('h'))) named[wire] = value
    else if (names.includes('*')) rest[wire] = value
    else throw new TypeError(`${verb} has no option ${name}; it has ${names.join(', ') || 'none'}`)
  }
  let line = ''
  for (const name of names) {
    if (name === 'h') {
      if (named.headers) line += headers(named.headers)
    } else if (name === '*') {
      for (const argument of Object.keys(rest)) line += option(argument, rest[argument])
    } else if (named[name] !== undefined) {
      line += option(name, named[name])
    }
  }
  return line
}

function word(text) {
  if (typeof text === 'number' || typeof text === 'bigint') return integer(text, 'a number')
  const written = escape(text)
  if (written === '') throw new TypeError('a name has at least one byte')
  return written
}

/**
 * The line of a request, of one character a byte.
 *
 * @param verb as in protocol/native.md
 * @param words strings, bytes, numbers or bigints
 * @param options an object; `maxLength` is written `max-length`, true and false are `yes` and `no`
 * @throws {TypeError} the verb has no such option, or a value is of no use
 */
export function encode(verb, words = [], options = undefined, tag = undefined) {
  const kind = verb === 'declare' ? `declare ${words[0]}` : verb
  if (!verbs.has(kind)) throw new TypeError(`the protocol has no verb '${kind}'`)
  let line = verb
  for (let index = 0; index < words.length; index++) {
    // A word of no bytes: a queue that the server is to name, or the routing key.
    const mayBeEmpty = (kind === 'declare queue' && index === 1) || ((verb === 'pub' || verb === 'pubs') && index === 0)
    line += ' ' + (mayBeEmpty && words[index]?.length === 0 ? '%' : word(words[index]))
  }
  if (tag !== undefined) line += ` t=${tag}`
  if (options !== undefined) line += optionsOf(kind, options)
  return line + '\n'
}

/** The bytes of a body: those of a Uint8Array themselves, or the UTF-8 of a string. */
export function bodyOf(body) {
  if (typeof body === 'string') return Buffer.from(body)
  if (body instanceof Uint8Array) return body
  throw new TypeError(
    `a body is a string, a Uint8Array or null, not ${body === undefined ? body : typeof body}; ` +
    'for an object: JSON.stringify(body)')
}

/** Lines and bodies of a `pub`; `body` null is a message without a value. */
export function pub(routingKey, body, options, tag) {
  if (body === null) return [encode('pub', [routingKey, 0], { ...options, null: true }, tag), '\n']
  return [encode('pub', [routingKey, body.length], options, tag), body, '\n']
}

/** Lines and bodies of a `pubs`. */
export function pubs(routingKey, bodies, options, tag) {
  const parts = [encode('pubs', [routingKey, bodies.length], options, tag)]
  for (const body of bodies) parts.push(`${body.length}\n`, body, '\n')
  return parts
}

/** `N` or `N-M`. */
export const range = (first, last) => (first === last ? String(first) : `${first}-${last}`)
