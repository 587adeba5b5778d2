// Texts of the protocol: any bytes, with space, control bytes, DEL and "%" written as "%" and two digits.
//
// Lines are strings of one character a byte ("latin1"), which Node turns into bytes and back fastest.

const unsafe = /[\x00-\x20%\x7f]/g
const unsafeInName = /[\x00-\x20%=\x7f]/g
const plain = /^[\x21-\x24\x26-\x7e]*$/
const escapes = /%([0-9A-Fa-f]{2})?/g

const hex = (character) => '%' + character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')

/** The bytes of a string (its UTF-8) or Uint8Array, one character each. */
function latin1(text) {
  if (typeof text === 'string') return Buffer.from(text).latin1Slice()
  if (text instanceof Uint8Array) return Buffer.from(text.buffer, text.byteOffset, text.byteLength).latin1Slice()
  throw new TypeError(`a name or text is a string or a Uint8Array, not ${text === null ? text : typeof text}`)
}

/** A text as it stands in a line. */
export function escape(text) {
  return typeof text === 'string' && plain.test(text) ? text : latin1(text).replace(unsafe, hex)
}

/** The name of a header, where "=" would end it. */
export function escapeName(text) {
  return latin1(text).replace(unsafeInName, hex)
}

/**
 * The bytes of a text in a line.
 *
 * @throws {SyntaxError} a "%" without two hexadecimal digits behind it
 */
export function unescape(text) {
  if (!text.includes('%')) return Buffer.from(text, 'latin1')
  return Buffer.from(text.replace(escapes, (_, digits) => {
    if (digits === undefined) throw new SyntaxError('a % has no two hexadecimal digits behind it')
    return String.fromCharCode(parseInt(digits, 16))
  }), 'latin1')
}

/** Digits as a number, or as a bigint beyond 2^53 - 1, where a number would be rounded.
 *
 * @throws {SyntaxError} it is no number */
export function parseInteger(digits, name) {
  if (!/^[0-9]{1,19}$/.test(digits)) throw new SyntaxError(`${name} is no number`)
  const number = Number(digits)
  return Number.isSafeInteger(number) ? number : BigInt(digits)
}

/**
 * A number as digits.
 *
 * @throws {RangeError} it is negative, a fraction, or a number beyond 2^53 - 1, which may have been rounded
 */
export function integer(value, name) {
  if (typeof value === 'bigint' ? value < 0n : !Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`${name} is ${value}; it must be a whole number from 0 on, and beyond 2^53 - 1 a bigint`)
  }
  return String(value)
}

/** The whole number after this one; a bigint where a number would be rounded. */
export function successor(value) {
  if (typeof value === 'bigint') return value + 1n
  return Number.isSafeInteger(value + 1) ? value + 1 : BigInt(value) + 1n
}
