// The examples, and the programs in README.md, against a real server.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import { connect } from '../src/index.js'

import { child, until, withServer } from './server.js'

const folder = fileURLToPath(new URL('..', import.meta.url))

/** A program in a process of its own: `lines` grows as it writes, and `end` resolves to its exit code. */
function run(server, ...args) {
  const process_ = child(process.execPath, args, {
    cwd: folder, env: { ...process.env, COLA_URL: server.url }, stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = []
  const reading = (async () => {
    for await (const line of createInterface({ input: process_.stdout })) lines.push(line)
  })()
  const end = new Promise((resolve) => process_.once('exit', (code) => resolve(code)))
  return { lines, end: Promise.all([end, reading]).then(([code]) => code), kill: (signal) => process_.kill(signal) }
}

withServer('a producer and two workers, one of which is told to end', async ({ client, server }) => {
  const producer = run(server, 'examples/producer.js', '500')
  assert.equal(await producer.end, 0)
  assert.deepEqual(producer.lines, ['500 jobs are confirmed'])
  const workers = [run(server, 'examples/worker.js'), run(server, 'examples/worker.js')]
  await until(async () => (await client.list('queues'))[0].messages === 0)
  await until(async () => (await client.list('consumers')).length === 2)
  await client.publish('jobs', 'no JSON')
  await until(async () => (await client.describe('queue', 'jobs')).ends?.refused >= 1)
  for (const worker of workers) worker.kill('SIGTERM')
  assert.deepEqual(await Promise.all(workers.map(({ end }) => end)), [0, 0])
  assert.equal(workers[0].lines.length + workers[1].lines.length, 500)
})

withServer('a question and its answer', async ({ server }) => {
  const answering = run(server, 'examples/answers.js', 'answer')
  const asking = run(server, 'examples/answers.js', 'ask', 'hello there')
  assert.equal(await asking.end, 0)
  assert.deepEqual(asking.lines, ['HELLO THERE'])
  answering.kill('SIGKILL')
  await answering.end
})

withServer('each program of both README.md runs, and says what it should', async ({ client, server }) => {
  const pages = ['../README.md', '../../../README.md']
  const programs = pages.flatMap((page) => {
    const text = readFileSync(new URL(page, import.meta.url), 'utf8')
    return [...text.matchAll(/^```js\n([^]*?)^```$/gm)].map(([, program]) => program)
  })
  const said = [['world en'], [], ["0 0 ana { user: 'ana' }", 'audit'], ['hello']]
  assert.equal(programs.length, said.length)
  for (const [index, program] of programs.entries()) {
    const { lines, end } = run(server, '--input-type=module', '--eval', program)
    assert.equal(await end, 0, program)
    assert.deepEqual(lines.map((line) => line.replace(/^1 0 ana/, '0 0 ana')), said[index])
  }
  assert.equal((await client.describe('queue', 'numbers')).messages, 10_000)
})

withServer('a supervised worker is known by its token, and stops when it is told to', async ({ client: first, server }) => {
  await first.declareQueue('texts')
  await first.close()
  await server.kill()
  const config = server.write('cola.yaml', [
    'workers:', '  words:', `    command: ['${process.execPath}', '${folder}examples/supervised.js']`,
    '    mode: client', '    queue: texts', '    processes: 1', '',
  ].join('\n'))
  server.args.push('--config', config, '--workers-as-root', 'yes')
  await server.start()
  const client = await connect(server.url)
  try {
    await client.publish('texts', 'three small words')
    const counts = []
    await client.declareQueue('counts')
    for await (const message of client.consume('counts', { ack: 'auto' })) {
      counts.push(message.text())
      break
    }
    assert.deepEqual(counts, ['3 words'])
    await until(async () => (await client.list('connections')).some(({ worker }) => worker === 'words/1'))
    await client.command('worker', ['stop', 'words'])
    const isOver = ({ worker, state }) => worker !== 'words' || state === 'terminated'
    await until(async () => (await client.list('processes')).every(isOver))
    const output = JSON.parse((await client.command('logs', ['words'])).body)
    assert.deepEqual(output.lines, [])
  } finally {
    await client.close()
  }
})
