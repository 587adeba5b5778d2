// The shared vectors of protocol/vectors: requests to bytes, and bytes to answers, whole and cut anywhere.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { Decoder } from '../src/decoder.js'
import { ProtocolError } from '../src/errors.js'
import { encode, pub, pubs, range } from '../src/requests.js'

import { randomNumbers } from './random.js'

const source = readFileSync(new URL('../../../protocol/vectors/native.json', import.meta.url), 'utf8')
// Integers beyond 2^53 - 1 would be rounded: they become objects first, and bigints where they are read.
const vectors = JSON.parse(
  source.replace(/("(?:[^"\\]|\\.)*")|\b([0-9]{16,})\b/g, (all, text, digits) => text ?? `{"integer": "${digits}"}`),
  (_, value) => (typeof value?.integer === 'string' ? BigInt(value.integer) : value))

function bytes(value) {
  if (typeof value === 'string') return Buffer.from(value)
  if (value.parts) return Buffer.concat(value.parts.map(bytes))
  const once = 'hex' in value ? Buffer.from(value.hex, 'hex') : Buffer.from(value.text)
  return Buffer.concat(Array(value.repeat ?? 1).fill(once))
}

const pairs = (list) => list?.map(([name, value]) => [bytes(name), bytes(value)])

// Members that are words of a line, or are written otherwise there.
const notOptions = new Set(
  ['verb', 't', 'name', 'kind', 'version', 'arguments', 'options', 'headers', 'routing_key', 'body', 'bodies',
    'exchange', 'consumer', 'n', 'first', 'last', 'group', 'offset', 'of', 'instance', 'operation', 'process', 'path',
    'null'])

function optionsOf(request) {
  const options = {}
  for (const [name, value] of Object.entries(request)) {
    const isOption = !notOptions.has(name) || (name === 'group' && request.verb === 'consume')
    if (!isOption || (request.verb === 'seek' && name === 'to')) continue
    options[name.replaceAll('_', '-')] = typeof value === 'object' && !Array.isArray(value) ? bytes(value) : value
  }
  if (request.headers) options.headers = pairs(request.headers)
  for (const [name, value] of [...(request.arguments ?? []), ...(request.options ?? [])]) options[name] = value
  if (request.key !== undefined) options.key = bytes(request.key)
  return options
}

function wordsOf(request) {
  const target = request.instance === undefined ? request.name : `${request.name}/${request.instance}`
  switch (request.verb) {
    case 'hello': return [request.version]
    case 'ping': case 'beat': case 'quit': case 'stat': case 'reload': return []
    case 'declare': return [request.kind, request.name]
    case 'delete': return [request.kind, request.name, ...(request.group ? [request.group] : [])]
    case 'describe': return [request.kind, target, ...(request.group ? [request.group] : [])]
    case 'bind': case 'unbind': return [request.exchange, request.name]
    case 'credit': return [request.consumer, request.n]
    case 'cancel': return [request.consumer]
    case 'seek': return [request.consumer, request.to]
    case 'ack': case 'nack': case 'reject': case 'fail': return [range(request.first, request.last)]
    case 'commit': return [request.name, request.group, request.offset]
    case 'list': return [request.of]
    case 'why': return request.offset === undefined ? [request.name] : [request.name, request.offset]
    case 'backup': return [request.path]
    case 'worker': return [request.operation, target]
    case 'logs': return target === undefined ? [] : [target]
    case 'child': return request.process === undefined ? ['token'] : ['ended', request.process]
    default: return [request.name]
  }
}

function encoded(request) {
  const options = optionsOf(request)
  if (request.verb === 'pub') {
    return pub(bytes(request.routing_key), request.null ? null : bytes(request.body), options, request.t)
  }
  if (request.verb === 'pubs') return pubs(bytes(request.routing_key), request.bodies.map(bytes), options, request.t)
  return [encode(request.verb, wordsOf(request), options, request.t)]
}

test('each request becomes exactly its bytes', () => {
  for (const vector of vectors.requests) {
    const parts = encoded(vector.request).map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part))
    assert.deepEqual(Buffer.concat(parts), bytes(vector), vector.name)
  }
})

/** An event as the vectors write it. */
function fields(event) {
  const { kind } = event
  const all = {
    ok: () => ({ t: event.t, t_last: event.tLast, body: event.body,
      options: event.options.length ? event.options.map(([name, value]) => [Buffer.from(name), value]) : undefined }),
    err: () => ({ t: event.t, c: event.c, code: event.code, retry: event.retry, sentence: event.sentence }),
    msg: () => ({ consumer: event.consumer, delivery: event.delivery, offset: event.offset,
      p: event.partition || undefined, r: event.releases, ts: event.timestamp, key: event.rawKey,
      null: event.hasValue ? undefined : true,
      headers: event.rawHeaders.length ? event.rawHeaders : undefined, body: event.body }),
    assigned: () => ({ c: event.c, generation: event.generation, partitions: [...event.partitions] }),
    bye: () => ({ code: event.code, sentence: event.sentence }),
    blocked: () => ({ sentence: event.sentence }),
    unblocked: () => ({}),
    beat: () => ({}),
  }[kind]()
  return Object.fromEntries(Object.entries({ kind, ...all }).filter(([, value]) => value !== undefined))
}

function expected({ answer }) {
  const found = { ...answer }
  for (const name of ['body', 'key']) if (name in found) found[name] = bytes(found[name])
  for (const name of ['options', 'headers']) if (name in found) found[name] = pairs(found[name])
  return found
}

function decoded(data, sizes) {
  const decoder = new Decoder()
  const events = []
  for (let at = 0; at < data.length;) {
    const size = sizes()
    decoder.feed(data.subarray(at, at + size), (event) => events.push(fields(event)))
    at += size
  }
  assert.ok(decoder.isBetweenEvents)
  return events
}

test('bytes become exactly the fields of each answer, at once and byte by byte', () => {
  for (const vector of vectors.answers) {
    const data = bytes(vector)
    assert.deepEqual(decoded(data, () => data.length), [expected(vector)], vector.name)
    assert.deepEqual(decoded(data, () => 1), [expected(vector)], `${vector.name}, byte by byte`)
  }
})

test('nothing comes out of an answer before its last byte', () => {
  for (const vector of vectors.answers) {
    const decoder = new Decoder()
    decoder.feed(bytes(vector).subarray(0, -1), () => assert.fail(vector.name))
    assert.ok(!decoder.isBetweenEvents)
  }
})

test('all answers in one stream are read, wherever it is cut', () => {
  const data = Buffer.concat(vectors.answers.map(bytes))
  const all = vectors.answers.map(expected)
  for (let seed = 1; seed <= 20; seed++) {
    const random = randomNumbers(seed)
    const sizes = [1, 2, 3, 7, 64, 1_000, 70_000]
    assert.deepEqual(decoded(data, () => sizes[random(sizes.length)]), all, `seed ${seed}`)
  }
})

test('what is not the protocol is refused, at once and byte by byte', () => {
  for (const vector of vectors.broken_answers) {
    const data = bytes(vector)
    assert.throws(() => new Decoder().feed(data, () => {}), ProtocolError, vector.name)
    assert.throws(() => {
      const decoder = new Decoder()
      for (const byte of data) decoder.feed(Buffer.of(byte), () => {})
    }, ProtocolError, `${vector.name}, byte by byte`)
  }
})

test('a line without an end is refused before it fills the memory', () => {
  const decoder = new Decoder()
  assert.throws(() => {
    for (let count = 0; count < 40; count++) decoder.feed(Buffer.alloc(65_536, 'x'), () => {})
  }, /no LF within/)
})

test('a body does not keep the buffer alive that it came in', () => {
  const buffer = Buffer.alloc(65_536)
  const length = buffer.write('msg 1 1 0 5\nhello\n')
  new Decoder().feed(buffer.subarray(0, length), ({ body }) => {
    assert.equal(body.toString(), 'hello')
    assert.notEqual(body.buffer, buffer.buffer)
  })
})

test('options that a later server adds to a message are skipped', () => {
  new Decoder().feed(Buffer.from('msg 1 1 0 0 colour=red ts=7\n\n'), ({ timestamp }) => assert.equal(timestamp, 7))
})

test('what cannot be said is refused before it is sent', () => {
  assert.throws(() => encode('publish', ['q']), /no verb 'publish'/)
  assert.throws(() => encode('purge', ['']), /at least one byte/)
  assert.throws(() => encode('purge', [undefined]), /a name or text is a string or a Uint8Array, not undefined/)
  assert.throws(() => encode('pub', ['q', 0], { prioritty: 1 }), /pub has no option prioritty/)
  assert.throws(() => encode('get', ['q'], { ack: Symbol('no') }), TypeError)
  for (const number of [-1, 1.5, NaN, 2 ** 53, -1n]) {
    assert.throws(() => encode('commit', ['t', 'g', number]), RangeError, String(number))
  }
  assert.equal(encode('commit', ['t', 'g', 2n ** 63n - 1n]), 'commit t g 9223372036854775807\n')
})

test('options are written as the protocol has them', () => {
  const options = { autoDelete: true, maxLength: 5, singleActiveConsumer: false, expires: undefined, retry: 'delay=1' }
  assert.equal(encode('declare', ['queue', 'q'], options),
    'declare queue q auto-delete=yes max-length=5 single-active-consumer=no retry=delay=1\n')
})
