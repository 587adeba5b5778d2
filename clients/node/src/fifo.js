/** First in, first out; unlike `Array.shift`, taking one out costs the same however many are in it. */
export class Fifo {
  #items = []
  #first = 0

  get length() {
    return this.#items.length - this.#first
  }

  get head() {
    return this.#items[this.#first]
  }

  push(item) {
    this.#items.push(item)
  }

  /** undefined: it is empty. */
  shift() {
    if (this.length === 0) return undefined
    const item = this.head
    this.#items[this.#first] = undefined
    this.#first += 1
    if (this.#first >= 512 && this.#first * 2 >= this.#items.length) this.clear(this.#items.slice(this.#first))
    return item
  }

  /** Takes all out, and puts `items` in. */
  clear(items = []) {
    const all = this.#items.slice(this.#first)
    this.#items = items
    this.#first = 0
    return all
  }
}
