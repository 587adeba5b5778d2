export { connect } from './client.js'
export * from './errors.js'
