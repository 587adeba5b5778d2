import * as errors from './errors.js'

// The client makes the one of a publisher by itself, and no server.
// eslint-disable-next-line no-unused-vars
const { ColaError, PublishRefusedError, ...kinds } = errors
const byCode = new Map(Object.values(kinds).map((kind) => [kind.code, kind]))

/** The error of a line `err` or `bye`; a plain ColaError for the codes that a program hardly handles one by one. */
export function errorFor(code, sentence, retryable) {
  return new (byCode.get(code) ?? ColaError)(sentence, { code, retryable })
}
