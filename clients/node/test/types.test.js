// The types of cola.d.ts: programs compile against them, and they name what the module has.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import * as module from '../src/index.js'

const folder = fileURLToPath(new URL('types', import.meta.url))

test('programs compile against the types', { timeout: 120_000 }, (context) => {
  const { error, status, stdout } = spawnSync('tsc', ['-p', folder], { encoding: 'utf8' })
  if (error?.code === 'ENOENT') {
    context.skip('no TypeScript here: apt-get install node-typescript, or npm install --global typescript')
    return
  }
  assert.equal(status, 0, stdout)
})

test('the types name what the module has, and nothing else', () => {
  const types = readFileSync(new URL('../cola.d.ts', import.meta.url), 'utf8')
  const named = [...types.matchAll(/^export (?:class|function) (\w+)/gm)].map(([, name]) => name)
  assert.deepEqual([...new Set(named)].sort(), Object.keys(module).sort())
})
