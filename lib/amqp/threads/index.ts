/** The layer of threads: its face. */
export { connectShared, type SharedConnectionParameters } from './connect-shared.js';
export { connect } from './connect.js';
