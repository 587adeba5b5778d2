import * as errors from './errors.js'

// What a publisher throws is made of other errors, and no server says it.
const kinds = Object.values(errors).filter((kind) => kind !== errors.PublishRefusedError)
const byCode = new Map(kinds.map((kind) => [kind.code, kind]))

/** The error of a line `err` or `bye`; a plain ColaError for the codes that a program hardly handles one by one. */
export function errorFor(code, sentence, retryable) {
  return new (byCode.get(code) ?? errors.ColaError)(sentence, { code, retryable })
}
