// What the server sends, from bytes: answers, messages and notices.
//
// The decoder is fed bytes cut anywhere and never waits or reads by itself. A body is copied once, so that a message
// that is kept does not keep the large buffer alive that it came in.

import { ProtocolError } from './errors.js'
import { parseInteger, unescape } from './text.js'

// A server's line holds at most a record's headers; a body, at most a listing. Both are far under these.
const LINE_MAX = 1_048_576
const BODY_MAX = 1_073_741_824
const LF = 10
const NOTHING = Buffer.alloc(0)

/** The options of an `ok`, as pairs of name and bytes in their order; a header among them may repeat. */
function pairsOf(words, from) {
  const pairs = []
  for (let index = from; index < words.length; index++) {
    const equals = words[index].indexOf('=')
    if (equals < 0) throw new SyntaxError('an option has no =')
    pairs.push([unescape(words[index].slice(0, equals)).toString(), unescape(words[index].slice(equals + 1))])
  }
  return pairs
}

/** The value of an option of an `ok`, as text. */
export function valueOf(ok, name) {
  return ok.options.find(([option]) => option === name)?.[1].toString()
}

function decodeOk(line) {
  const ok = { kind: 'ok', t: undefined, tLast: undefined, options: [], words: [], body: undefined }
  if (line === 'ok') return ok
  const words = line.split(' ')
  let from = 1
  if (words[1].startsWith('t=')) {
    const dash = words[1].indexOf('-')
    ok.t = parseInteger(words[1].slice(2, dash < 0 ? undefined : dash), 't')
    if (dash >= 0) {
      ok.tLast = parseInteger(words[1].slice(dash + 1), 't')
      if (ok.tLast < ok.t) throw new SyntaxError('the tags are in the wrong order')
    }
    from = 2
  }
  ok.options = pairsOf(words, from)
  ok.words = words
  return ok
}

/** Takes an option of a message, still escaped, into its fields. Those that are not known are a later server's. */
function setField(fields, name, value) {
  if (name === 'ts') fields.timestamp = parseInteger(value, 'ts')
  else if (name.startsWith('h.')) fields.rawHeaders.push([unescape(name.slice(2)), unescape(value)])
  else if (name === 'key') fields.rawKey = unescape(value)
  else if (name === 'r') fields.releases = parseInteger(value, 'r')
  else if (name === 'p') fields.partition = parseInteger(value, 'p')
  else if (name === 'null') fields.hasValue = value !== 'yes'
}

/**
 * The fields of a message, from the words of `msg` or of the answer to `get`.
 *
 * @throws {SyntaxError} a value is not what its option holds
 */
function fieldsOf(consumer, delivery, offset, words, from) {
  const fields = {
    kind: 'msg', consumer: parseInteger(consumer, 'the consumer'), delivery: parseInteger(delivery, 'the delivery'),
    offset: parseInteger(offset, 'the offset'), partition: 0, releases: undefined, timestamp: undefined,
    rawKey: undefined, rawHeaders: [], hasValue: true, body: NOTHING,
  }
  for (let index = from; index < words.length; index++) {
    const equals = words[index].indexOf('=')
    if (equals < 0) throw new SyntaxError('an option has no =')
    setField(fields, words[index].slice(0, equals), words[index].slice(equals + 1))
  }
  return fields
}

const decodeMessage = (words) => fieldsOf(words[1], words[2], words[3], words, 5)

/** The message in the answer to `get`; undefined: there was none. */
export function gotten(ok) {
  if (valueOf(ok, 'empty') === 'yes') return undefined
  try {
    return { ...fieldsOf('0', valueOf(ok, 'delivery'), valueOf(ok, 'offset'), ok.words, 1), body: ok.body ?? NOTHING }
  } catch (problem) {
    throw new ProtocolError(`cannot read the answer to get: ${problem.message}`, { cause: problem })
  }
}

const sentenceOf = (latin1) => Buffer.from(latin1, 'latin1').toString()

function decodeErr(line) {
  const found = /^err (?:([tc])=([0-9]+) )?([^ ]+) (retry|final)(?: (.*))?$/s.exec(line)
  if (!found) throw new SyntaxError('err needs a code, and retry or final')
  const [, about, number, code, retry, sentence = ''] = found
  return {
    kind: 'err', t: about === 't' ? parseInteger(number, 't') : undefined,
    c: about === 'c' ? parseInteger(number, 'c') : undefined,
    code, retry: retry === 'retry', sentence: sentenceOf(sentence),
  }
}

function decodeAssigned(words) {
  const options = new Map(words.slice(1).map((word) => {
    const equals = word.indexOf('=')
    return [word.slice(0, equals), word.slice(equals + 1)]
  }))
  const places = options.get('partitions')
  if (places === undefined) throw new SyntaxError('no partitions are named')
  return {
    kind: 'assigned', c: parseInteger(options.get('c'), 'c'),
    generation: parseInteger(options.get('generation'), 'generation'),
    partitions: new Map(places === '' ? [] : places.split(',').map((place) => {
      const [partition, offset] = place.split(':')
      return [parseInteger(partition, 'a partition'), parseInteger(offset, 'an offset')]
    })),
  }
}

function decodeNotice(line) {
  if (line === 'beat' || line === 'unblocked') return { kind: line }
  const [verb, code] = line.split(' ', 2)
  if (verb === 'blocked') return { kind: 'blocked', sentence: sentenceOf(line.slice(8)) }
  if (verb === 'bye' && code) return { kind: 'bye', code, sentence: sentenceOf(line.slice(5 + code.length)) }
  throw new SyntaxError('a server says no such thing')
}

/** Bytes in, events out: their `kind` is `ok`, `err`, `msg`, `assigned`, `bye`, `blocked`, `unblocked` or `beat`. */
export class Decoder {
  #head // an ok or msg whose line is there and whose body is not
  #lacks = 0 // how many bytes of that body, and its LF, are yet to come
  #parts = [] // what has come of the line or body so far
  #partsSize = 0

  /** Nothing has come that is not decoded. */
  get isBetweenEvents() {
    return this.#head === undefined && this.#partsSize === 0
  }

  /**
   * Decodes the next bytes, and hands each event that they complete to `take`.
   *
   * @throws {ProtocolError} these bytes are not the protocol; the decoder cannot go on
   */
  feed(chunk, take) {
    let at = 0
    while (at < chunk.length) {
      if (this.#head !== undefined) {
        const end = Math.min(chunk.length, at + this.#lacks)
        this.#lacks -= end - at
        if (this.#lacks > 0) {
          this.#keep(chunk.subarray(at, end))
          return
        }
        const head = this.#head
        head.body = this.#whole(chunk.subarray(at, end - 1))
        if (chunk[end - 1] !== LF) throw new ProtocolError(`no LF after the ${head.body.length} bytes of a body`)
        this.#head = undefined
        at = end
        take(head)
        continue
      }
      const end = chunk.indexOf(LF, at)
      const piece = chunk.subarray(at, end < 0 ? chunk.length : end)
      if (this.#partsSize + piece.length > LINE_MAX) throw new ProtocolError(`no LF within ${LINE_MAX} bytes`)
      if (end < 0) {
        this.#keep(piece)
        return
      }
      at = end + 1
      const line = (this.#parts.length === 0 ? piece : this.#whole(piece)).latin1Slice()
      this.#decode(line.endsWith('\r') ? line.slice(0, -1) : line, take)
    }
  }

  #keep(piece) {
    this.#parts.push(piece)
    this.#partsSize += piece.length
  }

  /** What was kept and this last piece, as a copy of its own. */
  #whole(last) {
    if (this.#partsSize === 0) return Buffer.from(last)
    this.#parts.push(last)
    const whole = Buffer.concat(this.#parts, this.#partsSize + last.length)
    this.#parts = []
    this.#partsSize = 0
    return whole
  }

  #decode(line, take) {
    if (line === '') return
    try {
      if (line.startsWith('msg ')) {
        const words = line.split(' ')
        this.#expect(decodeMessage(words), words[4])
      } else if (line === 'ok' || line.startsWith('ok ')) {
        const ok = decodeOk(line)
        const size = ok.options.length === 0 ? undefined : valueOf(ok, 'size')
        if (size === undefined) take(ok)
        else this.#expect(ok, size)
      } else if (line.startsWith('err')) take(decodeErr(line))
      else if (line.startsWith('assigned ')) take(decodeAssigned(line.split(' ')))
      else take(decodeNotice(line))
    } catch (problem) {
      if (!(problem instanceof SyntaxError)) throw problem
      const shown = line.length > 80 ? line.slice(0, 80) + '…' : line
      throw new ProtocolError(`cannot read the line ${JSON.stringify(shown)}: ${problem.message}`, { cause: problem })
    }
  }

  #expect(head, digits) {
    const size = parseInteger(digits, 'the size')
    if (size > BODY_MAX) throw new SyntaxError(`a body has at most ${BODY_MAX} bytes`)
    this.#head = head
    this.#lacks = Number(size) + 1
  }
}
