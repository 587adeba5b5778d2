// Adds jobs to a queue, fast: up to a thousand of them are on their way at a time.
//
//     node examples/producer.js 1000

import { connect } from 'cola-queue'

const count = Number(process.argv[2] ?? 100)
const client = await connect({ client: 'producer' })
try {
  await client.declareQueue('jobs')
  const publisher = client.publisher()
  for (let number = 0; number < count; number++) {
    await publisher.publish('jobs', JSON.stringify({ number }), { headers: { from: 'producer' } })
  }
  await publisher.flush() // throws if any was refused, and says which
  console.log(`${publisher.confirmed} jobs are confirmed`)
} finally {
  await client.close()
}
