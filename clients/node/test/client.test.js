// The client against a real server.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  CancelledError, ClosedError, FullError, MismatchError, NoAnswerError, NotFoundError, PublishRefusedError,
  TooLargeError, UnauthenticatedError, UnreachableError, UnroutableError, connect,
} from '../src/index.js'

import { Server, all, until, withServer } from './server.js'

const texts = (messages) => messages.map((message) => message.text())

withServer('what is published comes with all that was said of it', async ({ client }) => {
  assert.deepEqual(await client.declareQueue('q', { maxPriority: 9, durable: true }), { name: 'q', messages: 0 })
  assert.equal(await client.publish('q', 'héllo', {
    key: Buffer.of(0, 255), headers: { lang: 'es', 'full name': 'José = %' }, priority: 7, messageId: 'i', replyTo: 'r',
    correlationId: 'c', ttl: 600_000,
  }), true)
  await client.publish('q', new Uint8Array([0, 10, 255]), { headers: [['a', '1'], ['a', Buffer.of(200)]] })
  await client.publish('q', JSON.stringify({ a: 1 }))
  const [first, second, third] = await all(client.consume('q', { idleTimeout: 300 }))
  assert.equal(first.text(), 'héllo')
  assert.deepEqual(first.rawKey, Buffer.of(0, 255))
  assert.equal(first.headers.lang, 'es')
  assert.equal(first.headers['full name'], 'José = %')
  assert.deepEqual([first.priority, first.messageId, first.replyTo, first.correlationId], [7, 'i', 'r', 'c'])
  assert.equal(first.redelivered, false)
  assert.ok(Math.abs(first.timestamp - Date.now()) < 60_000)
  assert.deepEqual(second.body, Buffer.of(0, 10, 255))
  assert.deepEqual(second.rawHeaders, [['a', '1'], ['a', [200]]].map((pair) => pair.map((text) => Buffer.from(text))))
  assert.deepEqual(third.json(), { a: 1 })
  assert.equal(third.key, undefined)
})

withServer('a message is done, back, later or dead, as the program says', async ({ client }) => {
  await client.declareQueue('dead')
  await client.declareQueue('q', { deadLetterExchange: '', deadLetterRoutingKey: 'dead' })
  for (const body of ['ack', 'nack', 'retry', 'reject', 'reason']) await client.publish('q', body)
  const seen = []
  const consumer = client.consume('q', { idleTimeout: 1_000 })
  for await (const message of consumer) {
    const text = message.text()
    seen.push(message.redelivered ? `${text} again` : text)
    if (text === 'nack' && !message.redelivered) assert.equal(message.nack(), true)
    else if (text === 'retry' && !message.redelivered) {
      message.retry({ delay: 50, reason: 'not yet', output: 'x'.repeat(9_000) })
    } else if (text === 'reject') message.reject()
    else if (text === 'reason') message.reject({ reason: 'no use' })
    else message.ack()
    assert.throws(() => message.ack(), /was settled already/)
  }
  assert.deepEqual(seen.sort(), ['ack', 'nack', 'nack again', 'reason', 'reject', 'retry', 'retry again'])
  const dead = await client.peek('dead', { count: 10 })
  assert.deepEqual(texts(dead), ['reject', 'reason'])
  assert.match(dead[1].headers['cola-attempt'], /no%20use/)
  assert.throws(() => dead[0].nack(), /is not held/)
  assert.equal(await client.redrive('dead'), 2)
  assert.equal(await client.purge('q'), 2)
})

withServer('messages that nobody has looked at go back uncounted when the loop is left', async ({ client }) => {
  await client.declareQueue('q')
  await client.publishMany('q', ['1', '2', '3', '4'])
  for await (const message of client.consume('q')) {
    assert.equal(message.text(), '1')
    message.ack()
    break
  }
  const rest = await all(client.consume('q', { ack: 'auto', idleTimeout: 300 }))
  assert.deepEqual(rest.map((message) => [message.text(), message.failures]), [['2', 0], ['3', 0], ['4', 0]])
})

withServer('a slow reader is not sent more than its prefetch, with or without acks', async ({ client }) => {
  await client.declareQueue('q')
  await client.publishMany('q', Array.from({ length: 100 }, (_, number) => String(number)))
  const waiting = async () => (await client.list('queues'))[0].ready
  const consumer = client.consume('q', { ack: 'auto', prefetch: 10 })
  const first = await consumer.next()
  assert.equal(first.value.text(), '0')
  assert.equal(first.value.ack(), true)
  assert.throws(() => first.value.reject(), /is not held/)
  await client.ping()
  assert.equal(await waiting(), 90)
  for (let number = 1; number < 100; number++) assert.equal((await consumer.next()).value.text(), String(number))
  await consumer.close()
  assert.deepEqual(await consumer.next(), { value: undefined, done: true })
  await client.publishMany('q', ['a', 'b', 'c'])
  const held = client.consume('q', { prefetch: 2 })
  await held.next()
  await client.ping()
  assert.equal(await waiting(), 1)
  await held.close()
})

withServer('several loops share one consumer', async ({ client }) => {
  await client.declareQueue('q')
  await client.publishMany('q', Array.from({ length: 50 }, (_, number) => String(number)))
  const consumer = client.consume('q', { idleTimeout: 500 })
  const seen = new Set()
  await Promise.all([1, 2, 3].map(async () => {
    for await (const message of consumer) {
      await new Promise(setImmediate)
      seen.add(message.text())
      message.ack()
    }
  }))
  await client.ping()
  assert.equal(seen.size, 50)
  assert.equal((await client.list('queues'))[0].messages, 0)
})

withServer('100,000 messages are published and consumed in order', async ({ client }) => {
  const count = 100_000
  await client.declareQueue('q')
  const publisher = client.publisher()
  for (let number = 0; number < count; number++) await publisher.publish('q', String(number))
  await publisher.flush()
  assert.equal(publisher.confirmed, count)
  let next = 0
  for await (const message of client.consume('q', { prefetch: 1_000 })) {
    assert.equal(message.text(), String(next++))
    message.ack()
    if (next === count) break
  }
  await client.ping()
  assert.equal((await client.list('queues'))[0].messages, 0)
})

withServer('a publisher is held back by its window, and names what was refused', async ({ client, server }) => {
  await client.declareQueue('q', { maxLength: 3, overflow: 'reject-publish' })
  const narrow = await connect(server.url, { window: 2 })
  try {
    const publisher = narrow.publisher()
    const numbers = []
    for (let number = 0; number < 5; number++) numbers.push(await publisher.publish('q', 'x'))
    assert.deepEqual(numbers, [0, 1, 2, 3, 4])
    await assert.rejects(publisher.flush(), (error) => {
      assert.ok(error instanceof PublishRefusedError)
      assert.deepEqual([...error.refused.keys()], [3, 4])
      assert.ok(error.refused.get(3) instanceof FullError && error.refused.get(3).retryable)
      return true
    })
    assert.equal(publisher.confirmed, 3)
    await publisher.flush()
    await assert.rejects(publisher.publish('q', { a: 1 }), /for an object: JSON.stringify/)
  } finally {
    await narrow.close()
  }
})

withServer('while the server takes nothing, no more than the window is taken from the program', async ({ server }) => {
  const client = await connect(server.url, { window: 1_000, windowBytes: 1_000_000 })
  await client.declareQueue('q')
  await server.halt()
  const publisher = client.publisher()
  let taken = 0
  const publishing = (async () => {
    for (let number = 0; number < 50; number++) {
      await publisher.publish('q', Buffer.alloc(100_000))
      taken += 1
    }
  })()
  await until(() => taken === 10)
  await assert.rejects(publisher.flush({ signal: AbortSignal.timeout(300) }), { name: 'TimeoutError' })
  assert.equal(taken, 10)
  server.signal('SIGCONT')
  await publishing
  await publisher.flush()
  assert.equal((await client.describe('queue', 'q', { timeout: 30_000 })).messages, 50)
  await client.close()
})

withServer('what waits for room in the window is not sent when it is aborted', async ({ client, server }) => {
  await client.declareQueue('q')
  const narrow = await connect(server.url, { window: 1 })
  const controller = new AbortController()
  const first = narrow.publish('q', 'first')
  const second = narrow.publish('q', 'second', { signal: controller.signal })
  const third = narrow.publish('q', 'third')
  controller.abort(new Error('never mind'))
  await assert.rejects(second, /never mind/)
  await Promise.all([first, third])
  await narrow.close()
  assert.deepEqual(texts(await client.peek('q', { count: 5 })), ['first', 'third'])
})

withServer('closing a client waits for what it publishes', async ({ client, server }) => {
  await client.declareQueue('q')
  const other = await connect(server.url, { window: 10 })
  const published = Promise.all(Array.from({ length: 500 }, () => other.publish('q', 'x')))
  await other.close()
  await published
  assert.equal((await client.list('queues'))[0].messages, 500)
  await assert.rejects(other.publish('q', 'x'), ClosedError)
  await assert.rejects(other.ping(), ClosedError)
  await other.close()
})

withServer('exchanges lead where their bindings say', async ({ client }) => {
  await client.declareExchange('orders', { type: 'topic' })
  await client.declareQueue('europe')
  await client.bind('orders', 'europe', { key: 'order.eu.#' })
  await client.publish('order.eu.paid', '42', { exchange: 'orders' })
  await assert.rejects(client.publish('order.us.paid', '43', { exchange: 'orders' }), UnroutableError)
  await client.publish('order.us.paid', '43', { exchange: 'orders', mandatory: false })
  const message = await client.get('europe')
  assert.deepEqual([message.text(), message.exchange, message.routingKey], ['42', 'orders', 'order.eu.paid'])
  message.ack()
  assert.equal(await client.get('europe'), undefined)
  await client.unbind('orders', 'europe', { key: 'order.eu.#' })
  await client.declareExchange('mail', { type: 'headers' })
  await client.bind('mail', 'europe', { match: 'any', headers: { lang: 'es' } })
  await client.publish('', 'hola', { exchange: 'mail', headers: { lang: 'es' } })
  await client.deleteExchange('mail')
  await client.deleteExchange('orders')
  assert.equal(await client.deleteQueue('europe'), 1)
})

withServer('a question is answered, and who has left is not waited for', async ({ client, server }) => {
  await client.declareQueue('sums')
  const worker = (async () => {
    for await (const question of client.consume('sums')) {
      if (question.text() !== 'never') await question.reply(String(question.json().reduce((a, b) => a + b)))
      question.ack()
    }
  })()
  const asker = await connect(server.url)
  const answers = await Promise.all([[1, 2], [3, 4], [5, 6]].map((pair) => asker.request('sums', JSON.stringify(pair))))
  assert.deepEqual(texts(answers), ['3', '7', '11'])
  await assert.rejects(asker.request('sums', 'never', { timeout: 200 }), NoAnswerError)
  await assert.rejects(asker.request('sums', 'never', { signal: AbortSignal.timeout(200) }), { name: 'TimeoutError' })
  await assert.rejects(asker.request('nowhere', 'x'), UnroutableError)
  await asker.close()
  await client.publish('sums', '[1]', { replyTo: 'cola.gen-long-gone', correlationId: '1' })
  assert.equal((await client.request('sums', '[2, 2]')).text(), '4')
  await client.close()
  await worker
})

withServer('topics keep their records, and a group goes on where it has committed', async ({ client }) => {
  await client.declareTopic('events', { partitions: 2, retentionMs: 3_600_000 })
  for (const number of [0, 1, 2]) await client.publish('events', String(number), { partition: 1, key: 'k' })
  await client.publish('events', null, { partition: 0, key: 'gone' })
  const records = await all(client.read('events', { from: 'first', idleTimeout: 300 }))
  assert.deepEqual(records.filter((record) => record.partition === 1).map((record) => [record.offset, record.text()]),
    [[0, '0'], [1, '1'], [2, '2']])
  assert.equal(records.find((record) => record.partition === 0).hasValue, false)
  const reader = client.read('events', { group: 'audit', partitions: [1] })
  const { value: first } = await reader.next()
  await reader.commit(first)
  await reader.close()
  const rest = await all(client.read('events', { group: 'audit', partitions: [1], idleTimeout: 300 }))
  assert.deepEqual(texts(rest), ['1', '2'])
  const later = client.read('events', { from: new Date(Date.now() + 60_000), idleTimeout: 300 })
  await later.ready()
  await later.seek(1, { partition: 1 })
  assert.deepEqual(texts(await all(later)), ['1', '2'])
  await assert.rejects(later.commit(first), /no group/)
  assert.equal((await client.describe('group', 'events', 'audit')).group, 'audit')
  await client.deleteGroup('events', 'audit')
  assert.equal(await client.deleteTopic('events'), 4)
})

withServer('more records than a connection may hold are read without a word of the program', async ({ client }) => {
  await client.declareTopic('t')
  const bodies = Array.from({ length: 10_000 }, (_, number) => String(number))
  for (let count = 0; count < 8; count++) await client.publishMany('t', bodies)
  let next = 0
  for await (const record of client.read('t', { from: 'first', prefetch: 500 })) {
    assert.equal(record.offset, next++)
    if (next === 80_000) break
  }
})

withServer('members of a group share the partitions', async ({ client, server }) => {
  await client.declareTopic('t', { partitions: 2 })
  const other = await connect(server.url)
  try {
    const [one, two] = [client, other].map((who) => who.read('t', { group: 'g', join: 'range' }))
    await until(() => one.assignment?.size === 1 && two.assignment?.size === 1)
    await Promise.all([0, 1].map((partition) => client.publish('t', String(partition), { partition })))
    for (const member of [one, two]) {
      const { value } = await member.next()
      assert.ok(member.assignment.has(value.partition))
      await member.commit(value)
    }
    await two.close()
    await until(() => one.assignment.size === 2)
    await one.close()
  } finally {
    await other.close()
  }
})

withServer('a queue is looked at without taking anything from it', async ({ client }) => {
  await client.declareQueue('q', { maxPriority: 1 })
  await client.publishMany('q', Array.from({ length: 1_500 }, () => 'low'))
  await client.publishMany('q', Array.from({ length: 1_500 }, () => 'high'), { priority: 1 })
  const seen = texts(await all(client.browse('q')))
  assert.deepEqual([seen.length, seen[0], seen[1_499], seen[1_500], seen[2_999]], [3_000, 'high', 'high', 'low', 'low'])
  assert.equal((await client.why('q')).ready, 3_000)
  assert.equal((await client.describe('queue', 'q')).name, 'q')
  assert.equal((await client.stat()).queues, 1)
  await client.setPolicy('short', { pattern: '^q$', maxLength: 5_000 })
  await client.clearPolicy('short')
  await client.alter('q', { maxLength: 10, clear: ['message-ttl'] })
  const answer = await client.command('list', ['vhosts'])
  assert.equal(JSON.parse(answer.body)[0].name, '/')
})

withServer('what the server refuses is an error with its code and sentence', async ({ client }) => {
  await assert.rejects(client.publish('nowhere', 'x'), (error) => {
    assert.ok(error instanceof UnroutableError)
    assert.deepEqual([error.name, error.code, error.retryable], ['UnroutableError', 'unroutable', false])
    assert.match(error.message, /no queue or topic is named 'nowhere'/)
    return true
  })
  await assert.rejects(client.get('nowhere'), NotFoundError)
  await assert.rejects(client.consume('nowhere').next(), NotFoundError)
  await assert.rejects(client.consume('nowhere').ready(), NotFoundError)
  await client.declareQueue('q')
  await assert.rejects(client.declareQueue('q', { maxLength: 5 }), MismatchError)
  await assert.rejects(client.declareQueue('q', { maxLength: 'many' }), { code: 'syntax' })
  await assert.rejects(client.publish('q', undefined), /not undefined/)
  await assert.rejects(client.publish('q', 'x', { prority: 5 }), /pub has no option prority/)
  await assert.rejects(client.publish('q', 'x', { retry: true }), /needs a messageId/)
  assert.throws(() => client.consume('q', { ack: 'never' }), /'manual' or 'auto'/)
  assert.throws(() => client.consume('q', { prefetc: 1 }), /no option prefetc/)
  assert.throws(() => client.consume('q', { prefetch: 0 }), /from 1 to 65,535/)
  await assert.rejects(client.publish('q', Buffer.alloc(client.bodyMax + 1)), TooLargeError)
  await assert.rejects(client.publish('q', 'x', { headers: { a: 'x'.repeat(70_000) } }), TooLargeError)
  assert.ok(client.isConnected) // none of these has ended the connection
  await client.publish('q', Buffer.alloc(client.bodyMax, 'x'))
  const large = await client.get('q', { ack: 'auto' })
  assert.equal(large.body.length, client.bodyMax)
})

withServer('a consumer ends with its queue', async ({ client }) => {
  await client.declareQueue('q')
  const consumer = client.consume('q')
  await consumer.ready()
  const ended = assert.rejects(consumer.next(), CancelledError)
  await client.deleteQueue('q')
  await ended
  assert.deepEqual(await consumer.next(), { value: undefined, done: true })
})

withServer('an acknowledgement that comes too late is told of', async ({ client }) => {
  await client.declareQueue('q')
  await client.publish('q', 'x')
  const consumer = client.consume('q', { consumerTimeout: 100 })
  const { value: message } = await consumer.next()
  await assert.rejects(consumer.next(), /was not settled within its consumer-timeout/)
  const refused = new Promise((resolve) => client.once('refused', resolve))
  message.ack()
  assert.equal((await refused).code, 'unknown_delivery')
})

withServer('every wait ends when it is aborted', async ({ client, server }) => {
  await client.declareQueue('q')
  const reason = new Error('enough')
  const soon = () => {
    const controller = new AbortController()
    setTimeout(() => controller.abort(reason), 100)
    return controller.signal
  }
  const enough = (error) => error === reason
  await assert.rejects(client.consume('q', { signal: soon() }).next(), enough)
  await assert.rejects(client.consume('q', { signal: AbortSignal.abort(reason) }).next(), enough)
  await assert.rejects(client.request('q', 'x', { signal: soon() }), enough)
  for (const verb of ['ping', 'stat']) await assert.rejects(client[verb]({ signal: AbortSignal.abort(reason) }), enough)
  await assert.rejects(client.publish('q', 'x', { signal: AbortSignal.abort(reason) }), enough)
  await assert.rejects(connect(server.url, { signal: AbortSignal.abort(reason) }), enough)
  // The answer to a `get` that was aborted on its way brings a message, which goes back.
  const controller = new AbortController()
  const gotten = client.get('q', { signal: controller.signal })
  controller.abort(reason)
  await assert.rejects(gotten, enough)
  await client.ping()
  const again = await client.get('q')
  assert.deepEqual([again.text(), again.failures], ['x', 0])
  again.ack()
})

withServer('any number of waits share one signal, without a warning', async ({ client }) => {
  const warnings = []
  const warn = (warning) => warnings.push(warning)
  process.on('warning', warn)
  await client.declareQueue('q')
  const { signal } = new AbortController()
  await Promise.all(Array.from({ length: 100 }, () => client.publish('q', 'x', { signal })))
  const consumers = Array.from({ length: 20 }, () => client.consume('q', { signal }))
  await Promise.all(consumers.map((consumer) => consumer.ready()))
  await Promise.all(consumers.map((consumer) => consumer.close()))
  await new Promise(setImmediate)
  process.off('warning', warn)
  assert.deepEqual(warnings, [])
})

withServer('over TCP a name and a password are asked for', async ({ client, server }) => {
  await client.command('declare', ['vhost', '/shop'])
  await client.command('user', ['ana'], { password: 'sesame street' })
  await client.command('permit', ['ana'], { vhost: '/shop', configure: '.*', write: '.*', read: '.*' })
  const guest = await connect(server.tcp, { heartbeat: 1 })
  assert.equal(guest.user, 'guest')
  const port = server.tcp.split(':').at(-1)
  const ana = await connect(`tcp://ana:sesame%20street@127.0.0.1:${port}`, { vhost: '/shop', client: 'test' })
  assert.deepEqual([ana.user, ana.isAdmin, ana.features.has('groups')], ['ana', false, true])
  await ana.declareQueue('q')
  assert.deepEqual(await guest.list('queues'), [])
  await assert.rejects(connect(server.tcp, { user: 'ana', password: 'wrong' }), (error) => {
    assert.ok(error instanceof UnauthenticatedError)
    assert.doesNotMatch(String(error.stack), /wrong(?! name|, password| password)/)
    return true
  })
  await assert.rejects(connect(server.tcp, { vhost: 'nowhere' }), NotFoundError)
  await assert.rejects(connect(server.tcp, { need: ['teleport'] }), { code: 'unsupported_feature' })
  // With a heartbeat of a second the server would have closed a silent connection by now.
  await new Promise((resolve) => setTimeout(resolve, 2_500))
  await guest.ping()
  await Promise.all([guest.close(), ana.close()])
})

test('where nobody answers, that is said with what to do', { timeout: 60_000 }, async () => {
  const server = new Server()
  await assert.rejects(connect(server.url), (error) => {
    assert.ok(error instanceof UnreachableError && error.retryable)
    assert.match(error.message, /ENOENT.*start one with `cola serve`/)
    return true
  })
  await server.remove()
  await assert.rejects(connect('http://ana:sesame@localhost'), (error) => {
    assert.match(error.message, /cannot read the URL 'http:\/\/localhost'/)
    return true
  })
  await assert.rejects(connect('tcp://localhost/shop'), /a virtual host is named by the option vhost/)
})
