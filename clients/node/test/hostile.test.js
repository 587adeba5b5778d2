// Servers that do not keep to the protocol: an error each time, never a rejection that nobody handles, or a hang.

import assert from 'node:assert/strict'
import net from 'node:net'
import { test } from 'node:test'

import { ColaError, NoAnswerError, ProtocolError, connect } from '../src/index.js'

import { randomNumbers } from './random.js'

const HELLO = 'ok t=1 version=1 server=Fake/1 user=guest admin=no heartbeat=0 line=65536 body=1000 features=get\n'

/** A server that does with each connection what `serve` says. */
async function withFake(serve, run) {
  const sockets = new Set()
  const server = net.createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    serve(socket)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await run(`tcp://127.0.0.1:${server.address().port}`)
  } finally {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
}

const limit = { timeout: 60_000 }
const options = { reconnect: false, heartbeat: 0, timeout: 1_000 }

/** Says hello, and then something for each line that comes, without looking at it. */
const answering = (answer) => (socket) => {
  let isGreeted = false
  socket.on('data', () => {
    if (isGreeted) socket.write(answer())
    else socket.write(HELLO)
    isGreeted = true
  })
}

test('what is not an answer to anything ends the connection', limit, async () => {
  const answers = [
    'ok\n', 'ok t=1\n', 'ok t=3\n', 'ok t=2-9007199254740991\n', 'ok t=2-9223372036854775807\n',
    'err t=9 full retry x\n',
    'msg 7 1 0 1\nx\n', 'assigned c=7 generation=1 partitions=\n', 'huh\n', 'ok t=2 size=5\n123456\n',
    Buffer.from([0x16, 3, 1, 0, 10]), 'msg 1 1 0 99999999999\n', 'HTTP/1.1 400 Bad Request\r\n\r\n',
  ]
  for (const answer of answers) {
    await withFake(answering(() => Buffer.concat([Buffer.from(answer), Buffer.from('\n')])), async (url) => {
      const client = await connect(url, options)
      await assert.rejects(client.ping(), (error) => {
        assert.ok(error.cause instanceof ProtocolError, `${JSON.stringify(String(answer))}: ${error}`)
        return true
      })
      await client.close()
    })
  }
})

test('an answer to hello that is none is refused', limit, async () => {
  for (const answer of ['ok t=2\n', 'SSH-2.0-OpenSSH_9.2\r\n', 'ok t=1 heartbeat=x body=y\nbye now\n', '\u0000\n']) {
    await withFake((socket) => socket.write(answer), async (url) => {
      await assert.rejects(async () => {
        const client = await connect(url, options)
        await client.ping().finally(() => client.close())
      }, ColaError)
    })
  }
})

test('a server that closes at once, or says why, is told of', limit, async () => {
  await withFake((socket) => socket.end(), (url) => assert.rejects(connect(url, options), ColaError))
  await withFake((socket) => socket.end('bye busy 10000 connections are open\n'), (url) => (
    assert.rejects(connect(url, options), { code: 'busy', message: '10000 connections are open' })))
})

test('a server that says nothing is not waited for longer than the time given', limit, async () => {
  await withFake(() => {}, async (url) => {
    await assert.rejects(connect(url, { ...options, timeout: 100 }), NoAnswerError)
    await assert.rejects(connect(url, { ...options, signal: AbortSignal.timeout(100) }), { name: 'TimeoutError' })
  })
})

test('a server that falls silent is noticed by its heartbeat', limit, async () => {
  let beats = 0
  await withFake((socket) => {
    socket.once('data', () => {
      socket.write(HELLO.replace('heartbeat=0', 'heartbeat=1'))
      socket.on('data', (data) => (beats += String(data).split('beat\n').length - 1))
    })
  }, async (url) => {
    const client = await connect(url, { ...options, heartbeat: 1 })
    const error = await new Promise((resolve) => client.once('ended', resolve))
    assert.match(error.message, /nothing came from the server for 2 s/)
    assert.ok(beats >= 2, `${beats} beats`)
    await client.close()
  })
})

test('an answer that comes when nobody waits any more is not the next one’s', limit, async () => {
  await withFake((socket) => {
    let count = 0
    socket.on('data', () => {
      count += 1
      if (count === 1) socket.write(HELLO)
      if (count === 3) socket.write('ok t=2 messages=2\nok t=3 messages=3\n')
    })
  }, async (url) => {
    const client = await connect(url, options)
    await assert.rejects(client.purge('q', { timeout: 100 }), NoAnswerError)
    assert.equal(await client.purge('q'), 3)
    await client.close()
  })
})

test('publishers are told that they are held back, and why', limit, async () => {
  await withFake(answering(() => 'blocked the disk is full\nunblocked\nok t=2\n'), async (url) => {
    const client = await connect(url, options)
    const said = []
    client.on('blocked', (sentence) => said.push(sentence, client.blocked))
    client.on('unblocked', () => said.push(client.blocked))
    await client.ping()
    assert.deepEqual(said, ['the disk is full', 'the disk is full', undefined])
    await client.close()
  })
})

test('garbage of any kind is an error', limit, async () => {
  const words = [
    'ok', 'ok t=', 'err', 'err t=2 ', 'msg 1 1 0 ', 'msg', 'assigned c=1 ', 'bye', 'blocked', 'beat', 'size=', '1', '-',
    ' ', '%', '%zz', '=', '\n', '\r\n', '\u0000', 'é', '9223372036854775808', 'retry', 'final', 'partitions=', 't=2',
    'h.a=b',
  ]
  for (let seed = 1; seed <= 60; seed++) {
    const random = randomNumbers(seed)
    const garbage = () => {
      const parts = []
      for (let count = random(30); count >= 0; count--) {
        parts.push(random(4) === 0 ? Buffer.from([random(256), random(256)]) : Buffer.from(words[random(words.length)]))
      }
      return Buffer.concat(parts)
    }
    const quickly = { signal: AbortSignal.timeout(10_000) }
    await withFake(answering(garbage), async (url) => {
      // This machine may be too busy for so short a time; what is asked below must not take longer.
      const reconnect = seed % 2 === 0 && { first: 1, most: 5 }
      const client = await connect(url, { ...options, timeout: 100, reconnect }).catch((error) => {
        assert.ok(error instanceof ColaError, String(error))
      })
      if (client === undefined) return
      const asked = [
        client.ping(quickly), client.publish('q', 'x', quickly), client.get('q', quickly),
        client.list('queues', quickly),
        client.consume('q', quickly).next(), client.read('t', quickly).next(), client.request('q', 'x', quickly),
      ]
      // Whatever comes of them comes soon; an answer that happens to be right is none of ours to judge.
      await Promise.race([Promise.allSettled(asked), new Promise((resolve) => setTimeout(resolve, 150))])
      await client.close()
      for (const { status, reason } of await Promise.allSettled(asked)) {
        if (status === 'rejected') assert.ok(reason instanceof ColaError, `seed ${seed}: ${reason?.stack}`)
      }
    })
  }
})
