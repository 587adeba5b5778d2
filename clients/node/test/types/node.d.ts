// As much of Node's own types as cola.d.ts needs, so that it is checked where @types/node cannot be had.

declare class Buffer extends Uint8Array {
  toString(encoding?: string): string
}

declare module 'node:events' {
  export class EventEmitter {
    on(event: string | symbol, listener: (...said: any[]) => void): this
    once(event: string | symbol, listener: (...said: any[]) => void): this
    off(event: string | symbol, listener: (...said: any[]) => void): this
  }
}
