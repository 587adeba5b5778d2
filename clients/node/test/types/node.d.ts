// As much of Node's own types as cola.d.ts needs, so that it is checked where @types/node cannot be had.

declare class Buffer extends Uint8Array {
  toString(encoding?: string): string
}
