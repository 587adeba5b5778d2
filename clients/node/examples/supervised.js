// A program that Cola starts and watches by itself, as often as it is told to:
//
//     workers:
//       words:
//         command: [node, examples/supervised.js]
//         mode: client
//         queue: texts
//         processes: 2
//
// Where to connect stands in its environment, and a token ties its messages to its process: of one that dies they are
// back within a second, and the message that it died of is found without blaming those beside it.

import { CancelledError, connect } from 'cola-queue'

const client = await connect({ client: `words ${process.pid}` })
const { COLA_QUEUE: queue = 'texts', COLA_PREFETCH: prefetch = 10 } = process.env
await client.declareQueue('counts')
const texts = client.consume(queue, { prefetch: Number(prefetch) })
try {
  for await (const message of texts) {
    const words = message.text().split(/\s+/).filter(Boolean).length
    await client.publish('counts', `${words} words`)
    message.ack()
  }
} catch (error) {
  if (!(error instanceof CancelledError)) throw error // it is told to end: nothing more comes
} finally {
  await client.close()
}
