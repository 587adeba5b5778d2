// Compiled, never run: what programs write has types, and what they must not write is an error.

import { connect, type Client, type Integer, type Message, NotFoundError, PublishRefusedError } from 'cola-queue'

async function usage(signal: AbortSignal): Promise<void> {
  const client: Client = await connect('tcp://localhost', { vhost: '/', reconnect: { giveUpAfter: 1_000 }, signal })
  await connect()
  await connect({ timeout: 5 })
  const { name, messages }: { name: string; messages: number } = await client.declareQueue('q', {
    maxLength: 5n, exclusive: true, overflow: 'reject-publish', signal,
  })
  const isNew: boolean = await client.publish(name, new Uint8Array(5), { headers: { a: 1, b: 'x' }, messageId: 'i' })
  await client.publish('t', null, { key: 'k', headers: [['a', new Uint8Array(1)]] })
  for await (const message of client.consume(name, { prefetch: messages, ack: 'manual' })) {
    const value: { a: number } = message.json()
    const size: number = message.body.length
    const offset: Integer = message.offset
    if (message.nack({ delay: 5 }) && message.retry({ reason: `${offset} ${size}` })) message.reject()
    await message.reply(String(value.a))
  }
  const reader = client.read('t', { from: new Date(), group: 'g', join: 'sticky' })
  for await (const record of reader) {
    await reader.commit(record)
    // @ts-expect-error a record is not settled
    record.ack()
  }
  const answer: Message = await client.request('sums', '2+2', { timeout: 1_000 })
  const publisher = client.publisher()
  const number: number = await publisher.publish('q', answer.body)
  await publisher.flush({ signal })
  await client.describe('group', 't', 'g', { timeout: 5 })
  client.on('blocked', (sentence) => sentence.length + number)
  // @ts-expect-error there is no such event
  client.on('block', () => {})
  // @ts-expect-error it is an object
  await client.publish('q', { a: 1 })
  // @ts-expect-error no such option
  client.consume('q', { prefetc: 5 })
  // @ts-expect-error an exchange has a type
  await client.declareExchange('x', {})
  try {
    await client.get('q')
  } catch (error) {
    if (error instanceof NotFoundError && error.retryable) await client.close()
    if (error instanceof PublishRefusedError) error.refused.get(0)?.message
  }
  await client[Symbol.asyncDispose]()
  void isNew
}

void usage
