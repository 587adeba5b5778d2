// A real `cola serve` as a child process: started, killed, and never left behind.

import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { connect } from '../src/index.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** `COLA_BIN`, else the release build, else the debug build. */
export const binary = process.env.COLA_BIN ??
  ['release', 'debug'].map((kind) => join(root, '.build', kind, 'cola')).find(existsSync)

const running = new Set()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** A process that is killed with this one, however it ends. */
export function child(command, args, options) {
  // Where there is none, the handler above does it for all ends but a kill.
  const guard = existsSync('/usr/bin/setpriv') ? ['/usr/bin/setpriv', '--pdeathsig', 'KILL'] : []
  const [program, ...rest] = [...guard, command, ...args]
  const started = spawn(program, rest, options)
  running.add(started)
  started.once('exit', () => running.delete(started))
  return started
}

const ended = (process) => new Promise((resolve) => {
  if (process.exitCode !== null || process.signalCode !== null) resolve()
  else process.once('exit', resolve)
})

/** One data directory, and the server that runs on it from time to time. */
export class Server {
  /** Over a Unix socket. */
  url
  /** Over TCP, on the port that the server last chose. */
  tcp
  args
  #process

  constructor(...args) {
    // The path of a socket has at most 107 bytes, and TMPDIR may be long.
    this.folder = mkdtempSync('/tmp/cola-node-')
    this.url = `unix://${this.folder}/s`
    this.args = args
  }

  async start() {
    if (binary === undefined) throw new Error('no executable of cola: run `make build`, or set COLA_BIN')
    const { folder } = this
    const log = join(folder, 'log')
    this.#process = child('/bin/sh', [
      '-c', 'exec "$@" 2>>"$0"', log, binary, 'serve', '--data-dir', join(folder, 'data'), '--socket', `${folder}/s`,
      '--native', '127.0.0.1:0', '--amqp', 'off', '--kafka', 'off', ...this.args,
    ], { stdio: ['ignore', 'pipe', 'ignore'] })
    for await (const line of createInterface({ input: this.#process.stdout })) {
      this.tcp = /native=(\S+)/.exec(line)[1]
      return this
    }
    throw new Error(`the server did not start:\n${readFileSync(log)}`)
  }

  /** kill -9, and waits for the end. */
  async kill(signal = 'SIGKILL') {
    this.signal(signal)
    if (this.#process) await ended(this.#process)
  }

  signal(signal) {
    this.#process?.kill(signal)
  }

  /** SIGSTOP, and waits until each thread stands still: one on another core may run on and answer meanwhile. */
  async halt() {
    this.signal('SIGSTOP')
    const threads = `/proc/${this.#process.pid}/task`
    const stands = (thread) => /^[Tt]/.test(readFileSync(`${threads}/${thread}/stat`, 'utf8').split(') ').at(-1))
    while (!readdirSync(threads).every(stands)) await setTimeout(1)
  }

  async remove() {
    await this.kill()
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** A file beside the data, as the server's configuration for example. */
  write(name, text) {
    writeFileSync(join(this.folder, name), text)
    return join(this.folder, name)
  }
}

/** A test with a time limit and a server of its own, to which `client` is connected. */
export function withServer(name, run, { args = [], options = {} } = {}) {
  test(name, { timeout: 120_000 }, async (context) => {
    const server = new Server(...args)
    let client
    // Also when the test ran out of time.
    context.after(async () => {
      await server.remove()
      await client?.close()
    })
    await server.start()
    client = await connect(server.url, options)
    await run({ server, client })
  })
}

/** Resolves when the condition holds; the test's own time limit ends it otherwise. */
export async function until(condition) {
  while (!await condition()) await setTimeout(20)
}

/** All that comes before nothing more does for a while. */
export async function all(consumer) {
  const found = []
  for await (const message of consumer) found.push(message)
  return found
}
