// Works through a queue, four jobs at a time; run as many as you like. SIGINT and SIGTERM end it in order.
//
//     node examples/worker.js

import { createHash } from 'node:crypto'

import { connect } from 'cola-queue'

async function work(job) {
  return createHash('sha256').update(`job ${job.number}`).digest('hex').slice(0, 12)
}

const client = await connect({ client: 'worker' })
client.on('disconnected', (error) => console.error(`${error.message}; connecting again`))
client.on('reconnected', () => console.error('connected again'))
await client.declareQueue('jobs')

const jobs = client.consume('jobs', { prefetch: 8 })
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => jobs.close())

await Promise.all([1, 2, 3, 4].map(async () => {
  for await (const message of jobs) {
    try {
      console.log(message.offset, await work(message.json()))
      message.ack()
    } catch (error) {
      message.retry({ reason: error.stack }) // again in a second; after five attempts it is a dead letter
    }
  }
}))
await client.close()
