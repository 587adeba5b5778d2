// What is to be written, gathered.

const SLAB = 65_536
// A body from this size on is handed to the socket as it is; smaller ones are copied beside their lines.
const LARGE = 16_384

/**
 * Gathers what the program asks for in one go and writes it together: small parts are copied once into one buffer.
 *
 * Acknowledgements of neighbours become one range, which goes out before anything that was asked for later.
 */
export class Outbox {
  #socket
  #slab = Buffer.alloc(0)
  #start = 0 // of what is not yet among the chunks
  #end = 0
  #chunks = []
  #size = 0
  #isScheduled = false
  #ackFirst
  #ackLast
  #ackNext // the delivery that would make the range longer

  constructor(socket) {
    this.#socket = socket
  }

  /** Lines as strings of one character a byte, and bodies as Uint8Arrays. */
  write(parts) {
    if (this.#ackFirst !== undefined) this.#writeAcks()
    for (const part of parts) this.#add(part)
    if (this.#size >= SLAB) this.flush()
    else this.#schedule()
  }

  ack(delivery) {
    if (delivery !== this.#ackNext || this.#ackFirst === undefined) {
      if (this.#ackFirst !== undefined) this.#writeAcks()
      this.#ackFirst = delivery
    }
    this.#ackLast = delivery
    this.#ackNext = typeof delivery === 'bigint' ? delivery + 1n : delivery + 1
    this.#schedule()
  }

  /** Writes what was gathered; else that happens when the program's turn is over. */
  flush() {
    if (this.#ackFirst !== undefined) this.#writeAcks()
    this.#cut()
    const chunks = this.#chunks
    this.#chunks = []
    this.#size = 0
    if (chunks.length === 0 || !this.#socket.writable) return
    if (chunks.length > 1) this.#socket.cork()
    for (const chunk of chunks) this.#socket.write(chunk)
    if (chunks.length > 1) this.#socket.uncork()
  }

  #writeAcks() {
    const [first, last] = [this.#ackFirst, this.#ackLast]
    this.#ackFirst = undefined
    this.#add(first === last ? `ack ${first}\n` : `ack ${first}-${last}\n`)
  }

  #add(part) {
    const size = part.length
    this.#size += size
    if (typeof part !== 'string' && size >= LARGE) {
      this.#cut()
      this.#chunks.push(part)
      return
    }
    if (this.#slab.length - this.#end < size) {
      this.#cut()
      this.#slab = Buffer.allocUnsafeSlow(Math.max(SLAB, size))
      this.#start = this.#end = 0
    }
    if (typeof part === 'string') this.#slab.latin1Write(part, this.#end)
    else this.#slab.set(part, this.#end)
    this.#end += size
  }

  #cut() {
    if (this.#end > this.#start) this.#chunks.push(this.#slab.subarray(this.#start, this.#end))
    this.#start = this.#end
  }

  #schedule() {
    if (this.#isScheduled) return
    this.#isScheduled = true
    process.nextTick(() => {
      this.#isScheduled = false
      this.flush()
    })
  }
}
