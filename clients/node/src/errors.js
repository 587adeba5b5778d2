// What can go wrong, as classes with the stable codes of protocol/native.md, section 7.

/**
 * A request was refused, or could not be answered.
 *
 * `code` is stable, `message` is the server's sentence, and `retryable` says that the same request, unchanged, can
 * succeed later.
 */
export class ColaError extends Error {
  constructor(sentence, { code, retryable, cause } = {}) {
    super(sentence, cause === undefined ? undefined : { cause })
    this.name = new.target.name
    this.code = code ?? new.target.code
    this.retryable = retryable ?? new.target.retryable
  }

  static code = 'error'
  static retryable = false
}

export class UnauthenticatedError extends ColaError { static code = 'unauthenticated' }
export class AccessRefusedError extends ColaError { static code = 'access_refused' }
export class NotFoundError extends ColaError { static code = 'not_found' }
export class MismatchError extends ColaError { static code = 'mismatch' }
export class UnroutableError extends ColaError { static code = 'unroutable' }
export class TooLargeError extends ColaError { static code = 'too_large' }
export class LimitError extends ColaError { static code = 'limit' }
export class InUseError extends ColaError { static code = 'in_use' }
export class LockedError extends ColaError { static code = 'locked' }
export class FullError extends ColaError { static code = 'full'; static retryable = true }
export class UnknownDeliveryError extends ColaError { static code = 'unknown_delivery' }
export class CancelledError extends ColaError { static code = 'cancelled' }
export class DamagedError extends ColaError { static code = 'damaged' }
export class BusyError extends ColaError { static code = 'busy'; static retryable = true }
export class ShuttingDownError extends ColaError { static code = 'shutting_down'; static retryable = true }

/** No connection could be made. */
export class UnreachableError extends ColaError { static code = 'unreachable'; static retryable = true }

/** No answer came in time. Whether the request was carried out is not known. */
export class NoAnswerError extends ColaError { static code = 'no_answer'; static retryable = true }

/** What the server sent is not the protocol. */
export class ProtocolError extends ColaError { static code = 'protocol' }

/** The client was closed by its program. */
export class ClosedError extends ColaError { static code = 'closed' }

/** The connection ended before the answer came: the server may have carried the request out, or not. */
export class ConnectionLostError extends ColaError { static code = 'connection_lost'; static retryable = true }

/** Messages of a publisher were refused: `refused` is a Map of their numbers to errors. */
export class PublishRefusedError extends ColaError {
  static code = 'publish_refused'

  constructor(refused) {
    const [[number, first]] = refused
    const others = refused.size > 1 ? ` and ${refused.size - 1} more` : ''
    super(`message ${number}${others} not confirmed: ${first.message}`, { cause: first })
    this.refused = refused
  }
}
