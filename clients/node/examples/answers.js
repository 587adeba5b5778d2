// Asks and answers. The queue for the answers is the client's own affair.
//
//     node examples/answers.js answer               # in one terminal
//     node examples/answers.js ask 'hello there'    # in another

import { connect } from 'cola-queue'

const [task, question = 'hello'] = process.argv.slice(2)
const client = await connect({ client: `answers ${task}` })
await client.declareQueue('questions')
if (task === 'answer') {
  for await (const message of client.consume('questions')) {
    await message.reply(message.text().toUpperCase()) // confirmed before the question is gone
    message.ack()
  }
} else {
  const answer = await client.request('questions', question, { timeout: 10_000, ttl: 10_000 })
  console.log(answer.text())
  await client.close()
}
