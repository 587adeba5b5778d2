// What becomes of a client whose server is killed, and comes back.

import assert from 'node:assert/strict'

import { ConnectionLostError, LockedError, NoAnswerError, PublishRefusedError, connect } from '../src/index.js'

import { all, until, withServer } from './server.js'

const quick = { reconnect: { first: 10, most: 100 } }
const event = (client, name) => new Promise((resolve) => client.once(name, resolve))

withServer('consumers go on after kill -9, and nothing that was confirmed is missing', async ({ client, server }) => {
  await client.declareQueue('q')
  const confirmed = new Set()
  const seen = new Set()
  const errors = []
  let number = 0
  let isOver = false
  const publishing = (async () => {
    while (!isOver) {
      const body = String(number++)
      await client.publish('q', body).then(() => confirmed.add(body), (error) => errors.push(error))
    }
  })()
  const consumer = client.consume('q', { prefetch: 10 })
  const consuming = (async () => {
    for await (const message of consumer) {
      seen.add(message.text())
      message.ack()
    }
  })()
  for (let round = 1; round <= 3; round++) {
    await until(() => confirmed.size >= round * 50)
    const back = event(client, 'reconnected')
    const gone = event(client, 'disconnected')
    await server.kill()
    assert.ok(await gone instanceof ConnectionLostError)
    assert.equal(client.isConnected, false)
    await server.start()
    await back
  }
  await until(() => confirmed.size >= 200)
  isOver = true
  await publishing
  await until(() => [...confirmed].every((body) => seen.has(body)))
  await consumer.close()
  await consuming
  for (const error of errors) assert.ok(error instanceof ConnectionLostError, String(error))
}, { options: quick })

withServer('what was handed out before comes again, and its old delivery says so', async ({ client, server }) => {
  await client.declareQueue('q')
  await client.publishMany('q', ['a', 'b'])
  const consumer = client.consume('q')
  const { value: old } = await consumer.next()
  const back = event(client, 'reconnected')
  await server.kill()
  await server.start()
  await back
  assert.equal(old.ack(), false)
  const { value: again } = await consumer.next()
  assert.deepEqual([again.text(), again.redelivered], ['a', true])
  assert.equal(again.ack(), true)
  assert.equal((await consumer.next()).value.text(), 'b')
}, { options: quick })

withServer('a topic is read on behind the last record that was handed out', async ({ client, server }) => {
  await client.declareTopic('t', { partitions: 2 })
  for (const partition of [0, 1]) await client.publishMany('t', ['0', '1', '2', '3'], { partition })
  const reader = client.read('t', { from: 'first', idleTimeout: 2_000 })
  const seen = []
  const note = ({ partition, offset }) => seen.push(`${partition}:${offset}`)
  for (let count = 0; count < 3; count++) note((await reader.next()).value)
  const back = event(client, 'reconnected')
  await server.kill()
  await server.start()
  await back
  for (const record of await all(reader)) note(record)
  assert.deepEqual([...seen].sort(), ['0:0', '0:1', '0:2', '0:3', '1:0', '1:1', '1:2', '1:3'])
}, { options: quick })

withServer('what is in doubt is published again only if asked, and is there once', async ({ client, server }) => {
  await client.declareQueue('q', { deduplicationWindow: 600_000 })
  const count = 2_000
  const published = Array.from({ length: count }, (_, number) => (
    client.publish('q', String(number), { messageId: String(number), retry: true })))
  const back = event(client, 'reconnected')
  await published[100]
  await server.kill()
  await server.start()
  await back
  await Promise.all(published)
  assert.equal((await client.list('queues'))[0].messages, count)
}, { options: quick })

withServer('a publisher names what is in doubt', async ({ client, server }) => {
  await client.declareQueue('q')
  const publisher = client.publisher()
  for (let number = 0; number < 500; number++) await publisher.publish('q', 'x'.repeat(1_000))
  const back = event(client, 'reconnected')
  await server.kill()
  await assert.rejects(publisher.flush(), (error) => {
    assert.ok(error instanceof PublishRefusedError)
    for (const reason of error.refused.values()) assert.ok(reason instanceof ConnectionLostError)
    assert.equal(publisher.confirmed + error.refused.size, 500)
    return true
  })
  const confirmed = publisher.confirmed
  await server.start()
  await back
  assert.ok((await client.list('queues'))[0].messages >= confirmed)
}, { options: quick })

withServer('requests wait for the connection, as long as they may', async ({ client, server }) => {
  await client.declareQueue('q')
  await server.kill()
  await until(() => !client.isConnected)
  await assert.rejects(client.ping({ timeout: 100 }), NoAnswerError)
  await assert.rejects(client.publish('q', 'x', { signal: AbortSignal.timeout(100) }), { name: 'TimeoutError' })
  const waiting = client.publish('q', 'later')
  await server.start()
  await waiting
  assert.equal((await client.get('q')).text(), 'later')
}, { options: quick })

withServer('answers are asked for again over a new connection', async ({ client, server }) => {
  await client.declareQueue('sums')
  const answer = async () => {
    for await (const question of client.consume('sums')) {
      await question.reply('4')
      question.ack()
      break
    }
  }
  const [first] = await Promise.all([client.request('sums', '2+2'), answer()])
  assert.equal(first.text(), '4')
  const lost = assert.rejects(client.request('sums', 'never'), ConnectionLostError)
  const back = event(client, 'reconnected')
  await client.ping()
  await server.kill()
  await lost
  await server.start()
  await back
  await client.purge('sums')
  const [second] = await Promise.all([client.request('sums', '2+2'), answer()])
  assert.equal(second.text(), '4')
}, { options: quick })

withServer('without reconnect everything ends with the connection', async ({ server }) => {
  const client = await connect(server.url, { reconnect: false })
  await client.declareQueue('q', { exclusive: true })
  const other = await connect(server.url)
  await assert.rejects(other.consume('q').next(), LockedError)
  await other.close()
  const ended = event(client, 'ended')
  const next = assert.rejects(client.consume('q').next(), ConnectionLostError)
  await server.kill()
  await next
  assert.ok(await ended instanceof ConnectionLostError)
  await assert.rejects(client.ping(), ConnectionLostError)
  await client.close()
})

withServer('attempts end when they are to', async ({ server }) => {
  const client = await connect(server.url, { reconnect: { first: 10, most: 20, giveUpAfter: 100 } })
  const ended = event(client, 'ended')
  const next = assert.rejects(client.consume('q').next(), { code: 'not_found' })
  await next
  await server.kill()
  assert.equal((await ended).code, 'unreachable')
  await assert.rejects(client.ping(), { code: 'unreachable' })
})

withServer('a client may be closed while it connects again', async ({ server }) => {
  const client = await connect(server.url)
  await client.declareQueue('q')
  const consumer = client.consume('q')
  const next = consumer.next()
  await server.kill()
  await until(() => !client.isConnected)
  const waiting = assert.rejects(client.ping(), { code: 'closed' })
  await client.close()
  await waiting
  assert.equal((await next).done, true)
})

withServer('a server that stops in order is waited for, too', async ({ client, server }) => {
  await client.declareQueue('q')
  await client.publish('q', 'x')
  const back = event(client, 'reconnected')
  const gone = event(client, 'disconnected')
  await server.kill('SIGTERM')
  assert.match((await gone).message, /shutting_down/)
  await server.start()
  await back
  assert.equal((await client.get('q')).text(), 'x')
}, { options: quick })
