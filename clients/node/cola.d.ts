// Types of the client of Cola for Node.js. Durations are milliseconds, sizes bytes.

declare global {
  interface SymbolConstructor {
    readonly asyncDispose: unique symbol
  }
}

/**
 * A whole number of up to 63 bits: a number up to `Number.MAX_SAFE_INTEGER`, and a bigint beyond, never rounded.
 * What is given may be either; a number beyond is refused, since it may have been rounded before.
 */
export type Integer = number | bigint

/** A string stands for its UTF-8. */
export type Text = string | Uint8Array

export type HeaderValue = Text | Integer | boolean

/** An object, or pairs in their order where a name repeats or is no UTF-8. */
export type Headers = Record<string, HeaderValue> | readonly (readonly [Text, HeaderValue])[]

/**
 * - `signal`: rejects with its reason. What was sent already may still be carried out.
 * - `timeout`: how long to wait in the place of the client's, then rejects with a `NoAnswerError`.
 */
export interface Limits {
  signal?: AbortSignal
  timeout?: number
}

export interface ConnectOptions {
  /** In the place of those in the URL; over TCP `guest` where neither says one. A Unix socket asks for none. */
  user?: string
  password?: string
  /** Of a process that a server runs as a worker. Without a URL it is found by itself. */
  token?: string
  /** The virtual host to work in; `/`. */
  vhost?: string
  /** A name for listings. */
  client?: string
  /** Seconds, 0 for none; 60 over TCP and none over a Unix socket. */
  heartbeat?: number
  /** Features to insist on. */
  need?: string[]
  /** How long to wait for the connection and for each answer; 30,000. Infinity: for ever. */
  timeout?: number
  /** Ends the wait for the first connection. */
  signal?: AbortSignal
  /** When to connect again after the connection was lost; true. */
  reconnect?: boolean | ReconnectOptions
  /** How many messages may be published and not yet confirmed; 1,000. */
  window?: number
  /** And how many bytes of them; 16 MiB. */
  windowBytes?: number
}

/** The first attempt is made at once, the next after waits that grow. */
export interface ReconnectOptions {
  /** Before the second attempt; 50. */
  first?: number
  /** By which each wait is longer than the one before; 2. */
  factor?: number
  /** The longest wait; 5,000. */
  most?: number
  /** By which share of itself a wait is shortened at random; 0.5. */
  jitter?: number
  /** Then the attempts end; Infinity. */
  giveUpAfter?: number
}

/** Arguments of queues and topics, as protocol/native.md, section 3.2, has them: `max-length` is `maxLength`. */
export interface QueueArguments {
  messageTtl?: Integer
  expires?: Integer
  maxLength?: Integer
  maxLengthBytes?: Integer
  overflow?: 'drop-head' | 'reject-publish' | 'reject-publish-dlx'
  /** -1, as a text: any number. */
  deliveryLimit?: Integer | '-1'
  /** Such as `first=1000,most=60000,attempts=5`. */
  retry?: string
  /** An empty text is the exchange without a name, which leads to the queue of the routing key's name. */
  deadLetterExchange?: string
  deadLetterRoutingKey?: string
  consumerTimeout?: Integer
  queueType?: 'classic' | 'quorum'
  singleActiveConsumer?: boolean
  maxPriority?: number
  deduplicationWindow?: Integer
  [argument: string]: unknown
}

export interface TopicArguments {
  deduplicationWindow?: Integer
  /** Milliseconds, or such as `7D`. */
  retentionMs?: Integer | string
  retentionBytes?: Integer
  cleanupPolicy?: 'delete' | 'compact' | 'compact,delete'
  deleteRetentionMs?: Integer
  [argument: string]: unknown
}

export interface QueueOptions extends QueueArguments, Limits {
  /** False: it does not outlive the server. */
  durable?: boolean
  /** It belongs to this connection and ends with it, also where the client connects again. */
  exclusive?: boolean
  /** It goes with its last consumer. */
  autoDelete?: boolean
}

export interface ExchangeOptions extends Limits {
  type: 'direct' | 'fanout' | 'topic' | 'headers' | 'x-consistent-hash' | 'x-modulus-hash' | 'x-super-stream' |
    'x-random' | 'x-local-random' | 'x-recent-history'
  /** Where goes what no binding takes. */
  alternate?: string
  durable?: boolean
  autoDelete?: boolean
  internal?: boolean
  delayed?: boolean
  hashHeader?: string
  hashProperty?: 'message-id' | 'correlation-id' | 'timestamp'
  recentHistoryLength?: number
}

export interface BindOptions extends Limits {
  key?: Text
  /** What is bound is an exchange. */
  to?: 'exchange'
  /** Of a headers exchange. */
  match?: 'any' | 'all'
  headers?: Headers
}

export interface PublishManyOptions extends Limits {
  exchange?: string
  /** False: what leads nowhere is dropped, and not refused (`UnroutableError`). */
  mandatory?: boolean
  /** 0 to 255. */
  priority?: number
  ttl?: Integer
  delay?: Integer
  partition?: number
}

export interface PublishOptions extends PublishManyOptions {
  /** The record's key. */
  key?: Text
  headers?: Headers
  /** By which a queue or topic with a `deduplicationWindow` knows it again. */
  messageId?: Text
  replyTo?: string
  correlationId?: Text
  /** Publishes again what is in doubt after the connection was lost. Needs a `messageId`. */
  retry?: boolean
}

export interface ReplyOptions extends Limits {
  headers?: Headers
  priority?: number
  ttl?: Integer
}

interface IterationOptions {
  /** How many messages the server sends ahead, 1 to 65,535; 100. */
  prefetch?: number
  /** The iteration ends when nothing has come for so long. */
  idleTimeout?: number
  /** Ends it, by an error: the signal's reason. */
  signal?: AbortSignal
}

export interface ConsumeOptions extends IterationOptions {
  /** `auto`: each message counts as acknowledged when it is sent, and is gone if the program dies. `manual`. */
  ack?: 'manual' | 'auto'
  /** Of the consumers that can take a message those with the highest get it; 0. */
  priority?: number
  /** Nobody else may consume the queue. */
  exclusive?: boolean
  /** How long it may hold a message, in the place of the queue's; 0 is for any time. */
  consumerTimeout?: Integer
}

/** The first or last record, only what comes from now on, an offset, or the first record of a time. */
export type Position = 'first' | 'last' | 'next' | Integer | Date

export interface ReadOptions extends IterationOptions {
  /** Where to begin; with a group where that has not committed, and then `first`, else `next`. */
  from?: Position
  group?: string
  /** Be a member of the group, among whom the server shares the partitions out. */
  join?: 'range' | 'roundrobin' | 'sticky'
  /** Those to read; all. Not together with `join`. */
  partitions?: number[]
}

export interface RedriveOptions extends Limits {
  to?: string
  count?: Integer
  /** Messages a second. */
  rate?: number
  reason?: string
  from?: string
  end?: string
  key?: Text
  text?: string
  olderThan?: Integer
  youngerThan?: Integer
  headers?: Headers
}

export interface PeekOptions extends Limits {
  from?: Integer
  /** 1 to 1,000; 1. */
  count?: number
  partition?: number
  priority?: number
}

/** A record of a topic, or a message that is only looked at. */
export interface TopicRecord {
  /** Its place in the queue (each priority counts for itself) or partition. */
  readonly offset: Integer
  readonly partition: number
  /** A copy of its own, which the program may keep or change. Of a record without a value it is empty. */
  readonly body: Buffer
  /** False: a record that says that its key is gone. */
  readonly hasValue: boolean
  /** When the server took it in, milliseconds since 1970. */
  readonly timestamp: number | undefined
  /** The record's key as text; what is no UTF-8 is repaired. */
  readonly key: string | undefined
  readonly rawKey: Buffer | undefined
  /** By their names; of one that repeats the last. Without a prototype. Those of the server begin with `cola-`. */
  readonly headers: Record<string, string>
  /** As they came, in their order. */
  readonly rawHeaders: [Buffer, Buffer][]
  readonly messageId: string | undefined
  readonly replyTo: string | undefined
  readonly correlationId: string | undefined
  readonly priority: number
  /** What it was published to and with, if that was an exchange with a name. */
  readonly exchange: string | undefined
  readonly routingKey: string | undefined
  /** It may have been handed out before. */
  readonly redelivered: boolean
  /** How many deliveries of it are known to have failed. */
  readonly failures: number
  text(): string
  /** @throws {SyntaxError} the body is not JSON */
  json<Value = any>(): Value
}

/**
 * A message of a queue. Each of `ack`, `nack`, `retry` and `reject` returns true, or false if the connection is lost
 * over which it came; then the server gives it to a consumer again. To say two of them is a TypeError. They are on the
 * disk when any later request is answered, such as `client.ping()`.
 */
export interface Message extends TopicRecord {
  /** The number of its delivery on its connection; 0 if it needs no acknowledgement. */
  readonly delivery: Integer
  /** Done: the queue deletes it. */
  ack(): boolean
  /** Back to the queue: as its `retry` says; if it says nothing, or with 0, at once and to its place. */
  nack(options?: { delay?: Integer }): boolean
  /**
   * A failed attempt: again after `delay` (1,000), unless `attempts` (5) have failed; then it is a dead letter, or
   * parked. A `retry` of the queue goes before both. `reason` and `output` stand in the story of the message, up to
   * 4,000 bytes of each.
   */
  retry(options?: { delay?: Integer; attempts?: number; reason?: string; output?: string }): boolean
  /** Never again: a dead letter, if the queue says where those go. */
  reject(options?: { reason?: string; output?: string }): boolean
  /**
   * Publishes an answer to its `replyTo`, with its `correlationId`; dropped where nobody waits for it any more.
   *
   * @throws {TypeError} it has no `replyTo`
   */
  reply(body: Text, options?: ReplyOptions): Promise<void>
}

interface Iteration<Item> extends AsyncIterableIterator<Item> {
  next(): Promise<IteratorResult<Item, undefined>>
  return(): Promise<IteratorResult<Item, undefined>>
  /** Resolves when the server has begun to send. */
  ready(): Promise<void>
  /** Takes no more, and gives back what nobody has looked at. What is held can still be settled. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Messages as they come; begun at once. The loop throws what befalls the consumer (`CancelledError`: its queue was
 * deleted); after a `DamagedError` another loop over it goes on. Several loops may share one.
 */
export interface Consumer extends Iteration<Message> {}

/** Records as they come. */
export interface Reader extends Iteration<TopicRecord> {
  /** As a member of a group: the partitions that it reads, each with the offset it began at; undefined before. */
  readonly assignment: Map<number, Integer> | undefined
  readonly generation: Integer | undefined
  /** The group has read up to and with this record; resolves when that is on the disk. */
  commit(record: TopicRecord, options?: Limits): Promise<void>
  /** Reads on from there. What has come already is still handed out. */
  seek(position: Position, options?: Limits & { partition?: number }): Promise<void>
}

/** Publishes without waiting for each confirm; made by `client.publisher()`. */
export interface Publisher {
  /** Resolves when there is room in the client's window, and the message is on its way, to its number: 0, 1, 2 … */
  publish(routingKey: Text, body: Text | null, options?: PublishOptions): Promise<number>
  /**
   * Resolves when all that was published is confirmed.
   *
   * @throws {PublishRefusedError} which messages were not, and why
   */
  flush(options?: { signal?: AbortSignal }): Promise<void>
  /** How many were. */
  readonly confirmed: number
  /** `flush`. */
  [Symbol.asyncDispose](): Promise<void>
}

export interface Events {
  /** The connection is lost, and the client tries to connect again. */
  disconnected: [error: ConnectionLostError]
  /** It has, and its consumers have been taken up again. */
  reconnected: []
  /** It does not try (any more): every wait ends with this error. */
  ended: [error: ColaError]
  /** The server holds publishers back, and why. */
  blocked: [sentence: string]
  unblocked: []
  /** An `ack`, `nack`, `retry` or `reject` was refused: the message is not held any more. */
  refused: [error: ColaError]
}

/**
 * One connection, and the next when it is lost; made by `connect`. It is an EventEmitter. Each method rejects with the `ColaError` of what the
 * server refuses, `NoAnswerError`, `ConnectionLostError` or `ClosedError`; with a TypeError or RangeError for what
 * cannot be said, and then nothing was sent.
 */
export interface Client {
  readonly server: string
  readonly user: string
  readonly isAdmin: boolean
  readonly features: Set<string>
  /** The largest body that the server takes. */
  readonly bodyMax: number
  readonly isConnected: boolean
  /** Why the server holds publishers back; undefined: it does not. */
  readonly blocked: string | undefined

  on<Name extends keyof Events>(event: Name, listener: (...said: Events[Name]) => void): this
  once<Name extends keyof Events>(event: Name, listener: (...said: Events[Name]) => void): this
  off<Name extends keyof Events>(event: Name, listener: (...said: Events[Name]) => void): this

  /** Makes it if there is none of the name; without a name the server chooses one. */
  declareQueue(name?: string, options?: QueueOptions): Promise<{ name: string; messages: number }>
  declareTopic(name: string, options?: TopicArguments & Limits & { partitions?: number }): Promise<void>
  declareExchange(name: string, options: ExchangeOptions): Promise<void>
  /** Resolves to how many messages were in it. */
  deleteQueue(name: string, options?: Limits & { ifUnused?: boolean; ifEmpty?: boolean }): Promise<number>
  deleteTopic(name: string, options?: Limits): Promise<number>
  deleteExchange(name: string, options?: Limits & { ifUnused?: boolean }): Promise<void>
  deleteGroup(topic: string, group: string, options?: Limits): Promise<void>
  bind(exchange: string, name: string, options?: BindOptions): Promise<void>
  unbind(exchange: string, name: string, options?: BindOptions): Promise<void>
  /** Changes arguments of a queue or topic; `clear` names some to take back. */
  alter(name: string, options: (QueueArguments | TopicArguments) & Limits & { clear?: string[] }): Promise<void>
  /** Arguments for all that `pattern`, a regular expression, is found in the names of. */
  setPolicy(name: string, options: (QueueArguments | TopicArguments) & Limits &
    { pattern: string; to?: string; priority?: number }): Promise<void>
  clearPolicy(name: string, options?: Limits): Promise<void>
  /** Removes what is not handed out; resolves to how many that were. */
  purge(name: string, options?: Limits): Promise<number>
  /** Takes dead letters back to where they died; resolves to how many. */
  redrive(name: string, options?: RedriveOptions): Promise<number>

  /**
   * Publishes to the queue or topic of that name, or to an exchange; resolves when it is confirmed: on the disk, or
   * acknowledged by its consumer. False: it had been taken before (`messageId`). A body of null is a record without a
   * value. A Uint8Array is not copied if it is large: leave it as it is until then.
   */
  publish(routingKey: Text, body: Text | null, options?: PublishOptions): Promise<boolean>
  /** Up to 10,000 messages in one transaction: after a crash all are there, or none. */
  publishMany(routingKey: Text, bodies: Iterable<Text>, options?: PublishManyOptions): Promise<boolean>
  publisher(): Publisher
  /** Publishes a question, and resolves to the message that answers it. */
  request(routingKey: Text, body: Text, options?: Omit<PublishOptions, 'replyTo' | 'correlationId' | 'retry'>):
    Promise<Message>

  consume(queue: string, options?: ConsumeOptions): Consumer
  read(topic: string, options?: ReadOptions): Reader
  /** One message now, or undefined. It is to be settled, unless with `ack: 'auto'`. */
  get(queue: string, options?: Limits & { ack?: 'manual' | 'auto' }): Promise<Message | undefined>
  /** Looks at messages in the order in which they are delivered, without taking them. */
  peek(name: string, options?: PeekOptions): Promise<TopicRecord[]>
  /** Looks at all of them. */
  browse(name: string, options?: { partition?: number; signal?: AbortSignal }): AsyncGenerator<TopicRecord, void, void>
  /** Where the group reads on. */
  commit(topic: string, group: string, offset: Integer, options?: Limits & { partition?: number }): Promise<void>

  /** As protocol/native.md, section 3.6. Numbers in them are JavaScript's: rounded beyond 2^53. */
  list(kind: 'queues' | 'topics' | 'exchanges' | 'bindings' | 'consumers' | 'connections' | 'groups' | 'policies' |
    'vhosts' | 'users' | 'permissions' | 'topic-permissions' | 'workers' | 'processes', options?: Limits):
    Promise<Record<string, any>[]>
  describe(kind: 'queue' | 'topic' | 'exchange' | 'policy' | 'vhost' | 'user' | 'worker', name: string,
    options?: Limits): Promise<Record<string, any>>
  describe(kind: 'group', topic: string, group: string, options?: Limits): Promise<Record<string, any>>
  /** Why the messages of a queue wait, or the one with that offset. */
  why(queue: string, offset?: Integer, options?: Limits & { priority?: number }): Promise<Record<string, any>>
  stat(options?: Limits): Promise<Record<string, any>>
  /** Resolves when everything before is done, and every acknowledgement before is on the disk. */
  ping(options?: Limits): Promise<void>
  /** Any request of the protocol: `command('worker', ['scale', 'resize'], { min: 4 })`. */
  command(verb: string, words?: (Text | Integer)[], options?: Limits & Record<string, unknown>):
    Promise<{ options: Record<string, string>; body: Buffer | undefined }>

  /** Waits for what is being published, at most the client's `timeout`, takes leave and closes. Loops end. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Connects to a server.
 *
 * @param url `unix:///path/cola.sock`, `unix:relative.sock` or `tcp://[user:password@]host[:port]`; else the
 *   environment's `COLA_URL`, else the socket in `./cola-data`
 */
export function connect(url: string | URL, options?: ConnectOptions): Promise<Client>
export function connect(options?: ConnectOptions): Promise<Client>

/** What was refused, or could not be answered. */
export class ColaError extends Error {
  /** Stable; those of protocol/native.md, section 7, and those of the classes below. */
  readonly code: string
  /** The same request, unchanged, can succeed later. */
  readonly retryable: boolean
}

/** The name, the password or the token is wrong. */
export class UnauthenticatedError extends ColaError {}
/** The name is reserved, or the user may not do this. */
export class AccessRefusedError extends ColaError {}
export class NotFoundError extends ColaError {}
/** It exists, but differently; or the request does not fit what it names. */
export class MismatchError extends ColaError {}
/** The message leads nowhere. */
export class UnroutableError extends ColaError {}
/** A body, or the line of a request, is over the server's limit. */
export class TooLargeError extends ColaError {}
export class LimitError extends ColaError {}
export class InUseError extends ColaError {}
/** Another connection has the queue for itself alone. */
export class LockedError extends ColaError {}
/** The queue holds as much as it may, and refuses more. */
export class FullError extends ColaError {}
/** What was to be settled is not held by this connection. */
export class UnknownDeliveryError extends ColaError {}
/** The consumer has ended: its queue was deleted, it held a message for too long, or its worker is being stopped. */
export class CancelledError extends ColaError {}
/** A stored message failed its check and was put aside; the consumer goes on. */
export class DamagedError extends ColaError {}
export class BusyError extends ColaError {}
export class ShuttingDownError extends ColaError {}
/** No connection could be made (`unreachable`). */
export class UnreachableError extends ColaError {}
/** No answer came in time (`no_answer`); what was asked may still be done. */
export class NoAnswerError extends ColaError {}
/** What the server sent is not the protocol (`protocol`). */
export class ProtocolError extends ColaError {}
/** The program has closed the client (`closed`). */
export class ClosedError extends ColaError {}
/** The connection ended before the answer came (`connection_lost`): it may have been done, or not. */
export class ConnectionLostError extends ColaError {}
/** Some messages of a publisher were not confirmed (`publish_refused`). */
export class PublishRefusedError extends ColaError {
  /** By the numbers that `publish` gave: refused, or a `ConnectionLostError` for what may be published or not. */
  readonly refused: Map<number, Error>
}
